"""Which backend runs a network: the first that can, and why not the others."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import MappingProxyType
from typing import Literal, cast

from engines.backends.base import Backend, Options, Precision, takes_frames
from engines.backends.fallback import FallbackBackend, OpenNext
from engines.device.errors import DeviceLostError
from engines.frame_task import FrameTask
from engines.probe import GPU, why_not
from engines.tune_store import Stored, stored_choice
from engines.verification import may_pass
from pipeline.errors import BackendError, ModelError, UserError
from pipeline.types import Card

Opener = Callable[[Card, Options], Backend]

BACKENDS: Mapping[str, str] = MappingProxyType(
    {
        "tensorrt": "engines.backends.tensorrt:open_tensorrt",
        "tensorrt-rtx": "engines.backends.tensorrt:open_rtx",
        "onnxruntime-cuda": "engines.backends.onnxruntime_cuda:open_cuda",
        "openvino": "engines.backends.openvino:open_openvino",
        "onnxruntime-cpu": "engines.backends.onnxruntime:open_cpu",
        "null": "engines.backends.null:open_null",
    }
)
AUTO = ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda", "openvino", "onnxruntime-cpu")
NAMES = (*AUTO, "null")


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one backend."""

    name: str
    ok: bool  # it runs the network
    reason: str  # what runs exactly, or why it does not


@dataclass(frozen=True, slots=True)
class Selection:
    """The backend that runs, and what came of each that was considered."""

    backend: Backend
    tried: tuple[Tried, ...]  # in the order of preference
    notes: tuple[str, ...] = ()  # what else the user should know


def opener(name: str) -> Opener:
    """The function that opens a backend of BACKENDS."""
    module, _, function = BACKENDS[name].partition(":")
    return cast(Opener, getattr(import_module(module), function))


def select(
    card: Card,
    *,
    backend: str = "auto",
    require: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    precision: Precision | Literal["auto"] = "f32",
    shape_hw: tuple[int, int] | None = None,
    way: str = "tensors",
    task: FrameTask | None = None,
    verified: Callable[[Card, Backend], str] | None = None,
) -> Selection:
    """Open the backend that shall run a network.

    Args:
        card: of the network.
        backend: a name, or `auto` for the first of AUTO that can.
        require: a name, or `gpu`: anything else running is an error.
        workers, threads: None: as `dashmask tune` measured it here for CPUs, else by rule.
        precision: auto: bf16 where OpenVINO runs the network and has passed in it here, else f32.
        shape_hw: of the inputs to come, if known.
        way: tensors; frames: only a backend that takes them; auto: frames where the backend takes them.
        task: what it then does; None: what nobody can do but the CPU, so tensors.
        verified: says why an open backend may not run the network, "" where it may; None: all may.

    Raises:
        BackendError: an unknown name, or nothing that was allowed can run it; with all reasons.
        ModelError: the model is broken.
    """
    _check_name(backend, "auto")
    _check_name(require or "gpu", "gpu")
    allowed = [name for name in NAMES if _allowed(name, backend, require)]
    if not allowed:
        raise BackendError(f"{backend} was asked for and {require} required: both cannot be")
    if way == "frames" and task is None:
        raise BackendError(f"{card.path.name}: what it says is read on the CPU alone", hint="leave backend.way out")
    plain: Precision = "f32" if precision == "auto" else precision
    options = Options(workers, threads, plain, shape_hw, None if way == "tensors" else task)
    stored = _stored(card, precision, options, verified is not None)
    order = _order(allowed, stored.best)
    tried: dict[str, Tried] = {}
    running: Backend | None = None
    errors: list[UserError] = []
    for name in order:
        if running is not None:
            tried[name] = Tried(name, False, f"not needed: {running.name} runs")
            continue
        if reason := why_not(name):
            tried[name] = Tried(name, False, reason)
            continue
        crew = stored.crews.get(name)
        own = replace(options, workers=crew[0], threads=crew[1]) if crew else options
        try:
            running = _in_bf16(card, name, own, verified) if precision == "auto" and verified else None
            as_verified = running is not None
            running = running or opener(name)(card, own)
        except (BackendError, ModelError) as error:
            errors.append(error)
            tried[name] = Tried(name, False, str(error))
            continue
        reason = verified(card, running) if verified is not None and not as_verified else ""
        if way == "frames" and not takes_frames(running):
            reason = f"takes tensors, not frames: {getattr(running, 'why_tensors', '') or 'it runs on the CPU'}"
        if reason:
            running.close()
            running = None
            tried[name] = Tried(name, False, reason)
        else:
            how = ", as tuned here" * bool(crew) + ", as verified here" * as_verified
            tried[name] = Tried(name, True, f"{running.detail}{how}")
    in_order = tuple(tried[name] for name in allowed)
    if running is None:
        raise _nothing(card, in_order, errors, backend, require)
    if running.name in GPU and backend == "auto" and require is None:  # what was asked for by name never changes
        later = order[order.index(running.name) + 1 :]
        task = options.task if takes_frames(running) else None
        running = FallbackBackend(running, _next(card, replace(options, task=task), later, verified), task)
    notes = [stored.note, _way_note(running)]
    return Selection(running, in_order, tuple(note for note in notes if note))


