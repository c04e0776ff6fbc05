"""Times of the way around one network: sustained, per frame and per stage, with and without a CUDA graph."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from networks import FRAME_HW, Net
from steps import Maker

from engines.device.base import Device, Stream
from engines.device.recorded import Recorded, Step
from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout
from engines.kernels.way import Way
from pipeline.config import DecodeConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.placement import place
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.types import Card, Frame, Inferred, Instances, Labels, Prepared

SLOTS = 3  # ways that go round: one uploads, one computes, one downloads
Result = Labels | Instances


def prepare(card: Card, images: Sequence[Image]) -> list[Prepared]:
    """Frames as the CPU hands them to a network."""
    preprocessor = Preprocessor(card.input, Pool)
    frames = (Frame(number, number, Fraction(1, 25), 0.0, image) for number, image in enumerate(images))
    return [preprocessor.prepare(frame) for frame in frames]


def expected(card: Card, images: Sequence[Image], outputs: Sequence[tuple[Any, ...]]) -> list[Result]:
    """What the CPU makes of a network's outputs."""
    decode = decoder(card, DecodeConfig()).decode
    prepared = prepare(card, images)
    return [decode(Inferred(one, said)) for one, said in zip(prepared, outputs, strict=True)]


def agreement(found: Result, wanted: Result) -> dict[str, Any]:
    """How far two results are the same: labels by pixel; objects by number, and by the union of their masks."""
    if isinstance(found, Labels):
        assert isinstance(wanted, Labels)
        return {"agree": float(np.mean(found.map == wanted.map))}
    assert isinstance(wanted, Instances)
    unions = [_union(one) for one in (found, wanted)]
    either = int(np.count_nonzero(unions[0] | unions[1]))
    both = int(np.count_nonzero(unions[0] & unions[1]))
    return {"agree": both / either if either else 1.0, "objects": len(found), "objects_cpu": len(wanted)}


def _union(objects: Instances) -> Any:
    whole = np.zeros(FRAME_HW, np.bool_)
    for index, (x0, y0, x1, y1) in enumerate(objects.crops_px.tolist()):
        whole[y0:y1, x0:x1] |= objects.mask(index) != 0
    return whole


def measure_way(
    device: Device,
    kernels: Kernels,
    net: Net,
    maker: Maker,
    images: Sequence[Image],
    wanted: Result | None,
    *,
    batch: int,
    graph: bool,
    seconds: float,
) -> dict[str, Any]:
    """One row of the table: `net` by `maker` at a batch, with or without a CUDA graph around all of it.

    Returns:
        fps, model_fps, share_of_model, latency_ms, python_ms and pack_ms a frame, stages (name -> p50 and p99 in
        milliseconds a batch, graph off), whole_ms (graph on), memory_mib, graph (`yes`, or why not), agreement.
    """
    before = device.memory_free()
    had = device.graphs
    device.graphs = had and graph and maker.graphs
    ways: list[Way] = []
    loops: list[Recorded] = []
    try:
        letterbox = place(images[0].size_hw, net.size_hw, net.card.input.fit)
        ways = [_way(device, kernels, net, maker, letterbox, images[0], batch) for _ in range(SLOTS)]
        frames = [images[number % len(images)] for number in range(batch)]
        for way in ways:
            for _ in range(3):  # the first finds memory, the second is recorded, the third is a graph's
                way.start(frames)
                results = way.finish()
        told: dict[str, Any] = {} if wanted is None else agreement(results[0], wanted)
        told["memory_mib"] = round((before - device.memory_free()) / 2**20, 1)
        told |= _latency(ways[0], frames, seconds / 4)
        told |= _sustained(ways, frames, seconds / 2)
        told |= _pack(device, frames)
        first = ways[0]
        if not graph:
            told["stages"] = _stages(device, first.stream, first.steps, seconds / 4)
        network, steps = first.steps["network"], list(first.steps.values())

        def apart(step: Step) -> bool:
            return step is network and not first.graphs

        whole, alone = Recorded(device, steps, apart), Recorded(device, [network], apart)
        loops += [whole, alone]
        told["whole_ms"] = _recorded(device, first.stream, whole, seconds / 8)
        network_ms = _back_to_back(device, first.stream, alone, seconds / 8)
        told["graph"] = (whole.why_no_graph or "yes") if graph and maker.graphs else "off"
        if graph and not maker.graphs:
            told["graph"] = "of the network alone"
        elif told["graph"] == "yes" and not first.graphs:
            told["graph"] = "around the network"
        told["model_fps"] = round(batch * 1000 / max(network_ms, 1e-6), 1)
        told["share_of_model"] = round(told["fps"] / told["model_fps"], 3)
        return told
    finally:
        device.graphs = had
        for loop in loops:
            loop.free()
        for way in ways:
            way.free()
        gc.collect()


