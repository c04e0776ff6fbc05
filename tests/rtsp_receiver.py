"""A server that takes a stream over RTSP, as MediaMTX does.

As a script, for the system's Python: rtsp_receiver.py PORT FILE [USER PASSWORD]; prints its port, then takes what is
sent to each path of PATHS, and keeps it as MPEG-TS in a file whose name is that path behind FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rtsp_process import RtspProcess, serve

PATHS = "road", "one", "two"


class RtspReceiver(RtspProcess):
    """Takes a stream. Whenever it is started again it begins another file."""

    def __init__(self, folder: Path, user: str = "", password: str = "") -> None:
        super().__init__(__file__, user, password)
        self.folder, self.starts = folder, 0

    def start(self) -> None:
        """Listen, on the port it had before."""
        self.starts += 1
        self.run(str(self.folder / f"{self.starts - 1}-"))

    def address(self, login: str = "", path: str = "road") -> str:
        """Where it is, once it was started."""
        return self.where(path, login)

    def file(self, start: int = -1, path: str = "road") -> Path:
        """What was taken at a path after one of the starts."""
        return self.folder / f"{range(self.starts)[start]}-{path}"

    @property
    def taken(self) -> int:
        """Bytes at the path `road` since the last start."""
        return self.file().stat().st_size if self.file().exists() else 0


def taking(file: str, rtsp: Any) -> dict[str, Any]:
    """What it serves."""
    made = {}
    for name in PATHS:
        factory = rtsp.RTSPMediaFactory()
        factory.set_transport_mode(rtsp.RTSPTransportMode.RECORD)
        factory.set_latency(0)
        factory.set_launch(
            "( rtph264depay name=depay0 ! h264parse ! mpegtsmux ! "
            f"filesink location={file}{name} buffer-mode=unbuffered sync=false async=false )"
        )
        made[name] = factory
    return made


if __name__ == "__main__":
    number, kept, *known = sys.argv[1:]
    serve(number, known, lambda rtsp: taking(kept, rtsp))
