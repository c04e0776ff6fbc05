"""A source that breaks, freezes and changes, from a real RTSP server that is killed and started again."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from clips import read_bars
from rtsp_camera import RtspCamera
from rtsp_clips import RULES, SECRET, numbered
from rtsp_process import missing

from pipeline.config import ReconnectConfig
from pipeline.errors import RefusedError, SourceError
from pipeline.live.state import SourceState
from pipeline.live.supervised import Supervised
from pipeline.sources import SourceOptions, open_source
from pipeline.types import Frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many seconds of numbered pictures, 128x96."""
    if why := missing():
        pytest.skip(why)
    return numbered(tmp_path_factory.mktemp("rtsp") / "clip.mp4")


def watched(
    address: str, rules: ReconnectConfig = RULES, read_timeout_s: float = 0.6, stalled_s: float = 0.25
) -> Supervised:
    options = SourceOptions(open_timeout_s=3, read_timeout_s=read_timeout_s)
    return Supervised(lambda: open_source(address, options), rules, stalled_s)


def read(source: Supervised, frames: int, at: dict[int, Callable[[], object]] | None = None) -> list[Frame]:
    """So many frames; at some of them something happens."""
    got = []
    with source as opened:
        for frame in opened:
            got.append(frame)
            if at and frame.index in at:
                at[frame.index]()
            if len(got) == frames:
                break
    assert [frame.index for frame in got] == list(range(len(got)))
    assert all(later.pts > earlier.pts and later.captured_s >= earlier.captured_s for earlier, later in pairwise(got))
    return got


def after(seconds: float, do: Callable[[], object]) -> None:
    threading.Timer(seconds, do).start()


def states(source: Supervised) -> list[str]:
    """The states it went through, each change once."""
    return [state.state for state in source.changes()]


def test_a_camera_that_was_killed_comes_back_and_its_frames_count_on(clip: Path) -> None:
    with RtspCamera(clip) as camera:
        source = watched(camera.address(f"admin:{SECRET}"))

        def restart() -> None:
            camera.kill()
            after(0.5, camera.start)

        frames = read(source, 80, {30: restart})
        told = source.changes()
    assert [state.state for state in told][:3] == ["connecting", "live", "lost"]
    assert told[-2].state == "live"
    assert told[-2].gaps == 1
    assert told[-1].state == "ended"
    assert SECRET not in repr(told)
    (gap,) = source.gaps_before(79)
    behind = next(later for earlier, later in pairwise(frames) if later.pts_s - earlier.pts_s > 0.4)
    assert behind.pts_s - gap.from_pts_s == pytest.approx(gap.seconds, abs=0.01)
    assert 0.5 < gap.seconds < 8
    assert "was lost after" in gap.reason
    numbers = [read_bars(frame.image.bgr()) for frame in frames]
    assert numbers[: behind.index] == list(range(numbers[0], numbers[0] + behind.index))
    rest = numbers[behind.index :]
    assert rest == list(range(rest[0], rest[0] + len(rest)))  # no picture was made up, none came twice


def test_a_camera_that_freezes_is_stalled_then_lost_and_live_when_it_thaws(clip: Path) -> None:
    with RtspCamera(clip) as camera:
        source = watched(camera.address())
        seen: list[SourceState] = []
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.02):
                seen.extend(source.changes())

        looking = threading.Thread(target=look)
        looking.start()

        def freeze() -> None:
            camera.freeze()
            after(2.0, camera.thaw)

        read(source, 70, {30: freeze})
        done.set()
        looking.join()
    states = [state.state for state in seen]
    first = states.index("stalled")
    assert states[first - 1] == "live"
    assert "lost" in states[first:]
    assert "live" in states[first:]
    assert "nothing came for 0.25 s" in seen[first].reason
    assert any("nothing came for 0.6 s" in state.reason for state in seen if state.state == "lost")


def test_a_pause_shorter_than_the_time_out_is_a_stall_and_no_gap(clip: Path) -> None:
    with RtspCamera(clip) as camera:
        source = watched(camera.address(), read_timeout_s=3)

        def freeze() -> None:
            camera.freeze()
            after(0.5, lambda: (halfway.append(source.state), camera.thaw()))

        halfway: list[SourceState] = []
        frames = read(source, 60, {30: freeze})
    assert halfway[0].state == "stalled"
    assert source.gaps_before(60) == ()
    numbers = [read_bars(frame.image.bgr()) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 60))  # all came, late


def test_a_wrong_password_ends_at_once_and_one_that_was_changed_after_some_tries(clip: Path) -> None:
    with RtspCamera(clip, "admin", SECRET) as camera:
        source = watched(camera.address("admin:nonsense"))
        with pytest.raises(RefusedError, match="refuses the user name or the password") as caught:
            read(source, 1)
        assert "attempts" not in caught.value.message
        assert "nonsense" not in str(caught.value)
        assert source.state.state == "ended"

        source = watched(camera.address(f"admin:{SECRET}"))

        def change_it() -> None:
            camera.kill()
            camera.login = ["admin", "another"]
            camera.start()

        with pytest.raises(RefusedError, match="given up after 3 attempts"):
            read(source, 500, {10: change_it})
    assert SECRET not in repr(source.changes())


def test_a_path_that_is_not_there_is_not_asked_for_again(clip: Path) -> None:
    with RtspCamera(clip) as camera, pytest.raises(RefusedError, match="404") as caught:
        read(watched(camera.address().replace("/clip", "/other")), 1)
    assert "attempts" not in caught.value.message


def test_one_that_never_answers_is_given_up_after_as_many_attempts_as_configured() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    source = watched(f"rtsp://127.0.0.1:{port}/clip", msgspec.structs.replace(RULES, attempts=4))
    with pytest.raises(SourceError, match="given up after 4 attempts"):
        read(source, 1)
    assert states(source) == ["connecting", "lost"] * 3 + ["connecting", "ended"]


def test_a_wait_before_the_next_attempt_ends_with_the_run() -> None:
    source = watched("rtsp://127.0.0.1:9/clip", msgspec.structs.replace(RULES, first_wait_s=60, longest_wait_s=60))
    after(0.3, source.stopping.set)
    began_s = time.monotonic()
    assert read(source, 1) == []
    assert time.monotonic() - began_s < 20
    assert source.state.state == "ended"
