"""Quantization, put together: frames of a clip go to `engines.quantize`, and what comes out is measured."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engines.backends.base import Options
from engines.backends.onnxruntime import open_exact
from engines.card import find_card, read_card
from engines.card_text import card_as_yaml
from engines.checks import CHECKS, judge, limits_for
from engines.model_file import write_model
from engines.probe import why_not
from engines.quantize import Method, Quantizer, choose
from engines.select import opener
from engines.verification import Verification, store_verification
from pipeline.config import InputConfig
from pipeline.config_file import config_dirs
from pipeline.errors import BackendError, DataError
from pipeline.networks import input_for
from pipeline.sinks import check_outputs
from pipeline.types import Card
from pipeline.workbench.quantization_loss import Loss, Truth, lost, true_loss
from pipeline.workbench.sampling import length, sampled
from pipeline.workbench.verifying import compare, prepare

LEARNED = (0.0, 0.7)  # the part of a clip that is calibrated with; what comes behind it is measured on
_CHOSEN_ON = 12  # frames of the part that is calibrated with
_MEASURED_ON = 24
_RUNTIMES = ("onnxruntime-cpu", "openvino")
_SLACK = 1.5  # what another backend may differ more than those measured here
_EXACT = ("frames", "other_shapes", "not_finite", "repeat", "batch_twins", "batch_order", "batch_rows")
_SEEN = ("classes_seen", "instances", "label_shift_px", "mask_shift_px")  # do not depend on the precision


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be quantized and how."""

    model: str
    frames: str
    out: Path | None = None
    method: Method = "minmax"
    count: int = 64
    most_loss: float = 0.01
    long_side: int | None = None
    truth: Truth | None = None


@dataclass(frozen=True, slots=True)
class Quantized:
    """What came of it."""

    out: Path | None  # None: it loses too much, nothing was written
    loss: float
    loss_of: str  # what the loss is, for people
    left_float: int
    convolutions: int
    float_verifications: tuple[Verification, ...]  # for the speed beside it
    verifications: tuple[Verification, ...]
    refused: str  # why nothing was written; else empty
    stored: tuple[str, ...]


def quantize_model(wanted: Wanted, say: Callable[[str], None] = lambda line: None) -> Quantized:
    """Make an int8 network, measure what it loses on other frames, and write it where that is allowed.

    Raises:
        UserError: a model, a clip or a data set that cannot be used.
    """
    card_dirs = [folder / "cards" for folder in config_dirs()]
    card = find_card(wanted.model, card_dirs=card_dirs)
    card = replace(card, input=input_for(card, InputConfig(long_side=wanted.long_side)))
    out = wanted.out or Path(f"{card.path.stem}-int8.onnx")
    check_outputs(wanted.frames, [out])
    total = length(wanted.frames)
    count = min(wanted.count, max(1, round(total * LEARNED[1])))
    left, least = total - round(total * LEARNED[1]), limits_for(card, "int8")["frames"]
    if left < least:
        raise DataError(
            f"{wanted.frames} has {total} frames: {f'{left} are' if left else 'none is'} left to measure on behind "
            f"those that calibrate, expected {least:g} or more",
            hint="give a clip of some seconds, as it will be run on",
        )
    with tempfile.TemporaryDirectory(prefix="dashmask-quantize-") as folder:
        scratch = Path(folder)
        made = scratch / out.name
        quantizer = Quantizer(card, lambda: _tensors(card, wanted.frames, count), count, wanted.method, scratch)
        say(f"calibrating with {count} of the first {round(total * LEARNED[1])} of {total} frames of {wanted.frames}")
        loss_of = Loss(card, sampled(wanted.frames, _CHOSEN_ON, LEARNED))
        best = choose(quantizer, loss_of, wanted.most_loss, scratch, say)
        about: dict[str, Any] = {
            "source": card.path.name,
            "source_sha256": card.sha256,
            "method": wanted.method,
            "calibration": f"{count} frames of {_base(wanted.frames)}",
            "format": "QDQ: convolutions, weights int8 per channel, activations int8 symmetric per tensor",
            "left_float": list(best.left_float),
        }
        quantizer.write(made, best.left_float, card_as_yaml(card, {"precision": "int8", "quantized": about}, {}))
        say("measuring on the frames behind those")
        verifications, floats = _measured(card, made, wanted.frames)
        loss = max(lost({check.name: check.measured for check in one.checks}) for one in verifications)
        what = "1 - mean IoU of its labels with the float network's"
        if card.family != "semantic":
            what = "sure objects of the float network's that lost class or mask (IoU 0.5), and sure ones besides"
        if wanted.truth is not None:
            loss, what = true_loss(card, made, wanted.truth, say)
        refused = _why_refused(verifications, loss, wanted.most_loss)
        stored: list[str] = []
        if not refused:
            about["loss"] = {"value": round(loss, 5), "of": what}
            relaxed = _relaxed(card, verifications)
            text = card_as_yaml(card, {"precision": "int8", "quantized": about}, {"int8": relaxed} if relaxed else {})
            quantizer.write(made, best.left_float, text)
            write_model(made.read_bytes(), out)
            stored, verifications = _kept(read_card(out), verifications)
        return Quantized(
            None if refused else out,
            loss,
            what,
            len(best.left_float),
            quantizer.convolutions.count,
            tuple(floats),
            tuple(verifications),
            refused,
            tuple(stored),
        )


