"""When pictures were taken, by the clock of whoever sends them, which may be wrong."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

import pytest

from pipeline.sources.sender import SIDE_DATA, Sender


@dataclass(frozen=True)
class Packet:
    """As FFmpeg gives it behind a sender report; PyAV cannot make one."""

    sent_us: int

    def has_sidedata(self, name: str) -> bool:
        return name == SIDE_DATA

    def get_sidedata(self, name: str) -> bytes:
        return struct.pack("<qi", self.sent_us, 0)


def ages_s(told: list[tuple[float, float]]) -> list[float]:
    """How old each picture seems on its arrival; given when it was taken and when it arrived, by the sender's clock
    and by ours, seconds."""
    sender, now_s = Sender(), time.time()
    ages = []
    for taken_s, arrived_s in told:
        packet = Packet(round((now_s + taken_s - arrived_s) * 1e6))  # all of them arrive just now
        ages.append(arrived_s - sender.taken_s(packet, arrived_s))
    return ages


def test_a_right_clock_tells_what_the_way_took() -> None:
    assert ages_s([(0, 0.1), (1, 1.2), (2, 6.0), (3, 6.0), (4, 6.0), (6, 6.1)]) == pytest.approx(
        [0.1, 0.2, 4, 3, 2, 0.1], abs=0.05
    )


@pytest.mark.parametrize("behind_s", [1.5, 3, 8])
def test_a_clock_that_is_behind_makes_no_picture_older(behind_s: float) -> None:
    told = [(number - behind_s, number + late_s) for number, late_s in enumerate([0.1, 0.1, 0.6, 0.1])]
    assert ages_s(told) == pytest.approx([0, 0, 0.5, 0], abs=0.05)


@pytest.mark.parametrize(("before_s", "after_s"), [(0, -3), (0, -600), (-600, 0), (-3, 0), (0, 600), (3, 0)])
def test_a_clock_that_is_set_anew_makes_no_picture_older_for_long(before_s: float, after_s: float) -> None:
    told = [(number + (before_s if number < 5 else after_s), number + 0.1) for number in range(10)]
    assert all(age_s <= 0.15 for age_s in ages_s(told))
