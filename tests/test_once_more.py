"""A native call that hangs is begun once more, and given up where nothing moves."""

from __future__ import annotations

import time
from threading import Event, Thread

import pytest

from engines.backends.once_more import once_more


@pytest.fixture
def _on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is at work here may get less than the shares of a core by which it is known."""
    monkeypatch.setattr("engines.backends.once_more._IDLE", 1e-3)
    monkeypatch.setattr("engines.backends.once_more._ALONE", 1e-3)


def test_a_call_that_hangs_is_made_once_more() -> None:
    never = Event()
    assert once_more(lambda number: number if number else never.wait(), again_s=0.05) == 1
    never.set()


def test_two_calls_that_hang_are_given_up() -> None:
    never = Event()
    with pytest.raises(TimeoutError, match="nothing has moved"):
        once_more(lambda number: never.wait(), again_s=0.05, still_s=0.3)
    never.set()


@pytest.mark.usefixtures("_on_a_busy_machine")
def test_two_calls_that_hang_are_given_up_beside_other_work_in_the_process() -> None:
    never, enough = Event(), Event()

    def other_work() -> None:
        while not enough.is_set():
            pass

    beside = Thread(target=other_work)
    beside.start()
    try:
        with pytest.raises(TimeoutError, match=r"has waited for 0\.6 s"):
            once_more(lambda number: never.wait(), again_s=0.05, still_s=0.2, alone_s=0.6)
    finally:
        enough.set()
        never.set()
        beside.join()


@pytest.mark.usefixtures("_on_a_busy_machine")
def test_a_slow_call_comes_to_its_end_though_the_second_hangs() -> None:
    never = Event()

    def work(number: int) -> str:
        if number:
            never.wait()
        until_s = time.monotonic() + 1.2
        while time.monotonic() < until_s:
            pass
        return "slow"

    assert once_more(work, again_s=0.05, still_s=0.4, alone_s=0.4) == "slow"
    never.set()


def test_what_a_call_raises_is_raised() -> None:
    def work(number: int) -> None:
        raise RuntimeError("no such operator")

    with pytest.raises(RuntimeError, match="no such operator"):
        once_more(work)
