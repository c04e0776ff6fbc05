"""A configuration is strict, and says where it is wrong."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from command import dashmask

from pipeline.cli.config_comments import commented
from pipeline.config import Config
from pipeline.config_file import config_dirs, dump, load
from pipeline.errors import ConfigError

BOMB = tuple(pairwise("abcdefghij"))  # each holds the one before nine times


def test_what_is_printed_can_be_read_back(tmp_path: Path) -> None:
    config = load(sets=["render.alpha=0.7", "model=[a.onnx, b.onnx]", "render.blur=[person]", "source.frames=5"])
    assert config.render.alpha == 0.7
    assert config.model == ("a.onnx", "b.onnx")
    (tmp_path / "c.yaml").write_text(dump(config))
    assert load(str(tmp_path / "c.yaml")) == config


@pytest.mark.parametrize(
    "text",
    ["no", "#00ff00", "0123", "12e4", "1:30", "2026-11-29", "- a", "{a", "@x", "*x", "[x]", "a: b", "x "],
)
def test_where_text_is_wanted_set_takes_it_as_it_is_and_it_can_be_read_back(text: str, tmp_path: Path) -> None:
    config = load(sets=[f"render.ground={text}", f"output.save={text}"])
    assert (config.render.ground, config.output.save) == (text.strip(), text.strip())
    (tmp_path / "c.yaml").write_text(dump(config))
    assert load(str(tmp_path / "c.yaml")) == config


def test_nothing_is_still_nothing_where_that_is_allowed() -> None:
    for text in ("", "null", "~"):
        assert load(sets=["output.save=a.mp4", f"output.save={text}"]).output.save is None
    assert load(sets=["backend.name=null", "render.ground='#fff'"]).backend.name == "null"
    assert load(sets=["render.ground='#fff'"]).render.ground == "#fff"


def test_a_section_in_which_nothing_is_said_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("render:\n  # alpha: 0.3\nsource:\n  reconnect:\n  every: 2\n")
    config = load(str(tmp_path / "c.yaml"), ["render.alpha=0.7"])
    assert (config.source.every, config.render.alpha, config.source.reconnect) == (2, 0.7, Config().source.reconnect)


@pytest.mark.parametrize(("text", "value"), [("5e1", 50.0), ("1e-3", 0.001), ("2.5E+1", 25.0), (".5e2", 50.0)])
def test_a_number_may_have_an_exponent(tmp_path: Path, text: str, value: float) -> None:
    (tmp_path / "c.yaml").write_text(f"budget:\n  ms: {text}\n")
    assert load(sets=[f"budget.ms={text}"]).budget.ms == load(str(tmp_path / "c.yaml")).budget.ms == value


def test_nothing_said_is_the_defaults() -> None:
    assert load() == Config()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "render:\n  alhpa: 0.3\n",
            r"c\.yaml line 2: render\.alhpa: unknown key `alhpa` \(did you mean `alpha`\?\)",
        ),
        ("rendr:\n  alpha: 0.3\n", r"line 1: rendr: unknown key `rendr` \(did you mean `render`\?\)"),
        ("\nrender:\n  alpha: strong\n", r"line 3: render\.alpha: expected `float`, got `str`"),
        ("render:\n  blur: [person, 3]\n", r"line 2: render\.blur\[1\]: expected `str`, got `int`"),
        (
            "render:\n  view: sideways\n",
            r"line 2: render\.view: invalid enum value 'sideways' \(expected overlay, side-by-side, masks\)",
        ),
        ("model: a.onnx\n", r"line 1: model: expected `array`, got `str` \(give a list: \[one\]"),
        ("render: {alpha: 0.3}\nflow: {}\nrender: {}\n", r"c\.yaml line 3: `render` is there twice"),
        ("budget: {scales: []}\n", r"budget\.scales: expected `array` of length >= 1"),
        ("render: {", r"line 1: not YAML"),
        ("output:\n  save: no\n", r"line 2: output\.save: .*got `bool` \(put it in quotes"),
        ("render:\n  ground: #00ff00\n", r"line 2: render\.ground: .*got `null` \(put it in quotes"),
        ("output:\n  crf: 023\n", r"line 2: output\.crf: .*got `str` \(a number such as"),
        ("source:\n  frames: 1:30\n", r"line 2: source\.frames: .*got `str` \(a number such as"),
        ("a: &a\n  b: *a\n", r"nested too deeply"),
        ("model: " + "[" * 3000 + "]" * 3000, r"nested too deeply"),
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(f"{n}: &{n} [{','.join([f'*{m}'] * 9)}]\n" for m, n in BOMB),
            "too large",
        ),
        ("1: 2", r"c\.yaml: a key that is no text"),
        ("render: \x01", r"not YAML: unacceptable character .* not allowed$"),
        ("- render", r"expected keys such as `render:`, found a list"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_the_nearest_name(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load(str(tmp_path / "c.yaml"))


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ("render.alpha", "expected key=value"),
        ("render.alhpa=1", "did you mean `alpha`"),
        ("decode.conf=high", "decode.conf: expected `float`, got `str`"),
        ("source.start_s=.inf", "source.start_s: expected a finite number, got inf"),
        ("budget.scales=[1, .nan]", r"budget.scales\[1\]: expected a finite number, got nan"),
        ("model.x=1", "model: expected `array`, got `object`"),
        ("render.alpha.x=1", "expected `float`, got `object`"),
    ],
)
def test_a_wrong_set_is_named(pair: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(sets=[pair])


def test_a_missing_file_names_the_presets(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such configuration file.*presets are|did you mean"):
        load(str(tmp_path / "nowhere.yaml"))


def test_every_preset_is_read() -> None:
    presets = [p for folder in config_dirs() for p in folder.glob("*.yaml")]
    assert presets
    for preset in presets:
        load(str(preset))


def test_every_key_is_printed_with_what_it_does(tmp_path: Path) -> None:
    said = dashmask("config", "--set", "render.blur=[person, car]", "--set", "model=['a: b.onnx']")
    lines = [line for line in said.out.splitlines() if not line.lstrip().startswith("- ")]
    assert all(re.search(r"\w+:.*  # .{6,}", line) for line in lines), lines
    view = "  view: overlay  # colours over the picture, beside it, or alone (overlay, side-by-side or masks)"
    assert view in lines
    assert "  long_side: null  # pixels; null: the model's own, 640 for YOLO" in lines  # in YAML's words
    (tmp_path / "c.yaml").write_text(said.out)
    assert load(str(tmp_path / "c.yaml")) == load(sets=["render.blur=[person, car]", "model=['a: b.onnx']"])


def test_a_value_of_several_lines_is_printed_whole_and_without_comments(tmp_path: Path) -> None:
    config = load(sets=[r'output.save="a\nb: c.mp4"'])
    (tmp_path / "c.yaml").write_text(commented(config))
    assert load(str(tmp_path / "c.yaml")) == config
