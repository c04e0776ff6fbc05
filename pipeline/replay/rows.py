"""From a scene to its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.records import record_of
from pipeline.types import Scene

Row = tuple[Any, ...]  # in the order of schema.COLUMNS, behind the clip


def rows_of(scene: Scene) -> Iterator[Row]:
    """The rows of a frame, in their order, each without the clip."""
    record = record_of(scene, timing=False)
    height, width = scene.frame.image.size_hw
    head = record["index"], record["pts_s"], height, width
    yield (*head, "frame", scene.frame.carried, *(None,) * 9)
    for number, one in enumerate(record.get("instances", ())):
        named = one["class"], one["class_id"], one["score"]
        yield (*head, "instance", number, *named, *one["box_xyxy"], one.get("track"), one["rle"]["counts"])
    if scene.labels is not None:
        ids = {name: index for index, name in enumerate(scene.labels.classes.names)}
        for name, rle in record["labels"].items():
            yield (*head, "label", ids[name], name, ids[name], *(None,) * 6, rle["counts"])
