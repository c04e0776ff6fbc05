"""The networks that come with the package: trained weights under terms of their own, see engines/weights/LICENSE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

FOLDER = Path(__file__).resolve().parent / "weights"
BEST = "roadnet-camvid"  # what runs where no model is named
FREE = "roadnet-drawn"  # fitted on drawn scenes alone: free of the terms of data


def embedded_models() -> Mapping[str, Path]:
    """Name -> ONNX file of each, in alphabetical order."""
    return MappingProxyType({file.stem: file for file in sorted(FOLDER.glob("*.onnx"))})


def checkpoint(name: str) -> Path:
    """The file of a checkpoint: that of an embedded network (half precision, to begin training from), else `name`."""
    inside = FOLDER / f"{name}.safetensors"
    return inside if not Path(name).is_file() and inside.is_file() else Path(name)
