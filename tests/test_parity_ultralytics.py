"""The same answers as Ultralytics from the same network on real frames; needs ultralytics, onnxruntime, the clips."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.card import read_card
from pipeline.config import DecodeConfig
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.placement import network_size, place
from pipeline.postprocess import decoder
from pipeline.postprocess.nms import nms
from pipeline.preprocess import Preprocessor
from pipeline.sources.planes import PlaneReader
from pipeline.types import Card, Frame, Inferred, InputSpec, Instances, Prepared

BGR = NDArray[np.uint8]
CLIPS = {  # clip: frames taken from it
    "udacity_test_video.mp4": (0, 12, 24, 36),
    "udacity_solidWhiteRight.mp4": (0, 50, 100, 150, 200),
    "kitti_2011_09_26_10fps_h264_bframes.mp4": (0, 20, 40, 60, 77),
    "camvid_val_0016E5_15fps_h264.mp4": (0, 25, 50, 75, 100),
}
PICTURES = 7  # of tiny-coco: upright, small, and of sizes that leave every kind of padding


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Ultralytics, which asks nobody on the network and leaves its settings in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_OFFLINE", "true")
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
        module = pytest.importorskip("ultralytics", reason="parity with Ultralytics: install dashmask[export]")
        try:
            import_module("torchvision")
        except (ImportError, RuntimeError) as error:  # a build for another torch
            pytest.skip(f"Ultralytics needs a torchvision that fits the torch here, install one: {error}")
        yield module


@pytest.fixture(scope="module")
def network(shared: Path) -> Any:
    """The card and a plain session of YOLO11n-seg."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime runs the network: install dashmask[cpu]")
    path = shared / "weights/yolo11n-seg.onnx"
    if not path.is_file():
        pytest.skip(f"no trained network: {path} is not here")
    return read_card(path), runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def images(shared: Path) -> dict[str, list[Image]]:
    """Real frames as the decoder gives them, by clip."""
    found = {}
    for name, wanted in CLIPS.items():
        read, found[name] = PlaneReader(bgr=False), []
        with av.open(str(shared / "data/video" / name)) as container:
            for index, picture in enumerate(container.decode(video=0)):
                if index in wanted:
                    image = read(picture)
                    planes = tuple(plane.copy() for plane in image.planes)  # the decoder is closed below
                    found[name].append(Image(planes, image.format, image.matrix, image.full_range))
    return found


@pytest.fixture(scope="module")
def frames(images: dict[str, list[Image]], shared: Path) -> list[BGR]:
    """All of them as BGR, and photographs."""
    photos = sorted((shared / "data/tiny-coco/val2017").glob("*.jpg"))[4 : 4 + PICTURES]
    return [*(image.bgr() for clip in images.values() for image in clip), *(cv2.imread(str(p)) for p in photos)]


def run(network: tuple[Card, Any], image: Image, **config: Any) -> tuple[Prepared, Instances]:
    card, session = network
    frame = Frame(0, 0, Fraction(1, 25), 0.0, image)
    prepared = Preprocessor(card.input, Pool).prepare(frame)
    outputs = tuple(session.run(None, {card.input.name: prepared.tensor}))
    found = decoder(card, DecodeConfig(**config)).decode(Inferred(prepared, outputs))
    assert isinstance(found, Instances)
    return prepared, found


def predict(peer: Any, model: str, task: str = "segment") -> Any:
    """A function from a frame to the peer's result and the tensor it gave its network."""
    yolo = peer.YOLO(model, task=task)
    seen: list[Any] = []

    def hook(predictor: Any) -> None:
        whole = predictor.preprocess

        def preprocess(pictures: Any) -> Any:
            seen.append(whole(pictures))
            return seen[-1]

        predictor.preprocess = preprocess

    yolo.add_callback("on_predict_start", lambda predictor: "whole" in vars(predictor) or hook(predictor))

    def one(bgr: BGR, **options: Any) -> tuple[Any, NDArray[np.float32]]:
        seen.clear()
        (result,) = yolo.predict(bgr, retina_masks=True, imgsz=640, verbose=False, save=False, **options)
        return result, seen[0].numpy()

    return one


