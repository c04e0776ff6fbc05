"""Data sets of one image in the layouts that their official archives unpack to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from label_files import GREY, HW, write
from numpy.typing import NDArray

from pipeline.datasets import Dataset, open_dataset

ONES = np.ones(HW, np.uint8)
BITMASK = np.dstack([ONES] * 4)
MAPILLARY = json.dumps(
    {"labels": [{"name": n, "readable": n, "color": [1, 2, i], "instances": False} for i, n in enumerate("ab")]}
)
SCALABEL = [{"name": "a.jpg", "labels": []}]


class Layout(NamedTuple):
    """A data set of one image, as its archives are unpacked: paths and what the files hold."""

    name: str
    split: str
    inside: str  # the folder that the archive begins with; empty: none
    image: str
    label: str
    holds: NDArray[Any] | str = ONES
    others: dict[str, str] = {}  # noqa: RUF012 - of nobody who changes it
    options: dict[str, Any] = {}  # noqa: RUF012


CITY = "leftImg8bit/{0}/ulm/ulm_000000_000019_leftImg8bit.png", "{1}/{0}/ulm/ulm_000000_000019_{1}_labelIds.png"
PAINTED = np.full((*HW, 3), (128, 64, 128), np.uint8)[..., ::-1]
LAYOUTS = (
    Layout("ade20k", "validation", "ADEChallengeData2016", "images/validation/A.jpg", "annotations/validation/A.png"),
    Layout("bdd100k", "val", "bdd100k", "images/10k/val/a.jpg", "labels/sem_seg/masks/val/a.png"),
    Layout("bdd100k-drivable", "val", "bdd100k", "images/100k/val/a.jpg", "labels/drivable/masks/val/a.png"),
    Layout("bdd100k-lanes", "val", "bdd100k", "images/100k/val/a.jpg", "labels/lane/masks/val/a.png"),
    Layout(
        "bdd100k-instances", "val", "bdd100k", "images/10k/val/a.jpg", "labels/ins_seg/bitmasks/val/a.png", BITMASK
    ),
    Layout(
        "bdd100k-panoptic", "val", "bdd100k", "images/10k/val/a.jpg", "labels/pan_seg/bitmasks/val/a.png", BITMASK
    ),
    Layout(
        *("bdd100k-tracks", "val", "bdd100k", "images/seg_track_20/val/f/f-0000001.jpg"),
        *("labels/seg_track_20/bitmasks/val/f/f-0000001.png", BITMASK),
    ),
    Layout("camvid", "val", "CamVid", "val/0016E5_00390.png", "valannot/0016E5_00390.png"),
    Layout("camvid32", "all", "", "701_StillsRaw_full/a.png", "LabeledApproved_full/a_L.png", PAINTED),
    Layout("camvid32", "all", "", "images/a.png", "labels/a_P.png", ONES * np.uint8(31)),
    Layout("cityscapes", "val", "", CITY[0].format("val"), CITY[1].format("val", "gtFine")),
    Layout(
        *("cityscapes", "train_extra", "", CITY[0].format("train_extra"), CITY[1].format("train_extra", "gtCoarse")),
        *(ONES, {}, {"coarse": True}),
    ),
    Layout(
        *("cityscapes", "train_extra", "", f"leftImg8bit_trainextra/{CITY[0].format('train_extra')}"),
        *(f"gtCoarse/{CITY[1].format('train_extra', 'gtCoarse')}", ONES, {}, {"coarse": True}),
    ),
    Layout(
        *("cityscapes", "val", "", f"leftImg8bit_trainvaltest/{CITY[0].format('val')}"),
        f"gtFine_trainvaltest/{CITY[1].format('val', 'gtFine')}",
    ),
    Layout(
        "davis",
        "val",
        "DAVIS",
        "JPEGImages/480p/bear/0.jpg",
        "Annotations/480p/bear/0.png",
        ONES,
        {"ImageSets/2017/val.txt": "\ufeffbear\r\n"},
    ),
    Layout(
        "idd",
        "val",
        "IDD_Segmentation",
        "leftImg8bit/val/119/a_leftImg8bit.jpg",
        "gtFine/val/119/a_gtFine_labellevel3Ids.png",
    ),
    Layout(
        *("idd", "val", "IDD_Segmentation", "leftImg8bit/val/119/a_leftImg8bit.png"),
        *("gtFine/val/119/a_gtFine_labelcsTrainIds.png", ONES, {}, {"cityscapes": True}),
    ),
    Layout("idd-lite", "val", "idd20k_lite", "leftImg8bit/val/3/a_image.jpg", "gtFine/val/3/a_label.png"),
    Layout(
        "kitti-mots",
        "val",
        "",
        "training/image_02/0002/000000.png",
        "instances/0002/000000.png",
        ONES.astype(np.uint16) * 1001,
    ),
    Layout(
        "kitti-road",
        "training",
        "data_road",
        "training/image_2/um_000000.png",
        "training/gt_image_2/um_road_000000.png",
        PAINTED * 0 + 255 * (np.arange(3) != 1).astype(np.uint8),
    ),
    Layout(
        "kitti-semantic",
        "training",
        "data_semantics",
        "training/image_2/000000_10.png",
        "training/semantic/000000_10.png",
    ),
    Layout(
        "mapillary",
        "validation",
        "",
        "validation/images/a.jpg",
        "validation/v1.2/labels/a.png",
        ONES,
        {"config_v1.2.json": MAPILLARY},
    ),
    Layout(
        "mapillary",
        "validation",
        "mapillary-vistas-dataset_public_v2.0",
        "validation/images/a.jpg",
        "validation/v2.0/labels/a.png",
        ONES,
        {"config_v2.0.json": MAPILLARY, "training/.x": ""},
        {"version": 2.0},
    ),
    Layout(
        "scalabel",
        "val",
        "",
        "images/val/a.jpg",
        "labels/val/a.json",
        json.dumps(SCALABEL),
        {},
        {"labels": "labels/{split}", "images": "images/{split}", "classes": ["car"]},
    ),
    Layout(
        "voc",
        "val",
        "VOCdevkit/VOC2012",
        "JPEGImages/a.jpg",
        "SegmentationClass/a.png",
        ONES,
        {"ImageSets/Segmentation/val.txt": "\ufeffa\r\n"},
    ),
    Layout(
        "yolo",
        "val",
        "",
        "images/val/a.jpg",
        "labels/val/a.txt",
        "\ufeff0 0.5 0.5 0.2 0.2\r\n",
        {"classes.txt": "\ufeffcar\r\n"},
    ),
    Layout(
        "folders",
        "val",
        "",
        "images/val/a b é.jpg",
        "masks/val/a b é.png",
        ONES,
        {"classes.txt": "\ufeffsky\r\nroad\r\n"},
    ),
)


def unpacked(root: Path, layout: Layout) -> Path:
    top = root / layout.inside
    for place, holds in ((layout.image, GREY), (layout.label, layout.holds), *layout.others.items()):
        path = top / place
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(holds, str):
            path.write_text(holds, encoding="utf-8", newline="")
        else:
            write(path, holds)
    return root


def opened(root: Path, layout: Layout) -> Dataset:
    return open_dataset(layout.name, root, layout.split, **layout.options)
