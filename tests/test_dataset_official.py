"""Real annotations: every object, number and mask is the official tool's."""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from label_files import write
from numpy.typing import NDArray
from references import run_reference
from sinks_parts import in_child

from pipeline.datasets import Dataset, open_dataset
from pipeline.datasets.scalabel_polygons import Outline, draw
from pipeline.datasets.yolo import spread
from pipeline.polygons import polygons_crop
from pipeline.types import TrueObjects

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools
WHY = "no pycocotools, the official reader of COCO's files: install the extra `eval`"


def pasted(crop: tuple[NDArray[np.uint8], tuple[int, int, int, int]], size: tuple[int, int]) -> NDArray[np.bool_]:
    mask, (x0, y0, x1, y1) = crop
    whole = np.zeros(size, np.bool_)
    whole[y0:y1, x0:x1] = mask != 0
    return whole


def objects_of(data: Dataset, index: int) -> TrueObjects:
    objects = data[index].objects
    assert objects is not None
    return objects


@pytest.mark.parametrize(
    ("folder", "split", "file"),
    [
        ("tiny-coco", "val2017", "annotations/instances_val2017.json"),
        ("coad-instseg", "valid", "valid/_annotations.coco.json"),
    ],
)
def test_every_coco_object_is_the_one_that_pycocotools_reads(
    shared: Path, folder: str, split: str, file: str
) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason=WHY)
    root = shared / "data" / folder
    official = coco.COCO(str(root / file))
    data: Any = open_dataset("coco", root, split)
    assert len(data) == len(official.imgs)
    counted: Counter[int] = Counter()
    for index in range(len(data)):
        sample = data[index]
        theirs = official.loadAnns(official.getAnnIds(imgIds=sample.image_id))
        objects = sample.objects
        assert objects.ids.tolist() == [one["id"] for one in theirs]
        assert objects.area_px.tolist() == [one["area"] for one in theirs]
        assert objects.crowd.tolist() == [bool(one["iscrowd"]) for one in theirs]
        xywh = np.array([one["bbox"] for one in theirs], np.float64).reshape(-1, 4)
        edges = np.hstack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]])
        assert np.array_equal(objects.instances.boxes_xyxy, edges)
        for row, one in enumerate(theirs):
            class_id = int(objects.instances.class_ids[row])
            counted[data.category_ids[class_id]] += 1
            mask = objects.instances.full_mask(row, sample.labels.shape)
            assert np.array_equal(mask, official.annToMask(one) != 0), one["id"]
    wanted = {c: len(official.getAnnIds(catIds=[c])) for c in official.getCatIds()}
    assert {category: count for category, count in wanted.items() if count} == counted


def test_the_polygons_of_the_official_hundred_images_are_drawn_as_theirs(shared: Path) -> None:
    mask = pytest.importorskip("pycocotools.mask", reason=WHY)
    file = shared / "data/eval-coco/faster_coco_eval/dataset/cocoapi/instances_val2014_100.json"
    what = json.loads(file.read_text())
    sizes = {one["id"]: (one["height"], one["width"]) for one in what["images"]}
    drawn = [one for one in what["annotations"] if isinstance(one["segmentation"], list)]
    assert len(drawn) > 800
    for one in drawn:
        size = sizes[one["image_id"]]
        theirs = mask.decode(mask.merge(mask.frPyObjects(one["segmentation"], *size)))
        assert np.array_equal(pasted(polygons_crop(one["segmentation"], size), size), theirs != 0), one["id"]


def test_any_polygon_is_drawn_as_coco_draws_it() -> None:
    mask = pytest.importorskip("pycocotools.mask", reason=WHY)
    random = np.random.default_rng(5)
    for _ in range(1500):  # corners outside, the same twice, on halves, needles
        size = (int(random.integers(1, 40)), int(random.integers(1, 40)))
        count = int(random.integers(3, 9))
        polygon = random.uniform(-10, 50, 2 * count).round(int(random.integers(0, 3)))
        if random.random() < 0.3:
            polygon[2:4] = polygon[:2]
        theirs = mask.decode(mask.frPyObjects([polygon.tolist()], *size))[..., 0]
        assert np.array_equal(pasted(polygons_crop([polygon], size), size), theirs != 0), (size, polygon.tolist())


def test_mots_run_lengths_are_those_of_pycocotools(tmp_path: Path) -> None:
    mask = pytest.importorskip("pycocotools.mask", reason=WHY)
    random = np.random.default_rng(1)
    numbers = random.choice(np.array([0, 1001, 1002, 2001, 10000]), (30, 40))
    write(tmp_path / "training/image_02/0002/000000.png", np.zeros((30, 40, 3), np.uint8))
    lines = []
    for number in (1001, 1002, 2001, 10000):
        counts = mask.encode(np.asfortranarray(numbers == number))["counts"].decode()
        lines.append(f"0 {number} {number // 1000} 30 40 {counts}")
    text = tmp_path / "training/instances_txt/0002.txt"
    text.parent.mkdir()
    text.write_text("\n".join(lines))
    objects = objects_of(open_dataset("kitti-mots", tmp_path, "val", txt=True), 0)
    assert objects.ids.tolist() == [1001, 1002, 2001, 10000]
    for row, number in enumerate(objects.ids.tolist()):
        assert np.array_equal(objects.instances.full_mask(row, (30, 40)), numbers == number)


