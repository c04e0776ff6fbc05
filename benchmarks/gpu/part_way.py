"""The whole way, frame in host memory to masks in host memory, around whichever network step is here."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from measure import Result, expected, measure_way, prepare
from networks import Net, frames, networks
from report import Report, need_gpu, run
from steps import Maker, OrtMaker, RtxMaker, TorchMaker

from engines.device import open_device
from engines.device.base import Device
from engines.kernels.launch import Kernels
from pipeline.image import Image

HERE = Path(__file__).resolve().parent
BATCHES = (1, 4, 8)
SECONDS = 0.8  # a row, beside what opening the network takes
Open = Callable[[Net, int], Maker]


def main(report: Report) -> None:
    need_gpu(report)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found, missing = networks(work)
        report.fact("missing", missing)
        images, source = frames(8)
        report.fact("frames", source)
        device = open_device()
        try:
            with device.current():
                makers = available(device, work, found, report)
                kernels = Kernels(device)
                for batch in BATCHES:  # what matters most comes first: time may run out
                    rows(report, device, kernels, found, makers, images, batch)
        finally:
            device.close()


def available(device: Device, work: Path, found: Sequence[Net], report: Report) -> dict[str, Open]:
    """What can run a network here, each tried once: RTX, ONNX Runtime, and torch where neither runs."""
    kinds: dict[str, Any] = {
        "TensorRT for RTX fp16": partial(RtxMaker, half=True),
        "ONNX Runtime CUDA fp16": partial(OrtMaker, half=True),
        "ONNX Runtime CUDA fp32": partial(OrtMaker, half=False),
    }
    makers: dict[str, Open] = {}
    why: dict[str, str] = {}
    for name, kind in kinds.items():
        for net in found:
            try:
                if "RTX" in name:
                    survive(net, work)
                opened(kind, device, work, net, 1).close()
                gc.collect()
            except Exception as error:
                why[name] = f"{net.label}: {' '.join(str(error).split())[:300]}"
                if isinstance(error, TimeoutError):
                    break  # the others would take as long
                continue
            makers[name] = partial(opened, kind, device, work)
            break
    if not makers:
        makers["torch fp16 (stand-in)"] = partial(opened, partial(TorchMaker, half=True), device, work)
    report.fact("network_steps", list(makers))
    report.fact("not_available", why)
    return makers


def survive(net: Net, work: Path, seconds: float = 50) -> None:
    """Run the network by TensorRT for RTX in a process of its own first: on a GPU that is not its own it may crash.

    Raises:
        RuntimeError: it does not run.
        TimeoutError: not in that time.
    """
    words = (sys.executable, str(HERE / "try_rtx.py"), str(net.card.path), *map(str, net.size_hw), str(work))
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it did not run within {seconds:g} s") from error
    if done.returncode:
        how = signal.Signals(-done.returncode).name if done.returncode < 0 else done.stderr.strip().splitlines()[-1:]
        raise RuntimeError(f"it does not run here: {how}")


def opened(kind: Any, device: Device, work: Path, net: Net, batch: int) -> Maker:
    """A network at a batch."""
    maker: Maker = kind(device, net, batch, work=work)
    return maker


def rows(
    report: Report,
    device: Device,
    kernels: Kernels,
    found: Sequence[Net],
    makers: Mapping[str, Open],
    images: Sequence[Image],
    batch: int,
    seconds: float = SECONDS,
) -> None:
    """Measure every network by every maker at a batch, without a graph and with one."""
    for net in found:
        wanted = cpu_says(net, images)
        for name, make in makers.items():
            what = {"network": net.label, "by": name, "batch": batch, "note": net.note}
            try:
                if report.left() < 5:
                    raise TimeoutError("no time was left")
                maker = make(net, batch)
            except Exception as error:
                key = "skipped" if isinstance(error, TimeoutError) else "not_run"
                report.row(**what, **{key: " ".join(str(error).split())[:400]})
                continue
            for graph in (False, True):
                row = partial(
                    measure_way,
                    device,
                    kernels,
                    net,
                    maker,
                    images,
                    wanted,
                    batch=batch,
                    graph=graph,
                    seconds=seconds,
                )
                report.tried(row, **what, with_graph=graph)
            gc.collect()  # sessions and contexts go before the stream and the engine that they use
            maker.close()
            del maker


def cpu_says(net: Net, images: Sequence[Image]) -> Result | None:
    """The result for the first frame by ONNX Runtime on the CPU; None where that is not here."""
    try:
        from engines.backends.base import Options
        from engines.backends.onnxruntime import open_cpu

        backend = open_cpu(net.card, Options(shape_hw=net.size_hw))
    except Exception as error:
        print(f"{net.label}: the CPU does not say what is right: {error}")
        return None
    try:
        said = backend.submit(prepare(net.card, images[:1])).result()[0].arrays()
    finally:
        backend.close()
    return expected(net.card, images[:1], [said])[0]


if __name__ == "__main__":
    run("way", main)
