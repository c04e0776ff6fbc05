"""Cameras, through Video4Linux; and FFmpeg's drawn pictures in their place."""

from __future__ import annotations

import errno
import os
import select
import threading
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer

from pipeline.errors import RefusedError, SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.container import ContainerSource, Request
from pipeline.sources.deadline import within

DRAWN = "lavfi:"


class Camera(ContainerSource):
    """A camera: `0` or `/dev/video0`. Frames come as the driver is set; live.

    `lavfi:testsrc=size=640x480:rate=30` stands in for one where there is none: any single chain of FFmpeg's
    filters that begins with a source, paced in real time.

    Args:
        spec: number, device or `lavfi:` and a chain of filters.
        options: open_timeout_s and read_timeout_s are kept although a driver may never answer.
    """

    live = True

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self._device: Path | None = None
        self._descriptor: int | None = None
        if spec.startswith(DRAWN):
            request = Request(spec.removeprefix(DRAWN) + ",realtime", "lavfi")
        else:
            self._device = Path(f"/dev/video{int(spec)}" if spec.isdecimal() else spec)
            request = Request(str(self._device), "v4l2")
        super().__init__(spec if self._device is None else str(self._device), request, options)

    def _check(self) -> None:
        if self._device is None:
            return
        if not self._device.exists():
            found = ", ".join(str(path) for path in sorted(Path("/dev").glob("video*"))) or "none"
            raise RefusedError(f"there is no camera {self._name}", hint=f"cameras of this machine: {found}")
        if not os.access(self._device, os.R_OK | os.W_OK):
            raise self._forbidden()

    def _open(self) -> InputContainer:
        if self._device is None:
            return super()._open()
        given_up = threading.Event()

        def opened() -> InputContainer:
            container = super(Camera, self)._open()
            if given_up.is_set():  # else Python's collector closes it, which has ended processes, or nobody does
                container.close()
            return container

        try:
            container = within(self._options.open_timeout_s, opened)
        except TimeoutError:
            given_up.set()
            raise
        self._descriptor = _descriptor_of(self._device)
        return container

    def _wait(self) -> None:
        # FFmpeg asks the driver without a deadline; this comes back in time, and at once when it is unplugged
        if self._descriptor is not None:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            if not poll.poll(self._options.read_timeout_s * 1000):
                raise TimeoutError

    def _forbidden(self) -> SourceError:
        return RefusedError(
            f"camera {self._name} may not be used by this user",
            hint="add the user to the group `video` and log in again",
        )

    def _not_opened(self, error: Exception) -> SourceError:
        if self._device is None:
            return RefusedError(
                f"{self._name} is no chain of filters that FFmpeg understands",
                hint="for instance lavfi:testsrc=size=640x480:rate=30",
            )
        number = getattr(error, "errno", None)
        if number == errno.EBUSY:
            return SourceError(
                f"camera {self._name} is in use by another program", hint=f"`fuser {self._name}` shows which"
            )
        if number in (errno.EACCES, errno.EPERM):
            return self._forbidden()
        if isinstance(error, TimeoutError):
            return SourceError(
                f"camera {self._name} gave no picture within {self._options.open_timeout_s:g} s",
                hint="plug it in again, on another port where several share one",
            )
        return SourceError(
            f"{self._name} cannot be opened as a camera: {_reason(error)}",
            hint="some devices only carry metadata: try the next number",
        )

    def _lost(
        self, failure: Exception | None, last_s: Fraction | None, length_s: Fraction | None
    ) -> SourceError | None:
        when = "at all" if last_s is None else f"after {float(last_s):.1f} s"
        if isinstance(failure, TimeoutError):
            why = f"nothing came for {self._options.read_timeout_s:g} s"
        else:
            why = "it was unplugged, or its driver gave up" if self._device else "the drawing ended"
        return SourceError(f"camera {self._name} stopped giving frames {when}: {why}", hint="check its cable")


def _descriptor_of(device: Path) -> int | None:
    """The descriptor that FFmpeg has open on a device."""
    real = os.path.realpath(device)
    for entry in sorted(os.listdir("/proc/self/fd"), key=int, reverse=True):
        try:
            if os.readlink(f"/proc/self/fd/{entry}") == real:
                return int(entry)
        except OSError:  # closed meanwhile by another thread
            continue
    return None


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None) or 0
    return os.strerror(number) if number in errno.errorcode else "its driver gives no video"
