"""Which source a name stands for, and with what settings."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from clip_readers import read
from clips import write_clip

from pipeline.errors import SourceError
from pipeline.sources import SOURCES, SourceOptions


@pytest.mark.parametrize("kind", SOURCES, ids=lambda kind: kind.reader)
def test_every_line_of_the_table_names_a_class_that_exists(kind: object) -> None:
    module, name = kind.reader.split(":")  # type: ignore[attr-defined]
    assert isinstance(getattr(importlib.import_module(module), name), type)


def test_a_name_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "odd[1].mp4").touch()
    for spec, reader in {
        "clip.mp4": "File",
        "a:b.mp4": "File",
        str(tmp_path / "odd[1].mp4"): "File",
        "demo.mp4": "File",
        "0": "Camera",
        "/dev/video2": "Camera",
        "lavfi:testsrc": "Camera",
        "RTSP://camera/1": "Network",
        "http://host/clip.mp4": "Network",
        "udp://@:5000": "Network",
        str(tmp_path): "Images",
        "drive/*.png": "Images",
        "a.JPG": "Images",
        "demo": "Demo",
        "demo:seed=3": "Demo",
    }.items():
        kind = next(kind for kind in SOURCES if kind.matches(spec))
        assert kind.reader.endswith(f":{reader}"), spec


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4").rename("drive 12:30.mp4")
    assert len(read("drive 12:30.mp4")) == 20


def test_the_settings_of_a_demo_are_read() -> None:
    kind = SOURCES[0]
    settings = kind.arguments("demo:seed=3,frames=100,size=1280x720,fps=12.5", SourceOptions())
    assert settings == {"seed": 3, "frames": 100, "size_hw": (720, 1280), "fps": 12.5}
    assert kind.arguments("demo", SourceOptions()) == {}
    assert kind.arguments("demo:seed=0", SourceOptions(fps=5)) == {"seed": 0, "fps": 5}
    for spec, says in {
        "demo:sed=3": "seed",
        "demo:size=1280": "1280",
        "demo:size=0x4": "0x4",
        "demo:frames=0": "frames",
        "demo:frames=-1": "frames",
        "demo:fps=0.0": "fps",
        "demo:seed": "seed",
        "demo:seed=x": "seed",
    }.items():
        with pytest.raises(SourceError, match=says):
            kind.arguments(spec, SourceOptions())
