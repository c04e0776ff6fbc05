"""The states of a source, its back-off and its gaps, with FFmpeg's drawn camera and sources that fail by a script."""

from __future__ import annotations

import itertools
import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from pipeline.config import Config, ReconnectConfig
from pipeline.errors import RefusedError, SourceError
from pipeline.image import Image
from pipeline.live.backoff import patience, waits_s
from pipeline.live.supervised import Supervised
from pipeline.record_lines import read_lines
from pipeline.records import encode_gap, encode_record, is_gap, read_records
from pipeline.running.capture import open_supervised
from pipeline.sinks.jsonl import JsonlSink
from pipeline.sources import open_source
from pipeline.types import Frame, Gap, Picture, Scene, SourceInfo

RULES = ReconnectConfig(first_wait_s=0.01, longest_wait_s=0.02, seed=7)
IMAGE = Image((np.zeros((8, 8, 3), np.uint8),), "bgr24")


class Scripted:
    """A source that gives so many frames and then ends as its script says."""

    live = True
    undecodable = 1

    def __init__(
        self, frames: int, end: Exception | None, time_base: Fraction = Fraction(1, 25), codec: str = "h264"
    ):
        self._frames, self._end, self._time_base = frames, end, time_base
        self.info = SourceInfo("a camera", (8, 8), 25, live=True, codec=codec)

    def __enter__(self) -> Iterator[Frame]:
        if not self._frames and self._end is not None:
            raise self._end
        return self._give()

    def _give(self) -> Iterator[Frame]:
        for index in range(self._frames):
            yield Frame(index, index * 10, self._time_base, time.monotonic(), IMAGE)
            time.sleep(0.002)
        if self._end is not None:
            raise self._end

    def __exit__(self, *error: object) -> None:
        pass


def supervised(script: Sequence[Scripted], rules: ReconnectConfig | None = RULES) -> Supervised:
    turn = iter(script)
    return Supervised(lambda: next(turn), rules)


def frames_of(source: Supervised) -> list[Frame]:
    with source as opened:
        return list(opened)


LOST = SourceError("a camera was lost: nothing came")


def test_waits_double_up_to_the_longest_and_jitter_is_seeded() -> None:
    rules = ReconnectConfig(first_wait_s=1, longest_wait_s=6, jitter=0)
    assert list(itertools.islice(waits_s(rules, random.Random(0)), 5)) == [1, 2, 4, 6, 6]
    rules = msgspec.structs.replace(rules, jitter=0.5)
    first = list(itertools.islice(waits_s(rules, random.Random(3)), 50))
    assert first == list(itertools.islice(waits_s(rules, random.Random(3)), 50))
    assert all(0.5 * due <= wait <= 1.5 * due for wait, due in zip(first, [1, 2, 4, *[6] * 47], strict=True))
    assert len(set(first[4:])) > 40


def test_what_may_mend_itself_is_tried_longer_than_what_refuses() -> None:
    rules = ReconnectConfig(attempts=10, refused_attempts=3)
    assert patience(rules, refused=False, gave_frames=False) == 10
    assert patience(rules, refused=True, gave_frames=True) == 3
    assert patience(rules, refused=True, gave_frames=False) == 0
    assert patience(msgspec.structs.replace(rules, attempts=None), refused=False, gave_frames=True) is None
    assert patience(None, refused=False, gave_frames=True) == 0


def test_frames_and_times_go_on_over_a_reconnection_with_another_time_base() -> None:
    source = supervised([Scripted(5, LOST), Scripted(0, LOST), Scripted(5, None, Fraction(1, 1000))])
    frames = frames_of(source)
    assert [frame.index for frame in frames] == list(range(10))
    assert {frame.time_base for frame in frames} == {Fraction(1, 25)}
    assert all(later.pts > earlier.pts for earlier, later in itertools.pairwise(frames))
    (gap,) = source.gaps_before(5)
    assert gap.from_pts_s == frames[4].pts_s
    assert gap.seconds == pytest.approx(frames[5].captured_s - frames[4].captured_s)
    assert gap.reason == LOST.message
    assert frames[5].pts_s - frames[4].pts_s == pytest.approx(gap.seconds, abs=0.04)
    assert [frame.gaps for frame in frames] == [0] * 5 + [1] * 5
    assert source.gaps_before(9) == ()  # told once
    assert [state.state for state in source.changes()] == [
        *("connecting", "live", "lost", "connecting", "lost", "connecting", "live", "ended")
    ]
    assert source.undecodable == 3


def test_attempts_are_counted_from_the_last_frame() -> None:
    rules = msgspec.structs.replace(RULES, attempts=2)
    script = [Scripted(1, LOST), Scripted(0, LOST), Scripted(1, LOST), Scripted(0, LOST), Scripted(0, LOST)]
    source = supervised(script, rules)
    frames = []
    with pytest.raises(SourceError, match="given up after 2 attempts"), source as opened:
        frames.extend(opened)
    assert source.frames == 2
    assert source.state.state == "ended"
    assert source.state.gaps == 1


def test_a_refusal_ends_at_once_or_after_some_tries_where_there_were_frames() -> None:
    refused = RefusedError("a camera refuses the password")
    with pytest.raises(RefusedError) as caught:
        frames_of(supervised([Scripted(0, refused)]))
    assert caught.value is refused
    with pytest.raises(RefusedError, match="given up after 3 attempts"):
        frames_of(supervised([Scripted(1, LOST), *[Scripted(0, refused)] * 3]))


