"""Whether and when a source that was lost is opened again."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pipeline.config import ReconnectConfig
from pipeline.errors import RefusedError, SourceError
from pipeline.live.backoff import patience, waits_s


class Attempts:
    """The attempts to open a source since its last frame; for the thread that reads.

    Args:
        rules: None: an error ends it.

    Attributes:
        number: of the attempt, from 1; 0 while frames come.
        reason: the first failure since the last frame; those that follow are its consequences.
    """

    def __init__(self, rules: ReconnectConfig | None) -> None:
        self._rules = rules
        self._dice = random.Random(None if rules is None else rules.seed)
        self._waits: Iterator[float] | None = None  # since the last frame
        self.number = 0
        self.reason = ""

    def begin(self) -> None:
        """One more is made."""
        self.number += 1

    def succeeded(self) -> None:
        """A frame came: the next failure is the first one again."""
        self.number, self.reason, self._waits = 0, "", None

    def failed(self, message: str) -> float:
        """Keep why, and say how long to wait before the next one, seconds; where `may_mend` said so."""
        self.reason = self.reason or message
        if self._waits is None:
            assert self._rules is not None  # without rules nothing may mend
            self._waits = waits_s(self._rules, self._dice)
        return next(self._waits)

    def may_mend(self, error: SourceError, gave_frames: bool) -> bool:
        """Whether another one is worth it.

        Args:
            error: what the last one met.
            gave_frames: the source did work before.
        """
        most = patience(self._rules, isinstance(error, RefusedError), gave_frames)
        return most is None or self.number < most

    def given_up(self, error: SourceError) -> SourceError:
        """The error, with how often it was tried."""
        if self.number < 2:
            return error
        return type(error)(f"{error.message}; given up after {self.number} attempts", hint=error.hint)
