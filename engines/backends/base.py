"""The contract of every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeGuard

from engines.frame_task import FrameTask
from pipeline.errors import ModelError
from pipeline.types import Card, Decoded, Frame, Inferred, InputSpec, Prepared

Precision = Literal["f32", "bf16"]
Way = Literal["tensors", "frames"]  # how much of a frame's way a backend takes: see Backend and FrameBackend
MOST_WORKERS = 8  # more in flight only adds latency and memory; further cores go into each run


class Ticket(Protocol):
    """Work handed to a backend."""

    def result(self) -> list[Inferred]:
        """Wait for it; one Inferred per Prepared, in their order.

        Raises:
            ModelError: the network does not take these inputs.
        """
        ...


class Backend(Protocol):
    """Runs one network.

    Memory: an input tensor may be reused by its owner once `result` has returned. The arrays in `Inferred` are the
    receiver's alone: the backend never writes to them again, they stay valid after `close`, and they may be read
    only. Nothing is shared between two results.

    Results: the same input gives the same bytes, in every run, in every worker.
    """

    name: str  # a key of select.BACKENDS
    detail: str  # for people: runtime, version, precision, threads
    slots: int  # tickets that each submitting thread may hold open; 1 where submit itself does the work
    max_batch: int  # frames that are worth giving at once; more are legal
    workers: int  # threads that may be inside submit at once
    threads: int  # that one run of the network uses

    @property
    def way(self) -> Way:
        """tensors: `submit` is what it has; frames: it is a FrameBackend as well, and quicker so."""
        ...

    @property
    def precision(self) -> str:
        """f32: the network's own types; else bf16, fp16 or int8, as it computes."""
        ...

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        """Begin; may return at once or when the work is done.

        Raises:
            ModelError: the network does not take these inputs.
        """
        ...

    def close(self) -> None:
        """Let go of the model; legal twice. No thread may be inside submit."""
        ...


class FrameTicket(Protocol):
    """Frames handed to a backend."""

    def result(self) -> list[Decoded]:
        """Wait for it; one Decoded per Frame, in their order; see Ticket."""
        ...


class FrameBackend(Backend, Protocol):
    """A backend that prepares and decodes as well, from frames to labels or instances in pixels of the frame.

    What comes out is what the CPU's stages make of the network's outputs, and the receiver's alone. A frame may be
    let go of once `submit_frames` has returned.
    """

    why_tensors: str  # why it takes no frames, where it was asked for that; empty where it does
    network_sizes: Sequence[tuple[int, int]]  # heights and widths of the network's inputs of late, pixels

    def submit_frames(self, frames: Sequence[Frame]) -> FrameTicket:
        """Begin; `slots` and `max_batch` hold as for submit.

        Raises:
            BackendError: frames of a size or format that cannot be taken here.
        """
        ...


def takes_frames(backend: Backend) -> TypeGuard[FrameBackend]:
    """Whether frames are given to it; else tensors."""
    return backend.way == "frames"


@dataclass(frozen=True, slots=True)
class Options:
    """What a backend may be told."""

    workers: int | None = None  # None: by rule, see share_cores
    threads: int | None = None
    precision: Precision = "f32"
    shape_hw: tuple[int, int] | None = None  # of the inputs to come, if known; others are taken as well
    task: FrameTask | None = None  # of a backend that can take frames; None: tensors are wanted


@dataclass(frozen=True, slots=True)
class Done:
    """The ticket of a backend that finishes inside submit."""

    inferred: list[Inferred]

    def result(self) -> list[Inferred]:
        """What was computed."""
        return self.inferred


def share_cores(workers: int | None, threads: int | None, cores: int) -> tuple[int, int]:
    """How many workers run the network at once, and with how many threads each.

    One-thread workers lose nothing to waiting for each other, so they come first; what is given stays.
    """
    if workers is None:
        workers = min(max(1, cores // threads), MOST_WORKERS) if threads else min(cores, MOST_WORKERS)
    return workers, threads or max(1, cores // workers)


def usual_hw(spec: InputSpec) -> tuple[int, int]:
    """The input's height and width for footage of 16:9, pixels; what the network fixes is taken as given."""
    height, width = spec.size_hw
    if width is None:
        width = _up(round(height * 16 / 9) if height else spec.long_side, spec.stride)
    return height or _up(round(width * 9 / 16), spec.stride), width


def _up(side: int, stride: int) -> int:
    return -(-side // stride) * stride


def crew(workers: int, threads: int) -> str:
    """For people: `2 workers of 1 thread`."""
    return f"{workers} worker{'s' * (workers > 1)} of {threads} thread{'s' * (threads > 1)}"


def check_input(card: Card, prepared: Prepared) -> tuple[int, int]:
    """Height and width of an input that the network takes, pixels.

    Raises:
        ModelError: another rank, number of channels, type or size than the card says.
    """
    spec, tensor = card.input, prepared.tensor
    shape = tensor.shape
    if len(shape) == 4:
        height, width, channels = (shape[2], shape[3], shape[1]) if spec.layout == "nchw" else shape[1:]
        fixed_h, fixed_w = spec.size_hw
        if (
            shape[0] == 1
            and channels == 3
            and fixed_h in (None, height)
            and fixed_w in (None, width)
            and tensor.dtype == spec.dtype
        ):
            return height, width
    sides = tuple(
        name if side is None else str(side) for side, name in zip(spec.size_hw, ("height", "width"), strict=True)
    )
    wanted = ", ".join(("1", "3", *sides) if spec.layout == "nchw" else ("1", *sides, "3"))
    raise ModelError(f"{card.path.name}: expected an input ({wanted}) {spec.dtype}, got {shape} {tensor.dtype}")


def does_not_run(card: Card, prepared: Prepared, why: str) -> ModelError:
    """The error of a runtime that breaks off at an input which the card allows, with its own words for it."""
    shape = "x".join(map(str, prepared.tensor.shape))
    return ModelError(
        f"{card.path.name} does not run on an input of {shape}: {why}",
        hint=f"sides must be multiples of {card.input.stride} as its card says; perhaps of more",
    )


def branch_does_not_run(card: Card, output: str, why: str) -> ModelError:
    """The same of the branch that makes one output, see engines.local_branch."""
    return ModelError(f"{card.path.name}: {output} does not run: {why}")
