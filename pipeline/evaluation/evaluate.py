"""Score networks on labelled images: the very stages of a run, and the truth beside what comes out of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.evaluation.film import Film
from pipeline.evaluation.labelled import Labelled
from pipeline.evaluation.scoring import Scores, open_scores
from pipeline.evaluation.trained_on import trained_on
from pipeline.flow import Flow, drain_on_interrupt
from pipeline.networks import Network, networks
from pipeline.report import backend_notes, report
from pipeline.running.assemble import build
from pipeline.timing import Summary
from pipeline.types import Picture

if TYPE_CHECKING:
    from pipeline.run import Watch

# What is taken where a user says nothing else: that of Ultralytics' val. Precision needs the unlikely objects too.
DEFAULTS: Mapping[str, object] = MappingProxyType(
    {"decode.conf": 0.001, "decode.iou": 0.7, "decode.max_det": 300, "decode.agnostic": False}
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found."""

    data: Labelled
    config: Config
    scores: Scores
    summary: Summary
    nets: tuple[Network, ...]
    interrupted: bool  # stopped before the last image
    film: Film | None = None  # scored with time in it as well


def evaluate(
    data: Labelled,
    config: Config,
    watch: Watch,
    mappings: Sequence[str] = (),
    seen: Callable[[Picture, float, Scores], None] | None = None,
    film: Film | None = None,
    boundaries: bool = False,
) -> Evaluation:
    """Run networks over labelled frames and compare what they find with the truth, at the truth's size.

    Memory does not grow with the images, but for 50 bytes an object found.

    Args:
        data: what is run over.
        config: of the run; nothing is drawn or written.
        watch: is told of the start and of every frame.
        mappings: names or paths of tables of classes; none: the networks and the data have the same.
        seen: is handed every frame, how good it is, 0..1 (NaN: nothing to measure), and the scores so far.
        boundaries: compare the borders of the label maps too, which takes far longer.
        film: plays the data at its own pace first, and scores what was there in time.

    Raises:
        UserError: anything a user can mend: a network that finds nothing of what is marked, classes that differ,
            no whole image.
    """
    with ExitStack() as closing:
        if film is not None:
            closing.enter_context(film)
        nets = networks(config)
        for net in nets:
            closing.callback(net.selection.backend.close)
        cards = [net.card for net in nets]

        def opened() -> Scores:
            return open_scores(
                cards, data.classes, data.object_classes, mappings, data.not_in_mean, boundaries, data.rules
            )

        scores = opened()
        summary = Summary()
        flow: Flow[Picture] = build(config, data.source, nets, dropped=lambda: flow.drops)
        watch.started(data.source, nets)
        if known := trained_on(cards, data.name, data.split):
            watch.noted(known)
        if film is not None:
            watch.noted((f"{data.name} is played at its own pace first",))
            film.play(data.source, config, nets, opened)
        with flow, drain_on_interrupt(flow):
            for picture in flow:
                summary.add(picture.scene.frame)  # before the comparison: that is no part of a run
                quality = scores.add(picture.scene.frame.truth, picture.scene)
                if film is not None:
                    film.follow(picture.scene)
                if seen is not None:
                    seen(picture, quality, scores)
                watch.frame(summary, data.source.info)
        if notes := backend_notes(nets):
            watch.noted(notes)
    if not summary.processed:
        why = f": {data.left_out[0].reason}" if data.left_out else ""
        raise DataError(f"{data.name}: not one image could be scored{why}", hint="mend the data set")
    return Evaluation(data, config, scores, summary, nets, flow.ended_early, film)


def evaluation_report(evaluation: Evaluation) -> dict[str, Any]:
    """All of it for JSON: shares 0..1, None where there is nothing to measure; what `run` reports beside it."""
    data, decode = evaluation.data, evaluation.config.decode
    run = report(
        data.source.info,
        evaluation.nets,
        evaluation.summary,
        {},
        undecodable=getattr(data.source, "undecodable", 0),
        first_frame_s=None,
        notes=trained_on([net.card for net in evaluation.nets], data.name, data.split),
    )
    return {
        "dataset": {"name": data.name, "split": data.split, "terms": data.terms},
        "images": evaluation.summary.processed,
        "left_out": {"count": len(data.left_out), "files": [one._asdict() for one in data.left_out]},
        "interrupted": evaluation.interrupted,
        **evaluation.scores.report(),
        "decode": {"conf": decode.conf, "iou": decode.iou, "max_det": decode.max_det, "agnostic": decode.agnostic},
        **run,
        **({} if evaluation.film is None else evaluation.film.report()),
    }
