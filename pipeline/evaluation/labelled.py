"""Labelled images as a source of frames that carry their truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from pipeline.classes import DRIVING, THINGS
from pipeline.config import Config
from pipeline.datasets import Dataset, LeftOut, open_dataset
from pipeline.errors import DataError
from pipeline.image import Image
from pipeline.metrics.matching import Rules, rules_of
from pipeline.running.capture import open_configured
from pipeline.types import Classes, Frame, Labels, Source, SourceInfo, Truth

_FPS = 10  # images of a data set have no times: they get those of a clip of so many frames a second


class DatasetSource:
    """A data set as a Source: each image is a frame with its labels as truth.

    Samples are read in order, in the thread that iterates.

    Args:
        dataset: the samples.
        strict: a sample that cannot be read is an error; else it is left out, and its index is missing.
        fps: of the film that the images are; None: as the data set says, else 10.
        part: only the samples from the first of these numbers up to the second; None: all.
    """

    live = False

    def __init__(
        self,
        dataset: Dataset,
        strict: bool = False,
        fps: float | None = None,
        part: tuple[int, int] | None = None,
    ) -> None:
        self.left_out: list[LeftOut] = list(dataset.left_out)
        self.undecodable = 0  # of those left out: samples that could not be read
        self._dataset = dataset
        self._strict = strict
        self._range = range(*(part or (0, len(dataset))))
        known = fps or getattr(dataset, "fps", None)
        self.timed = known is not None  # else the times are made up
        self._fps = Fraction(known or _FPS).limit_denominator(1001)
        self._info = SourceInfo(dataset.name, fps=float(self._fps), frames=len(self._range))

    @property
    def info(self) -> SourceInfo:
        """Complete from the start; without a size, which may change from image to image."""
        return self._info

    def __enter__(self) -> Iterator[Frame]:
        self.left_out, self.undecodable = list(self._dataset.left_out), 0
        return self._frames()

    def __exit__(self, *error: object) -> None:
        pass

    def _frames(self) -> Iterator[Frame]:
        for index in self._range:
            try:
                sample = self._dataset[index]
            except DataError as error:
                if self._strict:
                    raise
                self.undecodable += 1
                self.left_out.append(LeftOut(self._dataset.names[index], error.message))
                continue
            truth = Truth(
                Labels(sample.labels, self._dataset.classes),
                objects=sample.objects,
                name=sample.name,
                image_id=sample.image_id,
            )
            image = Image((sample.image,), "bgr24")
            yield Frame(index, index, 1 / self._fps, time.monotonic(), image, truth)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A source of frames with truth, and what their truth means."""

    name: str
    split: str
    terms: str  # what the data may be used for
    classes: Classes
    source: Source
    object_classes: Classes | None = None  # of the objects that are marked; None: none are
    not_in_mean: tuple[str, ...] = ()  # classes that count in the IoU of the others but not in the mean
    category_ids: tuple[int, ...] = ()  # by class of the objects, where the data set numbers them

    @property
    def rules(self) -> Rules:
        """Whose rules of scoring are the data set's own."""
        return rules_of(self.name)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What was not scored so far, and why."""
        return tuple(getattr(self.source, "left_out", ()))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The labelled images that somebody asks for."""

    dataset: str  # a key of DATASETS, or a drawn drive: demo, demo:seed=3,frames=100
    root: str | None = None  # of the data set's layout; not for demo
    split: str = "val"
    strict: bool = False  # anything broken or missing is an error
    options: Mapping[str, Any] = field(default_factory=dict)  # of the data set's class
    part: tuple[int, int] | None = None  # only the images from the first of these numbers up to the second


def open_labelled(wanted: Wanted, config: Config) -> Labelled:
    """The labelled images; files are listed, none is decoded.

    Raises:
        DataError: see open_dataset; no root was given.
        SourceError: a setting of demo that it does not have.
    """
    name = wanted.dataset
    if name.partition(":")[0] == "demo":
        things = Classes(
            tuple(DRIVING.names[index] for index in THINGS), tuple(DRIVING.colours[index] for index in THINGS)
        )
        return Labelled(name, "", "free, drawn by this program", DRIVING, open_configured(name, config), things)
    if wanted.root is None:
        raise DataError(f"where is {name}?", hint="add --root DIR, the folder that its layout begins in")
    dataset = open_dataset(name, wanted.root, wanted.split, strict=wanted.strict, **wanted.options)
    source = DatasetSource(dataset, wanted.strict, config.source.fps, wanted.part)
    return Labelled(
        name,
        wanted.split,
        dataset.terms,
        dataset.classes,
        source,
        dataset.object_classes,
        not_in_mean=tuple(getattr(dataset, "not_in_mean", ())),
        category_ids=tuple(getattr(dataset, "category_ids", ())),
    )