def _stored(card: Card, precision: str, options: Options, gated: bool) -> Stored:
    """What tune measured; where OpenVINO has passed in bf16, f32's best is none, as f32 is not what would run."""
    if options.workers is not None or options.threads is not None:
        return Stored()
    stored = stored_choice(card, options.shape_hw, options.precision)
    if precision == "auto" and gated and may_pass(card, "openvino", "bf16"):
        half = stored_choice(card, options.shape_hw, "bf16")
        stored = replace(stored, best=None, crews={**stored.crews, **half.crews})
    return stored


def _order(allowed: Sequence[str], best: str | None) -> list[str]:
    """GPUs, then what tune measured as best, which knows CPUs alone, then the rest; each by preference."""
    return sorted(allowed, key=lambda name: name not in GPU and name != best)


def _in_bf16(card: Card, name: str, options: Options, verified: Callable[[Card, Backend], str]) -> Backend | None:
    """The backend in half the bits, where a record says that it has passed so; None: it is not to be used."""
    if name != "openvino" or not may_pass(card, name, "bf16"):
        return None
    try:
        found = opener(name)(card, replace(options, precision="bf16"))
    except BackendError:  # a processor without it; f32 is tried next
        return None
    if verified(card, found):
        found.close()
        return None
    return found


def _way_note(running: Backend) -> str:
    """How much of the way a GPU takes, where there is a choice."""
    if takes_frames(running):
        return f"{running.name} prepares the frames and decodes on the GPU too (backend.way=tensors: on the CPU)"
    why = getattr(running, "why_tensors", "")
    return f"{running.name} leaves preparing and decoding to the CPU: {why}" if why else ""


def _next(
    card: Card, options: Options, names: Sequence[str], verified: Callable[[Card, Backend], str] | None
) -> OpenNext:
    """What opens the next backend that can, each once; on a GPU only while there is one."""
    left = list(names)

    def open_next(error: BackendError) -> Backend:
        while left:
            name = left.pop(0)
            if why_not(name) or (name in GPU and isinstance(error, DeviceLostError)):
                continue
            try:
                found = opener(name)(card, replace(options, workers=1, threads=None))
            except UserError:  # the reason is one of those that a run's beginning shows
                continue
            if verified is None or not verified(card, found):
                return found
            found.close()
        raise error

    return open_next


def _check_name(name: str, also: str) -> None:
    if name not in (also, *NAMES):
        near = difflib.get_close_matches(name, NAMES, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join((also, *NAMES))}"
        raise BackendError(f"there is no backend `{name}`", hint=hint)


def _allowed(name: str, backend: str, require: str | None) -> bool:
    asked = name == backend or (backend == "auto" and (name in AUTO or name == require))
    return asked and (require in (None, name) or (require == "gpu" and name in GPU))


def _nothing(
    card: Card, tried: Sequence[Tried], errors: Sequence[UserError], backend: str, require: str | None
) -> UserError:
    """The error where none of the backends that were allowed runs."""
    for error in errors:
        if isinstance(error, ModelError):
            return error
    considered = {t.name for t in tried}
    others = [name for name in AUTO if name not in considered and not why_not(name)]
    option = "--require" if require else "--backend"
    hint = "`dashmask doctor` shows what is here"
    if others:
        hint = f"{others[0]} can be tried: leave {option} out"
    elif require is None and why_not("onnxruntime-cpu"):
        hint = f"pip install 'dashmask[cpu]' brings one that needs no GPU; {hint}"
    if len(tried) == 1:
        return BackendError(f"{tried[0].name} cannot run {card.path.name}: {tried[0].reason}", hint=hint)
    which = "GPU backend" if require == "gpu" else "backend"
    reasons = "; ".join(f"{t.name}: {t.reason}" for t in tried)
    return BackendError(f"no {which} can run {card.path.name}: {reasons}", hint=hint)
