"""Score a network on labelled images: the very stages of a run, and the truth beside what comes out of them."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.assemble import build
from pipeline.config import Config
from pipeline.errors import DataError, ModelError
from pipeline.flow import Flow, drain_on_interrupt
from pipeline.labelled import Labelled
from pipeline.mapping import Mapping, find_mapping
from pipeline.metrics.semantic import ConfusionMatrix, SemanticScores
from pipeline.networks import Network, networks
from pipeline.report import report
from pipeline.timing import Summary
from pipeline.types import VOID, Classes, Picture

if TYPE_CHECKING:
    from pipeline.run import Watch


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found."""

    data: Labelled
    mapping: Mapping
    network_classes: Classes
    counted: ConfusionMatrix  # over the classes as they are: rows of the data set, columns of the network
    summary: Summary
    nets: tuple[Network, ...]
    interrupted: bool  # stopped before the last image

    @property
    def confusion(self) -> ConfusionMatrix:
        """Over the compared classes."""
        mapping = self.mapping
        return self.counted.folded(mapping.dataset, mapping.network, len(mapping.classes))

    @property
    def scores(self) -> SemanticScores:
        """The measures over the compared classes."""
        return self.confusion.scores()

    @property
    def unmapped(self) -> dict[str, dict[str, int]]:
        """Pixels of the classes that the mapping leaves out, where there are any: in the truth, and as predicted.

        The first are not scored. The second are errors of the class that the truth has there.
        """
        mapping, counts = self.mapping, self.counted.counts
        scored = [row for row, to in enumerate(mapping.dataset) if to != VOID]
        truth = zip(self.data.classes.names, mapping.dataset, counts.sum(axis=1).tolist(), strict=True)
        predicted = zip(
            self.network_classes.names, mapping.network, counts[scored, :-1].sum(axis=0).tolist(), strict=True
        )
        return {
            side: {name: pixels for name, to, pixels in rows if to == VOID and pixels}
            for side, rows in (("truth", truth), ("predicted", predicted))
        }


def evaluate(data: Labelled, config: Config, watch: Watch, mapping: str | None = None) -> Evaluation:
    """Run a network over labelled frames and compare its labels with the truth, at the truth's size.

    Args:
        data: what is run over.
        config: of the run; nothing is drawn or written.
        watch: is told of the start and of every frame.
        mapping: name or path of a table of classes; None: the network and the data have the same.

    Raises:
        UserError: anything a user can mend: a network that labels no pixels, classes that differ, no whole image.
    """
    with ExitStack() as closing:
        nets = networks(config)
        for net in nets:
            closing.callback(net.selection.backend.close)
        labelling = next((net for net in nets if net.card.family == "semantic"), None)
        if labelling is None:
            raise ModelError(
                f"{nets[0].card.name} finds objects, it does not label pixels", hint="give a semantic network"
            )
        found = labelling.card.classes
        table = find_mapping(mapping, found.names, data.classes.names)
        counted, summary = ConfusionMatrix(len(data.classes), len(found)), Summary()
        flow: Flow[Picture] = build(config, data.source, nets, dropped=lambda: flow.drops)
        watch.started(data.source, nets)
        with flow, drain_on_interrupt(flow):
            for picture in flow:
                summary.add(picture.scene.frame)  # before the comparison: that is no part of a run
                _compare(picture, counted)
                watch.frame(summary, data.source.info)
    if not summary.processed:
        why = f": {data.left_out[0].reason}" if data.left_out else ""
        raise DataError(f"{data.name}: not one image could be scored{why}", hint="mend the data set")
    return Evaluation(data, table, found, counted, summary, nets, flow.ended_early)


def _compare(picture: Picture, counted: ConfusionMatrix) -> None:
    scene = picture.scene
    truth = scene.frame.truth
    if truth is None or truth.labels is None:
        raise DataError(f"frame {scene.frame.index} carries no truth", hint="evaluate labelled images")
    assert scene.labels is not None  # one of the networks labels
    counted.add(truth.labels.map, scene.labels.map)


def evaluation_report(evaluation: Evaluation) -> dict[str, Any]:
    """All of it for JSON: shares 0..1, None where there is nothing to measure; what `run` reports beside it."""
    scores, data = evaluation.scores, evaluation.data
    return {
        "dataset": {"name": data.name, "split": data.split, "terms": data.terms},
        "mapping": evaluation.mapping.name,
        "images": evaluation.summary.processed,
        "left_out": {"count": len(data.left_out), "files": [one._asdict() for one in data.left_out]},
        "interrupted": evaluation.interrupted,
        "mIoU": _number(scores.mean_iou),
        "frequency_weighted_IoU": _number(scores.frequency_weighted_iou),
        "pixel_accuracy": _number(scores.pixel_accuracy),
        "class_accuracy": _number(scores.mean_accuracy),
        "classes": {
            name: {"IoU": _number(iou), "accuracy": _number(accuracy), "pixels": pixels}
            for name, iou, accuracy, pixels in zip(
                evaluation.mapping.classes,
                scores.iou.tolist(),
                scores.accuracy.tolist(),
                evaluation.confusion.counts.sum(axis=1).tolist(),
                strict=True,
            )
        },
        "pixels": {"scored": scores.pixels, "void": evaluation.counted.void_pixels, "unmapped": evaluation.unmapped},
        "confusion": evaluation.confusion.counts.tolist(),  # rows truth, columns predicted; the last: no class
        **report(
            data.source.info,
            evaluation.nets,
            evaluation.summary,
            {},
            undecodable=getattr(data.source, "undecodable", 0),
            first_frame_s=None,
            notes=(),
        ),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
