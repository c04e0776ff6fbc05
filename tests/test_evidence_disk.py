"""A black box on a disk that is full, or is not there, and what is whole on it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from evidence_parts import folders, found, indices, picture, sink, times_s, why
from sinks_parts import in_child

from pipeline.evidence.shelf import Shelf


def test_the_oldest_goes_when_the_disk_is_full_of_evidence_and_nothing_else_does(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(bytes(3_000_000))
    for number in range(3):
        old = tmp_path / f"2020010{number}T000000.000Z-person"
        old.mkdir()
        (old / "why.json").write_text("{}")
        (old / "video.mp4").write_bytes(bytes(600_000))
    box = sink(tmp_path, "person", limit_mb=1)
    for index in range(30):
        box.write(picture(index, found((10, 10, 60, 60)) if index == 20 else None))
    box.close(True)
    assert [folder.name[:8] for folder in folders(tmp_path)][:-1] == ["20200102"]
    assert (tmp_path / "mine" / "photo.jpg").exists()
    assert any("2 older pieces of evidence removed" in note for note in box.notes)


def test_the_newest_stays_where_the_clock_was_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a clock of its own begins in 1970 with each start."""
    made = []
    for now_s in (1.7e9, 1.7e9 + 60, 10.0, 20.0):
        monkeypatch.setattr("time.time", lambda now_s=now_s: now_s)
        shelf = Shelf(tmp_path, 1_500_000)  # a new start each time
        folder, number = shelf.new("person")
        (folder / "why.json").write_text(json.dumps({"number": number}))
        (folder / "video.mp4").write_bytes(bytes(600_000))
        shelf.tidy(folder)
        made.append(folder)
    assert [folder.exists() for folder in made] == [False, False, True, True]


FULL = """
import resource, sys
from pathlib import Path
from evidence_parts import found, picture, sink
box = sink(Path(sys.argv[1]), "person", before_s=0.5, after_s=5, cooldown_s=0)
usual = resource.getrlimit(resource.RLIMIT_FSIZE)
for index in range(60):
    if index in (0, 40):  # later there is no room at all
        resource.setrlimit(resource.RLIMIT_FSIZE, (0 if index else 20_000, usual[1]))
    box.write(picture(index, found((0, 0, 9, 9)) if index in (3, 45) else None))
box.close(True)
print(box.notes)
"""


def test_what_a_full_disk_breaks_off_is_whole_up_to_there_and_no_empty_folder_is_left(tmp_path: Path) -> None:
    child = in_child(FULL, str(tmp_path / "e"))
    assert child.returncode == 0, child.stderr
    assert "could not be saved" in child.stdout
    (folder,) = (tmp_path / "e").iterdir()
    assert why(folder)["whole"] is False
    assert 3 < len(indices(folder)) < 60  # every line is one
    assert len(times_s(folder / "video.mp4")) > 3


def test_what_is_called_whole_is_on_the_disk_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happened may take the power along."""
    kept = []

    def fsync(descriptor: int) -> None:
        kept.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, why(folders(tmp_path)[0])["whole"]))

    monkeypatch.setattr(os, "fsync", fsync)
    box = sink(tmp_path, "person")
    for index in range(5):
        box.write(picture(index, found((0, 0, 9, 9)) if index == 2 else None))
    box.close(True)
    assert kept == [("video.mp4", False), ("records.jsonl", False)]
    assert why(folders(tmp_path)[0])["whole"] is True


def test_a_folder_that_cannot_be_written_does_not_end_the_run(tmp_path: Path) -> None:
    box = sink(tmp_path / "e", "person")
    (tmp_path / "e").rmdir()
    (tmp_path / "e").write_text("no folder")
    for index in range(30):
        box.write(picture(index, found((10, 10, 60, 60)) if index == 20 else None))
    box.close(True)
    assert any("could not be saved" in note for note in box.notes)


def test_a_folder_that_somebody_took_away_is_made_again(tmp_path: Path) -> None:
    box = sink(tmp_path / "e", "person", before_s=0.2, after_s=0.2, cooldown_s=0.1)
    for index in range(40):
        if index == 20:
            shutil.rmtree(tmp_path / "e")
        box.write(picture(index, found((0, 0, 9, 9)) if index % 20 == 10 else None))
    box.close(True)
    (why,) = (json.loads(path.read_text()) for path in (tmp_path / "e").glob("*/why.json"))
    assert (why["frame"], why["whole"]) == (30, True)
    assert box.news() == []


def test_what_cannot_be_kept_is_told_while_the_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "e"
    box = sink(folder, "person", before_s=0.2, after_s=0.2, cooldown_s=0.1)
    shutil.rmtree(folder)
    folder.write_text("a file is in its place")
    box.write(picture(0, found((0, 0, 9, 9))))
    (told,) = box.news()
    assert str(folder) in told
    assert "could not be saved" in told
    for index in range(1, 5):
        box.write(picture(index, found((0, 0, 9, 9)) if index % 2 else None))
    assert box.news() == []  # once is enough
    box.close(True)
