"""YOLO-seg in NumPy and OpenCV as tutorials write it: letterbox, decode, NMS, masks, drawing.

The pattern of the loops that are copied most: one matrix product for the masks of all boxes, a sigmoid over it, each
mask cut out at the prototypes' size and resized to its box; drawing colours a copy of the whole picture and blends.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np


class TutorialYolo:
    """Before and behind the network, for one input size."""

    def __init__(self, network_hw: tuple[int, int], conf: float, iou: float, classes: int = 80) -> None:
        self._hw, self._conf, self._iou, self._classes = network_hw, conf, iou, classes
        self._colours = np.random.default_rng(3).uniform(0, 255, (classes, 3))

    def prepare(self, frame: Any) -> Any:
        """A BGR frame as (1, 3, h, w) float32 RGB 0..1, padded with 114."""
        (height, width), (net_h, net_w) = frame.shape[:2], self._hw
        gain = min(net_h / height, net_w / width)
        new_w, new_h = round(width * gain), round(height * gain)
        top, left = (net_h - new_h) // 2, (net_w - new_w) // 2
        self._frame_hw, self._gain, self._pad = (height, width), gain, (top, left)
        resized = cv2.resize(frame, (new_w, new_h), interpolation=cv2.INTER_LINEAR)
        padded = cv2.copyMakeBorder(
            resized, top, net_h - new_h - top, left, net_w - new_w - left, cv2.BORDER_CONSTANT, value=(114, 114, 114)
        )
        rgb = cv2.cvtColor(padded, cv2.COLOR_BGR2RGB)
        return (rgb.astype(np.float32) / 255.0).transpose(2, 0, 1)[None]

    def decode(self, outputs: Any) -> tuple[Any, Any, Any, Any]:
        """The network's outputs as boxes (n, 4), scores, class ids and masks (n, h, w) bool of the frame."""
        rows, prototypes = np.squeeze(outputs[0]).T, np.squeeze(outputs[1])
        scores = np.max(rows[:, 4 : 4 + self._classes], axis=1)
        rows, scores = rows[scores > self._conf], scores[scores > self._conf]
        height, width = self._frame_hw
        if not len(scores):
            return np.zeros((0, 4)), scores, np.zeros(0, int), np.zeros((0, height, width), bool)
        class_ids = np.argmax(rows[:, 4 : 4 + self._classes], axis=1)
        centre, size = rows[:, :2], rows[:, 2:4]
        boxes = np.hstack([centre - size / 2, centre + size / 2])
        corners = np.hstack([boxes[:, :2] + class_ids[:, None] * 7680, size])
        keep = np.array(cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), self._conf, self._iou), int).ravel()
        boxes, scores, class_ids = boxes[keep], scores[keep], class_ids[keep]
        masks = self._masks(boxes, rows[keep, 4 + self._classes :], prototypes)
        top, left = self._pad
        boxes = (boxes - [left, top, left, top]) / self._gain
        return np.clip(boxes, 0, [width, height, width, height]), scores, class_ids, masks

    def _masks(self, boxes: Any, coefficients: Any, prototypes: Any) -> Any:
        k, mask_h, mask_w = prototypes.shape
        logits = (coefficients @ prototypes.reshape(k, -1)).reshape(-1, mask_h, mask_w)
        soft = 1 / (1 + np.exp(-logits))
        height, width = self._frame_hw
        top, left = self._pad
        per = mask_h / self._hw[0]
        masks = np.zeros((len(boxes), height, width), bool)
        for index, box in enumerate(boxes):
            x0, y0, x1, y1 = box * per
            fx0, fy0, fx1, fy1 = (box - [left, top, left, top]) / self._gain
            fx0, fy0 = max(int(np.floor(fx0)), 0), max(int(np.floor(fy0)), 0)
            fx1, fy1 = min(int(np.ceil(fx1)), width), min(int(np.ceil(fy1)), height)
            u0, v0 = max(int(np.floor(x0)), 0), max(int(np.floor(y0)), 0)
            crop = soft[index, v0 : max(int(np.ceil(y1)), v0 + 1), u0 : max(int(np.ceil(x1)), u0 + 1)]
            if fx1 > fx0 and fy1 > fy0 and crop.size:
                grown = cv2.resize(crop, (fx1 - fx0, fy1 - fy0), interpolation=cv2.INTER_CUBIC)
                masks[index, fy0:fy1, fx0:fx1] = grown > 0.5
        return masks

    def draw(self, frame: Any, found: tuple[Any, Any, Any, Any]) -> Any:
        """The frame with masks, boxes, names and scores."""
        boxes, scores, class_ids, masks = found
        coloured = frame.copy()
        for mask, class_id in zip(masks, class_ids, strict=True):
            coloured[mask] = self._colours[class_id]
        picture = cv2.addWeighted(coloured, 0.4, frame, 0.6, 0)
        for box, score, class_id in zip(boxes.astype(int).tolist(), scores, class_ids, strict=True):
            colour = tuple(self._colours[class_id].tolist())
            cv2.rectangle(picture, box[:2], box[2:], colour, 2)
            text = f"{class_id} {score:.2f}"
            cv2.putText(picture, text, (box[0], box[1] - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 2)
        return picture
