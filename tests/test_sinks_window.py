"""The window: pictures until it is closed, and what is said where there is no display."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sinks_parts import in_child

from pipeline.errors import SinkError
from pipeline.sinks.window import Window


def test_without_a_display_the_window_is_a_plain_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for display, says in [("", "no display"), (":987", "does not answer"), ("nonsense", "does not answer")]:
        monkeypatch.setenv("DISPLAY", display)
        with pytest.raises(SinkError, match=says):
            Window("dashmask")
    monkeypatch.setenv("DISPLAY", "")
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    with pytest.raises(SinkError, match="only Wayland"):
        Window("dashmask")


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """An X server of our own, whose screen is the file Xvfb_screen0."""
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("no Xvfb here, an X server without a screen: apt-get install xvfb")
    reading, writing = os.pipe()
    screen = ["-screen", "0", "640x480x24", "-fbdir", str(tmp_path)]
    process = subprocess.Popen(
        [server, "-displayfd", str(writing), "-nolisten", "tcp", *screen],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as numbers:
        number = numbers.readline().strip()
    try:
        if not number:
            pytest.skip("Xvfb does not start here")
        yield f":{number}"
    finally:
        process.terminate()
        process.wait(10)


SHOW = """
import os, sys
os.environ["DISPLAY"] = sys.argv[1]
os.environ.pop("QT_QPA_PLATFORM", None)
import cv2
from pipeline.sinks.window import Window
from sinks_parts import *
window = Window("dashmask test")
orange = Image((np.full((200, 300, 3), (17, 99, 251), np.uint8),), "bgr24")
print(all(window.show(picture(i, image=orange)) for i in range(20)))
screen = np.frombuffer(Path(sys.argv[2], "Xvfb_screen0").read_bytes()[-640 * 480 * 4 :], np.uint8)
print((screen.reshape(480, 640, 4)[..., :3] == (17, 99, 251)).all(axis=2).sum())
cv2.destroyWindow("dashmask test")
print(window.show(picture(9, image=orange)))
window.close()
"""


def test_a_window_shows_pictures_until_it_is_closed(display: str, tmp_path: Path) -> None:
    child = in_child(SHOW, display, str(tmp_path))
    assert child.stdout.splitlines() == ["True", "60000", "False"], child.stdout + child.stderr
    assert child.stderr == ""
