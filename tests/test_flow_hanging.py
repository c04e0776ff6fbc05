"""The flow: who hangs is named, who waits is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flow_parts import PATIENCE_S, each, feed, run, same, stage, wait
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow, Stage, StallError, Step

pytestmark = pytest.mark.timeout(60)
HERE = Path(__file__).parent


def stuck_flow(gate: threading.Event, **options: Any) -> tuple[Flow[int], threading.Event]:
    hangs = threading.Event()

    def hang(x: int) -> int:
        hangs.set()
        gate.wait(PATIENCE_S)
        return x

    return Flow(feed(count()), [stage("a", same), stage("b", each(hang))], **options), hangs


def let_go(gate: threading.Event) -> None:
    gate.set()
    for thread in threading.enumerate():
        if thread.name in ("a", "b"):
            thread.join(PATIENCE_S)


def test_a_stuck_stage_is_named_on_leaving() -> None:
    gate = threading.Event()
    flow, hangs = stuck_flow(gate, join_timeout_s=0.1)

    def leave() -> None:
        with flow:
            wait(hangs)

    with pytest.raises(TimeoutError, match=r"^still running 0\.1 s after the stop: b$"):
        leave()
    let_go(gate)


def test_a_stuck_stage_is_noted_on_the_callers_own_error() -> None:
    gate = threading.Event()
    flow, hangs = stuck_flow(gate, join_timeout_s=0.1)

    def leave() -> None:
        with flow:
            wait(hangs)
            raise KeyError

    with pytest.raises(KeyError) as caught:
        leave()
    assert caught.value.__notes__ == ["still running 0.1 s after the stop: b"]
    let_go(gate)


def test_the_watchdog_names_the_stage_that_makes_no_progress() -> None:
    gate = threading.Event()
    flow, _ = stuck_flow(gate, join_timeout_s=0.1, stall_s=0.2)
    with pytest.raises(StallError, match=r"^stage 'b' made no progress for 0\.2 s"):
        run(flow)
    let_go(gate)


@pytest.mark.parametrize("part", ["open", "drain", "close"])
def test_the_watchdog_sees_a_stage_that_hangs_elsewhere(part: str) -> None:
    gate = threading.Event()

    class Hangs:
        def hang(self, here: str) -> None:
            if here == part:
                gate.wait(PATIENCE_S)

        def __enter__(self) -> Hangs:
            self.hang("open")
            return self

        def __call__(self, batch: list[int]) -> list[int]:
            return batch

        def drain(self) -> list[int]:
            self.hang("drain")
            return []

        def __exit__(self, *error: object) -> None:
            self.hang("close")

    with pytest.raises(StallError, match="stage 'b' made no progress"):
        run(Flow(feed(range(3)), [stage("a", same), Stage("b", Hangs)], join_timeout_s=0.1, stall_s=0.2))
    let_go(gate)


def test_waiting_is_no_stall() -> None:
    pause_s = 2.4

    def numbers() -> Iterator[int]:
        yield 0
        time.sleep(pause_s)  # a quiet source
        yield from range(1, 20)

    @contextmanager
    def slow_to_open() -> Iterator[Step]:
        time.sleep(pause_s)  # before any input has come this far
        yield same

    def slow_caller(x: int) -> None:
        if x == 10:
            time.sleep(pause_s)

    stages = [stage("a", lambda batch: [x for x in batch if x], workers=2), Stage("b", slow_to_open)]
    assert run(Flow(feed(numbers()), stages, stall_s=1.2), slow_caller) == list(range(1, 20))


STOPPED = """
import time
from flow_parts import feed, run, stage
from pipeline.flow import Flow

def slow(batch):
    if batch == [3]:
        print("now", flush=True)
    time.sleep(0.3)
    return batch

print(len(run(Flow(feed(range(6)), [stage("a", slow)], stall_s=1.5))))
"""


def test_a_process_that_was_stopped_and_goes_on_is_no_stall() -> None:
    """A container that is paused, a machine that is suspended: its clock goes on."""
    environment = os.environ | {"PYTHONPATH": f"{HERE.parent}{os.pathsep}{HERE}"}
    command = [sys.executable, "-c", STOPPED]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "now\n"
    child.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    child.send_signal(signal.SIGCONT)
    assert child.communicate(timeout=60)[0] == "6\n"
