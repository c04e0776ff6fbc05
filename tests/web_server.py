"""A real server on this machine, as a command that is ended with Ctrl-C, and how a program speaks to it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 60


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A server that runs."""

    def __init__(self, child: subprocess.Popen[str], url: str) -> None:
        self.child, self.url = child, url
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        self.host, self.port = place.hostname, place.port
        self.said: list[str] = []
        self._interrupted = False

    def interrupt(self) -> None:
        """Ctrl-C, once: a second one would kill it."""
        if not self._interrupted:
            self._interrupted = True
            os.kill(self.child.pid, signal.SIGINT)

    def ask(
        self, path: str, method: str = "GET", body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answered:
        """One request; a dictionary is sent as JSON."""
        connection = HTTPConnection(self.host, self.port, timeout=PATIENCE_S)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method, path, data, dict(headers or {}))
            answer = connection.getresponse()
            return Answered(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@contextmanager
def served(*words: object) -> Iterator[Running]:
    """`dashmask WORDS...` once it has said where it answers; ended with Ctrl-C, and it must end well."""
    if "--backend" not in words:  # what is tested is the page; OpenVINO was seen to hang while it compiles under load
        words = (*words, "--backend", "onnxruntime-cpu")
    child = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", "from pipeline.cli import main; main()", *map(str, words)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said: list[str] = []
    killer = threading.Timer(PATIENCE_S, child.send_signal, [signal.SIGABRT])  # it says where each thread stands
    killer.start()
    try:
        assert child.stderr is not None
        for line in child.stderr:
            said.append(line)
            if found := re.search(r"https?://\S+/(\?token=\S+)?", line):
                break
        else:
            raise AssertionError(f"{child.wait(PATIENCE_S)}: " + "".join(said))
        running = Running(child, found[0])
        reader = threading.Thread(target=lambda: said.extend(child.stderr or ()), daemon=True)
        reader.start()
        running.said = said
        killer.cancel()
        yield running
        running.interrupt()
        code = child.wait(PATIENCE_S)
        assert code == 0, f"{code}: " + "".join(said)
        reader.join(5)
        assert not re.search("Traceback|Exception", "".join(said)), "".join(said)
    finally:
        killer.cancel()
        child.kill()
        child.wait()
        assert child.stderr is not None
        child.stderr.close()
