"""The black box of a run: what was seen before and after something happened, in a folder for each event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evidence.conditions import Condition, check_classes, parse
from pipeline.running.outputs import looked_for

if TYPE_CHECKING:
    from pipeline.types import Card, Sink, Source

__all__ = ["Evidence", "parse"]


class Evidence:
    """What a configuration wants kept. Conditions are checked before anything is opened.

    Args:
        config: of the run.

    Raises:
        ConfigError: a condition that is none, or conditions without a folder.
    """

    def __init__(self, config: Config) -> None:
        wanted = config.evidence
        if wanted.when and wanted.folder is None:
            raise ConfigError(f"--on {wanted.when[0]!r}: keep what where?", hint="add --evidence DIR")
        self.conditions: tuple[Condition, ...] = tuple(parse(text) for text in wanted.when)
        self.wanted = wanted.folder is not None
        self._config = config
        self._asked = 0, ""  # how often somebody asked, and why the last time

    @property
    def draws(self) -> bool:
        """Whether it wants pictures drawn."""
        return self.wanted and self._config.evidence.picture == "drawn"

    def ask(self, why: str) -> None:
        """Keep the last seconds, whatever is seen; legal from any thread and from a signal handler."""
        self._asked = self._asked[0] + 1, why

    def check(self, cards: Sequence[Card]) -> None:
        """Check the conditions against what the networks know. ConfigError: see check_classes."""
        objects = [name for card in cards if card.family != "semantic" for name in card.classes.names]
        labels = [name for card in cards if card.family == "semantic" for name in card.classes.names]
        check_classes(self.conditions, objects, labels, looked_for(cards, self._config.decode.classes))

    def sinks(self, source: Source, opened: list[Sink], inside: str = "") -> list[tuple[str, Callable[[], Sink]]]:
        """Name and opener of the sink, none where nothing is kept.

        Args:
            source: whose pictures come.
            opened: the sink is added when it is opened.
            inside: a folder for this source in the one that is configured; "": none.
        """
        return [("evidence", partial(self._open, source, opened, inside))] if self.wanted else []

    def _open(self, source: Source, opened: list[Sink], inside: str) -> Sink:
        from pipeline.evidence.sink import EvidenceSink
        from pipeline.sinks.codecs import VideoConfig

        out, wanted = self._config.output, self._config.evidence
        sink = EvidenceSink(
            Path(wanted.folder or ".", inside),
            wanted,
            self.conditions,
            asked=_Asked(lambda: self._asked),
            video=VideoConfig(codec=out.codec, crf=out.crf, preset=out.preset),
            source=source.info.name,
            live=source.live,
            rate=source.info.fps,
            timing=out.timing,
        )
        opened.append(sink)
        return sink


class _Asked:
    """Why somebody asked, once for each time, for one of several who want to know."""

    def __init__(self, now: Callable[[], tuple[int, str]]) -> None:
        self._now, self._known = now, 0

    def __call__(self) -> str:
        count, why = self._now()
        new, self._known = count != self._known, count
        return why if new else ""
