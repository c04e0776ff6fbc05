"""A backend that is stuck: broken off and begun again where that is possible, else told, with files playable."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from flow_parts import PATIENCE_S, each, feed, same, stage
from one_backend import need

from engines.backends.base import Backend, Done, Options, Ticket
from engines.backends.null import NullBackend
from engines.backends.restart import BrokenOffError, RestartingBackend, rescue
from engines.card import find_card
from engines.embedded import embedded_models
from engines.select import opener
from pipeline.flow import Flow, Pool, Stage, StallError
from pipeline.image import Image
from pipeline.preprocess import Preprocessor
from pipeline.types import Card, Frame, Prepared


def prepared(card: Card, size_hw: tuple[int, int] = (96, 128)) -> Prepared:
    image = Image((np.zeros((*size_hw, 3), np.uint8),), "bgr24")
    return Preprocessor(card.input, Pool).prepare(Frame(7, 0, Fraction(1), 0.0, image))


class Stuck(NullBackend):
    """Waits for its first call to be interrupted; then answers."""

    def __init__(self, card: Card, hangs: bool = True) -> None:
        super().__init__(card, Options(workers=1))
        self.entered, self._let_go, self._hangs = threading.Event(), threading.Event(), hangs

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        self.entered.set()
        if self._hangs:
            assert self._let_go.wait(PATIENCE_S)
            raise BrokenOffError("broken off")
        return super().submit(batch)

    def interrupt(self) -> None:
        self._let_go.set()


def test_what_was_broken_off_is_done_again_by_a_new_one(fcn_card: Card) -> None:
    first, second = Stuck(fcn_card), Stuck(fcn_card, hangs=False)
    backend = RestartingBackend(first, lambda: second)
    done: list[int] = []
    threads = [
        threading.Thread(target=lambda: done.append(len(backend.submit([prepared(fcn_card)]).result())))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    assert first.entered.wait(PATIENCE_S)
    assert rescue([NullBackend(fcn_card), backend]) == "null was interrupted"
    for thread in threads:
        thread.join(PATIENCE_S)
    assert done == [1, 1, 1]
    assert backend.notes == ["null was stuck at frame 7: broken off and started anew"]
    assert rescue([backend]) == ""  # once


def test_a_second_time_is_an_error(fcn_card: Card) -> None:
    first, second = Stuck(fcn_card), Stuck(fcn_card)
    backend = RestartingBackend(first, lambda: second)
    first.interrupt()
    second.interrupt()
    with pytest.raises(BrokenOffError):
        backend.submit([prepared(fcn_card)])


@pytest.mark.parametrize("name", ["onnxruntime-cpu", "openvino"])
def test_a_real_run_is_broken_off_in_the_middle(name: str) -> None:
    need(name)
    card = find_card(embedded_models()["roadnet-camvid"])
    options = Options(workers=1, threads=1)
    running = opener(name)(card, options)
    backend = RestartingBackend(running, lambda: opener(name)(card, options))
    frame = prepared(card, (360, 640))
    (truth,) = backend.submit([frame]).result()

    def break_off() -> None:
        while not backend.notes and not over.wait(0.002):
            running.interrupt()  # type: ignore[attr-defined]

    over = threading.Event()
    breaker = threading.Thread(target=break_off)
    breaker.start()
    try:
        (again,) = backend.submit([frame]).result()
    finally:
        over.set()
        breaker.join()
    assert backend.notes == [f"{name} was stuck at frame 7: broken off and started anew"]
    assert all(np.array_equal(a, b) for a, b in zip(again.arrays(), truth.arrays(), strict=True))
    backend.close()


def rescued(gate: threading.Event, rescue: Callable[[], str]) -> Flow[int]:
    def step(x: int) -> int:
        if x == 5:
            gate.wait(PATIENCE_S)
        return x

    stuck = stage("b", each(step))
    stuck = Stage("b", stuck.open, rescue=rescue)
    return Flow(feed(range(10)), [stage("a", same), stuck], stall_s=0.2, join_timeout_s=0.2)


def test_the_watchdog_rescues_before_it_gives_up() -> None:
    gate = threading.Event()

    def rescue() -> str:
        gate.set()
        return "b was interrupted"

    with rescued(gate, rescue) as flow:
        assert list(flow) == list(range(10))


def test_a_rescue_that_does_not_help_is_told() -> None:
    gate, calls = threading.Event(), []

    def rescue() -> str:
        calls.append(time.monotonic())
        return "b was interrupted"

    with pytest.raises(StallError) as caught, rescued(gate, rescue) as flow:
        list(flow)
    gate.set()
    assert len(calls) == 1
    assert str(caught.value) == "stage 'b' made no progress for 0.2 s; before, b was interrupted"
    assert any("still running" in note for note in caught.value.__notes__)


HANGS = """
import sys, threading
from engines.backends import null
submit = null.NullBackend.submit
def stuck(self, batch):
    if batch[0].frame.index == 12:
        threading.Event().wait()
    return submit(self, batch)
null.NullBackend.submit = stuck
from pipeline.cli import main
main()
"""


def test_a_thread_that_cannot_be_stopped_ends_with_the_process_and_files_are_playable(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    words = ["run", clip, "-m", models[1], "--backend", "null", "--save", "o.mp4", "--json", "o.jsonl"]
    words += ["--set", "flow.stall_s=1", "--set", "backend.workers=1"]
    done = subprocess.run(
        [sys.executable, "-c", HANGS, *map(str, words)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "error: stage 'infer' made no progress for 1 s at frame 12" in done.stderr
    assert "still running 5 s after the stop: infer" in done.stderr
    assert "Traceback" not in done.stderr
    records = [json.loads(line) for line in (tmp_path / "o.partial.jsonl").read_text().splitlines()]
    assert [record["index"] for record in records] == list(range(len(records)))
    assert len(records) >= 10
    with av.open(str(tmp_path / "o.partial.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 10


def test_a_second_ctrl_c_keeps_playable_files_under_names_that_say_so(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    words = ["run", clip, "-m", models[1], "--backend", "null", "--save", "o.mp4", "--json", "o.jsonl"]
    words += ["--set", "flow.stall_s=0", "--set", "backend.workers=1"]
    child = subprocess.Popen(
        [sys.executable, "-c", HANGS, *map(str, words)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    part = tmp_path / "o.part.jsonl"
    until_s = time.monotonic() + 60
    try:
        while not (part.exists() and part.read_bytes().count(b"\n") >= 12) and time.monotonic() < until_s:
            time.sleep(0.05)
        for _ in range(2):
            child.send_signal(signal.SIGINT)
            time.sleep(0.3)  # else the system makes one of them
        err = child.communicate(timeout=60)[1]
    finally:
        child.kill()
    assert child.returncode == -signal.SIGINT, err
    assert "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.partial.jsonl", "o.partial.mp4"]
    records = [json.loads(line) for line in (tmp_path / "o.partial.jsonl").read_text().splitlines()]
    assert [record["index"] for record in records] == list(range(12))
    with av.open(str(tmp_path / "o.partial.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 12


def test_a_backend_that_never_interrupts_is_used_as_it_is(fcn_card: Card) -> None:
    backend: Backend = NullBackend(fcn_card)
    assert isinstance(backend.submit([prepared(fcn_card)]), Done)
    assert rescue([backend]) == ""
