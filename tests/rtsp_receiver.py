"""A server that takes a stream over RTSP, as MediaMTX does: GStreamer's own, in a process that tests kill and freeze.

As a script, for the system's Python: rtsp_receiver.py PORT FILE [USER PASSWORD]; prints its port, then takes what is
sent to each path of PATHS, and keeps it as MPEG-TS in a file whose name is that path behind FILE.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from rtsp_camera import SYSTEM_PYTHON, role

PATHS = "road", "one", "two"


class RtspReceiver:
    """Takes a stream; a context manager. It keeps its port when it is started again, and begins another file."""

    def __init__(self, folder: Path, user: str = "", password: str = "") -> None:
        self.folder, self.login = folder, [user, password] if user else []
        self.starts = 0
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def address(self, login: str = "", path: str = "road") -> str:
        """Where it is, once it was started."""
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}/{path}"

    def start(self) -> None:
        """Listen, on the port it had before."""
        command = [SYSTEM_PYTHON, __file__, str(self.port), str(self.folder / f"{self.starts}-"), *self.login]
        self.starts += 1
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Gone at once; legal twice."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Connections stay, nothing is taken."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def file(self, start: int = -1, path: str = "road") -> Path:
        """What was taken at a path after one of the starts."""
        return self.folder / f"{range(self.starts)[start]}-{path}"

    @property
    def taken(self) -> int:
        """Bytes at the path `road` since the last start."""
        return self.file().stat().st_size if self.file().exists() else 0

    def __enter__(self) -> RtspReceiver:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def serve(port: str, path: str, *login: str) -> None:
    """What the process does."""
    import gi  # of the system's Python only

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    if login:
        user, password = login
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "driver")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
    for name in PATHS:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        factory.set_latency(0)
        factory.set_launch(
            "( rtph264depay name=depay0 ! h264parse ! mpegtsmux ! "
            f"filesink location={path}{name} buffer-mode=unbuffered sync=false async=false )"
        )
        if login:
            factory.add_role_from_structure(role("driver", Gst))
        server.get_mount_points().add_factory(f"/{name}", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(*sys.argv[1:])
