"""A semantic network in NumPy and OpenCV as tutorials write it: np.argmax, a colour table, addWeighted."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


class TutorialSemantic:
    """Before and behind the network, for one input size. The input is RGB 0..255; the graph normalises.

    Args:
        network_hw: height and width of the input.
        bgr: the network wants BGR.
    """

    def __init__(self, network_hw: tuple[int, int], bgr: bool = False) -> None:
        self._hw, self._bgr = network_hw, bgr
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
        colours = self._colours[labels]
        size = frame.shape[1], frame.shape[0]
        return cv2.addWeighted(frame, 0.5, cv2.resize(colours, size, interpolation=cv2.INTER_NEAREST), 0.5, 0)
