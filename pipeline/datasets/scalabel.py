"""Scalabel's JSON, and BDD100K's polygons and run lengths that are stored in it.

A file holds `frames` and a `config` with the categories, or only the frames; a folder of files is read as one.
Masks are polygons (`poly2d`) or run lengths (`rle`); `box2d` is inclusive. Attributes `crowd` and `ignored` count.
BDD100K, with the option task: `{root}/labels/{task}/{polygons,rles}/{task}_{split}.json`, for seg_track
`{root}/labels/seg_track_20/{polygons,rles}/{split}/*.json`; other names of things are mapped as bdd100k's
configs/*.toml do. https://doc.scalabel.com/format.html; scalabel/label/typing.py, bdd100k/label/to_scalabel.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pipeline.classes import colours_for
from pipeline.datasets.base import SPARE, LeftOut, Sample
from pipeline.datasets.bdd100k_labels import THING_NAMES
from pipeline.datasets.decoding import misfit, read_image, size_hw
from pipeline.datasets.json_file import is_there
from pipeline.datasets.name_lists import own_names
from pipeline.datasets.objects import NO_CLASSES, nothing_said
from pipeline.datasets.scalabel_file import ScalabelFrame, ScalabelLabels, leaves, read_files
from pipeline.errors import DataError
from pipeline.types import Classes

Task = Literal["", "ins_seg", "seg_track"]
Kind = Literal["polygons", "rles"]
_IMAGES = {"ins_seg": "images/10k/{split}", "seg_track": "images/seg_track_20/{split}"}


class Scalabel:
    """Frames with objects; there are no label maps. Labels without a mask are left aside.

    Args:
        root: what the other paths are in.
        split: replaces `{split}` in them.
        strict: see open_dataset.
        task: of BDD100K: ins_seg or seg_track; else say where the files are:
        labels: a JSON or a folder of them, in root.
        images: the folder of the images, in root; films are folders in it.
        kind: of BDD100K's files: polygons or rles.
        classes: names, instead of those of the files' config.
        terms: what the data may be used for.

    Raises:
        DataError: see open_dataset; an unknown category; polygons, and no matplotlib to draw them with.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        task: Task = "",
        labels: str = "",
        images: str = "",
        kind: Kind = "polygons",
        classes: Sequence[str] = (),
        terms: str = "as its owner says",
    ) -> None:
        self.name, self.terms, self.classes = "scalabel", terms, NO_CLASSES
        if task not in ("", *_IMAGES) or kind not in ("polygons", "rles"):
            raise DataError(
                f"scalabel has no task {task!r} of kind {kind!r}", hint="ins_seg, seg_track; polygons, rles"
            )
        if task:
            last = f"{split}" if task == "seg_track" else f"ins_seg_{split}.json"
            labels = labels or f"labels/{'seg_track_20' if task == 'seg_track' else task}/{kind}/{last}"
            images = images or _IMAGES[task]
        if not labels:
            raise DataError(
                "nothing says where Scalabel's files are", hint="say task=ins_seg, or labels= and images="
            )
        source = root / labels.replace("{split}", split)
        folder = root / images.replace("{split}", split)
        if not folder.is_dir():
            raise DataError(f"{folder} is not there", hint="put the images there, or give their folder: images=")
        read = list(read_files(source))
        names = classes or (THING_NAMES if task else leaves(read))
        if not names:
            raise DataError(f"{source}: no config names the categories", hint="say classes=")
        names = own_names(names, str(source))
        self.object_classes = Classes(names, colours_for(names))
        self._labels = ScalabelLabels(self.object_classes, bdd=bool(task))
        self.left_out: list[LeftOut] = []
        self._frames: list[tuple[Path, Path, ScalabelFrame]] = []
        seen: set[str] = set()
        for path, what in read:
            for frame in what.frames:
                name = frame.key
                inside = [n for n in (name, frame.name) if not Path(n).is_absolute()]
                image = next((folder / n for n in inside if is_there(folder / n)), None)
                if image is None or name in seen:
                    reason = "is there twice" if name in seen else f"the image is not in {folder}"
                    if strict:
                        raise DataError(f"{path}: {name}: {reason}", hint=SPARE)
                    self.left_out.append(LeftOut(name, reason))
                    continue
                seen.add(name)
                self._frames.append((path, image, frame))
        if not self._frames:
            raise DataError(f"{source}: no frame can be used", hint=f"images are looked for in {folder}")
        self.names = tuple(image.relative_to(folder).as_posix() for _, image, _ in self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        path, image_path, frame = self._frames[index]
        image = read_image(image_path)
        size = (image.shape[0], image.shape[1])
        if frame.size is not None and (frame.size.height, frame.size.width) != size:
            raise DataError(
                f"{image_path} is {size_hw(image)}, {path.name} says {frame.size.width}x{frame.size.height}",
                hint=misfit(
                    image, (frame.size.height, frame.size.width), "its polygons are meant for the other size"
                ),
            )
        objects = self._labels.objects(frame, size, f"{path}: {self.names[index]}")
        return Sample(self.names[index], image, nothing_said(size), objects, frame.name)
