"""From a decoded picture to its planes: views of the decoder's own memory wherever Image can hold them."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from pipeline.image import Image, Matrix, PixelFormat

NATIVE: dict[str, PixelFormat] = {"yuv420p": "yuv420p", "yuvj420p": "yuv420p", "nv12": "nv12", "bgr24": "bgr24"}
SAMPLES: dict[PixelFormat, tuple[int, ...]] = {"yuv420p": (1, 1, 1), "nv12": (1, 2), "bgr24": (3,)}  # per plane
MATRIX: dict[int, Matrix] = {1: "bt709", 9: "bt2020", 10: "bt2020"}  # AVColorSpace; anything else: bt601
FULL_RANGE = 2  # AVColorRange


class Turn(NamedTuple):
    """How a stored picture is shown: transposed first, then mirrored."""

    transpose: bool = False
    upside_down: bool = False
    left_right: bool = False


class PlaneReader:
    """Makes an Image of each decoded picture.

    yuv420p, yuvj420p, nv12 and bgr24 are shown as they lie in the decoder's memory: no copy, not writeable,
    valid as long as the Image lives. Every other format is converted once: RGB and palettes to bgr24, the
    rest (10 bit, 4:2:2, 4:4:4, grey, alpha) to yuv420p of the same matrix and range. Where the stream does
    not say its matrix, ITU-R BT.601 is assumed, at any size: what FFmpeg, OpenCV and Ultralytics do.
    The display matrix (a phone held upright) is applied, which costs a copy.

    Args:
        bgr: give bgr24 always, converted by swscale.
        copied: pictures do not stay where they are, as a camera's: give no views of them, and let go of them at once.
    """

    def __init__(self, bgr: bool, copied: bool = False) -> None:
        self._bgr, self._copied = bgr, copied
        self._reformatter = VideoReformatter()
        self._rotation: int | None = None  # degrees, of the display matrix that `_turn` was read from
        self._turn = Turn()

    def __call__(self, picture: av.VideoFrame) -> Image:
        """The picture as it is shown."""
        stored = picture.format
        full_range = picture.color_range == FULL_RANGE or stored.name.startswith(("yuvj", "gray"))
        matrix = MATRIX.get(picture.colorspace, "bt601")
        rgb = stored.is_rgb or stored.has_palette
        form = NATIVE.get(stored.name, "bgr24" if rgb else "yuv420p")
        if self._bgr:
            form = "bgr24"
        converted = NATIVE.get(stored.name) != form
        if converted:
            span = "JPEG" if full_range else "MPEG"
            picture = self._reformatter.reformat(
                picture,
                format=form,
                src_color_range=None if rgb else span,
                dst_color_range=None if form == "bgr24" else span,
                threads=1,  # the cores are for the networks
            )
        planes = tuple(_view(plane, samples) for plane, samples in zip(picture.planes, SAMPLES[form], strict=True))
        if self._copied and not converted:
            planes = tuple(_owned(plane) for plane in planes)
        # Side data and its picture hold each other until Python's collector comes: too late for what is not to stay.
        if not self._copied and picture.rotation != self._rotation:
            self._rotation, self._turn = picture.rotation, _turn(picture)
        if any(self._turn):
            planes = tuple(_turned(plane, self._turn) for plane in planes)
        return Image(planes, form, matrix, full_range) if form != "bgr24" else Image(planes, form)


def _view(plane: VideoPlane, samples: int) -> NDArray[np.uint8]:
    height, width, stride = plane.height, plane.width, plane.line_size
    shape: tuple[int, ...] = (height, width) if samples == 1 else (height, width, samples)
    strides = (stride, 1) if samples == 1 else (stride, samples, 1)
    # a picture stored from the bottom up has a negative stride, and its first row last in memory
    start = (height - 1) * -stride if stride < 0 else 0
    view = np.ndarray(shape, np.uint8, memoryview(plane), start, strides)  # keeps the picture alive
    view.flags.writeable = False
    return view


def _owned(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    plane = plane.copy()
    plane.flags.writeable = False
    return plane


def _turn(picture: av.VideoFrame) -> Turn:
    try:
        side_data: Any = picture.side_data  # typed as something else
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side_data["DISPLAYMATRIX"]))
    except KeyError:
        return Turn()
    except ValueError:  # PyAV cannot list side data of a kind it does not know; a mirror is overlooked then
        quarters = round(picture.rotation / 90) % 4  # anticlockwise
        return (Turn(), Turn(True, True), Turn(False, True, True), Turn(True, False, True))[quarters]
    # stored (x, y) is shown at (a x + c y, b x + d y), libavutil/display.h
    if abs(b) > abs(a):
        return Turn(True, b < 0, c < 0)
    return Turn(False, d < 0, a < 0)


def _turned(plane: NDArray[np.uint8], turn: Turn) -> NDArray[np.uint8]:
    if turn.transpose:
        plane = np.asarray(cv2.transpose(plane), np.uint8)
    if turn.upside_down or turn.left_right:
        code = -1 if turn.upside_down and turn.left_right else int(turn.left_right)
        plane = np.asarray(cv2.flip(plane, code), np.uint8)
    plane.flags.writeable = False
    return plane
