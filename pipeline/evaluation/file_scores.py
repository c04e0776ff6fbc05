"""Score files of predictions, made by anybody, against the official truth: as an evaluation scores a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.datasets import LeftOut
from pipeline.errors import ConfigError, DataError
from pipeline.evaluation.mapping import network_classes
from pipeline.evaluation.official import open_official
from pipeline.evaluation.scoring import Scores, open_scores
from pipeline.evaluation.scoring.objects import ComparedBy
from pipeline.evaluation.truths import Truths, TruthWanted, open_truths
from pipeline.formats import open_reader
from pipeline.formats.base import Prediction
from pipeline.formats.reading import Asked, Benchmark, Reader
from pipeline.image import Image
from pipeline.metrics.matching import rules_of
from pipeline.types import Classes, Frame, Labels, Scene, Truth

Watch = Callable[[int, int], None]  # images done, of how many


@dataclass(frozen=True, slots=True)
class _Files:
    """Files of predictions as what found something."""

    name: str
    family: str
    classes: Classes


def score_files(
    format_name: str, wanted: TruthWanted, watch: Watch, boundaries: bool = False, mappings: Sequence[str] = ()
) -> dict[str, Any]:
    """The scores that predictions and truth have in common, and what was left out of them.

    What is wrong in the truth takes its image out. What is wrong in a prediction is left out of it: the image is
    scored with what is whole, so that a broken prediction never does better than none. An image without a prediction
    counts as one where nothing was found.

    Args:
        format_name: a key of FORMATS.
        wanted: where predictions and truth are. Strict: anything wrong or missing is an error.
        watch: is told of every image.
        boundaries: compare the borders of label maps too, which takes far longer.
        mappings: names or paths of tables, from the classes of the predictions and of the truth to those that are
            compared. The benchmark's own figures stay in its own classes.

    Returns:
        for JSON, as an evaluation reports its accuracy: shares 0..1, None where there is nothing to measure.

    Raises:
        UserError: no such format, nothing to read, not one whole image, a table for other classes; in strict mode
            the first that is wrong.
    """
    truths = open_truths(format_name, wanted)
    benchmark = Benchmark(truths.object_classes, truths.category_ids, truths.task, _other_classes(truths, mappings))
    reader = open_reader(format_name, wanted.predictions, benchmark)
    official = open_official(format_name, truths, reader)
    alone = official is not None and official.alone
    scores = None if alone else _scores(wanted.predictions, truths, reader, boundaries, mappings)
    _all_used(mappings, scores)
    left_out, missing = list(truths.left_out), []
    images = empty = 0
    _first_wrong(wanted.strict, reader.left_out)
    for index, name in enumerate(truths.names):
        try:
            truth = truths.truth(index)
        except DataError as error:
            if wanted.strict:
                raise
            left_out.append(LeftOut(name, error.message))
            so_far = len(reader.left_out)
            number = truths.image_ids[index] if truths.image_ids else None
            reader.find(Asked(name, index, (0, 0), number))  # so that it is not called a prediction without truth
            del reader.left_out[so_far:]
            continue
        assert truth.labels is not None
        height, width = truth.labels.map.shape
        found = reader.find(Asked(name, index, (height, width), truth.image_id))
        _first_wrong(wanted.strict, reader.left_out)
        if found is None:
            missing.append(name)
            if wanted.strict:
                raise DataError(f"{name} has no prediction: {reader.missing}", hint="predict every image")
        elif found.labels is None and not (found.instances and len(found.instances.class_ids)):
            empty += 1  # or it was never looked at: lists of objects do not tell
        if scores is not None:
            scores.add(truth, None if found is None else _scene(found, truth))
        if official is not None:
            official.add(index, truth, found)
        images += 1
        watch(index + 1, len(truths.names))
    own = {} if official is None else official.report()  # first, as the end of a film may leave something out
    left_out += [*reader.left_out, *(official.left_out if official is not None else ())]
    left_out += [LeftOut(name, "a prediction for an image that has no truth") for name in reader.unasked()]
    _first_wrong(wanted.strict, left_out)
    if not images:
        raise DataError(f"{wanted.path}: not one image could be scored: {left_out[0].reason}", hint="mend the truth")
    return {
        "predictions": str(wanted.predictions),
        "format": format_name,
        "dataset": {"name": truths.name, "split": "", "terms": ""},
        "images": images,
        "left_out": {"count": len(left_out), "files": [one._asdict() for one in left_out]},
        "nothing_found": empty,
        "missing": {"count": len(missing), "counted": reader.missing, "images": missing},
        **({} if scores is None else scores.report()),
        **own,
        "note": reader.note if reader.things is not None else "",
    }


def _other_classes(truths: Truths, mappings: Sequence[str]) -> tuple[str, ...]:
    """What the tables call the classes of the predictions, unless the truth has them all."""
    named = tuple(dict.fromkeys(name for table in mappings for name in network_classes(table)))
    there = () if truths.object_classes is None else truths.object_classes.names
    return () if {name.lower() for name in named} <= {name.lower() for name in there} else named


def _all_used(mappings: Sequence[str], scores: Scores | None) -> None:
    """ConfigError where a table is for nothing that is compared."""
    compared = () if scores is None else (scores.labels, scores.objects)
    used = {one.mapping.name for one in compared if one is not None}
    for table in mappings:
        if Path(table).stem not in used:
            raise ConfigError(
                f"{table} is for none of the classes that are compared",
                hint="a table for label maps, one for objects",
            )


def _scores(predictions: Path, truths: Truths, reader: Reader, boundaries: bool, mappings: Sequence[str]) -> Scores:
    finders = [
        _Files(predictions.name, family, classes)
        for family, classes in (("semantic", reader.labels), ("objects", reader.things))
        if classes is not None
    ]
    return open_scores(
        finders,
        truths.classes,
        truths.object_classes,
        mappings,
        not_in_mean=truths.not_in_mean,
        boundaries=boundaries,
        rules=rules_of(truths.name),
        compared_by=ComparedBy(reader.kinds, reader.sized_by),
        tables_first=True,
    )


def _first_wrong(strict: bool, left_out: list[LeftOut]) -> None:
    if strict and left_out:
        raise DataError(f"{left_out[0].name}: {left_out[0].reason}", hint="without --strict it is left out")


def _scene(found: Prediction, truth: Truth) -> Scene:
    """As a run would have given it, without a picture."""
    picture = Image((np.broadcast_to(np.uint8(0), (*found.size_hw, 3)),), "bgr24")
    frame = Frame(found.index, found.index, Fraction(1), 0.0, picture, truth)
    labels = None if found.labels is None else Labels(found.labels, _LABELS)
    return Scene(frame, found.instances, labels)


_LABELS = Classes((), ())  # scores know them from the reader
