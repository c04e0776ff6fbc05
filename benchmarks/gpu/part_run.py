"""End to end through the very stages of `dashmask run`: frames in host memory to scenes, one way and the other.

A GPU backend that takes frames has no stage before and behind it; one that takes tensors leaves both to the CPU. The
frames are there, as yuv420p as decoders give them: decoding and writing are measured elsewhere.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from measure import Result, agreement
from networks import Net, frames, in_half, networks
from part_way import cpu_says, survive
from report import Report, need_gpu, run

from engines.backends.base import Options
from engines.select import Selection
from pipeline.config import Config, DecodeConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.networks import Network, frame_task
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.running.assemble import build
from pipeline.timing import Summary
from pipeline.types import Card, Frame, SourceInfo

SECONDS = 1.5  # a row, beside what opening the network takes
WARM_UP = 50  # frames that the steady rate leaves out


class Open(Protocol):
    """Opens a backend for a network, and the card of what it runs."""

    def __call__(self, net: Net, options: Options) -> tuple[Card, Any]: ...


class Held:
    """A source whose frames are there: some images again and again, for so many seconds."""

    live = False

    def __init__(self, images: Sequence[Image], seconds: float, least: int) -> None:
        self._images, self._seconds, self._least = images, seconds, least
        self.info = SourceInfo("held", size_hw=images[0].size_hw)

    def __enter__(self) -> Iterator[Frame]:
        return self._frames()

    def __exit__(self, *error: object) -> None: ...

    def _frames(self) -> Iterator[Frame]:
        end, index = time.monotonic() + self._seconds, 0
        while index < self._least or time.monotonic() < end:
            image = self._images[index % len(self._images)]
            yield Frame(index, index, Fraction(1, 25), time.monotonic(), image)
            index += 1


def main(report: Report) -> None:
    need_gpu(report)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found, missing = networks(work)
        report.fact("missing", missing)
        images, source = frames(8)
        report.fact("frames", source)
        openers: Mapping[str, Open] = {
            "TensorRT for RTX fp16": RtxPlans(work),
            "ONNX Runtime CUDA fp16": partial(open_ort, work=work, half=True),
            "ONNX Runtime CUDA fp32": partial(open_ort, work=work, half=False),
        }
        rows(report, found, openers, [as_yuv(image) for image in images])


def rows(
    report: Report,
    found: Sequence[Net],
    openers: Mapping[str, Open],
    images: Sequence[Image],
    seconds: float = SECONDS,
    least: int = 2 * WARM_UP,
) -> None:
    """Measure every network by every backend, both ways."""
    for net in found:
        wanted = cpu_says(net, images)
        for name, open_backend in openers.items():
            for way in ("frames", "tensors"):
                measured = partial(measure, net, open_backend, way, images, wanted, seconds, least)
                if not report.tried(measured, network=net.label, by=name, way=way, note=net.note):
                    break


def measure(
    net: Net,
    open_backend: Open,
    way: str,
    images: Sequence[Image],
    wanted: Result | None,
    seconds: float,
    least: int,
) -> dict[str, Any]:
    """One row: `net` by a backend, `way` asked of it.

    Returns:
        taken (the way that it took, and why not the other one), fps (steady), ms_a_frame, frames, age_ms and
        stages_ms as the summary of a run has them, detail, agreement with the CPU.

    Raises:
        RuntimeError: frames came out of order, or not all of them.
    """
    config = Config(decode=DecodeConfig())
    preprocessor, decode = Preprocessor(net.card.input, Pool), decoder(net.card, config.decode)
    task = frame_task(preprocessor, decode, config.decode) if way == "frames" else None
    begun = time.perf_counter()
    card, backend = open_backend(net, Options(shape_hw=net.size_hw, task=task))
    told: dict[str, Any] = {"open_s": round(time.perf_counter() - begun, 2), "detail": backend.detail}
    told |= {"taken": backend.way, "why_tensors": backend.why_tensors}
    try:
        summary, first, count = Summary(min(WARM_UP, least // 2)), None, 0
        network = Network(card, Selection(backend, ()), preprocessor, decode)
        flow = build(config, Held(images, seconds, least), [network], dropped=dict)
        with flow:
            for picture in flow:
                if picture.scene.frame.index != count:
                    raise RuntimeError(f"frame {picture.scene.frame.index} came, {count} was due")
                summary.add(picture.scene.frame)
                first, count = first or picture.scene, count + 1
    finally:
        backend.close()
    whole = summary.as_dict()
    told |= {"frames": count, "fps": whole["fps_steady"], "stages_ms": whole["stages_ms"], "age_ms": whole["age_ms"]}
    told["ms_a_frame"] = round(1000 / max(whole["fps_steady"] or 0.0, 1e-9), 4)
    result = None if first is None else first.labels or first.instances
    return told if wanted is None or result is None else told | agreement(result, wanted)


def open_ort(net: Net, options: Options, work: Path, half: bool) -> tuple[Card, Any]:
    """ONNX Runtime on CUDA; in float16 the network converted, as its precision is in its file."""
    from engines.backends.onnxruntime_cuda import open_cuda

    card = in_half(net, work).card if half else net.card
    return card, open_cuda(card, options)


class RtxPlans:
    """TensorRT for RTX, by a plan that is built here once and found by the backend as a run finds it."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._why_not: dict[str, str] = {}  # by network; empty: its plan is there
        self._too_slow = ""

    def __call__(self, net: Net, options: Options) -> tuple[Card, Any]:
        from engines.backends.tensorrt import open_rtx
        from engines.build import build as build_plan

        if net.label not in self._why_not:
            try:
                if self._too_slow:  # the others would take as long
                    raise TimeoutError(self._too_slow)
                survive(net, self._work)
                build_plan(net.card, precision="fp16", shapes_hw=[net.size_hw], product="tensorrt-rtx")
            except Exception as error:
                self._why_not[net.label] = str(error)
                self._too_slow = self._too_slow or str(error) * isinstance(error, TimeoutError)
            else:
                self._why_not[net.label] = ""
        if why_not := self._why_not[net.label]:
            raise RuntimeError(why_not)
        return net.card, open_rtx(net.card, options)


def as_yuv(image: Image) -> Image:
    """The same picture as yuv420p, whose sides are even."""
    import cv2

    height, width = image.size_hw
    flat = cv2.cvtColor(image.bgr(), cv2.COLOR_BGR2YUV_I420).reshape(-1)
    luma, half = height * width, (height // 2) * (width // 2)
    parts = flat[:luma], flat[luma : luma + half], flat[luma + half :]
    shapes = (height, width), (height // 2, width // 2), (height // 2, width // 2)
    planes = tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
    return Image(planes, "yuv420p")  # type: ignore[arg-type]


if __name__ == "__main__":
    run("run", main)
