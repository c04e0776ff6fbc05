"""Each frame's way through the threads, for Perfetto or chrome://tracing.

The Trace Event Format in its array form ("Trace Event Format", Google 2016): slices `X` for the work of a stage, one
track a worker, and for what a GPU did; arrows `s t f` from stage to stage of one frame; spans `b e`, which overlap,
for a frame's whole way and the waits in it; marks `i` where frames were dropped. The array may end without its
bracket, so a run that was killed leaves a trace that opens.

Times are those of time.monotonic(), in microseconds: never negative, which Perfetto leaves out, and the same for all
sources of a run. All ways bear one name, as Perfetto gives each name a row of its own; the frame is in `args`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from pipeline.errors import SinkError
from pipeline.sinks.outputs import PartFile
from pipeline.types import Frame

Event = dict[str, Any]

_PROCESS = 1
_FRAMES = 0  # track of what belongs to no stage
_MOST_LANES = 1000  # tracks of a stage


class Trace:
    """Writes a trace while frames come out, in their order; a context manager.

    Args:
        path: of the file; written under a temporary name until `close`.

    Raises:
        SinkError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, PartFile(path)
        self._lanes: dict[str, list[tuple[int, float]]] = {}  # stage -> number and last end of each of its tracks
        self._before = b"\n"  # an event; a pipe, which may be written to as well, takes no comma back
        self._dropped: dict[str, int] = {}
        self._file: BinaryIO
        try:
            self._file = self._part.path.open("wb")
            self._file.write(b"[")
        except OSError as error:
            raise self._unwritable(error) from error
        self._put([_named("process_name", _FRAMES, "dashmask"), _named("thread_name", _FRAMES, "frames")])

    def add(self, frame: Frame, done_s: float, dropped: Mapping[str, int]) -> None:
        """A frame that came out.

        Args:
            frame: with its stamps.
            done_s: time.monotonic() when it was out.
            dropped: frames lost up to it, by cause.
        """
        spans = sorted(frame.stamps.spans.items(), key=lambda item: item[1])
        about = {"frame": frame.index, "pts_s": frame.pts_s} | ({"carried": frame.carried} if frame.carried else {})
        own = {"local": hex(frame.index)}  # of this process
        whole = {"cat": "frame", "name": "frame", "id2": own, "pid": _PROCESS, "tid": _FRAMES}
        began_s = min([frame.captured_s, *(begin for _, (begin, _) in spans)])
        events: list[Event] = [
            {**whole, "ph": "b", "ts": _us(began_s), "args": about},
            *self._waits(whole, spans),
            {**whole, "ph": "e", "ts": _us(done_s)},
        ]
        for name, (begin_s, end_s) in frame.stamps.device.items():
            track = self._track(name, begin_s, end_s, events)
            at = {"pid": _PROCESS, "tid": track, "ts": _us(begin_s)}
            events.append(
                {**at, "ph": "X", "cat": "gpu", "name": name, "dur": _lasted(begin_s, end_s), "args": about}
            )
        for place, (stage, (begin_s, end_s)) in enumerate(spans):
            track = self._track(stage, begin_s, end_s, events)
            at = {"pid": _PROCESS, "tid": track, "ts": _us(begin_s)}
            events.append(
                {**at, "ph": "X", "cat": "stage", "name": stage, "dur": _lasted(begin_s, end_s), "args": about}
            )
            if len(spans) > 1:
                kind = "s" if place == 0 else "f" if place == len(spans) - 1 else "t"
                arrow = {**at, "ph": kind, "cat": "way", "name": "way", "id": frame.index}
                events.append({**arrow, "bp": "e"} if kind == "f" else arrow)
        for cause, count in dropped.items():
            if count > self._dropped.get(cause, 0):
                mark = {"ph": "i", "s": "p", "cat": "drop", "pid": _PROCESS, "tid": _FRAMES, "ts": _us(done_s)}
                events.append(
                    {**mark, "name": f"dropped: {cause}", "args": {"frames": count - self._dropped.get(cause, 0)}}
                )
        self._dropped = dict(dropped)
        self._put(events)

    def close(self, whole: bool = True) -> None:
        """End the array and give the file its name, OUT.partial.json where frames are missing; legal twice."""
        if self._file.closed:
            return
        try:
            self._file.write(b"\n]\n")
            self._file.close()
        except OSError as error:
            self._part.publish(whole=False)
            raise self._unwritable(error) from error
        if whole or self._lanes:
            self._part.publish(whole)
        else:
            self._part.discard()

    def __enter__(self) -> Trace:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self.close(whole=kind is None)

    def _waits(self, whole: Mapping[str, Any], spans: Sequence[tuple[str, tuple[float, float]]]) -> list[Event]:
        """Between two stages nobody works on a frame: it waits for the later one to be free."""
        events: list[Event] = []
        for (_, (_, free_s)), (stage, (begin_s, _)) in pairwise(spans):
            if begin_s > free_s:
                wait = {**whole, "name": f"waits for {stage}"}
                events += [{**wait, "ph": "b", "ts": _us(free_s)}, {**wait, "ph": "e", "ts": _us(begin_s)}]
        return events

    def _track(self, stage: str, begin_s: float, end_s: float, events: list[Event]) -> int:
        """The first track of the stage that is free then: slices on one track may not overlap."""
        lanes = self._lanes.setdefault(stage, [])
        for place, (track, busy_until_s) in enumerate(lanes):
            if busy_until_s <= begin_s:
                lanes[place] = track, end_s
                return track
        # Perfetto sorts by number, chrome://tracing by index; one like the process would be called the main thread.
        track = _MOST_LANES * (list(self._lanes).index(stage) + 1) + len(lanes)
        lanes.append((track, end_s))
        events.append(_named("thread_name", track, f"{stage} {len(lanes)}" if len(lanes) > 1 else stage))
        order = {"ph": "M", "name": "thread_sort_index", "pid": _PROCESS, "tid": track}
        events.append({**order, "args": {"sort_index": track}})
        return track

    def _put(self, events: Iterable[Event]) -> None:
        try:
            for event in events:
                self._file.write(self._before + msgspec.json.encode(event))
                self._before = b",\n"
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SinkError:
        return SinkError(f"{self._path}: the trace cannot be written: {error.strerror}")


def _us(time_s: float) -> float:
    return round(time_s * 1e6, 3)


def _lasted(begin_s: float, end_s: float) -> float:
    """Up to the very number that the next slice may begin with: no slices cross by a nanosecond."""
    return round(_us(end_s) - _us(begin_s), 3)


def _named(what: str, track: int, name: str) -> Event:
    return {"ph": "M", "name": what, "pid": _PROCESS, "tid": track, "args": {"name": name}}
