"""The file of a model: from what a user typed to it, or a sentence that helps; and written whole."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from engines.embedded import embedded_models
from pipeline.errors import ModelError

_OTHERS: Mapping[str, tuple[str, str]] = MappingProxyType(  # suffix -> what it is, what to do
    {
        ".safetensors": (
            "a checkpoint of weights",
            "`dashmask export {path}` makes one of what `dashmask train` wrote",
        ),
        ".xml": ("a model of OpenVINO", "give the .onnx file that it was converted from: OpenVINO runs that too"),
        ".tflite": ("a model of TensorFlow Lite", "`python -m tf2onnx.convert --tflite {path} --output {stem}.onnx`"),
        ".pb": ("a model of TensorFlow", "convert it with tf2onnx, to {stem}.onnx"),
    }
)
_ULTRALYTICS = "with Ultralytics (AGPL-3.0, and so is what it exports)"


def find_model(name: str | Path, *, card_dirs: Sequence[Path] = ()) -> Path:
    """The ONNX file that was meant; the suffix may be left out.

    Args:
        name: a path, or the name of an embedded network where no file of that name lies here.
        card_dirs: folders with cards, whose names are known even where the weights are missing.

    Raises:
        ModelError: missing (with the nearest name there is), a folder, or a format that must be exported first.
    """
    path = Path(name)
    suffix = path.suffix.lower()
    try:
        if path.is_dir() and str(name) in embedded_models():
            return embedded_models()[str(name)]  # a folder can only be outputs that were called after it
        if path.is_dir():
            models = sorted(file.name for file in path.glob("*.onnx"))
            hint = f"it holds {', '.join(models[:8])}" if models else "no .onnx file is in it"
            raise ModelError(f"{path}: a folder, expected an .onnx file", hint=hint)
        if not path.exists() and suffix != ".onnx" and path.with_name(f"{path.name}.onnx").is_file():
            return path.with_name(f"{path.name}.onnx")
        if not path.exists() and str(name) in embedded_models():
            return embedded_models()[str(name)]
        if not path.exists():
            raise ModelError(f"{path}: there is no such model", hint=_nearest(path, card_dirs))
    except (OSError, ValueError) as error:  # ValueError: a name without a last part, or with a null byte
        raise ModelError(f"{str(name)!r}: not a path of a model: {error}") from error
    if suffix in (".pt", ".pth"):
        raise ModelError(
            f"{path}: a PyTorch checkpoint, expected an .onnx file",
            hint=f"export it: `yolo export model={path} format=onnx dynamic=True` {_ULTRALYTICS}",
        )
    if suffix in _OTHERS:
        what, hint = _OTHERS[suffix]
        raise ModelError(f"{path}: {what}, expected an .onnx file", hint=hint.format(path=path, stem=path.stem))
    if suffix in (".engine", ".plan", ".trt"):
        raise ModelError(
            f"{path}: a TensorRT plan, which fits one GPU and one version; expected the .onnx file it was built from",
            hint=f"from a checkpoint: `yolo export model={path.stem}.pt format=onnx dynamic=True` {_ULTRALYTICS}",
        )
    return path


def _nearest(path: Path, card_dirs: Sequence[Path]) -> str:
    if near := difflib.get_close_matches(str(path), embedded_models(), 1):
        return f"did you mean {near[0]}?"
    folder = path.parent
    if not folder.is_dir():
        return f"there is no folder {folder} either"
    there = sorted(file.name for file in folder.glob("*.onnx"))
    if near := difflib.get_close_matches(path.name, there, 1):
        return f"did you mean {folder / near[0]}?"
    if any((cards / f"{path.stem}.yaml").is_file() for cards in card_dirs):
        return f"its card is part of this package, its weights are not: put {path.stem}.onnx there"
    return f"{folder} holds {', '.join(there[:8])}" if there else f"{folder} holds no .onnx file"


def write_model(data: bytes, out: Path) -> None:
    """Write a model's file, whole or not at all.

    Raises:
        ModelError: it cannot be written.
    """
    unfinished = out.with_name(f"{out.name}.part")
    try:
        unfinished.write_bytes(data)
        os.replace(unfinished, out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ModelError(f"{out}: cannot be written: {error.strerror}") from error
