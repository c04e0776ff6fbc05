"""From an ONNX network to a TensorRT plan with its manifest, ahead of its first use."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast, get_args

from engines.build_graph import Batch, in_precision, load_graph, profiles_of
from engines.build_process import Progress, ask
from engines.build_reasons import failed, refused
from engines.gpu import Gpu, gpu_here
from engines.manifest import Manifest, PlanOptions, Product
from engines.plans import Plan, plans_dir, store_plan
from engines.probe import MODULES, installed
from pipeline import __version__
from pipeline.errors import BackendError
from pipeline.types import Card

MOST_MIB = 4096  # of a plan


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build."""

    plan: Plan
    notes: tuple[str, ...]  # what the user should know


def build(
    card: Card,
    *,
    precision: str | None = None,
    shapes_hw: Sequence[tuple[int, int]] = (),
    batches: Sequence[Batch] = ((1, 1),),
    product: str = "auto",
    workspace_mib: int | None = None,
    optimisation_level: int | None = None,
    out: Path | None = None,
    progress: Progress = lambda phase, done: None,
    most_mib: float = MOST_MIB,
) -> Built:
    """Build a plan, in a process of its own, and keep it with its manifest; nothing is left of a build that fails.

    Args:
        card: of the network.
        precision: fp32, fp16 or int8; None: what the network is.
        shapes_hw: heights and widths of the input, pixels; none: that of 16:9 footage.
        batches: how many frames at once.
        product: tensorrt, tensorrt-rtx, or auto.
        workspace_mib: memory that a layer may use; None: TensorRT's choice.
        optimisation_level: 0 (builds fast) to 5 (runs fast); None: TensorRT's choice.
        out: the plan; None: among the others, where a run finds it.
        progress: told what is going on.
        most_mib: a larger plan is an error.

    Raises:
        ModelError: the network cannot be built so; the error names node and operator.
        BackendError: the product is not here, crashed, or has too little memory.
    """
    chosen, notes = choose_product(product)
    gpu, no_gpu = gpu_here()
    if chosen == "tensorrt" and no_gpu:
        raise BackendError(
            f"tensorrt builds only where it runs, and there is no GPU: {no_gpu}",
            hint="tensorrt-rtx builds without one: --product tensorrt-rtx",
        )
    if no_gpu:
        notes.append("built here without a GPU: whether it can be loaded is decided where it runs")
    profiles, shape = profiles_of(card, shapes_hw, batches)
    model = load_graph(card)
    made, kind = in_precision(model, card.path.name, precision, chosen)
    options = PlanOptions(kind, profiles, shape, workspace_mib, optimisation_level)
    folder = plans_dir() if out is None else out.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if out is None:  # what lies in a folder of the user's is none of ours
            _sweep(folder)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=folder) as scratch:
            data, version = _build(card, chosen, made, options, Path(scratch), gpu, progress, most_mib)
    except OSError as error:
        hint = "give --out, or set XDG_CACHE_HOME to a folder that can be written" if out is None else ""
        raise BackendError(f"{folder}: cannot be written: {error.strerror or error}", hint=hint) from error
    manifest = Manifest(
        product=chosen,
        version=version,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        driver=gpu.driver,
        model=card.path.name,
        onnx_sha256=card.sha256,
        plan_sha256="",
        plan_bytes=0,
        options=options,
        dashmask=__version__,
        built=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Built(store_plan(data, manifest, out), tuple(notes))


def _sweep(folder: Path) -> None:
    """Remove what builds left that were killed, a day later."""
    for left in (*folder.glob(".build-*"), *folder.glob(".*.part")):
        try:
            old = time.time() - left.stat().st_mtime > 86400
        except OSError:  # it has gone by itself
            continue
        if old and left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        elif old:
            left.unlink(missing_ok=True)


def choose_product(product: str) -> tuple[Product, list[str]]:
    """Which product builds, and what to say about that.

    Raises:
        BackendError: an unknown name, or it is not installed or does not load.
    """
    if product != "auto":
        if product not in get_args(Product):
            known = ", ".join(("auto", *get_args(Product)))
            raise BackendError(f"there is no product `{product}`", hint=f"known are {known}")
        module, install = MODULES[product]
        if not installed(module):
            raise BackendError(f"{product} is not installed", hint=install)
        return cast(Product, product), []
    why = why_not_tensorrt()
    if not why:
        return "tensorrt", []
    if not installed(MODULES["tensorrt-rtx"][0]):
        hint = f"{MODULES['tensorrt'][1]} on a machine with a GPU, or {MODULES['tensorrt-rtx'][1]}"
        raise BackendError(f"nothing here can build: tensorrt: {why}; tensorrt-rtx: not installed", hint=hint)
    return "tensorrt-rtx", [f"built with tensorrt-rtx, as for tensorrt: {why}"]


def why_not_tensorrt() -> str:
    """Why TensorRT cannot build here; it is imported in another process, as that can crash."""
    if not installed(MODULES["tensorrt"][0]):
        return "not installed"
    if reason := gpu_here()[1]:
        return reason
    with tempfile.TemporaryDirectory(prefix="dashmask-") as scratch:
        try:
            return str(ask({"product": "tensorrt"}, Path(scratch)).get("error", ""))
        except BackendError as error:
            return error.message


def _build(
    card: Card,
    product: Product,
    graph: bytes,
    options: PlanOptions,
    scratch: Path,
    gpu: Gpu,
    progress: Progress,
    most_mib: float,
) -> tuple[bytes, str]:
    """The plan, and the version of the product that built it."""
    import onnx

    file, plan = scratch / "graph.onnx", scratch / "built.plan"
    file.write_bytes(graph)
    where = "-".join((gpu.name, gpu.compute_capability)).replace("/", "-").replace(" ", "-")
    request = {
        "product": product,
        "onnx": str(file),
        "plan": str(plan),
        "profiles": [[list(shape) for shape in asdict(one).values()] for one in options.profiles],
        "workspace_mib": options.workspace_mib,
        "optimisation_level": options.optimisation_level,
        "compute_capability": gpu.compute_capability,
        "timing": str(plans_dir() / f"timing-{where}.cache") if product == "tensorrt" else None,
        "most_bytes": int(most_mib * 2**20),
    }
    answer = ask(request, scratch, progress)
    what = f"{product} {answer.get('version', '')}".strip()
    name = card.path.name
    if "parse" in answer:
        raise refused(name, what, answer["parse"])
    if "failed" in answer:
        nodes = {node.name: node.op_type for node in onnx.load_model_from_string(graph).graph.node}
        raise failed(name, what, answer["failed"], nodes, options.workspace_mib)
    if "error" in answer:
        raise BackendError(answer["error"], hint=answer["hint"])
    return plan.read_bytes(), answer["version"]
