"""A server of one file that behaves as servers do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 2000


@dataclass
class Server:
    """How the server behaves, and what it was asked for."""

    content: bytes = CONTENT
    parts: bool = True  # sends from the middle of a file
    breaks_after: list[int] = field(default_factory=list)  # bytes of each answer, then the connection ends
    codes: list[int] = field(default_factory=list)  # of the next answers
    ranges: list[str | None] = field(default_factory=list)
    etag: str | None = None
    heeds: bool = True  # an If-Range
    kind: str = "application/zip"
    url: str = ""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.ranges.append(asked)
            if server.codes:
                self.send_error(server.codes.pop(0))
                return
            same = not server.heeds or self.headers.get("If-Range", server.etag) == server.etag
            first = int(asked[6:].rstrip("-")) if asked and server.parts and same else 0
            if first >= len(server.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(server.content)}")
                self.end_headers()
                return
            body = server.content[first:]
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", server.kind)
            if server.etag is not None:
                self.send_header("ETag", server.etag)
            self.end_headers()
            self.wfile.write(body[: server.breaks_after.pop(0)] if server.breaks_after else body)

        def log_message(self, *said: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/file.bin"
        yield server
        http.shutdown()
