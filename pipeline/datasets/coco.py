"""COCO's instance segmentation, and everything that is stored like it (Roboflow, LVIS, converters).

Layout: `{root}/annotations/instances_{split}.json` with the images in `{root}/{split}/`, `{root}/images/{split}/` or
`{root}/images/`; Roboflow: `{root}/{split}/_annotations.coco.json` beside its images. Lin et al., ECCV 2014, arXiv
1405.0312.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.base import SPARE, LeftOut, Sample
from pipeline.datasets.coco_file import CocoFile, CocoImage
from pipeline.datasets.coco_places import find_annotations, find_images
from pipeline.datasets.decoding import misfit, read_image, size_hw
from pipeline.datasets.json_file import is_there
from pipeline.datasets.objects import NO_CLASSES, nothing_said
from pipeline.errors import DataError

TERMS = "annotations CC BY 4.0, images by their Flickr terms"


class Coco:
    """Images with objects; there are no label maps.

    Args:
        root: the folder with `annotations/`, or around Roboflow's split.
        split: as the file is called: val2017; or val, where there is only one such year.
        strict: see open_dataset.
        annotations: another place of the JSON, in root.
        images: another folder of the images, in root.
        terms: what the data may be used for, if it is not COCO itself.

    Raises:
        DataError: see open_dataset; two objects with one id, an unknown category or image, a missing image.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        strict: bool = True,
        annotations: str = "",
        images: str = "",
        terms: str = TERMS,
    ) -> None:
        self.name, self.terms = "coco", terms
        self.classes = NO_CLASSES
        self._file = CocoFile(find_annotations(root, split, "instances", annotations))
        path = self._file.path
        folders = find_images(root, split, path, images)
        self.object_classes = self._file.classes
        self.category_ids = self._file.category_ids  # by class id
        self._images: list[CocoImage] = []
        self._paths: list[Path] = []
        self.left_out: list[LeftOut] = []
        for image in self._file.images:
            found = next((folder / image.file_name for folder in folders if is_there(folder / image.file_name)), None)
            reason = self._file.wrong.get(
                image.id, None if found is not None else f"the image is not in {folders[0]}"
            )
            if reason is None and found is not None:
                self._images.append(image)
                self._paths.append(found)
                continue
            if strict:
                raise DataError(f"{path}: {image.file_name}: {reason}", hint=SPARE)
            self.left_out.append(LeftOut(image.file_name, f"{reason}"))
        if lone := self._file.wrong.get(None):
            if strict:
                raise DataError(f"{path}: {lone}", hint=SPARE)
            self.left_out.append(LeftOut(path.name, lone))
        if not self._images:
            first = f": {self.left_out[0].name}: {self.left_out[0].reason}" if self.left_out else ""
            raise DataError(
                f"{path}: no image of {len(self._file.images)} can be used{first}", hint="check its folder"
            )
        self.names = tuple(image.file_name for image in self._images)
        self._file.keep(self._images)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample; see Dataset."""
        about, picture = self._images[index], read_image(self._paths[index])
        if picture.shape[:2] != (about.height, about.width):
            raise DataError(
                f"{self._paths[index]} is {size_hw(picture)}, "
                f"{self._file.path.name} says {about.width}x{about.height}",
                hint=misfit(picture, (about.height, about.width), "its polygons are meant for the other size"),
            )
        objects = self._file.objects(about)
        return Sample(about.file_name, picture, nothing_said(picture.shape[:2]), objects, about.id)
