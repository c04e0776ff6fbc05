"""What exported networks and the trained ones say of a picture, and where rounding decides between them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from trained_nets import MEAN, STD

from engines.backends.base import Options
from engines.card import read_card
from engines.nets.enet import MaxPool
from engines.select import opener
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Frame, Prepared

TIE = 1e-5  # of the largest logit: closer than that, rounding decides


def picture(hw: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """(h, w, 3) BGR: soft shapes, as in footage."""
    noise = np.random.default_rng(seed).integers(0, 256, (hw[0] // 8, hw[1] // 8, 3), np.uint8)
    return np.asarray(cv2.resize(noise, hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def tensor(bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(1, 3, h, w) RGB, 0..255."""
    return np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)[None], np.float32)


def logits_of(net: Any, pixels: NDArray[np.float32]) -> Any:
    """Of the network as it was trained, not rewritten."""
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, STD))
    with torch.no_grad():
        return net((torch.from_numpy(pixels) / 255 - mean) / std)


def run(path: Path, pixels: NDArray[np.float32], backend: str = "onnxruntime-cpu") -> NDArray[Any]:
    if backend == "openvino":
        pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    running = opener(backend)(read_card(path), Options(shape_hw=pixels.shape[2:]))  # type: ignore[arg-type]
    frame = Frame(0, 0, Fraction(1), 0.0, Image((np.zeros((8, 8, 3), np.uint8),), "bgr24"))
    prepared = Prepared(frame, pixels, Letterbox((8, 8), (8, 8), (8, 8), 0, 0))
    try:
        (inferred,) = running.submit([prepared]).result()
    finally:
        running.close()
    output: NDArray[Any] = inferred.arrays()[0]
    return output


def assert_same_labels(labels: NDArray[Any], net: Any, pixels: NDArray[np.float32]) -> None:
    """Equal to the trained network's at every pixel but where a tie is decided by rounding, and those are few."""
    logits = logits_of(net, pixels)
    wanted = logits.argmax(1).numpy()
    assert labels.dtype == np.uint8
    assert labels.shape == wanted.shape
    assert len(np.unique(wanted)) >= 5  # the comparison is about something
    different = labels != wanted
    assert different.sum() <= max(2, 1e-4 * different.size)
    first, second = torch.topk(logits, 2, 1).values.unbind(1)
    tied = ((first - second) < TIE * logits.abs().max()).numpy() | near_tied_pooling(net, pixels)
    assert not (different & ~tied).any()


def near_tied_pooling(net: Any, pixels: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Pixels that an unpooling may move: near a 2x2 block whose largest two are equal but for rounding (ENet)."""
    size = pixels.shape[2:]
    found = torch.zeros(1, 1, *size)

    def watch(module: Any, inputs: Any, output: Any) -> None:
        (x,) = inputs
        blocks = x.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
        two = blocks.topk(2, -1).values
        tie = ((two[..., 0] - two[..., 1]) < TIE * x.abs().max()).any(1, keepdim=True).float()
        reach = size[0] // x.shape[2] * 6 + 1  # pixels: what the decoder does behind the unpooling, and some more
        grown = torch.nn.functional.interpolate(tie, size=size)
        for kernel in ((reach, 1), (1, reach)):
            padding = (kernel[0] // 2, kernel[1] // 2)
            grown = torch.nn.functional.max_pool2d(grown, kernel, 1, padding)
        found.add_(grown)

    hooks = [module.register_forward_hook(watch) for module in net.modules() if isinstance(module, MaxPool)]
    logits_of(net, pixels)
    for hook in hooks:
        hook.remove()
    return found[:, 0].bool().numpy()
