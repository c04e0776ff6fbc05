"""How long to wait before a source is tried again."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pipeline.config import ReconnectConfig


def waits_s(rules: ReconnectConfig, dice: random.Random) -> Iterator[float]:
    """The waits between attempts, seconds: doubled each time up to the longest, each with jitter; never ends."""
    wait_s = rules.first_wait_s
    while True:
        yield min(wait_s, rules.longest_wait_s) * (1 + rules.jitter * dice.uniform(-1, 1))
        wait_s = min(2 * wait_s, rules.longest_wait_s)


def patience(rules: ReconnectConfig | None, refused: bool, gave_frames: bool) -> int | None:
    """How many attempts in a row without a frame are made; None: any number.

    Args:
        rules: None: a source that is not opened again.
        refused: the last attempt met what does not mend itself.
        gave_frames: the source did work before.
    """
    if rules is None:
        return 0
    if refused:
        return rules.refused_attempts if gave_frames else 0
    return rules.attempts
