"""The SHA-256 of a model: of its file, and of the files that hold weights of it, as exporters write them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engines.onnx_header import OnnxHeader
from pipeline.errors import ModelError


def digests(path: Path, header: OnnxHeader) -> tuple[str, str]:
    """SHA-256 of the whole model, and of its ONNX file alone: the same where all weights are in that.

    Raises:
        ModelError: a file with weights is not there, is cut off, or lies outside the model's folder.
    """
    alone = _sha256(path)
    if not header.weights_in:
        return alone, alone
    parts = [alone]
    for name, nbytes in sorted(header.weights_in.items()):
        file = path.parent / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelError(f"{path}: its weights lie in {name}, outside its folder, where none are read")
        if not file.is_file():
            raise ModelError(
                f"{path}: its weights lie in {file.name}, which is not there",
                hint=f"put {file.name} beside it, under that very name",
            )
        if file.stat().st_size < nbytes:
            raise ModelError(
                f"{file}: has {file.stat().st_size} bytes, {path.name} says that weights reach to byte {nbytes}",
                hint="it is cut off or of another export: fetch or export both again",
            )
        parts.append(_sha256(file))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest(), alone


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