def test_panopticapis_sample_is_read_segment_by_segment(shared: Path) -> None:
    root = shared / "data/panopticapi-sample/sample_data"
    places = {"annotations": "panoptic_examples.json", "images": "input_images", "masks": "panoptic_examples"}
    data = open_dataset("coco-panoptic", root, "val", **places)
    what = json.loads((root / "panoptic_examples.json").read_text())
    kinds = {one["id"]: one for one in what["categories"]}
    assert len(data.classes) == 133
    for index, one in enumerate(what["annotations"]):
        sample = data[index]
        assert sample.image_id == one["image_id"]
        things = [part for part in one["segments_info"] if kinds[part["category_id"]]["isthing"]]
        assert objects_of(data, index).ids.tolist() == [part["id"] for part in things]
        assert objects_of(data, index).crowd.tolist() == [bool(part["iscrowd"]) for part in things]
        pixels: Counter[str] = Counter()
        for part in one["segments_info"]:
            pixels[kinds[part["category_id"]]["name"]] += part["area"]
        ours = np.bincount(sample.labels.ravel(), minlength=256)
        assert {data.classes.names[i]: n for i, n in enumerate(ours[:133].tolist()) if n} == pixels
        for row, part in enumerate(things):
            assert int((objects_of(data, index).instances.mask(row) != 0).sum()) == part["area"]


