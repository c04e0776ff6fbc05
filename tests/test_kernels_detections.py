"""Detections and masks by the kernels: the same instances as pipeline.postprocess, in the same order."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from kernel_emulator.device import HostDevice
from kernel_emulator.shuffles import in_every_order, opened
from numpy.typing import NDArray

from engines.frame_task import DetectRules
from engines.kernels.arguments import COUNTS, NmsArgs
from engines.kernels.detecting import Detecting, MasksOverflowError, at_most
from engines.kernels.launch import Kernels
from pipeline.config import DecodeConfig
from pipeline.errors import BackendError
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.placement import network_size, place
from pipeline.postprocess.nms import nms
from pipeline.postprocess.yolo_seg import YoloSeg
from pipeline.types import Card, Classes, Frame, Inferred, InputSpec, Instances, OutputSpec, Prepared

NAMES = ("person", "bicycle", "car", "truck")
CLASSES = Classes(NAMES, ((1, 2, 3),) * len(NAMES))
SPEC = InputSpec("images")
# As in test_masks: whole pixels per cell; padding of no whole cells; not scaled; enlarged; upright; nothing whole.
SIZES = [(720, 1280), (374, 1242), (425, 640), (288, 352), (1242, 374), (375, 1241)]
Outputs = tuple[NDArray[Any], NDArray[Any]]
FIELDS = ("boxes_xyxy", "scores", "class_ids", "crops_px", "arena", "offset")


def outputs(frame_hw: tuple[int, int], seed: int, anchors: int = 600, k: int = 8, objects: int = 30) -> Outputs:
    """What a network may say: clusters of boxes, some over the edges, scores with ties, smooth prototypes."""
    rng = np.random.default_rng(seed)
    height, width = network_size(frame_hw, SPEC)
    centre = rng.uniform(-20, (width + 20, height + 20), (objects, 2))
    size = rng.uniform(4, (width / 3, height / 2), (objects, 2))
    which = rng.integers(0, objects, anchors)
    rows = np.empty((1, 4 + len(NAMES) + k, anchors), np.float32)
    rows[0, :4] = (np.hstack([centre, size])[which] + rng.normal(0, 3, (anchors, 4))).T
    rows[0, 4 : 4 + len(NAMES)] = rng.uniform(0, 1, (len(NAMES), anchors)) ** 4
    rows[0, 4 : 4 + len(NAMES), ::3] = np.round(rows[0, 4 : 4 + len(NAMES), ::3], 1)  # equal scores
    rows[0, 4 + len(NAMES) :] = rng.normal(size=(k, anchors))
    grid_wh = width // 4, height // 4
    prototypes = np.stack([cv2.resize(rng.normal(size=(8, 8)), grid_wh) for _ in range(k)])
    return rows, prototypes.astype(np.float32)[None]


def by_cpu(said: Outputs, letterbox: Letterbox, classes: Classes, config: DecodeConfig) -> list[Instances]:
    specs = OutputSpec("output0", (1, None, None), "float32"), OutputSpec("output1", (1, None, None, None), "float32")
    decoder = YoloSeg(Card("net", Path("net.onnx"), "yolo-seg", classes, SPEC, specs, ""), config)
    frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((np.zeros((*letterbox.frame_hw, 3), np.uint8),), "bgr24"))
    prepared = Prepared(frame, np.zeros((1, 3, *letterbox.network_hw), np.float32), letterbox)
    return [
        decoder.decode(Inferred(prepared, (rows[None], protos[None]))) for rows, protos in zip(*said, strict=True)
    ]


def by_kernel(
    device: HostDevice,
    kernels: Kernels,
    said: Outputs,
    letterbox: Letterbox,
    classes: Classes,
    config: DecodeConfig,
    room: int = 16,
) -> list[Instances]:
    rules = DetectRules(config.conf, config.iou, config.max_det, config.agnostic)
    chosen = np.array([not config.classes or name in config.classes for name in classes.names])
    stream: Any = device.stream()
    shapes = said[0].shape, said[1].shape
    step = Detecting(device, kernels, stream, *shapes, said[0].dtype, letterbox, chosen, rules, room)  # type: ignore[arg-type]
    rows, prototypes = (device.put(output) for output in said)
    step.run(rows.ptr, prototypes.ptr, len(said[0]), stream)
    step.download(stream)
    stream.synchronize()
    found = [step.instances(image, classes) for image in range(len(said[0]))]
    step.free()
    return found


def compare(
    said: Outputs,
    frame_hw: tuple[int, int],
    config: DecodeConfig,
    classes: Classes = CLASSES,
    seeds: tuple[int, ...] = (1,),
) -> list[Instances]:
    """The same instances; a pixel of a mask may differ where what it says is next to nothing: at most 1 in 10 000."""
    letterbox = place(frame_hw, network_size(frame_hw, SPEC))
    expected = by_cpu(said, letterbox, classes, config)

    def work(device: HostDevice, kernels: Kernels) -> list[NDArray[Any]]:
        found = by_kernel(device, kernels, said, letterbox, classes, config)
        return [getattr(instances, name) for instances in found for name in FIELDS]

    arrays = iter(in_every_order(work, seeds))
    for instances in expected:
        for name in FIELDS:
            array, wanted = next(arrays), getattr(instances, name)
            if name == "arena":
                assert len(array) == len(wanted)
                assert np.isin(array, (0, 255)).all()
                assert np.count_nonzero(array != wanted) <= 1e-4 * max(len(wanted), 1)
            else:
                np.testing.assert_array_equal(array, wanted)
                assert array.dtype == wanted.dtype
    return expected


@pytest.mark.parametrize("frame_hw", SIZES)
def test_every_size_gives_the_instances_of_the_cpu(frame_hw: tuple[int, int]) -> None:
    for seed in range(2):
        assert len(compare(outputs(frame_hw, seed), frame_hw, DecodeConfig())[0]) > 5


@pytest.mark.parametrize("frame_hw", [(720, 1280), (374, 1242), (1242, 374)])
def test_what_a_network_says_of_the_padding_reaches_no_mask(frame_hw: tuple[int, int]) -> None:
    rows, prototypes = outputs(frame_hw, 3, anchors=60, objects=6)
    letterbox = place(frame_hw, network_size(frame_hw, SPEC))
    top, left = -(-letterbox.top // 4), -(-letterbox.left // 4)
    assert top + left > 0
    padding = np.ones(prototypes.shape[2:], bool)
    padding[top : (letterbox.top + letterbox.content_hw[0]) // 4, left : prototypes.shape[3] - left] = False
    prototypes[..., padding] *= -1e3
    compare((rows, prototypes), frame_hw, DecodeConfig())


@pytest.mark.parametrize(
    "config",
    [
        DecodeConfig(conf=0.01, iou=0.45),
        DecodeConfig(conf=0.0, iou=1.0, max_det=40),
        DecodeConfig(conf=0.5, iou=0.0),
        DecodeConfig(agnostic=True),
        DecodeConfig(classes=("car", "person")),
        DecodeConfig(max_det=1),
        DecodeConfig(conf=1.0),
    ],
    ids=str,
)
def test_every_rule_gives_the_instances_of_the_cpu_in_every_order(config: DecodeConfig) -> None:
    compare(outputs((288, 352), 7), (288, 352), config, seeds=(1, 2, 3))


def test_numbers_that_are_none_or_huge_leave_out_what_the_cpu_leaves_out() -> None:
    rows, prototypes = outputs((288, 352), 8)
    rng = np.random.default_rng(8)
    for value in (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-42):
        height = (
            8 if np.isfinite(value) else rows.shape[1]
        )  # masks of huge coefficients are no numbers, here or there
        rows[0, rng.integers(0, height, 20), rng.integers(0, rows.shape[2], 20)] = value
    assert len(compare((rows, prototypes), (288, 352), DecodeConfig())[0]) > 5
    prototypes[0, 2] = np.nan
    assert len(compare((rows, prototypes), (288, 352), DecodeConfig())[0]) == 0


def test_no_detection_is_no_instance_and_an_empty_mask_none_either() -> None:
    rows, prototypes = outputs((288, 352), 9)
    assert len(compare((rows * 0, prototypes), (288, 352), DecodeConfig())[0]) == 0
    rows[0, -8:, ::2] = 0  # every second anchor has a mask of nothing
    found = compare((rows, prototypes), (288, 352), DecodeConfig(), seeds=(1, 2, 3))[0]
    assert 0 < len(found) < len(compare((rows + np.float32(1e-9), prototypes), (288, 352), DecodeConfig())[0])
    assert len(compare((rows, -np.abs(prototypes) * 0), (288, 352), DecodeConfig())[0]) == 0


def test_a_batch_is_its_images() -> None:
    said = [outputs((288, 352), seed, objects=5 * seed) for seed in (1, 2, 3)]
    rows, prototypes = (np.concatenate(parts) for parts in zip(*said, strict=True))
    rows[1, 4:8] = 0  # nothing in the second
    counts = [len(found) for found in compare((rows, prototypes), (288, 352), DecodeConfig(), seeds=(1, 2, 3))]
    assert counts[1] == 0
    assert 0 < counts[0] < counts[2]


def test_halves_are_read_exactly() -> None:
    rows, prototypes = (part.astype(np.float16) for part in outputs((288, 352), 10))
    compare((rows, prototypes), (288, 352), DecodeConfig(), seeds=(1, 2, 3))
    special = ((7, np.inf), (6, -np.inf), (12, np.nan), (13, np.inf), (5, 6e-8), (14, 65504))
    for number, (row, value) in enumerate(special):  # scores and coefficients
        rows[0, row, number::11] = value
    compare((rows, prototypes), (288, 352), DecodeConfig(conf=0.1))


def test_more_masks_than_there_is_room_for_are_told_and_none_is_half_made() -> None:
    said = outputs((288, 352), 11)
    letterbox = place((288, 352), network_size((288, 352), SPEC))
    device, kernels = opened(1)
    config = DecodeConfig(conf=0.01, iou=0.9)
    with pytest.raises(MasksOverflowError) as caught:
        by_kernel(device, kernels, said, letterbox, CLASSES, config, room=1)
    found = by_kernel(device, kernels, said, letterbox, CLASSES, config, room=caught.value.frames_of_masks)
    assert len(found[0]) == len(by_cpu(said, letterbox, CLASSES, config)[0])
    device.close()


@pytest.mark.parametrize("count", [0, 1, 2, 31, 255, 256, 257, 700])
@pytest.mark.parametrize("iou", [0.0, 0.3, 0.7, 1.0])
def test_suppression_keeps_just_what_the_cpu_keeps(count: int, iou: float) -> None:
    rng = np.random.default_rng(count)
    corner, size = rng.uniform(0, 600, (12, 2)), rng.uniform(8, 150, (12, 2))
    boxes = np.hstack([corner, corner + size])[rng.integers(0, 12, count)] + rng.normal(0, 6, (count, 4))
    boxes = np.round(boxes).astype(np.float32)  # whole numbers: boxes of no area, and overlaps of just the limit
    scores = np.round(rng.random(count), 1).astype(np.float32)
    class_ids = rng.integers(0, 3, count).astype(np.int32)
    order = np.argsort(-scores, kind="stable")
    for agnostic, max_det in ((False, 300), (True, 300), (False, 5)):
        expected = nms(boxes, scores, None if agnostic else class_ids, iou=iou, max_det=max_det)
        work = (boxes[order], class_ids[order], iou, max_det, agnostic)
        (kept,) = in_every_order(lambda d, k, work=work: [suppressed(d, k, *work)])  # type: ignore[misc]
        assert order[kept].tolist() == expected.tolist()


def suppressed(
    device: HostDevice, kernels: Kernels, boxes: Any, class_ids: Any, iou: float, max_det: int, agnostic: bool
) -> NDArray[np.int32]:
    counts = np.zeros(1, COUNTS)
    counts["candidates"] = len(boxes)
    told, kept = device.put(counts), device.alloc(4 * max_det)
    args = NmsArgs(
        counts=told.ptr,
        boxes=device.put(boxes).ptr,
        class_of=device.put(class_ids).ptr,
        kept=kept.ptr,
        most=max(len(boxes), 1),
        max_det=max_det,
        agnostic=agnostic,
        limit=at_most(iou),
    )
    kernels.load("detections")
    kernels.nms(args, 1, device.stream())  # type: ignore[arg-type]
    return device.get(kept, (int(device.get(told, (1,), COUNTS)["kept"][0]),), np.int32)


def test_a_real_network_on_real_frames_gives_the_instances_of_the_cpu(shared: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    from engines.backends.base import Options
    from engines.backends.onnxruntime import open_cpu
    from engines.card import read_card
    from pipeline.flow import Pool
    from pipeline.preprocess import Preprocessor

    card = read_card(shared / "weights/yolo11n-seg.onnx")
    backend = open_cpu(card, Options(threads=1, workers=1))
    preprocessor = Preprocessor(card.input, Pool)
    for clip in ("udacity_test_video.mp4", "kitti_2011_09_26_10fps_h264_bframes.mp4"):
        capture = cv2.VideoCapture(str(shared / "data/video" / clip))
        picture = capture.read()[1]
        capture.release()
        image = Image((np.asarray(picture, np.uint8),), "bgr24")
        prepared = preprocessor.prepare(Frame(0, 0, Fraction(1, 25), 0.0, image))
        rows, prototypes = backend.submit([prepared]).result()[0].arrays()
        for conf in (0.25, 0.01):
            found = compare((rows, prototypes), image.size_hw, DecodeConfig(conf=conf), card.classes)
            assert len(found[0]) > 1
    backend.close()


def test_outputs_and_limits_that_only_the_cpu_serves_are_refused() -> None:
    device, kernels = opened(0)
    letterbox = place((288, 352), (320, 384))
    good = ((1, 16, 600), (1, 8, 80, 96), np.float32)
    for shapes, rules, said in (
        (((1, 17, 600), *good[1:]), DetectRules(), "not read on the GPU"),
        (((1, 300, 16), *good[1:]), DetectRules(), "not read on the GPU"),
        ((*good[:2], np.int32), DetectRules(), "int32"),
        (good, DetectRules(max_det=1025), "at most 1025"),
    ):
        arguments: Any = (device, kernels, device.stream(), *shapes, letterbox, np.ones(4, np.bool_), rules)
        with pytest.raises(BackendError, match=said):
            Detecting(*arguments)
