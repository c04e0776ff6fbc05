"""A camera with RTSP on this machine: GStreamer's own server in a process of its own, which tests kill and freeze.

As a script, for the system's Python: rtsp_camera.py PORT CLIP [USER PASSWORD]; prints its port, then serves the clip
at /clip in real time, from its beginning for every one who comes.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

SYSTEM_PYTHON = "/usr/bin/python3"
NEEDS = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
CHECK = """
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gst, GstRtspServer
Gst.init(None)
assert all(map(Gst.ElementFactory.find, ("qtdemux", "h264parse", "rtph264pay")))
"""


def missing() -> str:
    """Why there can be no such camera here; empty: there can."""
    if (
        shutil.which(SYSTEM_PYTHON)
        and not subprocess.run([SYSTEM_PYTHON, "-c", CHECK], capture_output=True, check=False).returncode
    ):
        return ""
    return f"no RTSP server to test against: apt-get install {NEEDS}"


class RtspCamera:
    """A camera that shows a clip; a context manager. It keeps its port when it is started again."""

    def __init__(self, clip: Path, user: str = "", password: str = "") -> None:
        self.clip, self.login = clip, [user, password] if user else []
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def address(self, login: str = "") -> str:
        """Where it is, once it was started."""
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}/clip"

    def start(self) -> None:
        """Serve, on the port it had before."""
        command = [SYSTEM_PYTHON, __file__, str(self.port), str(self.clip), *self.login]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def kill(self) -> None:
        """Gone at once, as if its plug were pulled; legal twice."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Connections stay, nothing comes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on where it was frozen."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> RtspCamera:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def serve(port: str, clip: str, *login: str) -> None:
    """What the process does."""
    import gi  # of the system's Python only

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( filesrc location={clip} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )")
    if login:
        user, password = login
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "driver")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        server.set_auth(auth)
        factory.add_role_from_structure(role("driver", Gst))
    server.get_mount_points().add_factory("/clip", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def role(name: str, gst: object) -> object:
    """Who may see it and get it."""
    made = gst.Structure.new_empty(name)  # type: ignore[attr-defined]
    made.set_value("media.factory.access", True)
    made.set_value("media.factory.construct", True)
    return made


if __name__ == "__main__":
    serve(*sys.argv[1:])