def test_kittis_objects_are_those_of_its_instance_files(shared: Path) -> None:
    root = shared / "data/kitti-semantics"
    data = open_dataset("kitti-semantic", root, "training")
    things = (24, 25, 26, 27, 28, 31, 32, 33)
    total = 0
    for index, name in enumerate(data.names):
        raw = cv2.imread(str(root / f"training/instance/{name}.png"), cv2.IMREAD_UNCHANGED)
        wanted = [n for n in np.unique(raw).tolist() if n // 256 in things]
        objects = objects_of(data, index)
        assert objects.ids.tolist() == wanted
        assert objects.crowd.tolist() == [n % 256 == 0 for n in wanted]
        for row, number in enumerate(wanted):
            assert np.array_equal(objects.instances.full_mask(row, raw.shape[:2]), raw == number)
        total += len(wanted)
    assert total == 84


def test_kittis_own_lane_is_read_from_its_colours(shared: Path) -> None:
    root = shared / "data/kitti-road"
    data = open_dataset("kitti-road", root, "training", kind="lane")
    assert len(data) == 11
    for index, name in enumerate(data.names):
        bgr = cv2.imread(str(root / f"training/gt_image_2/{name.replace('um_', 'um_lane_')}.png"))
        labels = data[index].labels  # blue and red are the devkit's two tests
        assert np.array_equal(labels == 1, (bgr[..., 0] > 0) & (bgr[..., 2] > 0))
        assert np.array_equal(labels != 255, bgr[..., 2] > 0)


def test_fixtures_of_others_are_read(shared: Path) -> None:
    fixtures = shared / "data/format-fixtures"
    roboflow = open_dataset("coco", fixtures / "coco_dataset/coco_roboflow", "val")
    assert objects_of(roboflow, 0).crowd.any()
    boxes = open_dataset("yolo", fixtures / "yolo_dataset/labels", "train")
    assert objects_of(boxes, 0).instances.class_ids.tolist() == [2, 4]
    polygons = open_dataset("yolo", fixtures / "roboflow_dataset/yolo", "train")
    assert sum(len(objects_of(polygons, i)) for i in range(len(polygons))) == 2
    for version in ("1.2", "2.0"):
        vistas = open_dataset("mapillary", fixtures / "mapillary_vistas_dataset", "val", version=version)
        raw = cv2.imread(
            str(fixtures / f"mapillary_vistas_dataset/val/v{version}/instances/1.png"), cv2.IMREAD_UNCHANGED
        )
        assert objects_of(vistas, 1).ids.tolist() == np.unique(raw).tolist()


def test_yolo_polygons_are_spread_and_filled_as_ultralytics_does_it(shared: Path, tmp_path: Path) -> None:
    ops = pytest.importorskip(
        "ultralytics.utils.ops", reason="no Ultralytics, the reader of YOLO's folders: install the extra `export`"
    )
    utils = pytest.importorskip(
        "ultralytics.data.utils", reason="no Ultralytics, the reader of YOLO's folders: install the extra `export`"
    )
    what = json.loads((shared / "data/coad-instseg/valid/_annotations.coco.json").read_text())
    size = np.array([416, 416], np.float32)
    shares = [
        (np.array(part, np.float32).reshape(-1, 2) / size).clip(0, 1)
        for one in what["annotations"]
        for part in one["segmentation"]
    ]
    lines = ["0 " + " ".join(f"{value:.6f}" for value in share.ravel().tolist()) for share in shares]
    write(tmp_path / "images/val/a.png", np.zeros((416, 416, 3), np.uint8))
    (tmp_path / "labels/val").mkdir(parents=True)
    (tmp_path / "labels/val/a.txt").write_text("\n".join(lines))
    objects = objects_of(open_dataset("yolo", tmp_path, "val", classes=("thing",)), 0)
    read = [np.array(line.split()[1:], np.float32).reshape(-1, 2) for line in dict.fromkeys(lines)]
    assert len(objects) == len(read) > 200
    for row, corners in enumerate(read):
        (theirs,) = ops.resample_segments([corners.copy()], n=1000)
        assert np.array_equal(spread(corners, 1000), theirs)
        mask = utils.polygon2mask((416, 416), [(theirs * size).reshape(-1)])
        assert np.array_equal(objects.instances.full_mask(row, (416, 416)), mask != 0), row


def outlines(random: np.random.Generator) -> list[dict[str, Any]]:
    """Frames' worth of polygons, some with curves, some open."""
    made = []
    for _ in range(25):
        count = int(random.integers(3, 9))
        centre, reach = random.uniform(10, 110, 2), random.uniform(3, 40)
        vertices = (centre + random.uniform(-reach, reach, (count, 2))).round(int(random.integers(0, 7)))
        types = "LCCC" + "L" * (count - 4) if count > 4 and random.random() < 0.4 else "L" * count
        made.append({"vertices": vertices.tolist(), "types": types, "closed": bool(random.random() < 0.85)})
    return made


SCALABEL = """
import json, sys, hashlib, matplotlib
import numpy as np
matplotlib.use("Agg")
from matplotlib.backends.backend_agg import FigureCanvasAgg
if not hasattr(FigureCanvasAgg, "tostring_rgb"):  # newer than Scalabel knows
    FigureCanvasAgg.tostring_rgb = lambda canvas: np.asarray(canvas.buffer_rgba())[..., :3].tobytes()
from scalabel.label.transforms import frame_to_masks
from scalabel.label.typing import ImageSize, Poly2D
frames = json.load(open(sys.argv[1]))
said = []
for frame in frames:
    masks = frame_to_masks(ImageSize(height=96, width=128), [[Poly2D(**one)] for one in frame])
    said.append([hashlib.sha256((mask > 0).tobytes()).hexdigest() for mask in masks])
print(json.dumps(said))
"""


def test_scalabel_polygons_are_drawn_as_scalabel_draws_them(tmp_path: Path) -> None:
    pytest.importorskip(
        "matplotlib", reason="no matplotlib, which draws Scalabel's polygons: install the extra `eval`"
    )
    random = np.random.default_rng(3)
    frames = [outlines(random) for _ in range(4)]
    (tmp_path / "frames.json").write_text(json.dumps(frames))
    theirs = run_reference("bdd100k", SCALABEL, tmp_path / "frames.json")
    for frame, wanted in zip(frames, theirs, strict=True):
        parts = [[Outline(one["vertices"], one["types"], one["closed"])] for one in frame]
        drawn = draw(parts, (96, 128))
        assert [sha256((drawn == n).tobytes()).hexdigest() for n in range(1, len(parts) + 1)] == wanted


def test_a_large_data_set_stays_on_the_disk(tmp_path: Path) -> None:
    count = 1000
    images = [{"id": i, "file_name": "a.png", "height": 200, "width": 300} for i in range(count)]
    polygon = [float(v) for v in range(60)]
    marks = [{"id": i, "image_id": i % count, "category_id": 1, "segmentation": [polygon]} for i in range(3 * count)]
    (tmp_path / "annotations").mkdir()
    file = tmp_path / "annotations/instances_val.json"
    file.write_text(json.dumps({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "car"}]}))
    write(tmp_path / "val/a.png", np.zeros((200, 300, 3), np.uint8))
    code = """
import sys, tracemalloc
from pathlib import Path
from pipeline.datasets import open_dataset
tracemalloc.start()
data = open_dataset("coco", Path(sys.argv[1]), "val")
opened = tracemalloc.get_traced_memory()[0]
for index in range(0, len(data), 20):
    data[index]
print(opened, tracemalloc.get_traced_memory()[0] - opened)
"""
    # A process of its own: threads that other tests have left would be counted, too.
    opened, read = map(int, in_child(code, str(tmp_path)).stdout.split())
    assert opened < 3 * file.stat().st_size  # polygons stay text until they are asked for
    assert read < 2_000_000
