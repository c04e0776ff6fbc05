"""Which encoders and containers there are for video, and settings of theirs that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av

from pipeline.errors import SinkError

CONTAINERS: Mapping[str, str] = {  # ending -> FFmpeg's muxer
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
EVEN_ONLY = ("libx264", "libx265")  # refuse an odd side in yuv420p, take it in yuv444p (High 4:4:4)
TAKE_A_COPY = ("libx264",)  # have copied a picture when they have taken its frame
FINEST: Mapping[str, int] = {"mpeg4": 60_000}  # ticks a second; MPEG-4 part 2 has 16 bits for them
MOST_TICKS: Mapping[str, int] = {"mp4": 2**31 - 1, "mov": 2**31 - 1}  # from one frame to the next, by container

# CPU at 1280x720, one thread, 38 frames of motorway, least of 4 runs, size and PSNR of a frame:
# crf 23 4.45 ms, 44.9 kB, 38.7 dB; qp 27 3.6 ms, 40.7 kB, 38.0 dB (with a constant quantiser x264 makes no
# small copy of each frame to judge it by); qp 27 and no-dct-decimate 2.95 ms, 41.8 kB, 38.2 dB.
_TUNING: Mapping[str, Mapping[str, str]] = {
    "libx264": {"preset": "ultrafast", "qp": "26", "x264-params": "no-dct-decimate=1"},
    "libx265": {"preset": "ultrafast", "crf": "26", "x265-params": "log-level=none:bframes=0"},
    "libvpx": {"crf": "20", "b": "8M", "deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"crf": "34", "b": "0", "deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "12", "crf": "36"},
    "mpeg4": {"qmin": "4", "qmax": "4"},
    "mjpeg": {"qmin": "4", "qmax": "4", "strict": "unofficial"},  # limited range
}


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """How a video is encoded. What is None or missing is what was measured to be cheap."""

    codec: str = "libx264"  # an encoder of FFmpeg
    crf: int | None = None  # quality, less is better; None: a constant quantiser where the codec has one
    preset: str | None = None
    threads: int = 1
    options: Mapping[str, str] = field(default_factory=dict)  # of the encoder, over everything else


def encoder_options(config: VideoConfig, codec: str) -> dict[str, str]:
    """The encoder's own options."""
    options = dict(_TUNING.get(codec, {}))
    if config.crf is not None:
        options.pop("qp", None)
        options["crf"] = str(config.crf)
    if config.preset is not None:
        options["preset"] = config.preset
    return options | dict(config.options)


def codec_named(name: str) -> str:
    """FFmpeg's own name of an encoder.

    Raises:
        SinkError: this build has no such encoder of video.
    """
    try:
        codec = av.Codec(name, "w")
    except ValueError:
        codec = None
    if codec is None or codec.type != "video":
        known = ", ".join(known for known in _TUNING if known in av.codecs_available)
        raise SinkError(f"there is no video encoder {name!r}", hint=f"try one of {known}")
    return codec.name


def container_for(path: Path) -> str:
    """FFmpeg's muxer for a path.

    Raises:
        SinkError: its ending is none that is known.
    """
    container = CONTAINERS.get(path.suffix.lower())
    if container is None:
        raise SinkError(
            f"{path}: expected a video's name, ending in {', '.join(CONTAINERS)}",
            hint=f"try {path.with_suffix('.mp4') if path.name else 'out.mp4'}",
        )
    return container
