"""A run whose settings are read anew while it goes on, at SIGHUP; and the other signals beside it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from pipeline.config import Config, RenderConfig
from pipeline.running.reloading import differences

CPU = ("--backend", "onnxruntime-cpu")


class Child:
    """`dashmask run` over an endless drive, in a process of its own."""

    def __init__(self, folder: Path, *words: object, start: str = "from pipeline.cli import main; main()") -> None:
        self._folder = folder
        command = [sys.executable, "-c", start, "run", "demo:size=160x120"]
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen([*command, *map(str, words)], cwd=folder, stderr=self._log)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self._folder / "log").read_text().splitlines()]

    def wait(self, until: Callable[[], object]) -> None:
        until_s = time.monotonic() + 100
        while not until():
            assert self.process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until_s, (self._folder / "log").read_text()
            time.sleep(0.05)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(100)
        finally:
            self.process.kill()
            self._log.close()


def records(folder: Path, name: str = "o.part.jsonl") -> list[dict[str, Any]]:
    path = folder / name
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line) for line in whole.splitlines()]


def test_a_run_is_reloaded_asked_for_evidence_and_ended_by_signals(models: tuple[Path, Path], tmp_path: Path) -> None:
    settings = tmp_path / "run.yaml"
    settings.write_text(f"model: [{models[1]}]\nrender: {{view: overlay}}\n")
    words = ("--json", "o.jsonl", "--save", "o.mp4", "--evidence", "e", *CPU)
    child = Child(tmp_path, "--config", settings, "--log", "json", *words)
    try:
        child.wait(lambda: len(records(tmp_path)) > 5)
        settings.write_text("render: {vew: masks}\n")
        child.process.send_signal(signal.SIGHUP)
        child.wait(lambda: any("not reloaded" in line.get("text", "") for line in child.lines()))
        settings.write_text(
            f"model: [{models[1]}]\nrender: {{view: masks}}\ndecode: {{conf: 0.85}}\nsource: {{every: 3}}\n"
        )
        child.process.send_signal(signal.SIGHUP)
        child.wait(lambda: len(records(tmp_path)[-1]["instances"]) == 1)
        child.process.send_signal(signal.SIGUSR1)
        child.wait(lambda: list((tmp_path / "e").glob("*/why.json")))
    finally:
        code = child.end()
    assert code == 0
    lines = child.lines()  # every line is JSON
    texts = [line.get("text", "") for line in lines]
    assert any('render.view "overlay" -> "masks", decode.conf 0.25 -> 0.85' in text or
               'decode.conf 0.25 -> 0.85, render.view "overlay" -> "masks"' in text for text in texts)  # fmt: skip
    assert any("needs a new start: source.every 1 -> 3" in text for text in texts)
    assert any("did you mean `view`" in text for text in texts)
    assert lines[0]["event"] == "started"
    assert lines[-1]["event"] == "finished"
    assert lines[-1]["interrupted"] is True
    kept = records(tmp_path, "o.jsonl")
    assert len(kept[0]["instances"]) == 2
    assert len(kept) == lines[-1]["frames"]["processed"]
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == len(kept)
    (why,) = (json.loads(path.read_text()) for path in (tmp_path / "e").glob("*/why.json"))
    assert (why["because"], why["whole"]) == ("SIGUSR1", True)


WHILE_LOADING = """
import os, signal
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # else NumPy starts threads here already, which `main` does later
from pipeline.cli import main
from pipeline.running.loading import Loading

load = Loading.__init__

def signalled(self, *told):
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGUSR1)
    load(self, *told)

Loading.__init__ = signalled
main()
"""


def test_signals_that_come_while_networks_load_are_heard_once_they_have(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ("-m", models[1], "--evidence", "e", "--log", "json", *CPU)
    child = Child(tmp_path, *words, start=WHILE_LOADING)
    try:
        child.wait(lambda: list((tmp_path / "e").glob("*/why.json")))
        child.wait(lambda: any("nothing new" in line.get("text", "") for line in child.lines()))
    finally:
        code = child.end()
    assert code == 0


def test_every_changed_key_is_named() -> None:
    old = Config()
    new = Config(render=RenderConfig(alpha=0.25, blur=("car",)), model=("a.onnx",))
    assert dict(differences(old, new)) == {
        "model": '[] -> ["a.onnx"]',
        "render.alpha": "0.5 -> 0.25",
        "render.blur": '[] -> ["car"]',
    }
    assert not dict(differences(old, old))
