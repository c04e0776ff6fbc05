"""Options that several commands share: each sets a key that the configuration has."""

from __future__ import annotations

import inspect
import re
import runpy
import sys

import pytest
from command import dashmask
from typer.main import get_command

import pipeline
from pipeline.cli.app import app
from pipeline.cli.options import KEYS, Given, configured
from pipeline.config_file import load

SAID = {"model": ["m.onnx"], "unverified": True, "imgsz": 320, "start": 1.5, "frames": 3, "fps": 5.0, "conf": 0.4}


@pytest.mark.parametrize("name", KEYS)
def test_every_line_of_the_table_sets_its_key(name: str) -> None:
    value = KEYS[name].value(SAID.get(name, "onnxruntime-cpu"))
    given = Given(None, (), {KEYS[name].key: value})
    section, _, field = KEYS[name].key.partition(".")
    found = getattr(given.config(), section)
    assert (getattr(found, field) if field else found) == value
    assert given.config() != load()


def test_a_command_gets_what_was_said_and_nothing_else() -> None:
    told: list[Given] = []

    @configured("model", "unverified", "frames")
    def command(*, name: str, given: Given, last: int = 1) -> None:
        told.append(given)

    assert list(inspect.signature(command).parameters) == [
        "name", "model", "unverified", "frames", "last", "config", "set"
    ]  # fmt: skip
    command(name="a", model=None, unverified=False, frames=None, last=2, config=None, set=None)
    assert told[0].config() == load()
    command(name="a", model=["x"], unverified=True, frames=2, last=2, config=None, set=["decode.conf=0.3"])
    whole = told[1].config({"decode.conf": 0.9, "decode.iou": 0.6}, {"source.every": 4})
    assert (whole.model, whole.backend.unverified, whole.source.frames) == (("x",), True, 2)
    assert (whole.decode.conf, whole.decode.iou, whole.source.every) == (0.3, 0.6, 4)


@pytest.mark.parametrize(
    ("command", "option"), [("replay", "--out"), ("eval", "--dataset"), ("export-predictions", "--write")]
)
def test_help_marks_what_a_command_cannot_do_without(command: str, option: str) -> None:
    (line,) = (line for line in dashmask(command, "--help").out.splitlines() if f" {option} " in line and "│" in line)
    assert line.split()[:3] == ["│", "*", option]
    assert option in dashmask(command).err


def test_help_shows_the_shared_options_of_every_command_that_has_them() -> None:
    assert app.registered_commands
    for command in ("run", "eval", "stability", "export-predictions"):
        said = dashmask(command, "--help").out
        assert all(
            word in said for word in ("--model", "-m", "--backend", "--require", "--imgsz", "--config", "--set")
        )


def test_the_defaults_that_help_names_are_those_of_the_configuration() -> None:
    keys = {
        "start": "source.start_s", "every": "source.every", "conf": "decode.conf", "iou": "decode.iou",
        "carry": "track.carry", "colour_by": "render.colour_by", "view": "render.view", "ground": "render.ground",
        "mask_ids": "output.mask_ids",
    }  # fmt: skip
    commands = get_command(app).commands  # type: ignore[attr-defined]
    named = set()
    for command in ("run", "replay"):
        for option in commands[command].params:
            if option.name in keys and (said := re.search(r"Default: (\S+)\.$", option.help)):
                section, _, field = keys[option.name].partition(".")
                assert load(sets=[f"{section}.{field}={said[1]}"]) == load(), (command, option.name)
                named.add(option.name)
    assert named == set(keys)


def test_python_m_pipeline_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["pipeline", "--version"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("pipeline", run_name="__main__")
    assert (stop.value.code, capsys.readouterr().out) == (0, f"dashmask {pipeline.__version__}\n")
