"""What a file from somebody else holds, found out before any of it is decoded.

FFmpeg opens playlists and scripts too, and these name other files and addresses: only plain containers and
pictures are let through.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import av

from pipeline.errors import SourceError
from pipeline.media import open_media

_KINDS: dict[str, tuple[Literal["picture", "clip"], str]] = {  # FFmpeg's name -> what it is, ending of a file
    "png_pipe": ("picture", ".png"),
    "jpeg_pipe": ("picture", ".jpg"),
    "webp_pipe": ("picture", ".webp"),
    "bmp_pipe": ("picture", ".bmp"),
    "tiff_pipe": ("picture", ".tiff"),
    "mov,mp4,m4a,3gp,3g2,mj2": ("clip", ".mp4"),
    "matroska,webm": ("clip", ".mkv"),
}
_ALLOWED = ",".join(_KINDS)
_EXPECTED = "give a JPEG, PNG, WebP, BMP or TIFF picture, or a clip in MP4, MOV, Matroska or WebM"


@dataclass(frozen=True, slots=True)
class Upload:
    """What it is."""

    kind: Literal["picture", "clip"]
    suffix: str  # of a file that holds it
    size_hw: tuple[int, int]  # as its head states it, before rotation


def look_at(data: bytes, most_px: float) -> Upload:
    """What some bytes are, without decoding a picture larger than allowed.

    Args:
        data: a whole file.
        most_px: pixels that one picture may have.

    Raises:
        SourceError: no picture or clip of a kind that is let through, or too large a one.
    """
    if not data:
        raise SourceError("the upload is empty (0 bytes)", hint=_EXPECTED)
    try:
        # The pixels are limited for the pictures, too, that FFmpeg decodes to open it.
        allowed = {"format_whitelist": _ALLOWED, "max_pixels": str(int(most_px))}
        with open_media(io.BytesIO(data), options=allowed) as container:
            kind, suffix = _KINDS[container.format.name]
            context = container.streams.video[0].codec_context
            if context is None:
                raise SourceError("the upload is coded in a way that nothing here decodes", hint=_EXPECTED)
            width, height = context.width, context.height
    except (av.FFmpegError, ValueError, IndexError, KeyError):
        raise SourceError("the upload is neither a picture nor a clip", hint=_EXPECTED) from None
    if not width or not height or width * height > most_px:
        size = f" of {width}x{height} pixels" if width and height else ""
        raise SourceError(
            f"the upload{size} is larger than {most_px / 1e6:g} megapixels, or damaged",
            hint="shrink it, or raise api.max_megapixels",
        )
    return Upload(kind, suffix, (height, width))
