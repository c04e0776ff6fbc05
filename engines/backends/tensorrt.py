"""TensorRT and TensorRT for RTX: which plan runs a network here. Plans are built ahead, never here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from traceback import clear_frames
from types import TracebackType

from engines.backends.base import Options
from engines.backends.slot_backend import SlotBackend
from engines.backends.tensorrt_plan import PlanRuntime
from engines.device import open_device
from engines.gpu import gpu_here
from engines.kept_file import keep, read_kept
from engines.manifest import Machine, shapes_of
from engines.plans import Plan, compiled_path, find_plans, load_plan, plans_dir
from engines.probe import tensorrt_here
from engines.tensorrt_api import open_api
from engines.tensorrt_engine import Engine
from engines.verification import from_plain
from pipeline.errors import BackendError
from pipeline.types import Card

SLOTS = 3  # one uploads, one computes, one downloads
_PRODUCTS = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT for RTX"}


def open_tensorrt(card: Card, options: Options) -> SlotBackend:
    """The network on an NVIDIA GPU, by a plan of TensorRT.

    Raises:
        BackendError: no plan was built for this machine, or none of them can be loaded; with the reasons.
    """
    return _open("tensorrt", card, options)


def open_rtx(card: Card, options: Options) -> SlotBackend:
    """The network on an NVIDIA GPU, by a plan of TensorRT for RTX.

    Raises:
        BackendError: no plan was built for this machine, or none of them can be loaded; with the reasons.
    """
    return _open("tensorrt-rtx", card, options)


def _open(product: str, card: Card, options: Options) -> SlotBackend:
    if options.precision != "f32":
        raise BackendError(f"{product} has no {options.precision}: its precision is that of its plan")
    product_arg = "" if product == "tensorrt" else f" --product {product}"
    hint = f"`dashmask build {card.path}{product_arg}` builds one"
    if not any(plans_dir().glob(f"{card.sha256[:12]}-{product}-*.plan")):  # the usual case; all else takes longer
        raise BackendError("no plan was built of it here", hint=hint)
    here = tensorrt_here(product)
    if here.reason:
        raise BackendError(here.reason)
    gpu, reason = gpu_here()
    if reason:
        raise BackendError(reason)
    machine = Machine(product, here.version, gpu)
    found = find_plans(card.sha256, machine)
    if not found.plans:
        raise BackendError(f"no plan for this machine{_because(found.passed_over)}", hint=hint)
    refused = []
    for plan in sorted(found.plans, key=lambda plan: not _verified(plan)):  # stable: else the newest first
        try:
            return _load(product, card, options, machine, plan)
        except BackendError as error:
            refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    why = _because([error.message for error in refused])
    raise BackendError(f"none of {len(refused)} plans runs{why}", hint=hint)


def _because(reasons: Sequence[str]) -> str:
    return f": {'; '.join(reasons)}" if reasons else ""


def _verified(plan: Plan) -> bool:
    record = from_plain(plan.manifest.verification)
    return record is not None and record.passed


def _let_go(kind: object, error: BaseException | None, traceback: TracebackType | None) -> None:
    """Who keeps an error must not keep the TensorRT objects in its frames: they die while the context is current."""
    clear_frames(traceback)


def _load(product: str, card: Card, options: Options, machine: Machine, plan: Plan) -> SlotBackend:
    data, manifest = load_plan(plan.path, machine, onnx_sha256=card.sha256)
    compiled = compiled_path(plan.path, machine)
    kept = (read_kept(compiled) or b"") if product == "tensorrt-rtx" else b""
    api = open_api(product)
    device = open_device()
    try:
        with device.current(), ExitStack() as refused:
            refused.push(_let_go)
            engine = Engine(api, data, kept)
            refused.callback(engine.close)
            runtime = PlanRuntime(device, engine, card, manifest)
            shape = runtime.usual(options.shape_hw)
            precision = manifest.options.precision
            backend = SlotBackend(
                product,
                f"{_PRODUCTS[product]} {api.version}, {device.name}, {precision}, plan {manifest.plan_sha256[:8]}",
                "f32" if precision == "fp32" else precision,
                card,
                device,
                runtime,
                slots=SLOTS,
                max_batch=shapes_of(manifest)[0].most[0],
            )
            refused.pop_all()
    except BaseException:
        with suppress(BackendError):  # the first error is told
            device.close()
        raise
    try:
        backend.ready(shape, options.task)
        with device.current():
            now = engine.compiled()
        if now not in (b"", kept):
            keep(compiled, now)  # the next run need not compile
    except BaseException:
        with suppress(BackendError):
            backend.close()
        raise
    return backend
