"""What a labelled data set is, and the table of those that can be read."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, Literal, NamedTuple, Protocol, get_origin, get_type_hints

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.types import Classes, TrueObjects


@dataclass(frozen=True, slots=True)
class Sample:
    """One image with what each of its pixels is. The arrays are new and belong to whoever asked for them."""

    name: str  # unique in its data set
    image: NDArray[np.uint8]  # (h, w, 3) BGR
    labels: NDArray[np.uint8]  # (h, w) class ids, VOID where nothing is said: everywhere, if objects are all there is
    objects: TrueObjects | None = None  # None: the data set marks none
    image_id: int | str | None = None  # as the data set numbers its images, where it does


SPARE = "or leave it out: without --strict; in a training with options: {strict: false}"  # what is broken or missing


class LeftOut(NamedTuple):
    """An image or a label that is not used, and why."""

    name: str
    reason: str


class Dataset(Protocol):
    """A sequence of samples, each decoded when it is asked for; may be read by several threads at once."""

    @property
    def name(self) -> str:
        """Of the data set, as in DATASETS."""
        ...

    @property
    def classes(self) -> Classes:
        """What the ids in Sample.labels mean; none where a data set has no label maps."""
        ...

    @property
    def object_classes(self) -> Classes | None:
        """What the class ids in Sample.objects mean; None where a data set marks no objects."""
        ...

    @property
    def terms(self) -> str:
        """What the data may be used for, one line."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Of the samples, in order."""
        ...

    @property
    def left_out(self) -> Sequence[LeftOut]:
        """Images without a label and labels without an image; empty where the data set was opened strictly."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Read and decode one sample; IndexError behind the end.

        Raises:
            DataError: the image or its label is broken, or they do not fit each other.
        """
        ...


DATASETS = MappingProxyType(  # name on the command line -> module:class
    {
        "ade20k": "pipeline.datasets.ade20k:Ade20k",
        "bdd100k": "pipeline.datasets.bdd100k:Bdd100k",
        "bdd100k-drivable": "pipeline.datasets.bdd100k_road:Bdd100kDrivable",
        "bdd100k-instances": "pipeline.datasets.bdd100k_objects:Bdd100kInstances",
        "bdd100k-lanes": "pipeline.datasets.bdd100k_road:Bdd100kLanes",
        "bdd100k-panoptic": "pipeline.datasets.bdd100k_objects:Bdd100kPanoptic",
        "bdd100k-tracks": "pipeline.datasets.bdd100k_objects:Bdd100kTracks",
        "camvid": "pipeline.datasets.camvid:CamVid",
        "camvid32": "pipeline.datasets.camvid32:CamVid32",
        "cityscapes": "pipeline.datasets.cityscapes:Cityscapes",
        "coco": "pipeline.datasets.coco:Coco",
        "coco-panoptic": "pipeline.datasets.coco_panoptic:CocoPanoptic",
        "davis": "pipeline.datasets.davis:Davis",
        "demo": "pipeline.datasets.demo:DrawnScenes",
        "folders": "pipeline.datasets.folders:Folders",
        "idd": "pipeline.datasets.idd:Idd",
        "idd-lite": "pipeline.datasets.idd_lite:IddLite",
        "kitti-mots": "pipeline.datasets.kitti_mots:KittiMots",
        "kitti-road": "pipeline.datasets.kitti_road:KittiRoad",
        "kitti-semantic": "pipeline.datasets.kitti_semantic:KittiSemantic",
        "mapillary": "pipeline.datasets.mapillary:Mapillary",
        "scalabel": "pipeline.datasets.scalabel:Scalabel",
        "voc": "pipeline.datasets.voc:Voc",
        "yolo": "pipeline.datasets.yolo:Yolo",
    }
)


def open_dataset(name: str, root: str | Path, split: str, **options: Any) -> Dataset:
    """The data set of that name under a folder; lists the files, decodes none.

    Args:
        name: a key of DATASETS.
        root: the folder that the data set's layout begins in.
        split: as the data set calls it, such as train or val.
        options: of its class. All those read from disk take `strict` (default True): an image without a label
            or a label without an image is an error; else it is left out and listed in `left_out`.

    Raises:
        DataError: no data set of that name, no such split, a missing folder, files that do not pair.
    """
    if name not in DATASETS:
        near = difflib.get_close_matches(name, DATASETS, 1)
        hint = f"did you mean {near[0]}?" if near else f"those that can be read are {', '.join(DATASETS)}"
        raise DataError(f"there is no data set {name!r}", hint=hint)
    module, attribute = DATASETS[name].split(":")
    kind = getattr(importlib.import_module(module), attribute)
    dataset: Dataset = kind(Path(root), split, **_checked(name, kind, options))
    return dataset


def _checked(name: str, kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a data set's class, each of the type that it asks for."""
    hints = get_type_hints(kind.__init__)
    known = [option for option in hints if option not in ("root", "split", "return")]
    checked = {}
    for option, value in options.items():
        if option not in known:
            near = difflib.get_close_matches(option, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"its options are {', '.join(known)}"
            raise DataError(f"the data set {name} has no option {option!r}", hint=hint)
        if get_origin(hints[option]) in (Literal, UnionType):  # the class names what it takes; or it takes objects
            checked[option] = value
            continue
        if hints[option] is str and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        try:
            checked[option] = msgspec.convert(value, hints[option])
        except msgspec.ValidationError as error:
            raise DataError(f"{name}: option {option}: {str(error).lower()}", hint=f"{value!r} was given") from None
    return checked
