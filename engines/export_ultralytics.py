"""Ultralytics checkpoints to ONNX, by Ultralytics itself. The one module that imports it.

Ultralytics is AGPL-3.0, and so is what it exports; the card of such a model says so.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import ModelError

LICENCE = "AGPL-3.0 (Ultralytics)"
OPSET = 17
# What Ultralytics calls its segmentation networks, such as yolo11n-seg, yolov8x-seg, yolov9c-seg, yolo26s-seg.
_NAME = re.compile(r"yolo(v?\d+|e-\w+)[a-z]?(-seg|-seg-pf)(\.pt)?")


def is_ultralytics_name(name: str | Path) -> bool:
    """Whether a model's name is one that Ultralytics knows by heart, and no path."""
    return _NAME.fullmatch(str(name)) is not None


def named_model(name: str, *, size_hw: tuple[int, int] | None = None) -> Path:
    """The ONNX file of an Ultralytics model known by name; fetched and exported once, then kept.

    It is kept in $XDG_CACHE_HOME/dashmask/models (usually ~/.cache/dashmask/models).

    Args:
        name: such as `yolo11n-seg`, with or without .pt.
        size_hw: fixed input size, pixels; None: free.

    Raises:
        ModelError: no such name; or it is not in the cache, and Ultralytics is missing or could not fetch it. The
            hint says which file to put where.
    """
    stem = name.removesuffix(".pt")
    if not is_ultralytics_name(name):
        raise ModelError(f"{name}: not the name of an Ultralytics segmentation model", hint="such as yolo11n-seg")
    folder = models_dir()
    fixed = "" if size_hw is None else f"-{size_hw[1]}x{size_hw[0]}"
    out = folder / f"{stem}{fixed}.onnx"
    if out.is_file():
        return out
    weights = folder / f"{stem}.pt"
    hint = f"put {stem}.onnx, or with Ultralytics installed {stem}.pt, into {folder}"
    _import(f"{stem} is not in {folder}", hint)
    folder.mkdir(parents=True, exist_ok=True)
    if not weights.is_file():
        _fetch(weights, hint)
    return export_ultralytics(weights, out, size_hw=size_hw)


def models_dir() -> Path:
    """Where fetched models are kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dashmask" / "models"


def export_ultralytics(
    path: Path, out: Path, *, size_hw: tuple[int, int] | None = None, precision: str = "fp32"
) -> Path:
    """Export an Ultralytics segmentation checkpoint as ONNX with the metadata that engines.card understands.

    Input `images` (n, 3, h, w) RGB 0..1, h and w multiples of 32; outputs `output0` boxes, `output1` prototypes.
    Ultralytics unpickles the checkpoint: only files whose origin is trusted belong here.

    Args:
        path: a .pt file.
        out: the ONNX file; written whole or not at all.
        size_hw: fixed height and width with n = 1; None: n, h and w are free.
        precision: only fp32: its half precision needs a GPU at export.

    Returns:
        out

    Raises:
        ModelError: Ultralytics is missing, the file is not a segmentation checkpoint, or its export failed.
    """
    if precision != "fp32":
        raise ModelError(f"{path}: Ultralytics checkpoints are exported in fp32, {precision} was asked for")
    if size_hw is not None and any(side < 1 or side % 32 for side in size_hw):
        raise ModelError(f"{path}: cannot have an input of {size_hw[1]}x{size_hw[0]}: sides must be multiples of 32")
    if path.suffix.lower() != ".pt":
        raise ModelError(f"{path}: expected a checkpoint of Ultralytics, whose name ends in .pt")
    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    yolo = _import(f"{path}: a checkpoint of Ultralytics, which is needed to export it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as scratch, _quiet() as said:
        copy = Path(shutil.copyfile(path, Path(scratch) / path.name))  # Ultralytics writes beside what it reads
        try:
            model = yolo(str(copy))
            if model.task != "segment":
                raise ModelError(
                    f"{path}: a network for the task `{model.task}`, expected one for `segment`",
                    hint="use a segmentation model, for instance yolo11n-seg.pt",
                )
            size: Any = {"dynamic": True} if size_hw is None else {"imgsz": list(size_hw)}
            made = model.export(format="onnx", opset=OPSET, simplify=False, device="cpu", verbose=False, **size)
        except ModelError:
            raise
        except Exception as error:  # whatever a foreign checkpoint makes a foreign exporter raise
            last = (str(error) or said.getvalue()).strip().splitlines()
            raise ModelError(
                f"{path}: Ultralytics cannot export it: {type(error).__name__}: {last[-1] if last else ''}",
                hint="only its own YOLO segmentation checkpoints are exported here",
            ) from error
        _check(Path(made))
        os.replace(made, out)
    return out


def _check(path: Path) -> None:
    import onnx

    model = onnx.load(path)
    onnx.checker.check_model(model)
    if not any(entry.key == "license" for entry in model.metadata_props):
        model.metadata_props.add(key="license", value=LICENCE)
        onnx.save(model, path)


def _fetch(weights: Path, hint: str) -> None:
    """A copy of the checkpoint from where Ultralytics looks, or from where it downloads."""
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.downloads import attempt_download_asset

    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=weights.parent) as scratch, _quiet():
        places = (Path(weights.name), Path(SETTINGS["weights_dir"]) / weights.name)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            try:
                found = Path(attempt_download_asset(str(Path(scratch) / weights.name)))
            except Exception as error:  # urllib's, Ultralytics' own, a full disk: the reason is told either way
                reason = " ".join(str(error).encode("ascii", "ignore").decode().split())[:200]
                raise ModelError(f"Ultralytics cannot fetch {weights.name}: {reason}", hint=hint) from error
        if not found.is_file():
            raise ModelError(f"Ultralytics cannot fetch {weights.name}: no such model, or offline", hint=hint)
        unfinished = weights.with_suffix(".part")
        shutil.copyfile(found, unfinished)
        os.replace(unfinished, weights)


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    """Ultralytics talks on the way; what it says is kept, not shown."""
    import logging
    import warnings

    said = io.StringIO()
    logger = logging.getLogger("ultralytics")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            warnings.simplefilter("ignore")
            yield said
    finally:
        logger.setLevel(before)


def _import(what: str, hint: str = "") -> Any:
    try:
        with _quiet():
            from ultralytics import YOLO  # type: ignore[attr-defined]
    except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
        install = "pip install ultralytics (AGPL-3.0)"
        raise ModelError(
            f"{what}, and Ultralytics cannot be imported: {error}", hint=f"{install}; or {hint}" if hint else install
        ) from error
    return YOLO
