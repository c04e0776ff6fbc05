"""What a camera with RTSP shows in tests, and by which rules it is waited for."""

from __future__ import annotations

from pathlib import Path

from clips import bars, write_clip

from pipeline.config import ReconnectConfig

SECRET = "s3cret"
FPS = 25
CLIP_S = 12
RULES = ReconnectConfig(first_wait_s=0.1, longest_wait_s=0.3, attempts=40, seed=1)


def numbered(path: Path, size_hw: tuple[int, int] = (96, 128)) -> Path:
    options = {"g": "10", "preset": "ultrafast", "tune": "zerolatency"}
    draw = lambda index, hw: bars(index % 256, hw)  # noqa: E731
    return write_clip(path, "libx264", frames=CLIP_S * FPS, fps=FPS, size_hw=size_hw, draw=draw, options=options)
