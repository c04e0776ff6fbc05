"""Pictures as files, one a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2

from pipeline.sinks.opaque import opaque
from pipeline.sinks.outputs import make_folder, write_whole
from pipeline.types import Picture


class PictureSink:
    """Writes 000000.png, 000001.png and so on, by the frames' index.

    Args:
        folder: made where it is missing. Pictures of the same name in it are replaced, others stay.
        kind: png, which keeps transparency, or jpg, which does not (transparent becomes black).
        quality: of a JPEG, 1..100.

    Raises:
        SinkError: the folder cannot be made.
    """

    def __init__(self, folder: Path, kind: Literal["png", "jpg"] = "png", quality: int = 92) -> None:
        self.notes: list[str] = []
        self._folder, self._kind = folder, kind
        # PNG: OpenCV's own choice (level 1, runs) was the fastest of all levels and strategies, 27 ms at 1280x720.
        self._options = [] if kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, quality]
        make_folder(folder)

    def write(self, picture: Picture) -> None:
        """Write one picture.

        Raises:
            SinkError: the disk refuses it; the pictures before it are kept.
        """
        image = picture.image
        if image is None:
            raise ValueError("there is no picture to write: the scene was not drawn")
        keeps_alpha = image.format == "bgra32" and self._kind == "png"
        pixels = image.planes[0] if keeps_alpha else opaque(image)
        path = self._folder / f"{picture.scene.frame.index:06d}.{self._kind}"
        _, data = cv2.imencode(path.suffix, pixels, self._options)
        write_whole(path, data.data)

    def close(self, whole: bool) -> None:
        """Nothing is open: each picture is whole."""
