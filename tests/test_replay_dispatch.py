"""What is handed out and what follows from what comes back: nothing is lost, nothing is done twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import dashmask

from pipeline.errors import SinkError
from pipeline.replay.dispatch import Dispatch
from pipeline.replay.identity import difference
from pipeline.replay.joining import join_masks, publish
from pipeline.replay.ledger import Ledger
from pipeline.replay.naming import Clip
from pipeline.replay.replay import sweep
from pipeline.replay.report import replay_report
from pipeline.replay.tasks import Done, Failed, Layout, Split, Task, copies
from pipeline.sources.segment import Span

DONE = Done(10, 20, "", 0.5)
SPANS = (Span(0, 10, 0, 10, "a"), Span(10, None, 10, 10, "b"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(tmp_path / "m.sqlite")
    made.add(Clip(f"{name}.mp4", f"/in/{name}.mp4") for name in "abc")
    yield made
    made.close()


def dispatch(ledger: Ledger, tmp_path: Path, retries: int = 2) -> Dispatch:
    return Dispatch(ledger, Layout(str(tmp_path), "run"), retries, True, lambda counts: None)


def tasks(of: Dispatch) -> list[Task]:
    return list(iter(of.next, None))


def states(ledger: Ledger) -> dict[str, tuple[str, str, int]]:
    return {name: rest for name, *rest in map(list, ledger.rows("SELECT name, state, reason, tries FROM clips"))}  # type: ignore[misc]


def wrote(task: Task, tmp_path: Path) -> Task:
    part = Path(Layout(str(tmp_path), "run").part(task.id, task.number))
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    return task


def test_every_clip_is_handed_out_once(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    given = tasks(of)
    assert [(task.clip.name, task.kind, task.may_split) for task in given] == [
        (f"{name}.mp4", "clip", True) for name in "abc"
    ]
    for task in given:
        of.took(task, DONE, "w")
    assert of.next() is None
    assert (of.counts.clips, of.counts.frames) == (3, 30)
    assert tasks(dispatch(ledger, tmp_path)) == []


def test_a_failure_is_tried_again_so_often_and_then_recorded(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    first = tasks(of)[0]
    of.lost(first, "the worker died of it")
    of.took(tasks(of)[0], Failed("out of memory", again=True), "w")
    assert of.next() == first
    of.took(first, Failed("out of memory again", again=True), "w")
    assert of.next() is None
    assert states(ledger)["a.mp4"] == ["failed", "out of memory again", 3]
    ledger.try_again()
    assert [task.clip.name for task in tasks(dispatch(ledger, tmp_path))] == ["a.mp4", "b.mp4", "c.mp4"]


def test_a_broken_clip_is_not_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    of.took(tasks(of)[1], Failed("b.mp4 is cut off", again=False), "w")
    assert of.next() is None
    assert states(ledger)["b.mp4"] == ["failed", "b.mp4 is cut off", 1]


def test_segments_are_joined_once_all_are_there(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    of.took(tasks(of)[0], Split(SPANS), "w")
    first, second = tasks(of)
    assert [(task.kind, task.span) for task in (first, second)] == [("segment", span) for span in SPANS]
    of.took(wrote(second, tmp_path), DONE, "w")
    assert of.next() is None
    # The driver dies here; the next one knows what is whole.
    of = dispatch(ledger, tmp_path)
    assert [task for task in tasks(of) if task.kind != "clip"] == [first]
    of.took(wrote(first, tmp_path), DONE, "w")
    (join,) = tasks(of)
    assert (join.kind, join.number) == ("join", 2)
    of.took(join, Done(20, 40, "sha", 0.1), "w")
    assert states(ledger)["a.mp4"][0] == "done"
    assert not (tmp_path / "parts" / "1").exists()
    assert of.counts.frames == 10  # of this run; a join adds none


def test_a_segment_whose_file_is_gone_is_done_again(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    of.took(tasks(of)[0], Split(SPANS), "w")
    for task in tasks(of):
        of.took(wrote(task, tmp_path), DONE, "w")
    (tmp_path / "parts" / "1" / "1.parquet").unlink()
    again = [task for task in tasks(dispatch(ledger, tmp_path)) if task.kind != "clip"]
    assert [(task.kind, task.number) for task in again] == [("segment", 1)]


def test_a_clip_that_was_done_and_is_gone_counts_for_nothing(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    given = tasks(of)
    for task in given:
        of.took(task, DONE, "w")
    ledger.try_again([given[0].id])  # its file was removed
    identity = dict.fromkeys(("schema", "models", "versions"))
    assert replay_report(ledger, identity, of.counts, 1, True)["frames"] == 20
    again = dispatch(ledger, tmp_path)
    (task,) = tasks(again)
    again.took(task, Failed("gone for good", again=False), "w")
    what = replay_report(ledger, identity, again.counts, 1, False)
    assert (what["frames"], what["rows"]) == (20, 40)
    assert what["clips"] == {"all": 3, "done": 2, "failed": 1, "waiting": 0}


def test_a_clip_that_cannot_be_cut_after_all_is_read_in_one_piece(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    of.took(tasks(of)[0], Split(SPANS), "w")
    first, second = tasks(of)
    of.took(first, Failed("gives 9 frames, its index says 10", again=False, in_one_piece=True), "w")
    of.took(wrote(second, tmp_path), DONE, "w")  # it was under way: nobody wants it
    (whole,) = tasks(of)
    assert (whole.kind, whole.may_split) == ("clip", False)
    assert states(ledger)["a.mp4"][0] == "waiting"
    fresh = tasks(dispatch(ledger, tmp_path))
    assert [task.may_split for task in fresh] == [False, True, True]


def test_a_segment_that_fails_takes_its_clip_along_once(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path, retries=0)
    of.took(tasks(of)[0], Split(SPANS), "w")
    first = of.next()
    assert first is not None
    of.took(first, Failed("no", again=True), "w")
    assert of.next() is None  # the other segment is not handed out any more
    assert (of.counts.clips, of.counts.failed) == (1, 1)


def test_a_full_disk_stops_it_instead_of_failing_every_clip(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    with pytest.raises(SinkError, match=r"no space left.*--resume"):
        of.took(tasks(of)[0], Failed("no space left", again=False, stop=True), "w")
    assert states(ledger)["a.mp4"][0] == "waiting"


def test_a_data_set_that_was_moved_away_is_not_written_on(ledger: Ledger, tmp_path: Path) -> None:
    of = dispatch(ledger, tmp_path)
    first, second, _ = tasks(of)
    of.took(first, DONE, "w")
    (tmp_path / "m.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with pytest.raises(SinkError, match="is gone: was its folder moved or removed"):
        of.took(second, DONE, "w")
    assert states(ledger)["b.mp4"][0] == "waiting"


def test_a_disk_that_takes_no_more_of_the_manifest_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="no pyarrow here: install the extra `replay`")

    def full(*arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Ledger, "add", full)
    said = dashmask("replay", tmp_path, "--out", tmp_path / "out")
    assert said.code == 2
    assert "manifest.sqlite cannot be written: database or disk is full\n  hint: " in said.err
    assert not (tmp_path / "out").exists()


def test_what_a_killed_run_was_at_is_swept_and_whole_segments_stay(tmp_path: Path) -> None:
    killed, now = (Layout(str(tmp_path), run) for run in ("0ab1", "now"))
    fetched = copies(killed) / "clip.mp4"
    for file in (fetched, Path(killed.scratch, "rows.parquet"), Path(killed.part(1, 0))):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    sweep(now)
    assert not copies(killed).exists()
    assert not Path(killed.scratch).exists()
    assert Path(killed.part(1, 0)).exists()


def test_rows_get_their_name_once_they_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    (tmp_path / "part").write_bytes(b"rows")
    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(SinkError, match="Input/output error"):
        publish(tmp_path / "part", tmp_path / "final")
    assert not (tmp_path / "final").exists()


def test_masks_are_joined_on_a_drive_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # exFAT

    monkeypatch.setattr("os.link", refused)
    layout = Layout(str(tmp_path), "run")
    for number in range(2):
        folder = Path(layout.part_masks(1, number), "labels")
        folder.mkdir(parents=True)
        (folder / f"{number}.png").write_bytes(b"png")
    join_masks(Task(1, Clip("a.mp4", "/in/a.mp4"), "join", number=2), layout, tmp_path / "whole")
    assert sorted(file.name for file in Path(layout.masks("a.mp4"), "labels").iterdir()) == ["0.png", "1.png"]
    assert Path(layout.part_masks(1, 0), "labels", "0.png").exists()


def test_two_drivers_do_not_share_a_manifest(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="another replay"):
        Ledger(tmp_path / "m.sqlite")
    (tmp_path / "n.sqlite").write_bytes(b"no database, but long enough to be one" * 99)
    with pytest.raises(SinkError, match="damaged"):
        Ledger(tmp_path / "n.sqlite")


def test_the_first_difference_is_named() -> None:
    mine = {"schema": 1, "models": [{"sha256": "a"}], "options": {"decode": {"conf": 0.25}}}
    assert difference(mine, mine) == ""
    assert difference({**mine, "schema": 2, "models": []}, mine) == "its schema is 2, here it is 1"
    assert difference({**mine, "models": [{"sha256": "b"}]}, mine) == 'its models[0].sha256 is "b", here it is "a"'
