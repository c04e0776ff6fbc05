"""Records on disk: whole, cut off by a kill or a full disk, and where the output is no ordinary file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sinks_parts import boxes, ground, in_child, picture

from pipeline.errors import SinkError
from pipeline.records import read_records
from pipeline.report import write_report
from pipeline.sinks.jsonl import JsonlSink
from pipeline.trace import Trace


def test_records_are_one_line_a_frame(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "run.jsonl")
    for index in (0, 1, 5):
        sink.write(picture(index, boxes([1], [(3, 4, 20, 30)]), ground()))
    assert not (tmp_path / "run.jsonl").exists()
    sink.close(whole=True)
    assert [record.index for record in read_records(tmp_path / "run.jsonl")] == [0, 1, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["run.jsonl"]
    assert sink.notes == []


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("older\n")
    sink = JsonlSink(path)
    sink.write(picture())
    sink.close(whole=False)
    assert path.read_text() == "older\n"
    assert len(list(read_records(tmp_path / "run.partial.jsonl"))) == 1
    assert "run.partial.jsonl" in sink.notes[0]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "far" / "real.jsonl")
    sink = JsonlSink(tmp_path / "run.jsonl")
    sink.write(picture())
    sink.close(whole=True)
    assert (tmp_path / "run.jsonl").is_symlink()
    assert len(list(read_records(tmp_path / "far" / "real.jsonl"))) == 1


def test_a_device_that_is_full_keeps_nothing_and_claims_nothing() -> None:
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(SinkError, match="/dev/full cannot be written: No space left") as caught:
        sink.write(picture())
    assert "kept" not in caught.value.message
    sink.close(whole=False)
    assert sink.notes == []


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    first = JsonlSink(path)
    first.write(picture(0))
    for kind in (JsonlSink, Trace):
        with pytest.raises(SinkError, match=r"run\.jsonl is being written by another run"):
            kind(path)
    first.write(picture(1))
    first.close(whole=True)
    assert [record.index for record in read_records(path)] == [0, 1]
    JsonlSink(path).close(whole=True)  # the next one may
    assert path.read_bytes() == b""


@pytest.mark.parametrize("write", [write_report, lambda path, _: Trace(path).close()])
def test_what_is_no_ordinary_file_stays_what_it_is(
    tmp_path: Path, write: Callable[[Path, dict[str, int]], None]
) -> None:
    pipe, link, target = tmp_path / "pipe", tmp_path / "link.json", tmp_path / "target.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        write(pipe, {"frames": 1})
        assert pipe.is_fifo()
        assert json.loads(os.read(reader, 10_000))
    finally:
        os.close(reader)
    link.symlink_to(target)
    write(link, {"frames": 1})
    assert link.is_symlink()
    assert json.loads(target.read_bytes())
    assert sorted(tmp_path.iterdir()) == [link, pipe, target]


def test_a_killed_run_leaves_whole_lines(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from test_sinks_files import *
sink = JsonlSink(Path(sys.argv[1]))
for index in range(50):
    sink.write(picture(index, None, ground()))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert in_child(code, str(tmp_path / "run.jsonl")).returncode == -9
    assert [record.index for record in read_records(tmp_path / "run.part.jsonl")] == list(range(50))
    again = JsonlSink(tmp_path / "run.jsonl")  # as a service that is started anew does
    again.write(picture(0, None, ground()))
    again.close(whole=True)
    assert again.notes == [f"what an earlier run that was killed wrote is in {tmp_path / 'run.partial.jsonl'}"]
    assert [record.index for record in read_records(tmp_path / "run.partial.jsonl")] == list(range(50))
    assert [record.index for record in read_records(tmp_path / "run.jsonl")] == [0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here, the disk that is always full")
def test_a_full_disk_is_a_plain_error() -> None:
    sink = JsonlSink(Path("/dev/full"))
    with pytest.raises(SinkError, match="No space left") as raised:
        sink.write(picture())
    assert "free some space" in raised.value.hint
    sink.close(whole=False)
    assert Path("/dev/full").is_char_device()


def test_a_device_is_written_to_as_it_is() -> None:
    sink = JsonlSink(Path(os.devnull))
    sink.write(picture())
    sink.close(whole=True)
    assert not Path(os.devnull).is_file()


FILL = """
import resource, sys
from pathlib import Path
from test_sinks_files import *
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
sink = {sink}
written = 0
try:
    for index in range(1000):
        sink.write(picture(index, boxes([1], [(3, 4, 20, 30)]), ground()))
        written += 1
except SinkError as error:
    print(written, error)
sink.close(whole=False)
"""


def test_records_that_no_longer_fit_end_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text("older\n")
    child = in_child(FILL.format(sink="JsonlSink(Path(sys.argv[1]))"), str(path))
    assert child.returncode == 0, child.stderr
    written = int(child.stdout.split()[0])
    assert written > 3
    assert "cannot be written: File too large" in child.stdout
    assert len(list(read_records(tmp_path / "run.partial.jsonl"))) == written
    assert path.read_text() == "older\n"
