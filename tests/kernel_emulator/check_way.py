"""Run in a process whose libcuda is the fake one, or a real one: the way on the GPU gives the scenes of the CPU's.

Arguments: the kernels' library (on a real GPU: nvrtc), and a file of what a network said (see test_kernels_way.py).
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.device import open_device
from engines.device.base import Device, DeviceBuffer, Stream
from engines.device.recorded import Step
from engines.frame_task import DetectRules
from engines.kernels.launch import Kernels
from engines.kernels.preparing import FrameLayout
from engines.kernels.way import Launch, Way
from pipeline.config import DecodeConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.types import Card, Frame, Inferred, Instances, Labels, Prepared, Scene

MASK_TOLERANCE = 1e-4  # share of a frame's mask pixels


@dataclass
class Said:
    """What a network said of batches of frames; outputs by batch, each with the batch first."""

    card: Card
    config: DecodeConfig
    images: list[list[Image]]
    outputs: list[list[NDArray[Any]]]


@dataclass
class Repeats:
    """A network that says what was recorded."""

    device: Device
    recorded: list[NDArray[Any]]
    outputs: list[tuple[tuple[int, ...], np.dtype[Any]]] = field(init=False)
    said: list[DeviceBuffer] = field(init=False)
    graphs: bool = True

    def __post_init__(self) -> None:
        self.outputs = [(array.shape, array.dtype) for array in self.recorded]
        self.said = [self.device.alloc(array.nbytes) for array in self.recorded]

    def step(self, tensor: DeviceBuffer, outputs: Sequence[DeviceBuffer]) -> Step:
        def copy(stream: Stream) -> None:
            for target, source in zip(outputs, self.said, strict=True):
                self.device.copy(target, source, source.nbytes, stream)

        return Launch(copy)

    def say(self, arrays: list[NDArray[Any]], stream: Stream) -> None:
        for buffer, array in zip(self.said, arrays, strict=True):
            self.device.upload(buffer, np.ascontiguousarray(array), stream)
        stream.synchronize()


def by_cpu(said: Said, images: list[Image], outputs: list[NDArray[Any]]) -> list[tuple[Prepared, Scene]]:
    preprocessor = Preprocessor(said.card.input, Pool)
    decode = decoder(said.card, said.config).decode
    found = []
    for number, image in enumerate(images):
        prepared = preprocessor.prepare(Frame(number, number, Fraction(1, 10), 0.0, image))
        result = decode(Inferred(prepared, tuple(array[number : number + 1] for array in outputs)))
        found.append((prepared, scene(prepared.frame, result)))
    return found


def scene(frame: Frame, result: Instances | Labels) -> Scene:
    if isinstance(result, Labels):
        return Scene(frame, labels=result)
    return Scene(frame, instances=result)


def compare(found: Scene, expected: Scene) -> int:
    """The number of mask pixels that differ; everything else is equal."""
    if expected.labels is not None:
        assert found.labels is not None
        np.testing.assert_array_equal(found.labels.map, expected.labels.map)
        assert found.labels.classes is expected.labels.classes
        return 0
    assert found.instances is not None
    assert expected.instances is not None
    for name in ("boxes_xyxy", "scores", "class_ids", "crops_px", "offset"):
        np.testing.assert_array_equal(getattr(found.instances, name), getattr(expected.instances, name))
    return int(np.count_nonzero(found.instances.arena != expected.instances.arena))


def check(said: Said, library: Path) -> None:
    device = open_device()
    try:
        with device.current():
            host = None if library.name == "nvrtc" else b"HOSTSO:" + bytes(library) + b"\0"
            check_on(device, Kernels(device, None if host is None else lambda source: host), said)
    finally:
        device.close()


def check_on(device: Device, kernels: Kernels, said: Said) -> None:
    names, config = said.card.classes.names, said.config
    chosen = np.array([not config.classes or name in config.classes for name in names])
    rules = DetectRules(config.conf, config.iou, config.max_det, config.agnostic)
    first = by_cpu(said, said.images[0], said.outputs[0])[0][0]
    network, batch = Repeats(device, said.outputs[0]), len(said.images[0])
    way = Way(
        device, kernels, said.card, FrameLayout.of(said.images[0][0]), first.letterbox, network, chosen, rules, batch
    )
    for images, outputs in zip(said.images, said.outputs, strict=True):
        expected = by_cpu(said, images, outputs)
        network.say(outputs, way.stream)
        way.start(images)
        results = way.finish()
        assert len(results) == len(images)
        for (prepared, wanted), result in zip(expected, results, strict=True):
            differ = compare(scene(prepared.frame, result), wanted)
            size = len(wanted.instances.arena) if wanted.instances else 1
            assert differ <= MASK_TOLERANCE * max(size, 1), (differ, size)
        tensor = np.empty((batch, *first.tensor.shape[1:]), first.tensor.dtype)
        device.download(tensor, way._tensor, way.stream)
        way.stream.synchronize()
        for (prepared, _), row in zip(expected, tensor, strict=False):
            np.testing.assert_array_equal(row, prepared.tensor[0])
        print(f"{said.card.name}: {len(images)} frames, results of {[_size(result) for result in results]}")
    print(f"graph: {way._recorded.why_no_graph or 'yes'}")
    way.free()
    way.free()


def _size(result: Instances | Labels) -> int:
    return len(result) if isinstance(result, Instances) else int(result.map.max())


if __name__ == "__main__":
    with Path(sys.argv[2]).open("rb") as file:
        check(pickle.load(file), Path(sys.argv[1]))
