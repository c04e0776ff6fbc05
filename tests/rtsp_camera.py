"""A camera with RTSP on this machine.

As a script, for the system's Python: rtsp_camera.py PORT CLIP [USER PASSWORD]; prints its port, then serves the clip
at /clip in real time, from its beginning for every one who comes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rtsp_process import RtspProcess, serve


class RtspCamera(RtspProcess):
    """A camera that shows a clip."""

    def __init__(self, clip: Path, user: str = "", password: str = "") -> None:
        super().__init__(__file__, user, password)
        self.clip = clip

    def start(self) -> None:
        """Serve, on the port it had before."""
        self.run(str(self.clip))

    def address(self, login: str = "") -> str:
        """Where it is, once it was started."""
        return self.where("clip", login)


def showing(clip: str, rtsp: Any) -> dict[str, Any]:
    """What it serves."""
    factory = rtsp.RTSPMediaFactory()
    factory.set_launch(f"( filesrc location={clip} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )")
    return {"clip": factory}


if __name__ == "__main__":
    number, film, *known = sys.argv[1:]
    serve(number, known, lambda rtsp: showing(film, rtsp))
