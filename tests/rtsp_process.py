"""GStreamer's own RTSP server in a process of its own, which tests kill and freeze; needs the system's Python."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Self

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
    """Why there can be no such server here; empty: there can."""
    if (
        shutil.which(SYSTEM_PYTHON)
        and not subprocess.run([SYSTEM_PYTHON, "-c", CHECK], capture_output=True, check=False).returncode
    ):
        return ""
    return f"no RTSP server to test against: apt-get install {NEEDS}"


class RtspProcess:
    """A script that prints its port and serves; a context manager. It keeps its port when it is started again."""

    def __init__(self, script: str, user: str, password: str) -> None:
        self.script, self.login = script, [user, password] if user else []
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def where(self, path: str, login: str = "") -> str:
        """The address of a path, once it was started."""
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}/{path}"

    def run(self, what: str) -> None:
        """Start the script: PORT WHAT [USER PASSWORD]."""
        command = [SYSTEM_PYTHON, self.script, str(self.port), what, *self.login]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def start(self) -> None:
        """Serve, on the port it had before."""
        raise NotImplementedError

    def kill(self) -> None:
        """Gone at once, as if its plug were pulled; legal twice."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Connections stay, nothing comes and nothing is taken."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on where it was frozen."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def serve(port: str, login: Sequence[str], factories: Callable[[Any], dict[str, Any]]) -> None:
    """What the process does: a factory at each path, for everybody or for one who can log in; prints its port.

    Args:
        port: 0: any that is free.
        login: user and password, or nothing.
        factories: makes one for each path, given GstRtspServer.
    """
    import gi  # of the system's Python only

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    role = Gst.Structure.new_empty("driver")
    role.set_value("media.factory.access", True)
    role.set_value("media.factory.construct", True)
    if login:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "driver")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login), token)
        server.set_auth(auth)
    for path, factory in factories(GstRtspServer).items():
        if login:
            factory.add_role_from_structure(role)
        server.get_mount_points().add_factory(f"/{path}", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()