def _tensors(card: Card, frames: str, count: int) -> Iterator[NDArray[Any]]:
    """Input tensors of the part that is calibrated with; each is good until the next."""
    for prepared in prepare(card, sampled(frames, count, LEARNED)):
        yield prepared.tensor
        if prepared.lease is not None:
            prepared.lease.release()


def _measured(card: Card, made: Path, frames: str) -> tuple[list[Verification], list[Verification]]:
    """The int8 network, and for its speed the float one, on every CPU runtime that is here."""
    quantized = read_card(made)
    quantized = replace(quantized, input=card.input, details={**quantized.details, "verify": {}})
    pairs: list[tuple[Verification, Verification]] = []
    reasons = []
    for name in _RUNTIMES:
        if reason := why_not(name):
            reasons.append(f"{name}: {reason}")
            continue
        try:
            both = [_verified(one, card, name, frames) for one in (quantized, card)]
        except BackendError as error:
            reasons.append(f"{name}: {error}")
            continue
        pairs.append((both[0], both[1]))
    if not pairs:
        raise BackendError(f"nothing here runs the int8 network: {'; '.join(reasons)}")
    return [one for one, _ in pairs], [other for _, other in pairs]


def _verified(card: Card, reference_card: Card, name: str, frames: str) -> Verification:
    reference = open_exact(reference_card)
    try:
        backend = opener(name)(card, Options())
        try:
            return compare(
                backend,
                reference,
                sampled(frames, _MEASURED_ON, (LEARNED[1], 1.0)),
                card=card,
                limits=limits_for(card, backend.precision),
                source=f"{_base(frames)}, behind the frames that were calibrated with",
                compared_with=f"{reference_card.path.name}, {reference.detail}",
            )
        finally:
            backend.close()
    finally:
        reference.close()


def _why_refused(verifications: list[Verification], loss: float, most: float) -> str:
    if not loss <= most:
        return f"it loses {loss:.4f}, at most {most:g} is allowed"
    wrong = [c.says for one in verifications for c in one.checks if not c.passed and c.name in _EXACT + _SEEN]
    return "; ".join(dict.fromkeys(wrong))


def _relaxed(card: Card, verifications: list[Verification]) -> dict[str, float]:
    """Limits for the card, where more is lost than usual and the user allows it: half as much again as measured."""
    relaxed: dict[str, float] = {}
    for check in (c for one in verifications for c in one.checks if not c.passed and c.measured is not None):
        kind = CHECKS[check.name]
        assert check.measured is not None
        if kind.sense == "least":
            limit = math.floor((1 - (1 - check.measured) * _SLACK) * 1e3) / 1e3
            relaxed[check.name] = min(limit, relaxed.get(check.name, 1.0))
        else:
            limit = math.ceil(check.measured * _SLACK * 1e3) / 1e3
            relaxed[check.name] = max(limit, relaxed.get(check.name, 0.0))
    return relaxed


def _kept(card: Card, verifications: list[Verification]) -> tuple[list[str], list[Verification]]:
    """Records of the file as it was written, judged by the limits of its card, so that `run` uses it at once."""
    stored, judged = [], []
    for one in verifications:
        backend = opener(one.backend)(card, Options())
        try:
            limits = limits_for(card, backend.precision)
            checks = tuple(
                judge(c.name, math.nan if c.measured is None else c.measured, limits.get(c.name)) for c in one.checks
            )
            mine = replace(one, model=card.path.name, sha256=card.sha256, checks=checks)
            stored.append(f"{one.backend}: record {store_verification(card, backend, mine)}")
            judged.append(mine)
        finally:
            backend.close()
    return stored, judged


def _base(spec: str) -> str:
    """A clip's name without its folders: a card goes to other people."""
    return spec if spec.partition(":")[0] == "demo" else Path(spec).name
