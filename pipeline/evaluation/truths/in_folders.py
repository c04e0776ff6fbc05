"""Truth in folders of PNGs: BDD100K, Cityscapes, DAVIS and KITTI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.classes import DRIVING
from pipeline.datasets import LeftOut
from pipeline.datasets.bdd100k import TRAIN_IDS
from pipeline.datasets.bdd100k_labels import DRIVABLE, LANES, TERMS
from pipeline.datasets.bdd100k_objects import ObjectBitmasks, PanopticBitmasks
from pipeline.datasets.bdd100k_road import DRIVABLE_IDS, LANE_IDS, Bdd100kDrivable
from pipeline.datasets.cityscapes import CityscapesLabels, label_files
from pipeline.datasets.davis import SEMI_SUPERVISED, UNSUPERVISED, DavisMasks, films_of
from pipeline.datasets.kitti_semantic import KittiLabels
from pipeline.datasets.listing import files
from pipeline.datasets.pairs import Pair, Pairs, id_reader, with_objects
from pipeline.errors import DataError
from pipeline.evaluation.truths.base import TruthWanted

BDD100K_TASKS = ("sem_seg", "drivable", "lane", "ins_seg", "pan_seg")


def bdd100k(wanted: TruthWanted) -> Pairs:
    """A folder of masks or bitmasks, or the one around `labels/`."""
    task = wanted.task or _task(wanted)
    if task not in BDD100K_TASKS:
        raise DataError(f"bdd100k has no task {task!r} that is scored", hint=f"there are {', '.join(BDD100K_TASKS)}")
    kind = "bitmasks" if task in ("ins_seg", "pan_seg") else "masks"
    inner = f"{task}/{kind}/{wanted.split}"
    folder = _first(wanted.path, f"labels/{inner}", inner, wanted.split)
    pairs = _alone(files(folder, (".png",)))
    opened: Pairs
    if task == "ins_seg":
        opened = ObjectBitmasks("bdd100k-ins_seg", pairs, ())
    elif task == "pan_seg":
        opened = PanopticBitmasks(pairs, ())
    elif task == "lane":
        opened = Pairs("bdd100k-lane", LANES, TERMS, pairs, (), id_reader(LANE_IDS))
    elif task == "drivable":
        opened = Pairs("bdd100k-drivable", DRIVABLE, TERMS, pairs, (), id_reader(DRIVABLE_IDS))
        opened.not_in_mean = Bdd100kDrivable.not_in_mean
    else:
        opened = Pairs("bdd100k", DRIVING, TERMS, pairs, (), id_reader(TRAIN_IDS))
    opened.task = task
    return opened


def cityscapes(wanted: TruthWanted) -> Pairs:
    """`gtFine`, a split of it, or any folder with files that are called so."""
    folder = _first(wanted.path, f"gtFine/{wanted.split}", wanted.split)
    labels = label_files(folder, "labelIds")
    train_ids = not labels
    if train_ids:
        labels = label_files(folder, "labelTrainIds")
    pairs, left_out = _with_objects(_alone(labels), label_files(folder, "instanceIds"), wanted.strict)
    return CityscapesLabels(pairs, left_out, train_ids)


def kitti(wanted: TruthWanted) -> Pairs:
    """The folder with `training/`, that one, or a folder of label maps alone."""
    inner = next(
        (path for path in (wanted.path / "training", wanted.path) if (path / "semantic").is_dir()), wanted.path
    )
    labels = _alone(files(_first(inner, "semantic"), (".png",)))
    objects = files(inner / "instance", (".png",)) if (inner / "instance").is_dir() else {}
    return KittiLabels(*_with_objects(labels, objects, wanted.strict))


def davis(wanted: TruthWanted) -> Pairs:
    """The folder with `Annotations/`, whose lists are read; or a folder of films."""
    task = wanted.task or SEMI_SUPERVISED
    if task not in (SEMI_SUPERVISED, UNSUPERVISED):
        raise DataError(f"davis has no task {task!r}", hint=f"there are {SEMI_SUPERVISED} and {UNSUPERVISED}")
    kind = "Annotations_unsupervised" if task == UNSUPERVISED else "Annotations"
    folder = _first(wanted.path, f"{kind}/480p", f"DAVIS/{kind}/480p", "Annotations/480p", "DAVIS/Annotations/480p")
    films = None if folder == wanted.path else films_of(folder.parents[1], wanted.split)
    named = files(folder, (".png",), deep=True)
    opened = DavisMasks(
        _alone({name: path for name, path in named.items() if films is None or path.parent.name in films}), ()
    )
    opened.task = task
    return opened


def _task(wanted: TruthWanted) -> str:
    """What the folders are called; else what the predictions are."""
    for place in (wanted.path, wanted.predictions):
        there = [task for task in BDD100K_TASKS if task in place.parts]
        there = there or [task for task in BDD100K_TASKS if (place / task).is_dir()]
        if len(there) == 1:
            return there[0]
    raise DataError(f"{wanted.path}: which task of bdd100k is meant?", hint=f"say --task {', '.join(BDD100K_TASKS)}")


def _first(path: Path, *inner: str) -> Path:
    """The first of some folders in a folder that is there; else itself."""
    return next((path / name for name in inner if (path / name).is_dir()), path)


def _alone(labels: dict[str, Path]) -> list[Pair]:
    """Label files without their images."""
    return [Pair(name, path, path) for name, path in labels.items()]


def _with_objects(
    pairs: Sequence[Pair], objects: dict[str, Path], strict: bool
) -> tuple[Sequence[Pair], list[LeftOut]]:
    return with_objects(pairs, objects, strict) if objects else (pairs, [])
