"""A semantic network in NumPy and OpenCV as ENet's tutorials write it: np.argmax, a colour table, a sum of floats.

Most loops around ENet that are public follow one article, A. Rosebrock, "Semantic segmentation with OpenCV and deep
learning" (PyImageSearch, 2018): the table's colours enlarged to the frame, both weighted in floating point and cast
to bytes. `in_bytes` is the same with OpenCV's addWeighted, which never leaves bytes.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


class TutorialSemantic:
    """Before and behind the network, for one input size. The input is RGB 0..255; the graph normalises.

    Args:
        network_hw: height and width of the input.
        bgr: the network wants BGR.
        in_bytes: colours and frame are weighted by addWeighted.
    """

    def __init__(self, network_hw: tuple[int, int], bgr: bool = False, in_bytes: bool = False) -> None:
        self._hw, self._bgr, self._in_bytes = network_hw, bgr, in_bytes
        self._colours = np.random.default_rng(3).integers(0, 256, (256, 3), dtype=np.uint8)

    def prepare(self, frame: Any) -> Any:
        """A BGR frame as (1, 3, h, w) float32."""
        resized = cv2.resize(frame, self._hw[::-1], interpolation=cv2.INTER_LINEAR)
        picture = resized if self._bgr else cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
        return picture.astype(np.float32).transpose(2, 0, 1)[None]

    def decode(self, outputs: Any) -> Any:
        """Logits (1, classes, h, w) as classes (h, w), or labels (1, h, w) as they are."""
        output = outputs[0]
        return output[0] if output.ndim == 3 else np.argmax(output[0], axis=0)

    def draw(self, frame: Any, labels: Any) -> Any:
        """The frame, half of it coloured."""
        size = frame.shape[1], frame.shape[0]
        colours = cv2.resize(self._colours[labels], size, interpolation=cv2.INTER_NEAREST)
        if self._in_bytes:
            return cv2.addWeighted(frame, 0.5, colours, 0.5, 0)
        return (0.5 * frame + 0.5 * colours).astype(np.uint8)
