"""Masks as PNG files, one a frame: what every pixel is, and which object it belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.classes import DRIVING, LABEL_IDS
from pipeline.sinks.outputs import make_folder, write_whole
from pipeline.types import VOID, Classes, Instances, Labels, Picture, Scene

MaskIds = Literal["class", "trainId", "labelId"]
_NO_ID: dict[MaskIds, int] = {"class": VOID, "trainId": VOID, "labelId": 0}  # of a pixel without a class


class MaskSink:
    """Writes labels/000000.png and instances/000000.png by the frames' index, and classes.json.

    labels: 8 bit, the class of every pixel; where a semantic network ran.
    instances: 16 bit, class * divisor + k; 0 where there is no object. k counts the objects of the frame from
    1, best score first, like the list in the frame's record; where two overlap the better one shows. The
    divisor is 1000 as in Cityscapes and MOTS, or 256 as in KITTI where 1000 would not fit into 16 bits (a
    class above 64). Where an instance network ran.
    classes.json: what the numbers stand for.

    Args:
        folder: made where it is missing. Masks of the same name in it are replaced, others stay.
        ids: the numbers of the classes: the model's own, or Cityscapes' by name. A class that Cityscapes does
            not have is 255 (trainId) or 0 (labelId) in labels, and not in instances at all.

    Raises:
        SinkError: the folder cannot be made.
    """

    def __init__(self, folder: Path, ids: MaskIds = "class") -> None:
        self.notes: list[str] = []
        self._folder, self._ids = folder, ids
        self._numbers: dict[str, _Numbers] = {}  # of labels and of instances
        self._left_out = 0
        make_folder(folder)

    def write(self, picture: Picture) -> None:
        """Write the masks of one frame.

        Raises:
            SinkError: the disk refuses them; the masks before them are kept.
        """
        scene = picture.scene
        name = f"{scene.frame.index:06d}.png"
        if scene.labels is not None:
            numbers = self._numbers_of("labels", scene.labels.classes)
            self._put("labels", name, numbers.of_labels(scene.labels))
        if scene.instances is not None:
            numbers = self._numbers_of("instances", scene.instances.classes)
            painted, left_out = numbers.of_instances(scene.instances, scene.frame.image.size_hw)
            self._put("instances", name, painted)
            self._left_out += left_out

    def close(self, whole: bool) -> None:
        """Nothing is open: each mask is whole."""
        if self._left_out:
            self.notes.append(f"{self._left_out} objects did not fit into the instance masks: see classes.json")

    def _numbers_of(self, kind: str, classes: Classes) -> _Numbers:
        """The numbers of a network's classes; at its first scene classes.json is written anew."""
        if kind in self._numbers:
            return self._numbers[kind]
        numbers = self._numbers[kind] = _Numbers(classes, self._ids)
        make_folder(self._folder / kind)
        legends = {"labels": _Numbers.label_legend, "instances": _Numbers.instance_legend}
        legend = {"ids": self._ids} | {k: legends[k](n) for k, n in sorted(self._numbers.items(), reverse=True)}
        write_whole(self._folder / "classes.json", (json.dumps(legend, indent=1) + "\n").encode())
        if numbers.unknown:
            names = ", ".join(numbers.unknown[:5]) + (" ..." if len(numbers.unknown) > 5 else "")
            self.notes.append(f"{kind}: {len(numbers.unknown)} classes have no {self._ids}: {names}")
        return numbers

    def _put(self, kind: str, name: str, mask: NDArray[Any]) -> None:
        # OpenCV's own choice (level 1, runs) is near the fastest: 2 ms at 1280x720 in 8 bit, 4 ms in 16.
        write_whole(self._folder / kind / name, cv2.imencode(".png", mask)[1].data)


def mask_of(scene: Scene) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The mask of one scene as MaskSink writes it, by the model's own class ids.

    Returns:
        (h, w): uint8 as in labels where a semantic network ran, else uint16 as in instances.
    """
    if scene.labels is not None:
        return _Numbers(scene.labels.classes, "class").of_labels(scene.labels)
    if scene.instances is None:
        raise ValueError("no network has looked at this frame")
    return _Numbers(scene.instances.classes, "class").of_instances(scene.instances, scene.frame.image.size_hw)[0]


class _Numbers:
    """The numbers that stand for a model's classes."""

    def __init__(self, classes: Classes, ids: MaskIds) -> None:
        self._classes = classes
        self.void = _NO_ID[ids]
        self.ids: list[int | None] = [_id_of(i, name, ids) for i, name in enumerate(classes.names)]
        self.unknown = [name for name, i in zip(classes.names, self.ids, strict=True) if i is None]
        self._table = np.full(256, self.void, np.uint8)
        for i, value in enumerate(self.ids[:256]):
            self._table[i] = self.void if value is None else value
        self._same = ids == "class"
        most = max((i for i in self.ids if i is not None), default=0)
        self.divisor = 1000 if most * 1000 + 999 <= 65535 else 256

    def of_labels(self, labels: Labels) -> NDArray[np.uint8]:
        """(h, w) uint8."""
        return labels.map if self._same else np.asarray(cv2.LUT(labels.map, self._table), np.uint8)

    def of_instances(self, found: Instances, size_hw: tuple[int, int]) -> tuple[NDArray[np.uint16], int]:
        """(h, w) uint16, and how many objects of known classes did not fit."""
        painted = np.zeros(size_hw, np.uint16)
        left_out = 0
        crops, class_ids = found.crops_px.tolist(), found.class_ids.tolist()
        for index in range(len(found) - 1, -1, -1):  # the best comes last and so lies on top
            class_id = self.ids[class_ids[index]]
            if class_id is None:
                continue
            if index + 1 >= self.divisor or class_id * self.divisor + index + 1 > 65535:
                left_out += 1
                continue
            x0, y0, x1, y1 = crops[index]
            value = np.uint16(class_id * self.divisor + index + 1)
            np.copyto(painted[y0:y1, x0:x1], value, where=found.mask(index) != 0)
        return painted, left_out

    def label_legend(self) -> dict[str, Any]:
        """What the values of labels/ mean."""
        return {
            "files": "labels/<frame index>.png, 8 bit",
            "values": f"the class's id; {self.void} where there is none",
            "classes": self._legend(),
        }

    def instance_legend(self) -> dict[str, Any]:
        """What the values of instances/ mean."""
        return {
            "files": "instances/<frame index>.png, 16 bit",
            "values": f"the class's id * {self.divisor} + k, k from 1 with the best score first; 0: no object",
            "divisor": self.divisor,
            "classes": self._legend(),
        }

    def _legend(self) -> list[dict[str, Any]]:
        rows = zip(self.ids, self._classes.names, self._classes.colours, strict=True)
        return [{"id": i, "name": name, "colour": list(colour)} for i, name, colour in rows]


def _id_of(index: int, name: str, ids: MaskIds) -> int | None:
    if ids == "class":
        return index
    try:
        train_id = DRIVING.names.index(name.strip().lower())
    except ValueError:
        return None
    return train_id if ids == "trainId" else LABEL_IDS[train_id]
