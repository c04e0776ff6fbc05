"""What an int8 network loses against the float one: of labels or objects, or of the measures on labelled images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engines.backends.base import Backend, Options
from engines.backends.onnxruntime import open_exact
from engines.select import opener
from pipeline.config import BackendConfig, Config, DecodeConfig, InputConfig
from pipeline.errors import DataError
from pipeline.evaluation.comparing import comparison
from pipeline.evaluation.evaluate import DEFAULTS, evaluate, evaluation_report
from pipeline.evaluation.labelled import Wanted as Images
from pipeline.evaluation.labelled import open_labelled
from pipeline.postprocess import decoder
from pipeline.types import Card, Frame, Inferred
from pipeline.workbench.verifying import prepare


@dataclass(frozen=True, slots=True)
class Truth:
    """Labelled images to measure the loss on, as `dashmask eval` takes them."""

    dataset: str
    root: str | None = None
    split: str = "val"


class Loss:
    """Measures files on a few frames against the float network; the frames are kept in memory."""

    def __init__(self, card: Card, frames: Iterable[Frame]) -> None:
        self._card = card
        self._decode = decoder(card, DecodeConfig()).decode
        reference = open_exact(card)
        self._shown = list(frames)
        try:
            self._expected = [self._decode(inferred) for inferred in _run(reference, card, self._shown)]
        finally:
            reference.close()

    def __call__(self, path: Path) -> float:
        backend = opener("onnxruntime-cpu")(replace(self._card, path=path), Options())
        counted = comparison(self._card, DecodeConfig().conf)
        try:
            for expected, inferred in zip(self._expected, _run(backend, self._card, self._shown), strict=True):
                found: Any = self._decode(inferred)
                counted.add(expected, found)  # type: ignore[arg-type]
        finally:
            backend.close()
        measured = counted.measures()
        return lost(measured)


def _run(backend: Backend, card: Card, frames: list[Frame]) -> Iterator[Inferred]:
    for prepared in prepare(card, frames):
        (inferred,) = backend.submit([prepared]).result()
        yield inferred
        if prepared.lease is not None:
            prepared.lease.release()


def lost(measured: Mapping[str, float | None]) -> float:
    """The loss that the measures of a comparison tell, 0..1.

    Of labels 1 - their mean IoU. Of objects 1 - kept / (sure + extra): sure objects that are not found again with
    their class and mask count, and so do sure ones that are found besides.
    """
    kept = measured.get("label_iou", measured.get("objects_kept"))
    if kept is None or math.isnan(kept):
        return 1.0
    return 1 - kept / (1 + (measured.get("extra") or 0.0))


def true_loss(card: Card, made: Path, truth: Truth, say: Callable[[str], None]) -> tuple[float, str]:
    """What is lost of mean IoU, or of mask AP, on labelled images; and what it is a loss of."""
    measure = "mean IoU" if card.family == "semantic" else "mask AP"
    scores = []
    for path in (card.path, made):
        decode = DecodeConfig(**{key.partition(".")[2]: value for key, value in DEFAULTS.items()})  # type: ignore[arg-type]
        long_side = card.input.long_side if None in card.input.size_hw else None
        config = Config(
            model=(str(path),),
            backend=BackendConfig(name="onnxruntime-cpu", unverified=True),
            input=InputConfig(long_side=long_side),
            decode=decode,
        )
        data = open_labelled(Images(truth.dataset, truth.root, truth.split), config)
        what = evaluation_report(evaluate(data, config, _Silent()))
        score = what["mIoU"] if card.family == "semantic" else what.get("mask", {}).get("AP")
        if score is None:
            raise DataError(f"{truth.dataset} {truth.split} has nothing that {measure} can be measured on")
        say(f"{measure} of {path.name} on {what['images']} images of {truth.dataset} {truth.split}: {score:.4f}")
        scores.append(float(score))
    of = f"{measure} on {truth.dataset} {truth.split}, {scores[0]:.4f} in float and {scores[1]:.4f} in int8"
    return scores[0] - scores[1], of


class _Silent:
    """A run.Watch that says nothing."""

    def started(self, source: Any, nets: Any) -> None: ...

    def frame(self, summary: Any, info: Any) -> None: ...

    def noted(self, notes: Any) -> None: ...
