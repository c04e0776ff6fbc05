"""What a TensorRT plan is: a JSON file beside it, and whether the plan fits the machine that would load it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from engines.gpu import Gpu

FORMAT = 1
Product = Literal["tensorrt", "tensorrt-rtx"]
Precision = Literal["fp32", "fp16", "int8"]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_PROFILES = 64


@dataclass(frozen=True, slots=True)
class Shapes:
    """One optimisation profile: the least, best and largest shape of the input; equal for one shape alone."""

    least: tuple[int, int, int, int]
    best: tuple[int, int, int, int]
    most: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What was asked of the build; part of what tells two plans of one network apart."""

    precision: Precision
    profiles: tuple[Shapes, ...]  # empty: the network fixes its shape
    input_shape: tuple[int, int, int, int]  # that the network fixes, or best of the first profile
    workspace_mib: int | None = None  # None: TensorRT's choice
    optimisation_level: int | None = None
    tf32: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """What would load a plan, or built it."""

    product: str
    version: str  # of the product
    gpu: Gpu  # empty: none


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plan is and what it was made of."""

    product: Product
    version: str
    gpu: str  # gpu, compute capability and driver are empty where RTX built without a GPU
    compute_capability: str
    driver: str
    model: str  # name of the ONNX file, for people
    onnx_sha256: (
        str  # of that file and its weights, as they lie there: what was converted from it is the same network
    )
    plan_sha256: str
    plan_bytes: int
    options: PlanOptions
    dashmask: str
    built: str  # date and time, UTC, ISO 8601
    verification: dict[str, Any] | None = None  # engines.verification.to_plain; None: not verified
    format: int = FORMAT

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it another plan: product, version, GPU, driver, network and options."""
        machine = (self.product, self.version, self.gpu, self.compute_capability, self.driver)
        return (*machine, self.onnx_sha256, self.options)


class ManifestError(Exception):
    """Bytes that are no manifest; the sentence says why, after `it`."""


def to_json(manifest: Manifest) -> str:
    """As it is written."""
    return json.dumps(asdict(manifest), indent=1, allow_nan=False) + "\n"


def from_json(text: bytes) -> Manifest:
    """Read one; whatever the bytes are.

    Raises:
        ManifestError: they are no manifest of this format.
    """
    import msgspec

    try:
        tree = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # broken JSON, no UTF-8, numbers of a million digits, nesting
        raise ManifestError("it is no JSON") from error
    if not isinstance(tree, dict):
        raise ManifestError("it is no JSON object")
    if tree.get("format") != FORMAT or isinstance(tree["format"], bool):
        raise ManifestError(f"its format is {str(tree.get('format'))[:20]!r}, this version reads {FORMAT}")
    names = {field.name for field in fields(Manifest)}
    if unknown := sorted(set(tree) - names):
        raise ManifestError(f"it has an unknown key `{unknown[0][:40]}`")
    try:
        manifest = msgspec.convert(tree, Manifest)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        raise ManifestError(f"it is wrong: {error}") from error
    if wrong := _wrong(manifest):
        raise ManifestError(wrong)
    return manifest


def mismatch(manifest: Manifest, machine: Machine) -> str:
    """Why a plan does not fit here, one sentence; empty where it does.

    A plan that was built without a GPU fits any, as far as its manifest tells: loading it decides.
    """
    if manifest.product != machine.product:
        return f"it was built by {manifest.product}, which {machine.product} cannot load"
    if manifest.version != machine.version:
        return f"it was built by {manifest.product} {manifest.version}, here is {machine.version}"
    if not manifest.gpu:
        return ""
    here = machine.gpu
    if not here.name:
        return f"it was built for {manifest.gpu}, there is no GPU here"
    if manifest.gpu != here.name:
        return f"it was built for {manifest.gpu}, here is {here.name}"
    if manifest.compute_capability != here.compute_capability:
        there = manifest.compute_capability
        return f"it was built for compute capability {there}, here is {here.compute_capability}"
    if manifest.driver != here.driver:
        return f"it was built with a driver for CUDA {manifest.driver}, here is one for {here.driver}"
    return ""


def _wrong(manifest: Manifest) -> str:
    """What types alone do not tell."""
    for name in ("onnx_sha256", "plan_sha256"):
        if not _SHA256.fullmatch(getattr(manifest, name)):
            return f"its {name} is no SHA-256"
    if not manifest.version or manifest.plan_bytes < 1:
        return "it names no version or an empty plan"
    if len({bool(text) for text in (manifest.gpu, manifest.compute_capability, manifest.driver)}) != 1:
        return "it names a GPU only in part"
    options = manifest.options
    if len(options.profiles) > _MOST_PROFILES:
        return f"it has {len(options.profiles)} profiles, more than {_MOST_PROFILES}"
    shapes = [(one.least, one.best, one.most) for one in options.profiles]
    for least, best, most in [*shapes, (options.input_shape,) * 3]:
        if not all(1 <= a <= b <= c < 1 << 31 for a, b, c in zip(least, best, most, strict=True)):
            return "its shapes are not in order"
    return ""


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def shapes_of(manifest: Manifest) -> tuple[Shapes, ...]:
    """The profiles; of a network that fixes its shape that one."""
    options = manifest.options
    return options.profiles or (Shapes(options.input_shape, options.input_shape, options.input_shape),)


def profile_for(manifest: Manifest, shape: Sequence[int]) -> int | None:
    """The first profile that takes an input of this shape; None where none does."""
    wanted = tuple(shape)
    for index, one in enumerate(shapes_of(manifest)):
        if len(wanted) == 4 and all(a <= n <= b for a, n, b in zip(one.least, wanted, one.most, strict=True)):
            return index
    return None
