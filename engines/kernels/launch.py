"""Starting the kernels: how many blocks of how many threads, from what each is to work on."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from engines.device.base import Device, Dim3, Function, Stream
from engines.device.errors import DeviceLostError
from engines.kernels.arguments import (
    MOST_KEPT,
    ArgmaxArgs,
    BlendArgs,
    CandidatesArgs,
    FinishArgs,
    LetterboxArgs,
    MaskArgs,
    NmsArgs,
    PlaceArgs,
    RankArgs,
    SpreadArgs,
)
from engines.kernels.compile import compile_kernels
from pipeline.errors import BackendError

THREADS = 256  # of a block, as in kernel.cuh
TILE = (32, 8)  # the same as a part of a picture, across and down
STRIDING_BLOCKS = 512  # of kernels that stride over work whose amount only the GPU knows

KERNELS = {  # by the .cu file that they are in
    "letterbox": tuple(f"letterbox_{layout}_{size}" for layout in ("bgr", "yuv") for size in (1, 2, 4)),
    "labels": ("argmax_f32", "argmax_f16", *(f"spread_{k}" for k in ("u8", "i32", "i64", "f32", "f16")), "blend"),
    "detections": ("candidates_f32", "candidates_f16", "rank_f32", "rank_f16", "nms"),
    "instances": ("place", "finish"),
    "masks": ("mask_logits_f32", "mask_logits_f16", "mask_find", "mask_write"),
}


class Kernels:
    """All kernels on one device. Used with the device's context current, by one thread at a time.

    Args:
        device: to run on.
        binary: gives the compiled .cu file of a name; None: NVRTC, for this device.

    Each method starts one kernel and returns at once. `half` says that the network's numbers are float16, else they
    are float32; `batch` is the number of images. Raises BackendError where the driver refuses.
    """

    def __init__(self, device: Device, binary: Callable[[str], bytes] | None = None) -> None:
        self._device = device
        self._binary = binary or (lambda source: compile_kernels(source, device.compute_capability))
        self._functions: dict[str, Function] = {}

    def load(self, source: str) -> None:
        """Load a .cu file's kernels, so that none has to be compiled while a frame waits or a graph is recorded.

        Raises:
            BackendError: they cannot be compiled or loaded.
        """
        if KERNELS[source][0] not in self._functions:
            binary = self._binary(source)
            try:
                module = self._device.module(binary)
            except DeviceLostError:
                raise
            except BackendError as error:
                raise BackendError(
                    f"the kernels of {source}.cu cannot be loaded: {error.message}",
                    hint=f"the driver runs CUDA {self._device.driver}: nvidia-cuda-nvrtc must not be newer",
                ) from error
            self._functions |= {name: module.function(name) for name in KERNELS[source]}

    def letterbox(self, args: LetterboxArgs, yuv: bool, element_bytes: int, batch: int, stream: Stream) -> None:
        """Frames to a tensor of elements of 1, 2 or 4 bytes."""
        name = f"letterbox_{'yuv' if yuv else 'bgr'}_{element_bytes}"
        self._picture(name, args, args.network_h, args.network_w, batch, stream)

    def argmax(self, args: ArgmaxArgs, half: bool, batch: int, stream: Stream) -> None:
        """Logits to labels."""
        self._start(f"argmax_{_type(half)}", (_up(args.height * args.width), batch, 1), args, stream)

    def spread(self, args: SpreadArgs, kind: str, batch: int, stream: Stream) -> None:
        """Labels to frame size; kind: u8, i32, i64, f32 or f16."""
        self._picture(f"spread_{kind}", args, args.frame_h, args.frame_w, batch, stream)

    def blend(self, args: BlendArgs, batch: int, stream: Stream) -> None:
        """Colours of labels over a picture."""
        self._picture("blend", args, args.height, args.width, batch, stream)

    def candidates(self, args: CandidatesArgs, half: bool, batch: int, stream: Stream) -> None:
        """Anchors with a score above the threshold."""
        self._start(f"candidates_{_type(half)}", (_up(args.anchors), batch, 1), args, stream)

    def rank(self, args: RankArgs, half: bool, batch: int, stream: Stream) -> None:
        """Candidates in order."""
        self._start(f"rank_{_type(half)}", (_up(args.anchors), batch, 1), args, stream)

    def nms(self, args: NmsArgs, batch: int, stream: Stream) -> None:
        """Non-maximum suppression."""
        self._start("nms", (1, batch, 1), args, stream)

    def place(self, args: PlaceArgs, batch: int, stream: Stream) -> None:
        """Kept boxes to frame pixels, and where their masks go."""
        self._start("place", (1, batch, 1), args, stream, MOST_KEPT)

    def mask_logits(self, args: MaskArgs, half: bool, batch: int, stream: Stream) -> None:
        """Prototypes x coefficients."""
        self._start(f"mask_logits_{_type(half)}", (STRIDING_BLOCKS, batch, 1), args, stream)

    def mask_find(self, args: MaskArgs, batch: int, stream: Stream) -> None:
        """Which masks have a pixel."""
        self._start("mask_find", (STRIDING_BLOCKS, batch, 1), args, stream)

    def finish(self, args: FinishArgs, batch: int, stream: Stream) -> None:
        """Instances without empty masks."""
        self._start("finish", (1, batch, 1), args, stream, MOST_KEPT)

    def mask_write(self, args: MaskArgs, batch: int, stream: Stream) -> None:
        """The masks' pixels."""
        self._start("mask_write", (STRIDING_BLOCKS, batch, 1), args, stream)

    def _picture(
        self, name: str, args: ctypes.Structure, height: int, width: int, batch: int, stream: Stream
    ) -> None:
        grid = -(-width // TILE[0]), -(-height // TILE[1]), batch
        self._device.launch(self._functions[name], grid, (*TILE, 1), (args,), stream)

    def _start(self, name: str, grid: Dim3, args: ctypes.Structure, stream: Stream, threads: int = THREADS) -> None:
        self._device.launch(self._functions[name], grid, (threads, 1, 1), (args,), stream)


def _up(count: int) -> int:
    return -(-count // THREADS)


def _type(half: bool) -> str:
    return "f16" if half else "f32"