def mask_ious(found: Instances, result: Any) -> Iterator[float]:
    height, width = result.orig_shape
    for index, theirs in enumerate(result.masks.data.numpy() > 0):
        ours = found.full_mask(index, (height, width))
        yield (ours & theirs).sum() / (ours | theirs).sum()


def same(found: Instances, result: Any) -> list[float]:
    """Check that two answers agree; the IoU of each pair of masks."""
    assert len(found) == len(result.boxes)
    if not len(found):
        return []
    assert np.array_equal(found.class_ids, result.boxes.cls.numpy())
    np.testing.assert_allclose(found.scores, result.boxes.conf.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.boxes_xyxy, result.boxes.xyxy.numpy(), atol=0.05)  # asked for: 1 px
    return list(mask_ious(found, result))


def test_instances_are_those_of_ultralytics(peer: Any, network: Any, frames: list[BGR]) -> None:
    their_answer = predict(peer, str(network[0].path))
    ious: list[float] = []
    for bgr in frames:
        result, tensor = their_answer(bgr)
        prepared, found = run(network, Image((bgr,), "bgr24"))
        assert prepared.tensor.shape == tensor.shape
        np.testing.assert_allclose(prepared.tensor, tensor, atol=1e-6)
        ious += same(found, result)
    assert len(frames) >= 20
    assert len(ious) > 120
    assert np.mean(ious) > 0.9999  # asked for: 0.98 on average
    assert np.min(ious) > 0.998  # and 0.95 at least


@pytest.mark.parametrize(
    "options",
    [
        {"conf": 0.05, "max_det": 20},
        {"conf": 0.1, "iou": 0.3, "agnostic_nms": True},
        {"conf": 0.1, "classes": [2, 7]},
    ],
)
def test_so_they_are_with_other_thresholds(
    peer: Any, network: Any, frames: list[BGR], options: dict[str, Any]
) -> None:
    ours = {"agnostic": options.get("agnostic_nms", False)} | {
        k: options[k] for k in ("iou", "max_det") if k in options
    }
    names = network[0].classes.names
    ours["classes"] = tuple(names[index] for index in options.get("classes", ()))
    their_answer = predict(peer, str(network[0].path))
    ious: list[float] = []
    for bgr in frames[::6]:
        ious += same(
            run(network, Image((bgr,), "bgr24"), conf=options["conf"], **ours)[1], their_answer(bgr, **options)[0]
        )
    assert len(ious) > 20
    assert np.min(ious) > 0.998


def test_yolov8_agrees_too(peer: Any, network: Any, frames: list[BGR], shared: Path) -> None:
    torch = pytest.importorskip("torch", reason="the network is a torch checkpoint: install torch")
    weights = shared / "weights/yolov8n-seg.pt"
    if not weights.is_file():
        pytest.skip(f"no trained network: {weights} is not here")
    their_answer = predict(peer, str(weights))
    model = peer.YOLO(str(weights)).model.fuse().eval()
    ious: list[float] = []
    for bgr in frames[::6]:
        result, tensor = their_answer(bgr)
        frame = Frame(0, 0, Fraction(1, 25), 0.0, Image((bgr,), "bgr24"))
        prepared = Preprocessor(InputSpec("images"), Pool).prepare(frame)
        np.testing.assert_allclose(prepared.tensor, tensor, atol=1e-6)
        with torch.no_grad():
            (rows, prototypes), _ = model(torch.from_numpy(prepared.tensor))
        found = decoder(network[0], DecodeConfig()).decode(Inferred(prepared, (rows.numpy(), prototypes.numpy())))
        assert isinstance(found, Instances)
        ious += same(found, result)
    assert len(ious) > 10
    assert np.min(ious) > 0.995


def test_the_two_cars_are_found_in_every_frame(network: Any, images: dict[str, list[Image]]) -> None:
    for image in images["udacity_test_video.mp4"]:
        _, found = run(network, image)
        assert [found.classes.names[index] for index in found.class_ids] == ["car", "car"]


