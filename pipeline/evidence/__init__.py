"""The black box of a run: what was seen before and after something happened, in a folder for each event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.evidence.conditions import Condition, check_classes, parse

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
        self._asked = ""

    @property
    def draws(self) -> bool:
        """Whether it wants pictures drawn."""
        return self.wanted and self._config.evidence.picture == "drawn"

    def ask(self, why: str) -> None:
        """Keep the last seconds, whatever is seen; legal from any thread and from a signal handler."""
        self._asked = why

    def check(self, cards: Sequence[Card]) -> None:
        """Check the conditions against what the networks know. ConfigError: see check_classes."""
        objects = [name for card in cards if card.family != "semantic" for name in card.classes.names]
        labels = [name for card in cards if card.family == "semantic" for name in card.classes.names]
        check_classes(self.conditions, objects, labels)

    def sinks(self, source: Source, opened: list[Sink]) -> list[tuple[str, Callable[[], Sink]]]:
        """Name and opener of the sink, none where nothing is kept; it is added to `opened` when it is opened."""
        return [("evidence", partial(self._open, source, opened))] if self.wanted else []

    def _open(self, source: Source, opened: list[Sink]) -> Sink:
        from pipeline.evidence.sink import EvidenceSink
        from pipeline.sinks.codecs import VideoConfig

        out, wanted = self._config.output, self._config.evidence
        sink = EvidenceSink(
            Path(wanted.folder or "."),
            wanted,
            self.conditions,
            asked=self._take,
            video=VideoConfig(codec=out.codec, crf=out.crf, preset=out.preset),
            source=source.info.name,
            live=source.live,
            rate=source.info.fps,
            timing=out.timing,
        )
        opened.append(sink)
        return sink

    def _take(self) -> str:
        asked, self._asked = self._asked, ""
        return asked
