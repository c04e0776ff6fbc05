"""What a backend that takes frames does before and behind its network: see engines.backends.base.FrameBackend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.letterbox import Letterbox
from pipeline.types import Frame, Inferred, Instances, Labels, Prepared


@dataclass(frozen=True, slots=True)
class DetectRules:
    """Which detections become instances; the same as pipeline.config.DecodeConfig."""

    conf: float = 0.25
    iou: float = 0.7
    max_det: int = 300
    agnostic: bool = False


@dataclass(frozen=True, slots=True)
class FrameTask:
    """The way of a frame around one network, as a device needs it told, and as the CPU does it.

    What a device makes of a frame is what `decode` makes of what the network says of what `prepare` makes of it.
    """

    place: Callable[[tuple[int, int]], Letterbox]  # where frames of a height and width lie in the network's input
    prepare: Callable[[Frame], Prepared]  # used by one thread at a time
    decode: Callable[[Inferred], Instances | Labels]  # used by one thread at a time
    chosen: NDArray[np.bool_]  # (classes,) which are asked for
    rules: DetectRules = field(default_factory=DetectRules)  # of networks of objects
