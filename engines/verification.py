"""The record of a verification, where it is kept, and what may run without one.

One JSON file a record in the user's cache. A record holds for the model's bytes, what its card makes of pixels, the
backend with its version and precision (not for its number of threads), the processor, the version of what is checked,
and the limits; where one of them differs it is not used.
"""

from __future__ import annotations

import hashlib
import math
import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from engines.backends.base import Backend, crew
from engines.machine import cpu_name
from engines.tune_store import store_path
from engines.weight_types import in_halves
from pipeline.types import Card

VERSION = 2  # of what is checked and how: an older record does not count
Graded = Literal["f32", "fp16", "bf16", "int8"]
GRADES: tuple[Graded, ...] = ("f32", "fp16", "bf16", "int8")  # from strict to lenient
PLAIN = ("onnxruntime-cpu", "onnxruntime-cuda", "openvino")  # with f32 these need no verification
_OPERATORS = 2 << 20  # bytes at the beginning of an ONNX file; its nodes come before its weights
_LARGEST = 1 << 20  # bytes of a record; more is none of ours
_MATERIAL = ("frames", "classes_seen", "instances")  # checks of what was compared, not of who was
_RESULTS = (  # checks of what was seen, not measured where there was nothing to see
    *("label_iou", "class_kept", "missing", "extra", "class_flips"),
    *("objects_kept", "box_iou", "mask_iou", "score_difference", "mask_shift_px"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was measured, and what was asked of it."""

    name: str  # a key of engines.checks.CHECKS
    measured: float | None  # None: there was nothing to measure
    limit: float | None  # None: shown, not judged
    passed: bool
    says: str  # a sentence where it failed; else empty


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of comparing a backend with the reference."""

    version: int
    model: str  # the file's name
    sha256: str  # of the model
    reference: str  # what it was compared with: runtime, and the model where it is another one
    backend: str
    identity: str  # see identity_of
    machine: str  # the processor
    precision: Graded
    source: str  # of the frames
    size_hw: tuple[int, int]  # of the network's input for the first frame, pixels
    frames: int
    worst_frame: int | None  # index in the source
    worst_agreement: float | None  # of that frame, 0..1
    backend_ms: float | None  # median of a frame alone, in the threads that `identity` leaves open
    reference_ms: float | None
    made: str  # date and time, UTC
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check that has a limit was kept."""
        return all(check.passed for check in self.checks)

    @property
    def proves_nothing(self) -> bool:
        """Whether it failed for want of anything to compare alone: that says nothing against the backend."""
        failed = [check for check in self.checks if not check.passed]
        return bool(failed) and all(
            check.name in _MATERIAL or (check.name in _RESULTS and check.measured is None) for check in failed
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """A sentence for each check that failed."""
        return tuple(check.says for check in self.checks if not check.passed)

    @property
    def limits(self) -> dict[str, float]:
        """What was asked."""
        return {check.name: check.limit for check in self.checks if check.limit is not None}


def to_plain(verification: Verification) -> dict[str, Any]:
    """The record as JSON has it, for a store or for a plan's manifest."""
    import msgspec

    return cast(dict[str, Any], msgspec.json.decode(msgspec.json.encode(verification)))


def from_plain(tree: Any) -> Verification | None:
    """The record from a JSON tree; None where it is no record of this version."""
    import msgspec

    try:
        found = msgspec.convert(tree, Verification)
    except (msgspec.ValidationError, RecursionError, OverflowError):
        return None
    numbers = [n for check in found.checks for n in (check.measured, check.limit) if n is not None]
    return found if found.version == VERSION and all(map(math.isfinite, numbers)) else None


def identity_of(backend: Backend) -> str:
    """What computes: runtime, version, device and precision, whatever the number of threads."""
    return backend.detail.replace(f", {crew(backend.workers, backend.threads)}", "")


def grade_of(card: Card, precision: str) -> Graded:
    """The coarser of the precisions of a model and of a backend, by which the limits are chosen."""
    own = "int8" if is_quantized(card) else str(card.details.get("precision") or _of_weights(card))
    return max((grade for grade in GRADES if grade in (own, precision)), key=GRADES.index, default="f32")


def _of_weights(card: Card) -> Graded:
    return "fp16" if in_halves(card.path) else "f32"


def is_quantized(card: Card) -> bool:
    """Whether a model computes in whole numbers: its card says so, or there are such operators in its file."""
    if card.details.get("precision") == "int8":
        return True
    try:
        with card.path.open("rb") as file:
            operators = file.read(_OPERATORS)
    except OSError:
        return False
    return b"uantizeLinear" in operators  # QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear


def needs_verification(card: Card, backend: Backend) -> bool:
    """Whether a backend may run a network only once it was verified: all but plain f32."""
    if backend.name == "null":
        return False
    return backend.name not in PLAIN or backend.precision != "f32" or is_quantized(card)


def why_not_verified(card: Card, backend: Backend, limits: Mapping[str, float]) -> str:
    """Why a backend may not run a network; empty: it may. Looks only for what is kept, computes nothing.

    Args:
        limits: those that hold for this network and precision now, see engines.checks.limits_for.
    """
    asked = backend.name in PLAIN and backend.precision != "f32"  # a plan has its precision built in
    precision = f" --precision {backend.precision}" if asked else ""
    command = f"`dashmask verify {shlex.quote(str(card.path))} --backend {backend.name}{precision}`"
    found = find_verification(card, backend)
    if found is not None and found.limits.items() <= dict(limits).items():
        if found.passed:
            return ""
        more = len(found.failures) - 1
        told = found.failures[0] + (f" (and {more} more)" if more else "")
        return f"did not verify against {found.reference}: {told}; {command} shows all, --unverified runs it anyhow"
    if not needs_verification(card, backend):
        return ""
    what = grade_of(card, backend.precision)
    state = f"{what} was not verified here" if found is None else f"{what} was verified with other limits"
    return f"{state}: {command}, or --unverified"


def may_pass(card: Card, name: str, precision: str) -> bool:
    """Whether a record says that a backend passed in a precision on this processor, with some version of it.

    It is asked before anything is opened; whether the backend that is then open may run, why_not_verified says.
    """
    import json

    try:
        found = [
            from_plain(json.loads(path.read_text(encoding="utf-8")))
            for path in (store_path().parent / "verified").glob(f"{card.sha256[:12]}-{name}-*.json")
            if path.stat().st_size <= _LARGEST
        ]
    except (OSError, ValueError, RuntimeError, RecursionError):
        return False
    wanted = (card.sha256, name, precision, cpu_name())
    return any(
        one and one.passed and (one.sha256, one.backend, one.precision, one.machine) == wanted for one in found
    )


def find_verification(card: Card, backend: Backend) -> Verification | None:
    """What is known of a backend that runs this very model here; None: nothing that can be used."""
    import json

    try:
        path = _path(card, backend)
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        found = from_plain(json.loads(text)) if len(text) <= _LARGEST else None
    except (OSError, ValueError, RuntimeError, RecursionError):  # RuntimeError: no home
        return None
    wanted = (card.sha256, backend.name, identity_of(backend), cpu_name())
    if found is None or (found.sha256, found.backend, found.identity, found.machine) != wanted:
        return None
    return found


def store_verification(card: Card, backend: Backend, verification: Verification) -> str:
    """Keep a record, whole or not at all.

    Returns:
        A line for people: where it is, or why it was not kept.
    """
    import json

    if verification.proves_nothing:
        return "not kept, as there was too little to compare: what was known before still holds"
    try:
        path = _path(card, backend)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
            try:
                json.dump(to_plain(verification), file, indent=1)
                file.flush()
                os.replace(file.name, path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise
    except (OSError, RuntimeError) as error:
        return f"not stored: {error}"
    return f"stored in {path}"


def _path(card: Card, backend: Backend) -> Path:
    to = card.input
    pixels = repr((to.colour, to.scale, to.mean, to.std, to.fit, to.pad))
    key = " | ".join((str(VERSION), card.sha256, pixels, backend.name, identity_of(backend), cpu_name()))
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return store_path().parent / "verified" / f"{card.sha256[:12]}-{backend.name}-{digest}.json"
