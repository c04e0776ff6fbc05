"""Where COCO's files lie: the official folders, and those that tools make of them."""

from __future__ import annotations

from pathlib import Path

from pipeline.datasets.listing import files
from pipeline.errors import DataError

_ROBOFLOW = "_annotations.coco.json"


def find_annotations(root: Path, split: str, kind: str, given: str = "") -> Path:
    """The JSON of a split.

    Args:
        root: the folder with `annotations/`.
        split: val2017, or val, where only one year is there.
        kind: instances or panoptic.
        given: another place in root, `{split}` in it is replaced.

    Raises:
        DataError: there is none, or more than one that could be meant.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not there", hint="give the folder with `annotations/`")
    if given:
        path = root / given.replace("{split}", split)
        if not path.is_file():
            raise DataError(f"{path} is not there", hint="check the option annotations=")
        return path
    exact = [root / "annotations" / f"{kind}_{split}.json", root / split / _ROBOFLOW]
    found = [path for path in exact if path.is_file()][:1]
    found = found or sorted((root / "annotations").glob(f"{kind}_{split}20[0-9][0-9].json"))
    if len(found) == 1:
        return found[0]
    there = sorted(path.stem.partition("_")[2] for path in (root / "annotations").glob(f"{kind}_*.json"))
    there += sorted(path.parent.name for path in root.glob(f"*/{_ROBOFLOW}"))
    hint = f"splits that are there: {', '.join(there)}" if there else _others(root, kind)
    if found:
        raise DataError(f"{root}: split {split} could be {' or '.join(path.name for path in found)}", hint=hint)
    raise DataError(f"{exact[0]} is not there", hint=hint)


def _others(root: Path, kind: str) -> str:
    folder = root / "annotations"
    others = [path.name for path in files(folder, (".json",)).values()] if folder.is_dir() else []
    if not others:
        return f"{root} has no annotations/{kind}_*.json"
    return f"one of {', '.join(others[:8])} is read with --option annotations=annotations/{others[0]}"


def find_images(root: Path, split: str, annotations: Path, given: str = "") -> list[Path]:
    """The folders that the images of a split may lie in, those that are there; DataError if none is."""
    if given:
        folders = [root / given.replace("{split}", split)]
    elif annotations.name == _ROBOFLOW:
        folders = [annotations.parent]
    else:
        named = annotations.stem.partition("_")[2]
        folders = [root / named, root / "images" / named, root / "images", root]
    there = [folder for folder in folders if folder.is_dir()]
    if not there:
        raise DataError(f"{folders[0]} is not there", hint="put the images there, or give their folder: images=")
    return there
