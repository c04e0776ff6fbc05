"""What would have been: measured service times replayed at another speed, rate or policy, without a network.

latency=1.5x    every stage takes 1.5 times as long          latency=40ms   every frame takes 40 ms altogether
fps=30          the same frames, shown 30 a second           workers=2      threads of the network, on a CPU
policy=newest   a queue of one, the newest is kept: what a live source does
policy=drop_oldest, queue=4   a queue of so many that drops its oldest        policy=block   nothing is dropped
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.errors import ConfigError
from pipeline.evaluation.service_times import ServiceTimes
from pipeline.evaluation.simulation import LineModel, Simulated, StageModel, simulate
from pipeline.metrics.streaming import Moment, Pairing, pair
from pipeline.running.assemble import postprocess_workers
from pipeline.timing import Distribution

POLICIES = ("newest", "drop_oldest", "block")
_LIKE = "as in latency=1.5x,fps=30,policy=drop_oldest,queue=4,workers=2"
_NETWORK = "infer"  # the stage that may have several workers, or slots
_CAPACITY = 2  # frames that may wait behind every other stage


@dataclass(frozen=True, slots=True)
class WhatIf:
    """What is different from how it was measured; nothing: the same again."""

    said: str = ""
    factor: float = 1.0
    latency_s: float | None = None  # of each frame altogether, instead of a factor
    fps: float | None = None
    policy: Literal["newest", "drop_oldest", "block"] = "newest"
    queue: int | None = None  # None: 1 for newest, as many as between the stages for the others
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Imagined:
    """What would have come of it."""

    what_if: WhatIf
    shown: tuple[Moment, ...]
    finished: tuple[Moment, ...]
    dropped: tuple[int, ...]
    pairing: Pairing

    def report(self) -> dict[str, Any]:
        """For JSON; the same bytes each time."""
        at = dict(self.shown)
        latency = Distribution()
        for frame, done_s in self.finished:
            latency.add(done_s - at[frame])
        return {
            "what_if": self.what_if.said,
            "frames": {
                "in": len(self.shown),
                "processed": len(self.finished),
                "dropped": {"newest": len(self.dropped)} if self.dropped else {},
            },
            "latency_ms": latency.as_dict(),
            "finished_ms": [[frame, round(done_s * 1e3, 6)] for frame, done_s in self.finished],
            "dropped": list(self.dropped),
        }


def parse_what_if(text: str) -> WhatIf:
    """Read `latency=1.5x,fps=30,policy=drop_oldest`; see the head of this module.

    Raises:
        ConfigError: a key or value that it does not have, or one that comes twice.
    """
    given: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = (side.strip() for side in part.partition("="))
        if key not in ("latency", "fps", "policy", "queue", "workers"):
            raise ConfigError(f"--what-if {text}: there is no {key!r}", hint=_LIKE)
        if key in given or (key == "latency" and {"factor", "latency_s"} & given.keys()):
            raise ConfigError(f"--what-if {text}: {key} is said twice", hint=_LIKE)
        given |= _value(text, key, value)
    if given.get("policy", "newest") == "newest" and given.get("queue", 1) != 1:
        raise ConfigError(f"--what-if {text}: newest keeps one frame", hint="say policy=drop_oldest with a queue")
    return WhatIf(text, **given)


def _value(text: str, key: str, value: str) -> dict[str, Any]:
    if key == "policy":
        if value in POLICIES:
            return {key: value}
        raise ConfigError(f"--what-if {text}: {value!r} is no policy", hint=f"policies are {', '.join(POLICIES)}")
    shape = {"latency": r"(?P<n>\d+(\.\d+)?)\s*(?P<unit>x|ms)", "fps": r"(?P<n>\d+(\.\d+)?)"}
    found = re.fullmatch(shape.get(key, r"(?P<n>[1-9]\d{0,3})"), value)
    number = float(found["n"]) if found else 0.0
    if found is None or number <= 0 or not math.isfinite(number):
        raise ConfigError(f"--what-if {text}: {key} cannot be {value!r}", hint=_LIKE)
    if key == "latency":
        return {"factor": number} if found["unit"] == "x" else {"latency_s": number / 1e3}
    return {key: number if key == "fps" else int(number)}


def imagine(times: ServiceTimes, shown: Sequence[Moment], what_if: WhatIf) -> Imagined:
    """Let the frames of a film pass through a flow with the measured service times, under a virtual clock.

    Args:
        times: as measured.
        shown: when each frame was shown, seconds after the first.
        what_if: what is different.

    Raises:
        ConfigError: no time was measured at all.
    """
    if not times.stages or not shown:
        raise ConfigError("not one frame was measured, so nothing can be imagined", hint="record a longer run")
    frames = [frame for frame, _ in shown]
    if what_if.fps is not None:
        shown = [Moment(frame, place / what_if.fps) for place, frame in enumerate(frames)]
    due_ns = [round(at_s * 1e9) for _, at_s in shown]
    shown_ns = [Moment(frame, at) for frame, at in zip(frames, due_ns, strict=True)]
    service = [_scaled(stages, what_if) for stages in times.filled(frames)]
    done = simulate(due_ns, lambda place, stage: service[place].get(stage, 0), _line(times, what_if))
    finished_ns = [Moment(frames[place], at) for place, at in done.finished_ns.items()]
    pairing = pair(shown_ns, finished_ns)
    return Imagined(
        what_if,
        _seconds(shown_ns),
        _seconds(finished_ns),
        tuple(frames[place] for place in done.dropped),
        Pairing(pairing.against, {frame: ns / 1e9 for frame, ns in pairing.behind.items()}),
    )


def agreement(played_finished: Sequence[Moment], imagined: Imagined) -> dict[str, Any]:
    """How well the same times, simulated, give what the real threads did; for JSON."""
    real, simulated = dict(played_finished), dict(imagined.finished)
    both = [abs(real[frame] - simulated[frame]) for frame in real if frame in simulated]
    apart = Distribution()
    for difference_s in both:
        apart.add(difference_s)
    return {
        "processed": {"measured": len(real), "simulated": len(simulated), "the_same_frames": len(both)},
        "finish_apart_ms": apart.as_dict(),
    }


def _scaled(stages: Mapping[str, int], what_if: WhatIf) -> dict[str, int]:
    if what_if.latency_s is None:
        return {name: round(ns * what_if.factor) for name, ns in stages.items()}
    whole_ns, measured_ns = round(what_if.latency_s * 1e9), sum(stages.values())
    if not measured_ns:
        return {_NETWORK: whole_ns}
    scaled = {name: ns * whole_ns // measured_ns for name, ns in stages.items()}
    longest = max(scaled, key=lambda name: scaled[name])
    scaled[longest] += whole_ns - sum(scaled.values())  # exactly as long as was asked for
    return scaled


def _line(times: ServiceTimes, what_if: WhatIf) -> LineModel:
    """As pipeline.running.assemble builds it."""
    if what_if.workers is not None and max(times.slots, times.batch) > 1:
        raise ConfigError(
            f"--what-if {what_if.said}: these times are a GPU's, which has one thread, with {times.slots} slots of "
            f"at most {times.batch} frames",
            hint="leave workers out",
        )
    workers = what_if.workers or times.workers
    models = {
        _NETWORK: StageModel(_NETWORK, workers, times.capacity, times.slots, times.batch),
        "postprocess": StageModel("postprocess", postprocess_workers(workers), _CAPACITY),
    }
    line = tuple(models.get(name) or StageModel(name, 1, _CAPACITY) for name in times.stages)
    queue = what_if.queue or (1 if what_if.policy == "newest" else times.capacity)
    policy: Literal["block", "drop_oldest"] = "block" if what_if.policy == "block" else "drop_oldest"
    return LineModel(line, policy, queue, in_flight=workers * times.slots * (1 + times.carry) + 1)


def _seconds(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    return tuple(Moment(frame, ns / 1e9) for frame, ns in moments)


__all__ = ["Imagined", "Simulated", "WhatIf", "agreement", "imagine", "parse_what_if"]
