"""`/metrics`: the figures of a run for Prometheus, read where they are counted when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from pipeline import __version__
from pipeline.serve.board import Board
from pipeline.serve.meter import BUCKETS_S, Histogram
from pipeline.serve.source_state import STATES
from pipeline.serve.work import Work


class MetricsRoute:
    """Answers in Prometheus' text format.

    Args:
        board: the sources.
        work: the line of `POST /segment`.
    """

    def __init__(self, board: Board, work: Work) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Figures(board, work))
        ProcessCollector(registry=self._registry)

    async def answer(self, request: Request) -> Response:
        """All of them."""
        return Response(generate_latest(self._registry), headers={"content-type": CONTENT_TYPE_LATEST})


class _Figures(Collector):
    def __init__(self, board: Board, work: Work) -> None:
        self._board, self._work = board, work

    def collect(self) -> Iterator[Metric]:
        source = ["source"]
        done = CounterMetricFamily("dashmask_frames_processed", "Frames that came out.", labels=source)
        lost = CounterMetricFamily(
            "dashmask_frames_dropped", "Frames that did not come out.", labels=[*source, "cause"]
        )
        states = GaugeMetricFamily("dashmask_source_state", "1 for the state it is in.", labels=[*source, "state"])
        rate = GaugeMetricFamily("dashmask_fps", "Frames a second in the last sample.", labels=source)
        viewers = GaugeMetricFamily("dashmask_viewers", "Live pictures that are open.", labels=source)
        recording = GaugeMetricFamily("dashmask_recording", "1 while a source is recorded.", labels=source)
        age = HistogramMetricFamily("dashmask_frame_age_seconds", "From capture to done.", labels=source)
        stage = HistogramMetricFamily("dashmask_stage_seconds", "Work on one frame.", labels=[*source, "stage"])
        for station in self._board.stations:
            name, totals, state = (
                station.name,
                station.meter.totals(),
                station.state(),
            )
            done.add_metric([name], totals.frames)
            for cause, count in totals.dropped.items():
                lost.add_metric([name, cause], count)
            for possible in STATES:
                states.add_metric([name, possible], float(state.state == possible))
            rate.add_metric([name], self._board.fps(station.number))
            viewers.add_metric([name], station.viewers)
            recording.add_metric([name], float(station.recorder.wanted))
            age.add_metric([name], *_counted(totals.age))
            for part, histogram in totals.stages.items():
                stage.add_metric([name, part], *_counted(histogram))
        if self._board.stations:
            yield from (done, lost, states, rate, viewers, recording, age, stage)
        info = GaugeMetricFamily("dashmask_info", "What runs.", labels=["version", "model", "backend", "detail"])
        for model in self._board.models:
            info.add_metric([__version__, model["name"], model["backend"], model["detail"]], 1)
        asked = CounterMetricFamily("dashmask_segment_requests", "POST /segment by how it ended.", labels=["end"])
        for end in ("answered", "refused", "busy"):
            asked.add_metric([end], self._work.answered[end])
        line = GaugeMetricFamily("dashmask_segment_in_line", "Uploads at work and waiting.", self._work.taken)
        yield from (info, asked, line)


def _counted(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Cumulative buckets and the sum, as Prometheus wants them."""
    total, buckets = 0, []
    for border, count in zip([*map(str, BUCKETS_S), "+Inf"], histogram.counts, strict=True):
        total += count
        buckets.append((border, float(total)))
    return buckets, histogram.sum_s
