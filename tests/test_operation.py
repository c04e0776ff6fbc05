"""A run that nobody sits in front of: signals, logs, and the files it is deployed with."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from command import dashmask

from pipeline.config import Config, RenderConfig
from pipeline.config_file import load
from pipeline.evidence import Evidence
from pipeline.flow import Flow
from pipeline.running.reloading import differences

CPU = ("--backend", "onnxruntime-cpu")
DEPLOY = Path(__file__).parents[1] / "configs/deploy"


class Child:
    """`dashmask run` over an endless drive, in a process of its own."""

    def __init__(self, folder: Path, *words: object) -> None:
        self._folder = folder
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", "run", "demo:size=160x120"]
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


def test_an_error_is_a_line_of_the_log_and_nothing_else(tmp_path: Path) -> None:
    said = dashmask("run", tmp_path / "none.mp4", "--log", "json", *CPU)
    lines = [json.loads(line) for line in said.err.splitlines()]
    assert (said.code, said.out, lines[-1]["event"], lines[-1]["level"]) == (2, "", "failed", "error")
    assert "there is no such file" in lines[-1]["text"]
    assert "traceback" not in lines[-1]
    said = dashmask("run", "demo", "--log", "jsn")
    assert (said.code, "expected text or json" in said.err) == (2, True)


def test_a_defect_keeps_its_traceback_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*told: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("pipeline.run.run", broken)
    said = dashmask("run", "demo", "--log", "json")
    (line,) = map(json.loads, said.err.splitlines())
    assert said.code == 1
    assert "KeyError: 'a defect'" in line["traceback"]


def test_every_changed_key_is_named() -> None:
    old = Config()
    new = Config(render=RenderConfig(alpha=0.25, blur=("car",)), model=("a.onnx",))
    assert dict(differences(old, new)) == {
        "model": '[] -> ["a.onnx"]',
        "render.alpha": "0.5 -> 0.25",
        "render.blur": '[] -> ["car"]',
    }
    assert not dict(differences(old, old))


def test_sigterm_drains_as_ctrl_c_does() -> None:
    from flow_parts import feed, same, stage

    from pipeline.flow import drain_on_interrupt

    before = signal.getsignal(signal.SIGTERM)
    flow = Flow[int](feed(iter(range(10**9))), [stage("a", same)])
    got = []
    with flow, drain_on_interrupt(flow):
        for x in flow:
            got.append(x)
            if x == 5:
                signal.raise_signal(signal.SIGTERM)
    assert got == list(range(len(got)))
    assert flow.ended_early
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_deployed_configuration_is_one() -> None:
    config = load(str(DEPLOY / "run.yaml"))
    assert config.evidence.when
    assert Evidence(load(str(DEPLOY / "run.yaml"), options={"evidence.folder": "e"})).conditions


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here: apt-get install systemd")
    unit = (DEPLOY / "dashmask.service").read_text()
    (tmp_path / "dashmask.service").write_text(unit.replace("/opt/dashmask/bin/dashmask", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "dashmask.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
