"""The whole way of a frame on the GPU, on a driver and kernels in host memory: the scenes are those of the CPU."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from fake_gpu import ROOT, Ran, run_with_gpu
from kernel_emulator.build import HERE, host_kernels
from kernel_emulator.check_way import Said
from numpy.typing import NDArray

from engines.kernels.preparing import FrameLayout
from pipeline.config import DecodeConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.placement import network_size
from pipeline.preprocess import Preprocessor
from pipeline.sources.planes import PlaneReader
from pipeline.types import Card, Classes, Frame, InputSpec, OutputSpec

CLASSES = Classes(("road", "car", "sky", "person"), ((128, 64, 128), (0, 0, 142), (70, 130, 180), (220, 20, 60)))


@pytest.fixture(scope="module")
def driver(driver: Path) -> Path:
    pytest.importorskip("cuda.bindings.driver", reason="no cuda-bindings here: pip install cuda-bindings")
    return driver


def run(driver: Path, said: Said, folder: Path, **environment: str) -> Ran:
    file = folder / "said.pickle"
    file.write_bytes(pickle.dumps(said))
    words = HERE / "check_way.py", host_kernels(), file
    done = run_with_gpu(driver, words, folder, timeout_s=100, **environment)
    assert done.code == 0, done.err
    assert done.report["alive"] == {}
    assert done.report["violations"] == []
    return done


def frames(form: Any, size_hw: tuple[int, int], count: int, seed: int) -> list[Image]:
    rng = np.random.default_rng(seed)
    shapes = FrameLayout(form, size_hw).shapes
    return [Image(tuple(rng.integers(0, 256, shape, np.uint8) for shape in shapes), form) for _ in range(count)]


def detections(
    size_hw: tuple[int, int], batch: int, seed: int, scores: float = 1.0, share: float = 0.3
) -> list[NDArray[Any]]:
    height, width = network_size(size_hw, InputSpec("images"))
    rng, k, anchors = np.random.default_rng(seed), 8, 300
    rows = np.empty((batch, 4 + len(CLASSES) + k, anchors), np.float32)
    rows[:, :2] = rng.uniform(0, (width, height), (batch, anchors, 2)).transpose(0, 2, 1)
    rows[:, 2:4] = rng.uniform(10, share * height, (batch, 2, anchors))
    rows[:, 4:8] = rng.uniform(0, scores, (batch, len(CLASSES), anchors)) ** 6
    rows[:, 8:] = rng.normal(size=(batch, k, anchors))
    cells = rng.normal(size=(batch, k, height // 16, width // 16)).astype(np.float32)
    return [rows, np.kron(cells, np.ones((4, 4), np.float32))]


def card(family: str, outputs: int) -> Card:
    specs = tuple(OutputSpec(f"output{i}", (None, None, None, *[None] * i), "float32") for i in range(outputs))
    return Card("net", Path("net.onnx"), family, CLASSES, InputSpec("images"), specs, "")


@pytest.mark.parametrize("eager", ["0", "1"])
def test_instances_of_batches_come_out_as_on_the_cpu(driver: Path, tmp_path: Path, eager: str) -> None:
    size_hw, batches = (135, 240), (2, 2, 1, 2)
    said = Said(
        card("yolo-seg", 2),
        DecodeConfig(max_det=200),
        [frames("yuv420p", size_hw, count, seed) for seed, count in enumerate(batches)],
        [detections(size_hw, 2, seed) for seed in range(4)],
    )
    ran = run(driver, said, tmp_path, FAKE_CUDA_EAGER=eager)
    assert ran.out.endswith("graph: yes\n")
    assert ran.report["calls"]["cuGraphLaunch"] == 3


def test_masks_that_do_not_fit_are_made_again_with_more_room(driver: Path, tmp_path: Path) -> None:
    size_hw = (90, 160)
    said = Said(
        card("yolo-seg", 2),
        DecodeConfig(conf=0.01, iou=0.95),
        [frames("bgr24", size_hw, 1, seed) for seed in range(4)],
        [detections(size_hw, 1, seed, scores, share=1) for seed, scores in enumerate((0.3, 1.0, 1.0, 0.3))],
    )
    ran = run(driver, said, tmp_path)
    assert ran.out.endswith("graph: yes\n")
    assert ran.report["calls"]["cuGraphLaunch"] == 2  # 3 where everything fits: the graph was recorded anew


def test_labels_of_batches_come_out_as_on_the_cpu(driver: Path, tmp_path: Path) -> None:
    size_hw = (135, 240)
    height, width = network_size(size_hw, InputSpec("images"))
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(2, len(CLASSES), height // 4, width // 4)).astype(np.float32) for _ in range(3)]
    images = [frames("nv12", size_hw, 2, seed) for seed in range(3)]
    run(driver, Said(card("semantic", 1), DecodeConfig(), images, [[array] for array in logits]), tmp_path)


def test_the_kernels_tests_run_on_a_gpu_too(driver: Path, tmp_path: Path) -> None:
    chosen = "test_kernels_labels.py::test_numbers_that_are_none_become_void"
    files = chosen, "test_kernels_detections.py::test_a_batch_is_its_images"
    words = ("-m", "pytest", "-p", "no:cacheprovider", *(HERE.parent / file for file in files))
    environment = {"DASHMASK_KERNELS_ON": "gpu", "DASHMASK_KERNELS_LIBRARY": str(host_kernels())}
    done = run_with_gpu(driver, words, tmp_path, timeout_s=100, **environment)
    assert done.code == 0, done.out + done.err
    assert "2 passed" in done.out
    assert done.report["calls"]["cuLaunchKernel"] > 30
    assert done.report["violations"] == []


def test_kernels_that_the_driver_refuses_are_a_sentence_with_a_hint(driver: Path, tmp_path: Path) -> None:
    code = """
