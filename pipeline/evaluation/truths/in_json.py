"""Truth in JSON: COCO's annotation files, and Scalabel's frames."""

from __future__ import annotations

from pipeline.classes import colours_for
from pipeline.datasets import LeftOut
from pipeline.datasets.bdd100k_labels import SIZE_HW, THING_NAMES
from pipeline.datasets.coco_file import CocoFile
from pipeline.datasets.coco_places import find_annotations
from pipeline.datasets.objects import NO_CLASSES, nothing_said
from pipeline.datasets.scalabel_file import ScalabelFrame, ScalabelLabels, leaves, read_files
from pipeline.errors import DataError
from pipeline.evaluation.truths.base import TruthWanted
from pipeline.types import Classes, Labels, Truth


class CocoTruths:
    """The images of an annotation file, by rising id, as pycocotools takes them."""

    task = ""
    not_in_mean = ()

    def __init__(self, wanted: TruthWanted) -> None:
        path = wanted.path
        self.name, self.classes = "coco", NO_CLASSES
        self._file = CocoFile(find_annotations(path, wanted.split, "instances") if path.is_dir() else path)
        self.object_classes: Classes | None = self._file.classes
        self.category_ids = self._file.category_ids
        wrong = self._file.wrong
        self._images = [image for image in self._file.images if image.id not in wrong]
        self._file.keep(self._images)
        self.names = tuple(image.file_name for image in self._images)
        self.image_ids = tuple(image.id for image in self._images)
        by_id = {image.id: image.file_name for image in self._file.images}
        self.left_out = [
            LeftOut(self._file.path.name if key is None else by_id[key], reason) for key, reason in wrong.items()
        ]

    def truth(self, index: int) -> Truth:
        """See Truths."""
        image = self._images[index]
        labels = Labels(nothing_said((image.height, image.width)), NO_CLASSES)
        return Truth(labels, objects=self._file.objects(image), name=image.file_name, image_id=image.id)


class ScalabelTruths:
    """The frames of Scalabel's files, by name, as its package takes them.

    A task of BDD100K brings its classes, other names for them, and its size.
    """

    category_ids = ()
    image_ids = ()
    not_in_mean = ()

    def __init__(self, wanted: TruthWanted) -> None:
        self.name, self.classes, self.task = "scalabel", NO_CLASSES, wanted.task
        if wanted.task not in ("", "ins_seg", "seg_track"):
            raise DataError(f"scalabel has no task {wanted.task!r}", hint="BDD100K has ins_seg and seg_track")
        read = list(read_files(wanted.path))
        names = THING_NAMES if wanted.task else leaves(read)
        if not names:
            raise DataError(f"{wanted.path}: no config names the categories", hint="if it is BDD100K: --task ins_seg")
        self.object_classes: Classes | None = Classes(names, colours_for(names))
        self._labels = ScalabelLabels(self.object_classes, bdd=bool(wanted.task))
        self.left_out: list[LeftOut] = []
        frames: dict[str, tuple[ScalabelFrame, tuple[int, int] | None]] = {}
        for path, what in read:
            common = what.config.imageSize if what.config is not None else None
            for frame in what.frames:
                if frame.key in frames:
                    self.left_out.append(LeftOut(path.name, f"{frame.key} is there twice: the first counts"))
                size = frame.size or common
                known = (size.height, size.width) if size else SIZE_HW if wanted.task else None
                frames.setdefault(frame.key, (frame, known))
        self._frames = sorted(frames.values(), key=lambda one: one[0].name)
        self.names = tuple(frame.key for frame, _ in self._frames)

    def truth(self, index: int) -> Truth:
        """See Truths."""
        frame, size = self._frames[index]
        if size is None:
            raise DataError(f"{frame.key}: nothing says its size", hint="give its frame a `size`")
        objects = self._labels.objects(frame, size, frame.key)
        return Truth(Labels(nothing_said(size), NO_CLASSES), objects=objects, name=frame.key)
