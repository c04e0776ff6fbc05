"""What is checked of a backend that is to run a network: each check's limit for each precision, and the verdict."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from engines.backends.base import Backend
from engines.verification import GRADES, Check, grade_of, why_not_verified
from pipeline.errors import ModelError
from pipeline.types import Card


@dataclass(frozen=True, slots=True)
class Kind:
    """What a check is: its limit is the least or the most that passes."""

    sense: Literal["least", "most"]
    title: str
    unit: str = ""  # % for shares
    limits: tuple[float, float, float, float] | None = None  # f32, fp16, bf16, int8; None: shown, not judged


CHECKS: Mapping[str, Kind] = MappingProxyType(
    {
        "frames": Kind("least", "different frames compared", "", (8, 8, 8, 8)),
        "other_shapes": Kind("most", "outputs of another shape", "frames", (0, 0, 0, 0)),
        "not_finite": Kind("most", "NaN or infinite", "values", (0, 0, 0, 0)),
        "largest_difference": Kind("most", "largest difference of outputs", "of range"),
        "mean_difference": Kind("most", "mean difference of outputs", "of range", (2e-5, 1e-3, 6e-3, 2e-2)),
        "repeat": Kind("most", "same input, other bytes", "frames", (0, 0, 0, 0)),
        "batch_twins": Kind("most", "same row twice in a batch differs", "rows", (0, 0, 0, 0)),
        "batch_order": Kind("most", "batch rows of another frame", "rows", (0, 0, 0, 0)),
        "batch_rows": Kind("most", "batch row against frame alone", "of range", (2e-5, 1e-3, 6e-3, 2e-2)),
        # semantic
        "classes_seen": Kind("least", "classes on 0.1 % of pixels", "", (2, 2, 2, 2)),
        "label_agreement": Kind("least", "pixels with the same label", "%", (0.9995, 0.995, 0.975, 0.95)),
        "worst_frame": Kind("least", "the same, worst frame", "%", (0.998, 0.985, 0.95, 0.92)),
        "label_iou": Kind("least", "mean IoU of labels", "%", (0.995, 0.97, 0.90, 0.85)),
        "class_kept": Kind("least", "pixels keeping class, worst class", "%", (0.98, 0.93, 0.80, 0.70)),
        "label_shift_px": Kind("most", "labels fit better moved by", "px", (0, 0, 0, 0)),
        # instances
        "instances": Kind("least", "objects compared", "", (10, 10, 10, 10)),
        "missing": Kind("most", "sure objects missing", "%", (0.005, 0.01, 0.02, 0.04)),
        "extra": Kind("most", "sure objects extra", "%", (0.005, 0.01, 0.02, 0.04)),
        "class_flips": Kind("most", "objects of another class", "%", (0.005, 0.01, 0.02, 0.03)),
        "objects_kept": Kind("least", "sure objects with class and mask", "%", (0.995, 0.985, 0.97, 0.95)),
        "box_iou": Kind("least", "mean IoU of boxes", "%", (0.999, 0.99, 0.97, 0.93)),
        "mask_iou": Kind("least", "mean IoU of masks", "%", (0.998, 0.985, 0.96, 0.93)),
        "score_difference": Kind("most", "mean difference of scores", "", (1e-3, 5e-3, 2e-2, 4e-2)),
        "mask_shift_px": Kind("most", "masks lie aside by, median", "px", (0.1, 0.3, 0.5, 0.5)),
    }
)


def limits_for(card: Card, precision: str) -> dict[str, float]:
    """What is asked of a backend of a precision that runs this network: defaults, and what the card's `verify:` says.

    Raises:
        ModelError: the card names a check or a precision that there is not.
    """
    grade = grade_of(card, precision)
    column = GRADES.index(grade)
    limits = {name: kind.limits[column] for name, kind in CHECKS.items() if kind.limits is not None}
    said = card.details.get("verify", {})
    for key, own in (said if isinstance(said, Mapping) else {}).items():
        if key not in GRADES or not isinstance(own, Mapping):
            raise ModelError(f"{card.name}: verify: `{key}`: expected {', '.join(GRADES)}, and limits below it")
        for name, limit in own.items():
            if name not in CHECKS:
                near = difflib.get_close_matches(str(name), CHECKS, 1)
                hint = f"did you mean `{near[0]}`?" if near else f"they are {', '.join(CHECKS)}"
                raise ModelError(f"{card.name}: verify.{key}: there is no check `{name}`", hint=hint)
            if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit):
                raise ModelError(f"{card.name}: verify.{key}.{name}: expected a number, got {limit!r}")
            if key == grade:
                limits[name] = float(limit)
    return limits


def gate(card: Card, backend: Backend) -> str:
    """Why a backend may not run a network before it is verified; empty: it may. Computes nothing. For select()."""
    return why_not_verified(card, backend, limits_for(card, backend.precision))


def judge(name: str, measured: float, limit: float | None) -> Check:
    """One check. What could not be measured does not pass where there is a limit."""
    kind = CHECKS[name]
    number = measured if math.isfinite(measured) else None
    if limit is None:
        return Check(name, number, None, True, "")
    if number is None:
        return Check(name, None, limit, False, f"{kind.title}: there was nothing to measure")
    passed = number >= limit if kind.sense == "least" else number <= limit
    says = f"{kind.title}: {shown(name, number)}, at {kind.sense} {shown(name, limit)} passes"
    return Check(name, number, limit, passed, "" if passed else says)


def shown(name: str, value: float) -> str:
    """A measure with its unit, for people."""
    unit = CHECKS[name].unit
    if unit == "%":
        return f"{value * 100:.2f} %"
    number = f"{value:g}" if value == int(value) and abs(value) < 1e6 else f"{value:.2g}"
    return f"{number} {unit}".rstrip()