from engines.device import open_device
from engines.kernels.launch import Kernels
from pipeline.errors import BackendError
device = open_device()
with device.current():
    try:
        Kernels(device, lambda source: b"not a cubin").load("labels")
    except BackendError as error:
        print(error)
device.close()
"""
    done = run_with_gpu(driver, ("-c", code), tmp_path)
    assert "the kernels of labels.cu cannot be loaded: cuModuleLoadData" in done.out, done.err
    assert "nvidia-cuda-nvrtc must not be newer" in done.out


@pytest.mark.parametrize("name", ["yolo11n-seg", "roadnet-camvid", "enet_cityscapes_512x1024"])
def test_real_networks_on_footage_give_the_scenes_of_the_cpu(
    driver: Path, tmp_path: Path, shared: Path, name: str
) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    from engines.backends.base import Options
    from engines.backends.onnxruntime import open_cpu
    from engines.card import read_card

    folder = ROOT / "engines/weights" if name.startswith("roadnet") else shared / "weights"
    net = read_card(folder / f"{name}.onnx", card_dirs=[ROOT / "configs/cards"])
    backend = open_cpu(net, Options(threads=1, workers=1))
    preprocessor = Preprocessor(net.input, Pool)
    images, outputs = [], []
    with av.open(str(shared / "data/video/udacity_test_video.mp4")) as container:
        for number, decoded in enumerate(container.decode(video=0)):
            image = PlaneReader(bgr=False)(decoded)
            images.append([Image(tuple(plane.copy() for plane in image.planes), image.format)])
            prepared = preprocessor.prepare(Frame(number, number, Fraction(1, 25), 0.0, images[-1][0]))
            outputs.append([array.copy() for array in backend.submit([prepared]).result()[0].arrays()])
            if prepared.lease:
                prepared.lease.release()
            if number == 2:
                break
    backend.close()
    said = Said(net, DecodeConfig(conf=0.05), images, outputs)
    ran = run(driver, said, tmp_path)
    assert f"{net.name}: 1 frames, results of [" in ran.out
