"""What a truth is, and which one belongs to each result format."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pipeline.datasets import LeftOut
from pipeline.errors import DataError
from pipeline.formats import known
from pipeline.types import Classes, Truth


class Truths(Protocol):
    """What is on each image of a benchmark.

    Attributes:
        name: of the data set.
        task: of the data set, where it has several.
        classes, object_classes: of the label maps (none: empty) and of the objects (none: None).
        category_ids: by class of the objects, where the truth numbers them.
        not_in_mean: classes that count in the IoU of the others but not in the mean.
        names: of the images.
        image_ids: where the truth numbers them.
        left_out: what is not used, and why.
    """

    name: str
    task: str
    classes: Classes
    object_classes: Classes | None
    category_ids: tuple[int, ...]
    not_in_mean: tuple[str, ...]
    names: tuple[str, ...]
    image_ids: tuple[int | str, ...]
    left_out: Sequence[LeftOut]

    def truth(self, index: int) -> Truth:
        """Of one image; DataError where it is broken."""
        ...


@dataclass(frozen=True, slots=True)
class TruthWanted:
    """Which truth is meant."""

    path: Path  # of the file, of a folder of files, or the folder that the data set's layout begins in
    predictions: Path  # what is scored, which may say which task is meant
    split: str = "val"  # where the folder holds several
    task: str = ""  # of several that the format has; empty: as the files say
    strict: bool = False  # what is without a partner is an error


_TRUTHS = MappingProxyType(  # format -> module:function
    {
        "bdd100k": "pipeline.evaluation.truths.in_folders:bdd100k",
        "cityscapes": "pipeline.evaluation.truths.in_folders:cityscapes",
        "coco": "pipeline.evaluation.truths.in_json:CocoTruths",
        "davis": "pipeline.evaluation.truths.in_folders:davis",
        "kitti": "pipeline.evaluation.truths.in_folders:kitti",
        "mots": "pipeline.evaluation.truths.mots:MotsTruths",
        "scalabel": "pipeline.evaluation.truths.in_json:ScalabelTruths",
    }
)


def open_truths(format_name: str, wanted: TruthWanted) -> Truths:
    """The truth of a benchmark; files are listed, no picture is decoded.

    Raises:
        ConfigError: there is no such format.
        DataError: the files are not there, broken, or do not belong together.
    """
    module, _, attribute = _TRUTHS[known(format_name)].partition(":")
    if not wanted.path.exists():
        raise DataError(f"{wanted.path} is not there", hint="give the official truth: its file or its folder")
    truths: Truths = getattr(importlib.import_module(module), attribute)(wanted)
    if not truths.names:
        why = f": {truths.left_out[0].name}: {truths.left_out[0].reason}" if truths.left_out else ""
        raise DataError(f"{wanted.path}: there is no image to score{why}", hint="is it the truth of this format?")
    if wanted.strict and truths.left_out:
        name, reason = truths.left_out[0]
        raise DataError(f"{name}: {reason}", hint="without --strict it is left out")
    return truths