def test_a_camera_that_is_slow_by_nature_is_not_stalled_between_any_two_frames() -> None:
    class Slow(Scripted):
        def _give(self) -> Iterator[Frame]:
            for frame in super()._give():
                yield frame
                time.sleep(0.25)  # twice as long as any of the 25 a second that it states may take

    source = Supervised(lambda: Slow(5, None), RULES, stalled_s=0.01)
    states: list[str] = []
    with source as opened:
        for frame in opened:
            if frame.index < 2:
                continue
            watching = threading.Timer(0.2, lambda: states.append(source.state.state))
            watching.start()
    watching.join()
    assert states == ["live"] * 3
    assert source.state.state == "ended"


def test_a_defect_is_not_taken_for_a_lost_source() -> None:
    with pytest.raises(ZeroDivisionError):
        frames_of(supervised([Scripted(2, ZeroDivisionError()), Scripted(2, None)]))


def test_without_rules_an_error_is_the_end() -> None:
    with pytest.raises(SourceError) as caught:
        frames_of(supervised([Scripted(2, LOST), Scripted(2, None)], None))
    assert caught.value is LOST


def test_another_codec_is_told_when_it_comes_back() -> None:
    source = supervised([Scripted(2, LOST), Scripted(2, None, codec="hevc")])
    frames_of(source)
    assert [state.reason for state in source.changes() if state.state == "live"][1] == (
        "a camera came back as 8x8 hevc, it was 8x8 h264"
    )


def test_a_stop_ends_a_wait_at_once() -> None:
    source = supervised([Scripted(1, LOST)], msgspec.structs.replace(RULES, first_wait_s=60, longest_wait_s=60))
    threading.Timer(0.1, source.stopping.set).start()
    assert len(frames_of(source)) == 1
    assert source.state.state == "ended"


def test_a_drawn_camera_that_ends_is_over_and_one_that_shall_reconnect_does() -> None:
    spec = "lavfi:testsrc=size=64x48:rate=50:duration=0.1"
    with pytest.raises(SourceError, match="the drawing ended"):
        frames_of(open_supervised(spec, Config()))
    rules = msgspec.structs.replace(RULES, enabled=True)
    again = Config(source=msgspec.structs.replace(Config().source, reconnect=rules))
    with open_supervised(spec, again) as opened:
        frames = [frame for frame, _ in zip(opened, range(12), strict=False)]
    assert [frame.index for frame in frames] == list(range(12))


def test_a_recording_is_passed_on_as_it_is(clip: Path) -> None:
    with open_source(str(clip)) as opened:
        plain = [(frame.index, frame.pts, frame.time_base) for frame in opened]
    source = open_supervised(str(clip), Config())
    assert [(frame.index, frame.pts, frame.time_base) for frame in frames_of(source)] == plain
    assert [state.state for state in source.changes()] == ["connecting", "live", "ended"]
    assert source.info.frames == 25


def test_a_recording_begun_ahead_gives_the_same_frames_and_counts_as_taken_when_it_is_read(clip: Path) -> None:
    with open_source(str(clip)) as opened:
        plain = [(frame.index, frame.pts, frame.time_base) for frame in opened]
    source = open_supervised(str(clip), Config())
    source.begin()
    time.sleep(0.05)
    asked_s = time.monotonic()
    frames = frames_of(source)
    assert frames[0].captured_s >= asked_s
    assert [(frame.index, frame.pts, frame.time_base) for frame in frames] == plain
    assert [state.state for state in source.changes()] == ["connecting", "live", "ended"]


def test_what_goes_wrong_ahead_is_said_when_the_source_is_entered_and_not_tried_again() -> None:
    broken = Scripted(0, SourceError("a recording is broken"))
    broken.live = False
    source = supervised([broken], rules=None)
    source.begin()
    with pytest.raises(SourceError, match="is broken"):
        frames_of(source)
    assert source.state.state == "ended"


def test_a_recording_without_a_frame_that_was_begun_ahead_has_none() -> None:
    empty = Scripted(0, None)
    empty.live = False
    source = supervised([empty], rules=None)
    source.begin()
    assert frames_of(source) == []


def test_a_recording_begun_ahead_is_closed_though_nobody_entered_it(clip: Path) -> None:
    def is_open() -> bool:
        return str(clip) in [file.path for file in psutil.Process().open_files()]

    source = open_supervised(str(clip), Config())
    source.begin()
    assert is_open()
    source.__exit__()
    assert not is_open()


# gaps in the records


def scene(index: int, gaps: tuple[Gap, ...] = ()) -> Scene:
    return Scene(Frame(index, index, Fraction(1, 25), 0.0, IMAGE), gaps=gaps)


def test_a_gap_stands_between_the_records_and_readers_pass_over_it(tmp_path: Path) -> None:
    path, gap = tmp_path / "o.jsonl", Gap(0.04, 3.25, 'rtsp://***@camera "1" was lost')
    sink = JsonlSink(path, timing=False)
    for one in (scene(0), scene(1), scene(2, (gap,)), scene(3)):
        sink.write(Picture(one, None))
    sink.close(True)
    lines = path.read_bytes().splitlines(keepends=True)
    assert [is_gap(line) for line in lines] == [False, False, True, False, False]
    assert lines[2] == encode_gap(gap)
    assert lines[3] == encode_record(scene(2), timing=False)  # the record itself is as it always was
    assert [record.index for record in read_records(path)] == [0, 1, 2, 3]
    assert [line.frame for line in read_lines(path)] == [0, 1, 2, 3]
    assert json.loads(lines[2]) == {"gap": {"from_pts_s": 0.04, "seconds": 3.25, "reason": gap.reason}}
