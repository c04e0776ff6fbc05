"""Mapillary Vistas: 18000 training and 2000 validation images of many sizes, 66 classes (v1.2) or 124 (v2.0).

Layout: `{root}/config_v1.2.json` names the classes; `{root}/{training,validation}/images/{name}.jpg`, and in
`{root}/{split}/v1.2/` (in older downloads `{root}/{split}/`) `labels/{name}.png`, palette indices or grey, and
`instances/{name}.png`, 16 bit, class * 256 + instance. What the config calls `evaluate: false` is not scored.
Neuhold et al., ICCV 2017; mapillary_vistas_tools.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.base import LeftOut
from pipeline.datasets.decoding import read_ids, size_hw
from pipeline.datasets.json_file import read_json
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.objects import Marked, segments, true_objects
from pipeline.datasets.pairs import Pair, Pairs, id_reader, pair, with_objects
from pipeline.errors import DataError
from pipeline.types import VOID, Classes, TrueObjects

TERMS = "CC BY-NC-SA 4.0, non-commercial"
SPLITS = ("training", "validation")
VERSIONS = ("1.2", "2.0")
_STEP = 256


class _Label(msgspec.Struct, frozen=True):
    name: str
    readable: str
    color: tuple[int, int, int]
    instances: bool
    evaluate: bool = True


class _Config(msgspec.Struct, frozen=True):
    labels: list[_Label]


class Mapillary(Pairs):
    """Mapillary Vistas. Class names are the short ones (`readable`).

    Args:
        root: the folder with the config and the splits, or the one around it.
        split: training or validation, as the folder is called, or both: training+validation.
        strict: see open_dataset.
        version: 1.2 or 2.0.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True, version: str = "1.2") -> None:
        version = str(version)
        if version not in VERSIONS:
            raise DataError(f"mapillary has no version {version}", hint=f"it has {' and '.join(VERSIONS)}")
        root = around(root, "training", *(f"mapillary-vistas-dataset_public_v{one}" for one in (version, "2.0")))
        known = (f"config_v{version}.json", "config.json")[: 2 if version == VERSIONS[0] else 1]  # v1.2 alone had it
        config = next((root / name for name in known if (root / name).is_file()), None)
        if config is None:
            there = ", ".join(sorted(path.name for path in root.glob("config*.json"))) or "none is there"
            raise DataError(
                f"{root / known[0]} is not there", hint=f"it names the classes of version {version}: {there}"
            )
        labels = read_json(config, _Config, "Mapillary's config: labels with name, readable, color").labels
        if not 0 < len(labels) < VOID:
            raise DataError(f"{config}: {len(labels)} classes", hint="fetch it again")
        pairs: list[Pair] = []
        left_out: list[LeftOut] = []
        marked: dict[str, Path] = {}
        for part in split.split("+"):
            folder = root / part / f"v{version}"
            folder = folder if folder.is_dir() or version != VERSIONS[0] else root / part
            images = files(root / part / "images", IMAGE_SUFFIXES)
            found, lone = pair(images, files(folder / "labels", (".png",)), strict)
            pairs += found
            left_out += lone
            if (folder / "instances").is_dir():
                marked |= files(folder / "instances", (".png",))
        if marked:
            pairs, lone = with_objects(pairs, marked, strict)
            left_out += lone
        classes = Classes(tuple(one.readable for one in labels), tuple(one.color for one in labels))
        things = [number for number, one in enumerate(labels) if one.instances]
        self._thing_of = {number: class_id for class_id, number in enumerate(things)}
        self._ignored = frozenset(number for number in things if not labels[number].evaluate)
        self._things = Classes(
            tuple(labels[number].readable for number in things), tuple(labels[number].color for number in things)
        )
        ids = {number: number if one.evaluate else VOID for number, one in enumerate(labels)} | {VOID: VOID}
        reader = id_reader(ids, palette=None)
        super().__init__("mapillary", classes, TERMS, pairs, left_out, reader, self._things if marked else None)

    def _truth(self, pair: Pair) -> tuple[NDArray[np.uint8], TrueObjects | None]:
        labels = self._labels(pair)
        if pair.objects is None:
            return labels, None
        numbers = read_ids(pair.objects)
        if numbers.shape != labels.shape:
            raise DataError(
                f"{pair.objects} is {size_hw(numbers)}, its labels {size_hw(labels)}", hint="they belong together"
            )
        marked = []
        for segment in segments(numbers, least=0):
            kind = segment.number // _STEP
            if kind in self._thing_of:
                ignored = kind in self._ignored
                class_id = self._thing_of[kind]
                marked.append(Marked(class_id, segment.mask, segment.crop_px, segment.number, ignore=ignored))
        return labels, true_objects(marked, self._things)
