"""What may be written where, before anything is; the table of sinks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sinks_parts import in_child

from pipeline.errors import SinkError
from pipeline.sinks import SINKS, check_outputs, sink_class


def test_good_outputs_pass(tmp_path: Path) -> None:
    clip = tmp_path / "in.mp4"
    clip.touch()
    (tmp_path / "old.mp4").touch()
    check_outputs(clip, [tmp_path / "old.mp4", tmp_path / "run.jsonl"], [tmp_path / "a/b/masks", tmp_path])
    check_outputs("rtsp://camera/1", [tmp_path / "x.mp4"])
    check_outputs(None, [os.devnull])


@pytest.mark.parametrize(
    ("source", "files", "folders", "says"),
    [
        ("in.mp4", ["in.mp4"], [], "is what is read"),
        ("in.mp4", ["d/../in.mp4"], [], "is what is read"),
        ("in.mp4", ["link.mp4"], [], "is what is read"),
        ("in.mp4", ["none/out.mp4"], [], "there is no folder .*none"),
        ("in.mp4", ["d"], [], "is a folder"),
        ("in.mp4", ["in.mp4/out.mp4"], [], "there is no folder"),
        ("in.mp4", ["a.mp4", "d/../a.mp4"], [], "asked for twice"),
        ("in.mp4", ["x" * 300], [], "File name too long"),
        ("in.mp4", [], ["in.mp4"], "is a file, expected a folder"),
        ("in.mp4", [], ["in.mp4/masks"], "is a file, expected a folder"),
        ("in.mp4", [], ["m", "m"], "asked for twice"),
        ("d", [], ["d"], "is what is read"),
        ("d/*.png", [], ["d"], "is what is read"),
        ("d/000000.png", [], ["d"], "is what is read"),
    ],
)
def test_bad_outputs_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    files: list[str],
    folders: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "000000.png").touch()
    (tmp_path / "in.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    with pytest.raises(SinkError, match=says):
        check_outputs(source, files, folders)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights: run as root")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from pipeline.errors import SinkError
from pipeline.sinks import check_outputs
from pipeline.sinks.jsonl import JsonlSink
from pipeline.sinks.masks import MaskSink
from pipeline.sinks.pictures import PictureSink
folder = Path(sys.argv[1])
os.setuid(65534)
for attempt in (
    lambda: check_outputs(None, [folder / "o.mp4"]),
    lambda: check_outputs(None, [], [folder / "masks"]),
    lambda: JsonlSink(folder / "o.jsonl"),
    lambda: MaskSink(folder / "masks"),
    lambda: PictureSink(folder / "pictures"),
):
    try:
        attempt()
    except SinkError as error:
        print(error)
"""
    child = in_child(code, "/")
    assert len(child.stdout.splitlines()) == 5, child.stdout + child.stderr
    assert all(line.startswith("/") for line in child.stdout.splitlines())


def test_every_line_of_the_table_is_there() -> None:
    assert {name: sink_class(name).__name__ for name in SINKS} == {
        name: target.partition(":")[2] for name, target in SINKS.items()
    }
    with pytest.raises(KeyError):
        sink_class("tape")


def test_the_table_imports_nothing_heavy() -> None:
    code = "import sys, pipeline.sinks; print(*(m for m in ('cv2', 'av', 'numpy') if m in sys.modules))"
    assert in_child(code).stdout.strip() == ""
