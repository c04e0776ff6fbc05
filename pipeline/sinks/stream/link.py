"""One connection to a receiver: the process that sends, as seen from the run."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import msgspec

from pipeline.sinks.packets import Packet
from pipeline.sinks.stream.framing import HEADER

_START = "import sys; sys.path.append(sys.argv[1]); from pipeline.sinks.stream.sender import main; main()"
_ROOT = Path(__file__).resolve().parents[3]


class LinkError(Exception):
    """There is no connection, or no more.

    Args:
        error: name of FFmpeg's error, as PyAV calls it; "TimeoutError" where nothing moved in time.
        number: errno; 0: none.
    """

    def __init__(self, error: str, number: int = 0) -> None:
        super().__init__(error)
        self.error, self.number = error, number


class Link:
    """Starts the process; a context manager that ends it. Used by one thread, but for `kill`.

    Args:
        asked: what it is told, see sender.Asked.
        timeout_s: to connect, for a packet to be taken, and for the end, seconds each.

    Raises:
        LinkError: there can be no process.
    """

    def __init__(self, asked: dict[str, Any], timeout_s: float) -> None:
        self._asked, self._timeout_s = asked, timeout_s
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(_ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # FFmpeg's own words hold the address
                start_new_session=True,  # Ctrl-C comes to the run, which ends this in order
                bufsize=0,
            )
        except OSError as error:
            raise LinkError(type(error).__name__, error.errno or 0) from error
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._in: IO[bytes] = self._child.stdin
        self._out: IO[bytes] = self._child.stdout
        os.set_blocking(self._in.fileno(), False)

    def open(self) -> None:
        """Wait for the receiver to take the stream. LinkError: it does not."""
        until_s = time.monotonic() + self._timeout_s
        self._write(msgspec.json.encode(self._asked) + b"\n", until_s)  # over stdin: others may read arguments
        told = self._answer(until_s)
        if not told.get("open"):
            raise LinkError(str(told.get("error", "")), int(told.get("errno", 0)))

    def send(self, packet: Packet, duration: int) -> None:
        """Hand a packet over. LinkError: the connection is gone, or nothing moved for so long."""
        head = HEADER.pack(packet.ticks, packet.decode_ticks, duration, len(packet.data), packet.key)
        self._write(head + packet.data, time.monotonic() + self._timeout_s)

    def kill(self) -> None:
        """End it at once, from any thread: whoever waits for it gets LinkError."""
        self._child.kill()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Let it say goodbye, where nothing went wrong, for as long as `timeout_s`."""
        self._in.close()
        try:
            if kind is None:
                self._child.wait(self._timeout_s)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._child.kill()
            self._child.wait()
            self._out.close()

    def _write(self, data: bytes, until_s: float) -> None:
        left = memoryview(data)
        while left:
            _, ready, _ = select.select((), (self._in,), (), max(0.0, until_s - time.monotonic()))
            if not ready:
                raise LinkError("TimeoutError")
            try:
                left = left[os.write(self._in.fileno(), left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                told = self._answer(until_s)
                raise LinkError(str(told.get("error", "")), int(told.get("errno", 0))) from None

    def _answer(self, until_s: float) -> dict[str, Any]:
        """The next line that it says; empty where it ended without one."""
        ready, _, _ = select.select((self._out,), (), (), max(0.0, until_s - time.monotonic()))
        if not ready:
            raise LinkError("TimeoutError")
        line = self._out.readline()
        return msgspec.json.decode(line) if line else {}
