"""How long each stage worked on each frame: as it was measured, recorded in a file, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec

from pipeline.errors import DataError
from pipeline.metrics.streaming import Moment
from pipeline.records import is_gap
from pipeline.types import Stamps

_NOT_SERVICE = ("capture",)  # what a source takes is how long the next frame lets it wait


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """Measured service times.

    A frame that was dropped, and so was not measured, takes as long as the measured one before it: the load of a
    machine changes slowly. (mtli/sAP draws at random from all times; this must give the same twice.)
    """

    stages_ns: Mapping[int, Mapping[str, int]]  # frame -> stage -> nanoseconds, in the order of the stages
    workers: int = 1  # threads of the stage `infer`
    capacity: int = 2  # frames that may wait behind it
    slots: int = 1  # batches that each of them holds open, on a GPU
    batch: int = 1  # most frames of a batch
    carry: int = 0  # frames in a row that the networks left out
    assumed: str = ""  # what nothing says of these four, for people

    @property
    def stages(self) -> tuple[str, ...]:
        """Names, in the order of the way."""
        return tuple(dict.fromkeys(name for stages in self.stages_ns.values() for name in stages))

    def filled(self, frames: list[int]) -> list[Mapping[str, int]]:
        """The times of these frames, ascending, measured or not; nothing where nothing was measured."""
        measured = sorted(self.stages_ns)
        if not measured:
            return [{} for _ in frames]
        place, whole = 0, []
        for frame in frames:
            while place + 1 < len(measured) and measured[place + 1] <= frame:
                place += 1
            whole.append(self.stages_ns[measured[place]])
        return whole


def stage_times_ns(stamps: Stamps) -> dict[str, int]:
    """How long each stage took, nanoseconds; without what the source took."""
    return {
        name: round((ended_s - began_s) * 1e9)
        for name, (began_s, ended_s) in stamps.spans.items()
        if name not in _NOT_SERVICE
    }


def timing_record(stages_ns: Mapping[str, int], times: ServiceTimes, finished_ms: float | None) -> dict[str, Any]:
    """The `timing` of a record: milliseconds to the nanosecond, so that a replay has the very same times."""
    return {
        "stages_ms": {name: ns / 1e6 for name, ns in stages_ns.items()},
        "finished_ms": finished_ms,  # after the film began; None: it was dropped, and its times are its neighbour's
        "workers": times.workers,
        "slots": times.slots,
        "batch": times.batch,
        "capacity": times.capacity,
    }


_Count = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class _Timing(msgspec.Struct):
    stages_ms: dict[str, float]
    workers: _Count | None = None
    slots: _Count | None = None
    batch: _Count | None = None
    capacity: _Count = 2

    @property
    def assumed(self) -> str:
        """What it does not say of how many frames were under way."""
        if self.workers is None:
            return "the records do not say how many frames the network worked on at once: one is assumed"
        if self.slots is None or self.batch is None:
            return f"the records do not say whether a GPU held slots: {self.workers} at once is taken for threads"
        return ""


class _Timed(msgspec.Struct):
    index: int
    pts_s: float
    timing: _Timing
    carried: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0


def read_times(path: Path) -> tuple[ServiceTimes, tuple[Moment, ...]]:
    """The times of the frames of a JSON Lines file, as `eval --record-times` or `run --json` writes it.

    A gap, in which a live source was away, is passed over: nothing was shown meanwhile.

    Returns:
        The service times, and when each frame is shown, seconds after the first.

    Raises:
        DataError: the file cannot be read, a line is no record or carries no times, or the frames do not ascend.
    """
    decoder = msgspec.json.Decoder(_Timed)
    stages: dict[int, dict[str, int]] = {}
    shown: list[Moment] = []
    timing = _Timing({})
    first_s, carry = 0.0, 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip() or is_gap(line):
                    continue
                try:
                    record = decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise DataError(
                        f"{path}, line {number}: {error}", hint="each line holds a frame with its `timing`"
                    ) from error
                first_s = first_s if shown else record.pts_s
                at_s = round((record.pts_s - first_s) * 1e9) / 1e9
                if shown and (record.index <= shown[-1].frame or at_s <= shown[-1].at):
                    raise DataError(f"{path}, line {number}: frame {record.index} does not come after the one before")
                shown.append(Moment(record.index, at_s))
                timing, carry = record.timing, max(carry, record.carried)
                stages[record.index] = {
                    name: round(ms * 1e6) for name, ms in timing.stages_ms.items() if name not in _NOT_SERVICE
                }
    except OSError as error:
        raise DataError(f"{path}: the times cannot be read: {error.strerror}") from error
    if not shown:
        raise DataError(f"{path} holds no record", hint="record a run with --record-times")
    at_once = timing.workers or 1, timing.capacity, timing.slots or 1, timing.batch or 1
    return ServiceTimes(stages, *at_once, carry, timing.assumed), tuple(shown)
