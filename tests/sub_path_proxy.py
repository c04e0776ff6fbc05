"""A reverse proxy as people put one before the page: under a path of its own, by another name for who is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PREFIX = "/cam"
_AWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\nConnection: close\r\n\r\naway"


class Proxy:
    """Takes PREFIX away from the path, and names 127.0.0.1 as the host, as nginx does unless it is told otherwise."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream  # a port
        self.asked: list[bytes] = []  # first lines of requests
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}{PREFIX}/"

    def serve(self) -> None:
        """Until it is closed; one request a connection."""
        with suppress(OSError):
            while True:
                asker, _ = self._listening.accept()
                threading.Thread(target=self._pass_on, args=(asker,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection."""
        broken, self._open = self._open, []
        for one in broken:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """No more connections, and those that are open break."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _pass_on(self, asker: socket.socket) -> None:
        with asker, suppress(OSError):
            head, _, body = self._head(asker).partition(b"\r\n\r\n")
            first, *rest = head.split(b"\r\n")
            self.asked.append(first)
            try:
                answering = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                asker.sendall(_AWAY)
                return
            with answering:
                self._open += [asker, answering]
                kept = [line for line in rest if not line.lower().startswith((b"host:", b"connection:"))]
                lines = [first.replace(f" {PREFIX}".encode(), b" ", 1), f"Host: 127.0.0.1:{self.upstream}".encode()]
                answering.sendall(b"\r\n".join([*lines, *kept, b"Connection: close", b"", body]))
                while data := answering.recv(65536):
                    asker.sendall(data)

    def _head(self, asker: socket.socket) -> bytes:
        """A request up to the end of its head, and its small body."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (data := asker.recv(65536)):
                raise ConnectionError
            head += data
        length = next((int(x[15:]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
        while len(head.partition(b"\r\n\r\n")[2]) < length:
            head += asker.recv(65536)
        return head


@contextmanager
def proxy_to(upstream: int) -> Iterator[Proxy]:
    """One that runs, before a port of this machine."""
    proxy = Proxy(upstream)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(5)
