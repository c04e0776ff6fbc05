"""Parts of the GPU benchmark on a driver and kernels in host memory: all of their code but what a GPU computes runs.

ONNX Runtime's CPU provider stands in for CUDA's: the memory is the host's anyway. Times mean nothing here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import measure
import networks
import numpy as np
import onnxruntime
import part_device
import part_kernels
import part_onnxruntime
import part_run
import part_way
import pytest
import table
import tiny_models
from fake_driver import FakeCuda
from kernel_emulator.build import host_kernels
from kernel_emulator.cache import fill_cache
from kernel_emulator.check_way import Repeats
from late_session import cpu_as_cuda
from networks import Net, sized
from report import Report
from steps import OrtMaker

from engines.backends import frames as gpu_frames
from engines.backends.base import Backend, Options
from engines.backends.onnxruntime_cuda import open_on_device
from engines.card import read_card
from engines.device import open_device
from engines.device.base import Device
from engines.kernels.launch import Kernels
from engines.kernels.way import Network
from pipeline.image import Image
from pipeline.types import Card

FRAME_HW, INPUT_HW = (48, 64), (48, 64)


@pytest.fixture(autouse=True)
def _the_cpu_is_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_as_cuda(monkeypatch)
    monkeypatch.setattr(measure, "FRAME_HW", FRAME_HW)


@pytest.fixture
def nets(tmp_path: Path) -> list[Net]:
    """A semantic network and one of objects, whose answers are known."""
    semantic = tiny_models.fcn(tmp_path / "colours.onnx")
    semantic.with_suffix(".yaml").write_text("family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8}\n")
    boxes = np.array([[8, 20, 30, 44], [34, 10, 60, 40]], np.float32)
    objects = tiny_models.yolo_seg(tmp_path / "yolo-two.onnx", boxes, [0, 1], [0.9, 0.8])
    return [Net(path.stem, _at_input_size(read_card(path)), "tiny") for path in (semantic, objects)]


def _at_input_size(card: Card) -> Card:
    height, width = card.input.size_hw
    return sized(card, (height or INPUT_HW[0], width or INPUT_HW[1]))


@pytest.fixture
def images() -> list[Image]:
    rng = np.random.default_rng(0)
    return [Image((rng.integers(0, 256, (*FRAME_HW, 3), np.uint8),), "bgr24") for _ in range(2)]


def kernels_of(device: Device) -> Kernels:
    return Kernels(device, lambda source: b"HOSTSO:" + os.fsencode(host_kernels()) + b"\0")


class Still:
    """A network that always says the same, by copies: it can be recorded."""

    name, graphs = "still", True

    def __init__(self, device: Device, outputs: list[np.ndarray]) -> None:
        self._device, self._outputs = device, outputs

    def network(self) -> Network:
        network = Repeats(self._device, self._outputs)
        stream = self._device.stream()
        network.say(self._outputs, stream)
        stream.free()
        return network  # type: ignore[return-value]

    def close(self) -> None:
        return


def through_cpu(device: Device, net: Net, batch: int, *, half: bool, work: Path) -> OrtMaker:
    maker = OrtMaker(device, net, batch, half, work, "CPU", "cpu")
    maker.graphs = not half  # half: as torch, whose own graph stands in the way
    return maker


def rows_of(report: Report, state: str) -> list[dict[str, Any]]:
    return [row for row in report.told["rows"] if state in row]


def test_every_claim_about_the_device_holds(cuda: FakeCuda, tmp_path: Path) -> None:
    report = Report("device", tmp_path / "device.json", 60, dry=False)
    part_device.claims(report)
    known = {"nothing is left"}  # the driver in host memory does not count what is free
    wrong = [row for row in report.told["rows"] if not row.get("passed") and row["claim"] not in known]
    assert wrong == []
    assert len(report.told["rows"]) == 9


@pytest.mark.parametrize("family", ["yolo-seg", "semantic"])
def test_kernels_are_compared_with_the_cpu(cuda: FakeCuda, family: str) -> None:
    assert part_kernels.repeated(family, host_kernels()) == {"passed": True}


@pytest.mark.parametrize("half", [False, True])
def test_the_way_around_a_runtime_gives_what_the_cpu_gives(
    cuda: FakeCuda, nets: Sequence[Net], images: list[Image], tmp_path: Path, half: bool
) -> None:
    report = Report("way", tmp_path / "way.json", 60, dry=False)
    device = open_device()
    with device.current():

        def make(net: Net, batch: int) -> OrtMaker:
            return through_cpu(device, net, batch, half=half, work=tmp_path)

        part_way.rows(report, device, kernels_of(device), nets[: 1 if half else 2], {"cpu": make}, images, 1, 0.02)
    device.close()
    assert rows_of(report, "failed") == rows_of(report, "not_run") == []
    assert [row["agree"] for row in report.told["rows"]] == pytest.approx([1.0] * len(report.told["rows"]), abs=0.01)
    graph = "of the network alone" if half else "around the network"
    assert {row["graph"] for row in report.told["rows"]} == {"off", graph}


def test_the_way_is_recorded_where_the_network_can_be(
    cuda: FakeCuda, nets: Sequence[Net], images: list[Image], tmp_path: Path
) -> None:
    report = Report("way", tmp_path / "way.json", 60, dry=False)
    device = open_device()
    logits = np.random.default_rng(1).random((2, 3, 6, 8), np.float32)
    with device.current():
        part_way.rows(
            report,
            device,
            kernels_of(device),
            nets[:1],
            {"still": lambda net, n: Still(device, [logits])},
            images,
            2,
            0.02,
        )
    device.close()
    off, on = report.told["rows"]
    assert (off["graph"], on["graph"]) == ("off", "yes")
    assert set(off["stages"]) == set(table.STAGES)
    assert "stages" not in on
    assert min(on["fps"], on["model_fps"], off["latency_ms"]["p50"]) > 0
    told = {"name": "x", "dry": False, "began": "now", "commit": "", "seconds": 1.0, "parts": {"way": report.told}}
    text = table.markdown(told)
    assert text.count("| colours | still | 2 |") == 3


def test_a_run_is_measured_both_ways(
    cuda: FakeCuda, nets: Sequence[Net], images: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(gpu_frames, "_FOOTAGE_HW", FRAME_HW)
    fill_cache(tmp_path, host_kernels())

    def open_backend(net: Net, options: Options) -> tuple[Card, Any]:
        return net.card, open_on_device(onnxruntime, net.card, options, open_device(), "CPUExecutionProvider", "cpu")

    report = Report("run", tmp_path / "run.json", 60, dry=False)
    part_run.rows(report, nets, {"cpu": open_backend}, [part_run.as_yuv(image) for image in images], 0.01, 4)
    assert rows_of(report, "failed") == []
    assert [row["taken"] for row in report.told["rows"]] == ["frames", "tensors"] * 2
    assert [row["agree"] for row in report.told["rows"]] == [1.0] * 4
    stages = [set(row["stages_ms"]) for row in report.told["rows"]]
    assert stages == [{"capture", "infer"}, {"capture", "preprocess", "infer", "postprocess"}] * 2
    told = {"name": "x", "dry": False, "began": "now", "commit": "", "seconds": 1.0, "parts": {"run": report.told}}
    text = table.markdown(told)
    assert text.count("| colours | cpu | frames |") == 1
    assert text.count("| - / - |") >= 4


def test_a_network_that_cannot_be_opened_is_a_row(
    cuda: FakeCuda, nets: Sequence[Net], images: list[Image], tmp_path: Path
) -> None:
    report = Report("way", tmp_path / "way.json", 60, dry=False)
    device = open_device()
    with device.current():
        part_way.rows(
            report,
            device,
            kernels_of(device),
            nets[:1],
            {"cpu": lambda net, batch: through_cpu(device, net, 4, half=False, work=tmp_path)},
            images,
            4,
            0.02,
        )
    device.close()
    (row,) = report.told["rows"]
    assert row["not_run"]


def test_the_backend_is_compared_with_the_cpu(cuda: FakeCuda, nets: Sequence[Net], images: list[Image]) -> None:
    def open_backend(card: Card, options: Options) -> Backend:
        return open_on_device(onnxruntime, card, options, open_device(), "CPUExecutionProvider", "cpu")

    told = part_onnxruntime.compare(nets[0], images, open_backend, seconds=0.05)
    assert told["largest"] < 1e-5
    assert told["agree"] == 1
    assert told["same_twice"]
    assert told["ms_a_frame"] > 0
    assert networks.frames(1)[0][0].size_hw == (720, 1280)
