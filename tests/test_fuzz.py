"""What others wrote is read or refused with a sentence, whatever is in it: never another exception.

Documents that are right are spoilt in one or two places, as a value of another kind, a missing key or a byte; more
examples with DASHMASK_FUZZ=5000. Manifests of plans are in test_manifest.py.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.card_yaml import parse_card
from pipeline.config_file import load
from pipeline.datasets.coco import Coco
from pipeline.datasets.scalabel import Scalabel
from pipeline.errors import UserError
from pipeline.record_lines import read_lines
from pipeline.records import read_records

EXAMPLES = int(os.environ.get("DASHMASK_FUZZ", "40"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
HW = (12, 16)
WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**12, 0.5, -0.5, 1e300, float("nan"), float("inf")]),
    st.text(max_size=6),
    st.sampled_from(["", "../x", "\x00", "0" * 400, "zz9", "1e9999", "é"]),
    st.lists(st.integers(-3, 40), max_size=5),
    st.just({}),
    st.just([[]]),
    st.just([[1.0, 2.0, 3.0]]),
).map(copy.deepcopy)

RECORD = {
    "index": 3,
    "pts_s": 0.1,
    "instances": [
        {
            "class": "car", "class_id": 2, "track": 7, "score": 0.9, "box_xyxy": [1.0, 2.0, 8.0, 9.0],
            "rle": {"size": [12, 16], "counts": "R14n3"},
        }
    ],
    "labels": {"road": {"size": [12, 16], "counts": "04l5"}},
    "dropped": {"newest": 2},
    "rung": "80%",
    "timing": {"age_ms": 3.5, "stages_ms": {"infer": 2.0}},
}  # fmt: skip
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": 12, "width": 16}],
    "categories": [{"id": 1, "name": "car"}, {"id": 7, "name": "person"}],
    "annotations": [
        {
            "id": 5, "image_id": 1, "category_id": 7, "area": 12.5, "bbox": [1, 2, 6, 5], "iscrowd": 0,
            "segmentation": [[1.0, 2.0, 7.0, 2.0, 7.0, 7.0]],
        },
        {
            "id": 6, "image_id": 1, "category_id": 1, "area": 9, "bbox": [0, 0, 3, 3], "iscrowd": 1,
            "segmentation": {"size": [12, 16], "counts": [5, 7, 180]},
        },
    ],
}  # fmt: skip
SCALABEL = {
    "frames": [
        {
            "name": "a.png", "videoName": "", "frameIndex": 0,
            "labels": [
                {"id": "1", "category": "car", "attributes": {"crowd": False},
                 "box2d": {"x1": 1, "y1": 2, "x2": 8, "y2": 9},
                 "poly2d": [{"vertices": [[1, 2], [7, 2], [7, 7]], "types": "LLL", "closed": True}]},
                {"id": 2, "category": "person", "rle": {"size": [12, 16], "counts": "R14n3"}},
            ],
        }
    ],
    "config": {"imageSize": {"height": 12, "width": 16}, "categories": [{"name": "car"}, {"name": "person"}]},
}  # fmt: skip
CARD = {
    "family": "semantic",
    "classes": [{"name": "road", "colour": [1, 2, 3]}, "car"],
    "input": {"colour": "bgr", "scale": 1, "mean": [1, 2, 3], "std": [1, 1, 1], "stride": 8, "long_side": 128},
    "licence": "free",
}
CONFIG = {
    "model": ["a.onnx"],
    "decode": {"conf": 0.3, "classes": ["car"]},
    "render": {"view": "masks", "blur": ["person"], "colour_by": "track"},
    "evidence": {"folder": "e", "when": ["age>200ms"], "before_s": 3},
    "budget": {"ms": 50, "scales": [1, 0.5]},
    "track": {"objects": True, "confirm": 3},
}


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn, tree: Any) -> Any:
    """The document with one or two of its values replaced, taken away or doubled."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 2))):
        *parents, last = draw(st.sampled_from(places(tree)[1:] or [("",)]))
        inside = tree
        for key in parents:
            inside = inside[key]
        what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if what == "replace":
            inside[last] = draw(WRONG)
        elif what == "remove":
            del inside[last]
        elif isinstance(inside, list):
            inside.append(copy.deepcopy(inside[last]))
        else:
            inside[draw(st.sampled_from(["extra", "", "on"]))] = draw(WRONG)
    return tree


@st.composite
def bytes_of(draw: st.DrawFn, tree: Any, dump: Callable[[Any], str] = json.dumps) -> bytes:
    """As it is written, sometimes with a byte changed or its end cut off."""
    data = dump(draw(spoilt(tree))).encode()
    kind = draw(st.sampled_from(["whole", "whole", "byte", "cut"]))
    if kind == "whole" or not data:
        return data
    at = draw(st.integers(0, len(data) - 1))
    return data[:at] if kind == "cut" else data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def as_yaml(tree: Any) -> str:
    return str(yaml.safe_dump(tree))


def read_or_refused(read: Callable[[], object]) -> None:
    """UserError is the one exception that may come."""
    with suppress(UserError):
        read()


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((*HW, 3), np.uint8))
    return tmp_path


@given(data=bytes_of(RECORD))
@fuzzed
def test_records(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(json.dumps(RECORD).encode() + b"\n" + data + b"\n")
    read_or_refused(lambda: list(read_records(path)))
    read_or_refused(lambda: [line.record() for line in read_lines(path)])


@given(data=bytes_of(COCO))
@fuzzed
def test_coco(data: bytes, footage: Path) -> None:
    (footage / "instances.json").write_bytes(data)

    def read() -> None:
        for strict in (False, True):
            found = Coco(footage, "val", strict, annotations="instances.json", images="images")
            for index in range(len(found)):
                read_or_refused(lambda found=found, index=index: found[index])  # type: ignore[misc]

    read_or_refused(read)


@given(data=bytes_of(SCALABEL))
@fuzzed
def test_scalabel(data: bytes, footage: Path) -> None:
    (footage / "labels.json").write_bytes(data)

    def read() -> None:
        for strict in (False, True):
            found = Scalabel(footage, "val", strict, labels="labels.json", images="images")
            for index in range(len(found)):
                read_or_refused(lambda found=found, index=index: found[index])  # type: ignore[misc]

    read_or_refused(read)


@given(data=bytes_of(CARD, as_yaml))
@fuzzed
def test_cards(data: bytes) -> None:
    read_or_refused(lambda: parse_card(data.decode("utf-8", "replace"), "card.yaml"))


@given(data=bytes_of(CONFIG, as_yaml), pair=st.text(max_size=20))
@fuzzed
def test_configurations(data: bytes, pair: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(data)
    read_or_refused(lambda: load(str(tmp_path / "c.yaml")))
    read_or_refused(lambda: load(sets=[pair, f"render.{pair}", f"decode.conf={pair}"]))
