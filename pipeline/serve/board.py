"""Everything the page shows: the sources, the classes, the networks; sampled once a second."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

from pipeline.errors import ConfigError
from pipeline.serve.station import Station
from pipeline.serve.tap import EndedError

EVERY_S = 1.0
HISTORY = 180  # samples that a new viewer gets


class Classes:
    """The classes of the networks, and which of them are not drawn. Read and set from any thread."""

    def __init__(self) -> None:
        self.known: tuple[tuple[str, tuple[int, int, int]], ...] = ()  # name and colour (R, G, B)
        self.hidden: frozenset[str] = frozenset()

    def hide(self, names: Collection[str]) -> None:
        """Draw these no more, and all others, from the next frame on.

        Raises:
            ConfigError: there is no such class.
        """
        known = {name for name, _ in self.known}
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"no model here knows the class {name[:60]!r}", hint=f"known are {', '.join(known)}"
                )
        self.hidden = frozenset(names)

    def describe(self) -> list[dict[str, Any]]:
        """For the page."""
        return [
            {"name": name, "colour": "#{:02x}{:02x}{:02x}".format(*colour), "shown": name not in self.hidden}
            for name, colour in self.known
        ]


class Board:
    """What the page shows, and the samples of its plots.

    Args:
        stations: one for each source; none for an API without a page.
        classes: of the networks.
    """

    def __init__(self, stations: Sequence[Station], classes: Classes) -> None:
        self.stations, self.classes = tuple(stations), classes
        self.models: list[dict[str, Any]] = []  # what runs
        self._history: deque[dict[str, Any]] = deque(maxlen=HISTORY)
        self._run, self._number = secrets.token_hex(8), 0
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False

    async def sample_for_ever(self) -> None:
        """Take a sample each second, whether anybody looks or not: who comes later sees how it came about."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s = max(due_s + EVERY_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            sources = {str(station.number): station.meter.sample() for station in self.stations}
            self._number += 1
            self._history.append({"number": self._number, "sources": sources})
            self.changed()

    def changed(self) -> None:
        """Wake those who wait for news; in the loop."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
        self._waiting = None

    async def news(self) -> None:
        """Wait for the next sample, or for a switch that somebody turned.

        Raises:
            EndedError: the server ends.
        """
        if self._closed:
            raise EndedError
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiting)
        if self._closed:
            raise EndedError

    def describe(self, after: int = 0) -> dict[str, Any]:
        """Everything, with the samples behind one already seen."""
        return {
            "models": self.models,
            "classes": self.classes.describe(),
            "sources": [station.describe() for station in self.stations],
            "every_s": EVERY_S,
            "run": self._run,
            "number": self._number,
            "samples": [sample for sample in self._history if sample["number"] > after],
        }

    def fps(self, number: int) -> float:
        """The rate of a source in the last sample; 0 where there is none yet."""
        return float(self._history[-1]["sources"][str(number)]["fps"]) if self._history else 0.0

    def close(self) -> None:
        """Send everybody away; in the loop."""
        self._closed = True
        for station in self.stations:
            station.close()
        self.changed()
