"""Signals and a flow: the first one drains it, the second one cancels it, the third one kills, wherever it hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from flow_parts import PATIENCE_S, feed, same, stage
from flow_parts import no_thread_is_left as no_thread_is_left

from pipeline.flow import Flow, drain_on_interrupt

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_and_the_old_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    flow = Flow[int](feed(count()), [stage("a", same)])
    got = []
    with flow, drain_on_interrupt(flow):
        for x in flow:
            got.append(x)
            if x == 5:
                signal.raise_signal(number)
    assert got == list(range(len(got)))
    assert flow.ended_early
    assert signal.getsignal(number) is before


CHILD = """
import ctypes, sys, threading, time
from contextlib import contextmanager
from itertools import count
from pipeline.flow import Flow, Stage, drain_on_interrupt, listener

listener.GRACE_S = float(sys.argv[2])
read = 0

def numbers():
    global read
    for read in count(1):
        yield read
        time.sleep(1e-3)

@contextmanager
def source():
    yield numbers()

def step(batch):
    if sys.argv[1] in ("hangs", "slow") and batch[0] == 5:
        print("ready", flush=True)
        flow.stopping.wait()
        print("stopping", flush=True)
        if sys.argv[1] == "hangs":
            threading.Event().wait()
        time.sleep(0.5)
    return batch

@contextmanager
def opened():
    try:
        yield step
    except BaseException as error:
        print(type(error).__name__, flush=True)

def hang_in_c():
    lock = ctypes.create_string_buffer(64)  # a mutex that is taken twice: no signal wakes who waits for it
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(lock)

flow = Flow(source, [Stage("a", opened, capacity=5)])
got = 0
with flow, drain_on_interrupt(flow):
    for item in flow:
        got += 1
        assert item == got
        if got == 20:
            print("ready", flush=True)
            if sys.argv[1] == "hangs in C":
                hang_in_c()
print("drained", got == read > 20, flush=True)
"""


@contextmanager
def child(kind: str, grace_s: float = 1) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, kind, str(grace_s)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_ctrl_c_drains() -> None:
    with child("works") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "drained True\n"
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_closes_what_is_open_as_after_an_error(sent: signal.Signals, code: int) -> None:
    with child("slow", grace_s=PATIENCE_S) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(sent)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(sent)
        assert process.stdout.read() == "Cancelled\n"  # and nothing was drained
        assert process.wait(PATIENCE_S) == code


def test_a_third_ctrl_c_exits_at_once() -> None:
    with child("hangs", grace_s=1000) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == -signal.SIGINT


@pytest.mark.parametrize("signals", [2, 3])
def test_signals_kill_though_the_main_thread_hangs_in_c_code(signals: int) -> None:
    with child("hangs in C", grace_s=1 if signals == 2 else 1000) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(signals):
            time.sleep(0.3)  # else the system makes one of them
            process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "Cancelled\n"
        assert process.wait(PATIENCE_S) == 130


def test_a_second_ctrl_c_exits_whatever_hangs() -> None:
    with child("hangs") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == -signal.SIGINT  # 130 in a shell
