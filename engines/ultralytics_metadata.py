"""The metadata that Ultralytics (and YOLOv5) writes into an exported ONNX file, understood as it is."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engines.onnx_header import OnnxHeader
from pipeline.classes import colours_for
from pipeline.errors import ModelError
from pipeline.types import Card, Classes, InputSpec


def ultralytics_card(path: Path, header: OnnxHeader) -> Card | None:
    """The card of an Ultralytics export; None where the metadata is not theirs.

    Outputs, sha256 and what the file fixes of the input are not filled in. `details` holds their keys with Python
    literals read: task, stride, imgsz, end2end, args, version and others.

    Raises:
        ModelError: not a segmentation network, or keys that cannot be read.
    """
    texts = header.metadata
    if "names" not in texts or "stride" not in texts:
        return None
    details = {key: _literal(text) for key, text in texts.items()}
    # YOLOv5's own exporter writes no task: boxes (rank 3) and prototypes (rank 4) are what makes it segmentation.
    ranks = sorted(len(tensor.shape or ()) for tensor in header.outputs)
    task = details.get("task", "segment" if ranks[-2:] == [3, 4] else "detect")
    if task != "segment":
        raise ModelError(
            f"{path}: a network for the task `{task}`, expected one for `segment`",
            hint="export a segmentation model, for instance yolo11n-seg.pt",
        )
    if details.get("channels", 3) != 3:
        raise ModelError(f"{path}: takes pictures of {details['channels']} channels, expected 3")
    names = _names(details["names"], path)
    spec = InputSpec(name="", stride=_stride(details, path), long_side=_long_side(details, path))
    licence = str(details.get("license", "AGPL-3.0, as everything exported by Ultralytics or YOLOv5"))
    return Card(path.stem, path, "yolo-seg", Classes(names, colours_for(names)), spec, (), "", licence, details)


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _names(names: Any, path: Path) -> tuple[str, ...]:
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or set(names) != set(range(len(names))):
        raise ModelError(f"{path}: its metadata `names` is not a list of class names: {str(names)[:60]}")
    found = tuple(str(names[index]) for index in range(len(names)))
    if wild := next((name for name in found if not name.isprintable()), None):
        raise ModelError(
            f"{path}: the class {wild!r} in its metadata holds what cannot be printed",
            hint=f"write a card with the classes: {path.stem}.yaml beside it",
        )
    return found


def _stride(details: Mapping[str, Any], path: Path) -> int:
    stride = details["stride"]
    if isinstance(stride, int | float) and stride >= 1:
        return int(stride)
    raise ModelError(f"{path}: its metadata `stride` is not a number of pixels: {str(stride)[:60]}")


def _long_side(details: Mapping[str, Any], path: Path) -> int:
    sides = details.get("imgsz", 640)
    sides = sides if isinstance(sides, list | tuple) else [sides]
    if sides and all(isinstance(side, int) and side >= 1 for side in sides):
        return int(max(sides))
    raise ModelError(f"{path}: its metadata `imgsz` is not a size in pixels: {str(sides)[:60]}")
