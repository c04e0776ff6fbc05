"""A headless Chromium, spoken to over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str | None:
    """Where it is, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """The one tab of a browser."""

    def __init__(self, socket: Any) -> None:
        self._socket, self._number = socket, 0
        self.errors: list[str] = []  # what the page's console said that is an error

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol, and its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=PATIENCE_S))
            if message.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(message["params"]["exceptionDetails"])[:800])
            elif message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.errors.append(json.dumps(message["params"]["entry"])[:800])
            elif message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]

    def screen(self, width: int, height: int, dark: bool, phone: bool = False) -> None:
        """Be a window of that size, in CSS pixels, or a phone."""
        scale = 2 if phone else 1
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.run(script):
            assert time.monotonic() < deadline_s, f"it never holds: {script}"
            time.sleep(0.1)

    def picture(self) -> bytes:
        """A PNG of what is seen."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browser() -> Iterator[Page]:
    """A browser with an empty page."""
    from websockets.sync.client import connect

    program = chromium()
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0"]
        child = subprocess.Popen(
            [program, *words, f"--user-data-dir={home}", "about:blank"],
            env=os.environ | {"HOME": home},  # it writes nothing into the user's
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert child.stderr is not None
            found = next(filter(None, (re.search(r"listening on ws://([^/]+)/", line) for line in child.stderr)))
            with urllib.request.urlopen(f"http://{found[1]}/json", timeout=PATIENCE_S) as answer:
                tab = next(one for one in json.load(answer) if one["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None, open_timeout=PATIENCE_S) as socket:
                page = Page(socket)
                for domain in ("Runtime", "Log", "Page"):
                    page.call(f"{domain}.enable")
                yield page
        finally:
            child.kill()
            child.wait()
            assert child.stderr is not None
            child.stderr.close()
