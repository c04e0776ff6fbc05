"""What networks find in the images of a data set, or in the frames of any source, in an official format."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evaluation.mapping import Mapping, find_mapping
from pipeline.flow import Flow, drain_on_interrupt
from pipeline.formats import Prediction, Writer
from pipeline.networks import Network, networks
from pipeline.running.assemble import build
from pipeline.timing import Summary
from pipeline.types import VOID, Classes, Instances, Picture, Scene, Source

if TYPE_CHECKING:
    from pipeline.run import Watch


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    images: int
    made: tuple[Path, ...]
    interrupted: bool  # stopped before the last image; what was written is whole


@dataclass(frozen=True, slots=True)
class _Target:
    """The classes of one side of a format, and which of them each class of the network is."""

    classes: Classes
    ids: NDArray[np.uint8]  # (256,) class of the network -> of the format; VOID: not written


def export_predictions(
    source: Source, config: Config, watch: Watch, writer: Writer, mappings: Sequence[str] = ()
) -> Exported:
    """Run networks over a source and hand what they find to a writer.

    Args:
        source: frames; those of a data set carry the names of its images.
        config: of the run; nothing is drawn.
        watch: is told of the start and of every frame.
        writer: of a format; closed at the end, also after an error: what was found by then is kept.
        mappings: tables of classes, from the network's to the format's; none: they have the same names.

    Raises:
        ConfigError: the format has no place for what a network finds, or no table leads from its classes.
        UserError: anything else that a user can mend.
    """
    with ExitStack() as closing:
        nets = networks(config)
        for net in nets:
            closing.callback(net.selection.backend.close)
        targets = {net.card.family: _target(net, writer, mappings) for net in nets}
        flow: Flow[Picture] = build(config, source, nets, dropped=lambda: flow.drops)
        watch.started(source, nets)
        summary, made = Summary(), list[Path]()
        try:
            with flow, drain_on_interrupt(flow):
                for picture in flow:
                    summary.add(picture.scene.frame)
                    writer.add(_prediction(picture.scene, targets))
                    watch.frame(summary, source.info)
        finally:
            if summary.processed:  # else what lies there of an earlier run stays
                made = writer.close()
    return Exported(summary.processed, tuple(made), flow.ended_early)


def _target(net: Network, writer: Writer, mappings: Sequence[str]) -> _Target:
    card = net.card
    classes = writer.labels if card.family == "semantic" else writer.things
    if classes is None:
        what, other = ("label maps", "objects") if card.family == "semantic" else ("objects", "label maps")
        raise ConfigError(
            f"{card.name} gives {what}, which this format has no place for",
            hint=f"take another format, or a network that gives {other} (--model)",
        )
    if not len(classes):  # the network's own
        return _Target(card.classes, np.arange(256, dtype=np.uint8))
    mapping = _mapping(card.classes.names, classes.names, mappings)
    ids = np.full(256, VOID, np.uint8)
    for index, compared in enumerate(mapping.network):
        if compared != VOID and compared in mapping.dataset:
            ids[index] = mapping.dataset.index(compared)  # the first of several that are one in the table
    return _Target(classes, ids)


def _mapping(network: Sequence[str], wanted: Sequence[str], mappings: Sequence[str]) -> Mapping:
    error: ConfigError | None = None
    for name in mappings or (None,):
        try:
            return find_mapping(name, network, wanted)
        except ConfigError as one:
            error = one
    assert error is not None
    raise error


def _prediction(scene: Scene, targets: dict[str, _Target]) -> Prediction:
    frame, labels, instances = scene.frame, None, None
    if scene.labels is not None:
        labels = np.asarray(cv2.LUT(scene.labels.map, targets["semantic"].ids), np.uint8)
    if scene.instances is not None:
        target = targets["yolo-seg"]
        instances = renamed(scene.instances, target.ids, target.classes)
    truth = frame.truth
    name = truth.name if truth is not None and truth.name else f"{frame.index:06}"
    image_id = truth.image_id if truth is not None else None
    return Prediction(name, frame.index, frame.image.size_hw, labels, instances, image_id)


def renamed(found: Instances, ids: NDArray[np.uint8], classes: Classes) -> Instances:
    """Objects in other classes; those whose class has none there are left out.

    Args:
        found: their class ids are under 255.
        ids: (256,) class id -> id in `classes`, or VOID.
    """
    new = ids[found.class_ids]
    keep = np.flatnonzero(new != VOID)
    return replace(found.take(keep), class_ids=new[keep].astype(np.int32), classes=classes)