def _way(
    device: Device, kernels: Kernels, net: Net, maker: Maker, letterbox: Letterbox, image: Image, batch: int
) -> Way:
    chosen = np.ones(len(net.card.classes), np.bool_)
    layout, network = FrameLayout.of(image), maker.network()
    return Way(device, kernels, net.card, layout, letterbox, network, chosen, None, batch)


def _latency(way: Way, frames: Sequence[Image], seconds: float) -> dict[str, Any]:
    """One batch at a time, from frames in host memory to results in host memory, and Python's own part of it."""
    whole: list[float] = []
    python: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(whole) < 3:
        begun = time.perf_counter()
        way.start(frames)
        started = time.perf_counter()
        way.stream.synchronize()
        computed = time.perf_counter()
        way.finish()
        done = time.perf_counter()
        whole.append(1000 * (done - begun))
        python.append(1000 * (started - begun + done - computed) / len(frames))
    return {"latency_ms": _spread(whole), "python_ms": _spread(python)}


def _sustained(ways: Sequence[Way], frames: Sequence[Image], seconds: float) -> dict[str, Any]:
    """Frames per second with all slots busy, by one thread."""
    for way in ways:
        way.start(frames)
    count, begun = 0, time.perf_counter()
    while (passed := time.perf_counter() - begun) < seconds or count < len(ways):
        way = ways[count % len(ways)]
        way.finish()
        way.start(frames)
        count += 1
    for way in ways:
        way.finish()
    fps = count * len(frames) / passed
    return {"fps": round(fps, 1), "ms_a_frame": round(1000 / fps, 4)}


def _pack(device: Device, frames: Sequence[Image]) -> dict[str, Any]:
    """Copying a frame to pinned memory, which is in python_ms."""
    layout = FrameLayout.of(frames[0])
    room = device.pinned((layout.nbytes,), np.uint8)
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        layout.pack(frames[0], room)
        times.append(1000 * (time.perf_counter() - begun))
    device.unpin(room)
    return {"pack_ms": _spread(times)}


def _stages(device: Device, stream: Stream, steps: dict[str, Step], seconds: float) -> dict[str, Any]:
    """Each step between two CUDA events, milliseconds a batch; launched one by one."""
    marks = [device.event(timed=True) for _ in range(len(steps) + 1)]
    times: dict[str, list[float]] = {name: [] for name in steps}
    end = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < end or rounds < 3:
        marks[0].record(stream)
        for mark, step in zip(marks[1:], steps.values(), strict=True):
            step.enqueue(stream)
            mark.record(stream)
        stream.synchronize()
        for number, name in enumerate(steps):
            times[name].append(marks[number + 1].elapsed_ms(marks[number]))
        rounds += 1
    for mark in marks:
        mark.free()
    return {name: _spread(values) for name, values in times.items()}


def _recorded(device: Device, stream: Stream, work: Recorded, seconds: float) -> dict[str, float]:
    """All steps between two CUDA events, milliseconds a batch."""
    first, last = device.event(timed=True), device.event(timed=True)
    times: list[float] = []
    end = time.perf_counter() + seconds
    for _ in range(3):
        work.start(stream)
        stream.synchronize()
    while time.perf_counter() < end or len(times) < 3:
        first.record(stream)
        work.start(stream)
        last.record(stream)
        stream.synchronize()
        times.append(last.elapsed_ms(first))
    first.free()
    last.free()
    return _spread(times)


def _back_to_back(device: Device, stream: Stream, work: Recorded, seconds: float, runs: int = 20) -> float:
    """Milliseconds of one run where the next one waits already: what the network alone can do."""
    first, last = device.event(timed=True), device.event(timed=True)
    for _ in range(3):
        work.start(stream)
        stream.synchronize()
    best = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        first.record(stream)
        for _ in range(runs):
            work.start(stream)
        last.record(stream)
        stream.synchronize()
        best = min(best, last.elapsed_ms(first) / runs)
    first.free()
    last.free()
    return best


def _spread(values: Sequence[float]) -> dict[str, float]:
    p50, p99 = (float(np.percentile(values, share)) for share in (50, 99))
    return {"p50": round(p50, 4), "p99": round(p99, 4), "n": len(values)}