def test_planes_give_the_boxes_that_converted_frames_give(network: Any, images: dict[str, list[Image]]) -> None:
    """Every object of at least 0.3 is there both ways, and nearly all boxes within 1 px.

    Half a level of rounding decides between two anchors of nearly the same score now and then, and on a cut-off lorry
    they lie several pixels apart. Noise of half a level on the converted frame does that too, and so does converting
    it in floating point.
    """
    apart_px: list[float] = []
    for clip, pictures in images.items():
        of_clip: list[float] = []
        for image in pictures:
            _, direct = run(network, image, conf=0.2)
            _, converted = run(network, Image((image.bgr(),), "bgr24"), conf=0.2)
            for one, other in ((direct, converted), (converted, direct)):
                for box, score, class_id in zip(one.boxes_xyxy, one.scores, one.class_ids, strict=True):
                    if score >= 0.3:
                        alike = other.boxes_xyxy[other.class_ids == class_id]
                        of_clip.append(float(np.abs(alike - box).max(1).min()))
        assert max(of_clip) < (1 if clip.startswith("udacity") else 10)
        apart_px += of_clip
    assert len(apart_px) > 150
    assert np.median(apart_px) < 0.25
    assert np.mean(np.array(apart_px) < 1) > 0.93


@pytest.mark.parametrize(
    "size", [(720, 1280), (374, 1242), (1242, 374), (375, 1241), (96, 131), (641, 640), (3, 900)]
)
@pytest.mark.parametrize("auto", [True, False])
def test_pixels_lie_where_letterbox_puts_them(peer: Any, size: tuple[int, int], auto: bool) -> None:
    from ultralytics.data.augment import LetterBox

    bgr = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    theirs = LetterBox((640, 640), auto=auto, stride=32)(image=bgr)
    spec = InputSpec(
        "images", (None, None) if auto else (640, 640), dtype="uint8", scale=1.0, layout="nhwc", colour="bgr"
    )
    ours = Preprocessor(spec, Pool).prepare(Frame(0, 0, Fraction(1, 25), 0.0, Image((bgr,), "bgr24")))
    assert np.array_equal(ours.tensor[0], theirs)


@pytest.mark.parametrize("size", [(720, 1280), (374, 1242), (1242, 374), (375, 1241)])
def test_boxes_return_as_scale_boxes_returns_them(peer: Any, size: tuple[int, int]) -> None:
    torch = pytest.importorskip("torch", reason="no torch here: install the extra `train`")
    from ultralytics.utils.ops import scale_boxes

    network_hw = network_size(size, InputSpec("images"))
    boxes = np.random.default_rng(0).uniform(-20, 660, (100, 4)).astype(np.float32)
    theirs = scale_boxes(network_hw, torch.from_numpy(boxes.copy()), size).numpy()
    np.testing.assert_allclose(place(size, network_hw).boxes_to_frame(boxes), theirs, atol=1e-3)


@pytest.mark.parametrize("iou", [0.3, 0.45, 0.7])
@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("count", [5, 100, 3000])
def test_suppression_keeps_the_same_rows(peer: Any, iou: float, agnostic: bool, count: int) -> None:
    torch = pytest.importorskip("torch", reason="no torch here: install the extra `train`")
    from ultralytics.utils.nms import non_max_suppression

    rng = np.random.default_rng(count)
    rows = np.zeros((84, count), np.float32)
    rows[:2] = rng.uniform(0, 640, (2, 25))[:, rng.integers(0, 25, count)] + rng.normal(0, 9, (2, count))
    rows[2:4] = rng.uniform(10, 120, (2, count))
    rows[rng.integers(4, 84, count), np.arange(count)] = rng.permutation(np.linspace(0.2, 1, count))  # no two alike
    (theirs,) = non_max_suppression(torch.from_numpy(rows[None]), 0.25, iou, agnostic=agnostic, nc=80, max_det=300)
    best = rows[4:].max(0)
    at = np.flatnonzero(best > 0.25)
    half = rows[2:4, at].T / 2
    boxes = np.hstack([rows[:2, at].T - half, rows[:2, at].T + half])
    class_ids = rows[4:, at].argmax(0).astype(np.int32)
    kept = nms(boxes, best[at], None if agnostic else class_ids, iou=iou, max_det=300)
    assert np.array_equal(np.c_[boxes[kept], best[at][kept], class_ids[kept]], theirs.numpy())
