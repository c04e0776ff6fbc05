"""Play a labelled film to the networks at its own pace, and note when each result was there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline.config import Config
from pipeline.errors import ConfigError, DataError
from pipeline.evaluation.pace import Paced
from pipeline.evaluation.service_times import ServiceTimes, stage_times_ns
from pipeline.flow import Flow, drain_on_interrupt
from pipeline.metrics.streaming import Moment, Pairing, pair
from pipeline.networks import Network
from pipeline.running.assemble import build
from pipeline.timing import Distribution, Summary
from pipeline.types import Picture, Source

WARM_UP_FRAMES = 3  # run before the film begins: the first run of a network allocates, and says nothing of the next


@dataclass(frozen=True, slots=True)
class Played:
    """What a film at its own pace measured. Seconds after the first frame was shown."""

    shown: tuple[Moment, ...]  # every frame
    finished: tuple[Moment, ...]  # every result, in order
    times: ServiceTimes
    dropped: Mapping[str, int]  # frames by cause
    summary: Summary
    source_late_s: float  # by how much the source itself was late, at worst

    @property
    def pairing(self) -> Pairing:
        """Which result each frame is scored against."""
        return pair(self.shown, self.finished)

    def report(self) -> dict[str, Any]:
        """What was measured, for JSON: latencies from when a frame was due to when its result was there."""
        whole = self.summary.as_dict(self.dropped)
        return {
            "frames": whole["frames"],
            "latency_ms": whole["age_ms"],
            "stages_ms": {name: times for name, times in whole["stages_ms"].items() if name != "capture"},
            "source_late_ms": round(self.source_late_s * 1e3, 3),
            **pairing_report(self.pairing),
        }


def play(source: Source, config: Config, nets: Sequence[Network]) -> Played:
    """Run the networks over a recorded source as if it were a camera: the newest frame is kept, others are dropped.

    Nothing is compared meanwhile, so that the times are those of the pipeline alone. A backend gives the same bytes
    for the same frame in every run: what the results are worth can be counted afterwards, from a run over all frames.

    Args:
        source: gives frames with ascending times; opened twice.
        config: of the run.
        nets: ready to run; they stay open.

    Raises:
        UserError: the source cannot be read, its times are not known or do not ascend, or somebody stopped it.
    """
    if config.source.every != 1:
        raise ConfigError("a film is scored frame by frame: source.every must be 1", hint="leave it out")
    if not getattr(source, "timed", True):
        raise ConfigError(
            f"{source.info.name}: how fast these images follow one another is not known",
            hint="say it with --fps, if they are one film",
        )
    _warm_up(source, config, nets)
    paced, summary = Paced(source), Summary()
    finished: list[Moment] = []
    stages: dict[int, dict[str, int]] = {}
    flow: Flow[Picture] = build(config, paced, nets, dropped=lambda: flow.drops)
    paced.stopping = flow.stopping
    with flow, drain_on_interrupt(flow):
        for picture in flow:
            done_s = time.monotonic()
            frame = picture.scene.frame
            summary.add(frame, done_s)
            finished.append(Moment(frame.index, round((done_s - paced.began_s) * 1e9) / 1e9))
            stages[frame.index] = stage_times_ns(frame.stamps)
    if flow.ended_early:
        raise DataError("stopped while the film was playing, so nothing was scored")
    backends = [net.selection.backend for net in nets]
    workers, slots, batch = (  # as the flow is built, see build_lanes
        min(getattr(backend, name) for backend in backends) for name in ("workers", "slots", "max_batch")
    )
    times = ServiceTimes(stages, workers, config.flow.capacity, slots, batch)
    return Played(tuple(paced.shown), tuple(finished), times, flow.drops, summary, paced.latest_s)


def _warm_up(source: Source, config: Config, nets: Sequence[Network]) -> None:
    few = min(WARM_UP_FRAMES, config.source.frames or WARM_UP_FRAMES)
    first = msgspec.structs.replace(config.source, frames=few)
    flow: Flow[Picture] = build(msgspec.structs.replace(config, source=first), source, nets, dropped=dict)
    with flow:
        for _ in flow:
            pass


def pairing_report(pairing: Pairing) -> dict[str, Any]:
    """Which results the frames are scored against, for JSON."""
    ages = Distribution()
    for behind_s in pairing.behind.values():
        ages.add(behind_s)
    lag = pairing.mean_lag_frames
    return {
        "without_result": pairing.missed,
        "in_time": pairing.in_time,
        "mean_lag_frames": None if lag is None else round(lag, 4),
        "shown_age_ms": ages.as_dict(),  # of the frame that the newest result is about, when it is scored
        "scored_against": [[frame, other] for frame, other in pairing.against.items()],
    }
