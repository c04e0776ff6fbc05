"""A window that shows pictures. In the main thread: most window systems allow no other."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import cv2

from pipeline.errors import SinkError
from pipeline.types import Picture

_CLOSING_KEYS = (ord("q"), 27)  # q and Escape


class Window:
    """One window; opened at once, so that a missing display is known before any work is done.

    Args:
        title: of the window.

    Raises:
        SinkError: there is no display, or this OpenCV has no windows.
    """

    def __init__(self, title: str) -> None:
        if sys.platform.startswith("linux"):
            _check_display()
        # Qt says on stderr, for every window, that OpenCV's wheel brings no fonts; there is no text in ours.
        os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")
        self._title = title
        self._sized = False
        try:
            cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise SinkError(
                "this OpenCV cannot open a window",
                hint="opencv-python-headless has none: install opencv-python instead, or leave --show out",
            ) from error

    def show(self, picture: Picture) -> bool:
        """Show a picture; False once the user has closed the window or pressed q or Escape."""
        if not self._visible():
            return False
        if picture.image is not None:
            if not self._sized:
                height, width = picture.image.size_hw
                cv2.resizeWindow(self._title, width, height)
                self._sized = True
            cv2.imshow(self._title, picture.image.bgr())
        pressed = cv2.waitKey(1) & 0xFF
        return pressed not in _CLOSING_KEYS

    def close(self) -> None:
        """Close the window; legal after the user did."""
        if self._visible():
            cv2.destroyWindow(self._title)

    def _visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # the last window of the process is gone
            return False


def _check_display() -> None:
    """Qt ends the whole process when it finds no display, so look for it first."""
    if os.environ.get("QT_QPA_PLATFORM", "xcb").startswith(("offscreen", "minimal", "vnc")):
        return
    display = os.environ.get("DISPLAY", "")
    if not display:
        wayland = bool(os.environ.get("WAYLAND_DISPLAY"))
        raise SinkError(
            "there is no display to show a window on"
            + (": OpenCV's windows need X11, and only Wayland runs here" if wayland else ""),
            hint="start Xwayland" if wayland else "set DISPLAY (over ssh: ssh -X), or use --save instead of --show",
        )
    if not _answers(display):
        raise SinkError(
            f"the display {display} (DISPLAY) does not answer", hint="set DISPLAY, or use --save instead of --show"
        )


def _answers(display: str) -> bool:
    """Whether an X server listens at host:number.screen."""
    host, _, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not number.isdigit():
        return False
    try:
        if host in ("", "unix"):
            name = f"/tmp/.X11-unix/X{number}"
            for address in (name, "\0" + name):  # the second: Linux' abstract names
                with socket.socket(socket.AF_UNIX) as connection:
                    if connection.connect_ex(address) == 0:
                        return True
            return False
        if host.startswith("/"):  # XQuartz gives a socket's path
            return Path(display).exists()
        with socket.create_connection((host, 6000 + int(number)), timeout=3):
            return True
    except OSError:
        return False
