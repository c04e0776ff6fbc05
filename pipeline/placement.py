"""Where a frame goes in a network's input, and how large that input is."""

from __future__ import annotations

from pipeline.errors import UserError
from pipeline.letterbox import Letterbox
from pipeline.types import InputSpec


def place(frame_hw: tuple[int, int], network_hw: tuple[int, int], fit: str = "letterbox") -> Letterbox:
    """Centre a frame in the network's input, keeping its proportions, or stretch it.

    Args:
        frame_hw, network_hw: height and width, pixels.
        fit: letterbox or stretch.

    Returns:
        Letterbox, which maps pixels both ways.

    Raises:
        UserError: a side is not positive.

    The rounding is that of Ultralytics' LetterBox(center=True): an odd row of padding goes below, an odd column
    to the right.
    """
    if min(*frame_hw, *network_hw) < 1:
        raise UserError(f"cannot place a frame of {_size(frame_hw)} in a network's input of {_size(network_hw)}")
    if fit == "stretch":
        return Letterbox(frame_hw, network_hw, network_hw, 0, 0)
    gain = min(network_hw[0] / frame_hw[0], network_hw[1] / frame_hw[1])
    height, width = (max(round(side * gain), 1) for side in frame_hw)
    top, left = (round((room - side) / 2 - 0.1) for room, side in zip(network_hw, (height, width), strict=True))
    return Letterbox(frame_hw, network_hw, (height, width), top, left)


def network_size(frame_hw: tuple[int, int], spec: InputSpec) -> tuple[int, int]:
    """Height and width of the network's input for frames of a size, pixels.

    Sides that the network fixes are taken as given. Where both are free the long side is spec.long_side and the other
    the least multiple of spec.stride that holds the picture (1280x720 at 640: 384x640), as Ultralytics does it.
    """
    wanted = [_up(spec.long_side, spec.stride) if side is None else side for side in spec.size_hw]
    if None in spec.size_hw:
        fixed = [(room, side) for room, side in zip(spec.size_hw, frame_hw, strict=True) if room is not None]
        pairs = fixed or list(zip(wanted, frame_hw, strict=True))
        gain = min(room / side for room, side in pairs)
        for axis, side in enumerate(frame_hw):
            if spec.size_hw[axis] is None:
                wanted[axis] = _up(max(round(side * gain), 1), spec.stride)
    return wanted[0], wanted[1]


def _up(side: int, stride: int) -> int:
    return -(-side // stride) * stride


def _size(hw: tuple[int, int]) -> str:
    return f"{hw[1]}x{hw[0]}"
