"""How steady a network's labels are on a clip that nobody labelled."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.errors import ModelError
from pipeline.flow import Flow, drain_on_interrupt
from pipeline.metrics.temporal import TemporalConsistency
from pipeline.networks import networks
from pipeline.optical_flow import grey
from pipeline.report import report
from pipeline.running.assemble import build
from pipeline.running.capture import open_configured
from pipeline.timing import Distribution, Summary
from pipeline.types import Picture

if TYPE_CHECKING:
    from pipeline.run import Watch

_WORST = 12  # frames that are named


@dataclass(frozen=True, slots=True)
class Stability:
    """What was found; see pipeline.metrics.temporal."""

    report: dict[str, Any]
    interrupted: bool


def stability(spec: str, config: Config, watch: Watch) -> Stability:
    """Run a semantic network over a clip, without dropping a frame, and follow its labels along the optical flow.

    Args:
        spec: names the source.
        config: of the run; nothing is drawn or written.
        watch: is told of the start and of every frame.

    Raises:
        UserError: anything a user can mend: a network that labels no pixels, a source that cannot be read.
    """
    source = open_configured(spec, config)
    nets = networks(config)
    try:
        labelling = next((net for net in nets if net.card.family == "semantic"), None)
        if labelling is None:
            raise ModelError(
                f"{nets[0].card.name} finds objects, it does not label pixels", hint="give a semantic network"
            )
        classes = labelling.card.classes
        counted, summary, cost = TemporalConsistency(len(classes)), Summary(), Distribution()
        flickers: list[tuple[float, int]] = []
        last: int | None = None
        flow: Flow[Picture] = build(config, source, nets, dropped=lambda: flow.drops)
        watch.started(source, nets)
        with flow, drain_on_interrupt(flow):
            for picture in flow:
                scene = picture.scene
                summary.add(scene.frame)  # before the comparison: that is no part of a run
                assert scene.labels is not None
                if last is not None and scene.frame.index != last + config.source.every:
                    counted.cut()
                last = scene.frame.index
                began_s = time.monotonic()
                flicker = counted.add(grey(scene.frame.image), scene.labels.map)
                cost.add(time.monotonic() - began_s)
                if flicker == flicker:
                    flickers = sorted([*flickers, (-flicker, last)])[:_WORST]
                watch.frame(summary, source.info)
    finally:
        for net in nets:
            net.selection.backend.close()
    scores = counted.scores()
    iou = zip(classes.names, scores.iou.tolist(), strict=True)
    measures = ("mean_iou", "mean_iou_seen", "flicker", "blink", "seen")
    run = report(
        source.info,
        nets,
        summary,
        flow.drops,
        undecodable=getattr(source, "undecodable", 0),
        first_frame_s=None,
        notes=(),
    )
    return Stability(
        {
            "temporal": {
                **{name: _number(getattr(scores, name)) for name in measures},
                "pairs": scores.pairs,
                "IoU": {name: value for name, value in iou if value == value},
                "worst": [{"frame": frame, "flicker": -less} for less, frame in flickers],
                "cost_ms": cost.as_dict(),
            },
            **run,
        },
        flow.ended_early,
    )


def _number(value: float) -> float | None:
    return None if value != value else value
