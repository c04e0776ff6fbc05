"""One source as the page sees it: its numbers, its pictures, its recording."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from pipeline.config import WebConfig
from pipeline.serve.encoding import copied, jpeg, png, shrunk
from pipeline.serve.meter import Meter
from pipeline.serve.recorder import Recorder
from pipeline.serve.source_state import SourceState, Stateful, state_of
from pipeline.serve.tap import Tap
from pipeline.types import Picture


class Station:
    """What belongs to one source.

    Args:
        number: in the addresses of the API, from 0.
        name: for people.
        source: asked for its state.
        meter: counts its frames.
        recorder: takes its pictures.
        loop: of the server.
        web: sizes, rates, patience.
    """

    def __init__(
        self,
        number: int,
        name: str,
        source: Stateful,
        meter: Meter,
        recorder: Recorder,
        loop: asyncio.AbstractEventLoop,
        web: WebConfig,
    ) -> None:
        self.number, self.name, self.source = number, name, source
        self.meter, self.recorder = meter, recorder
        self.live = Tap(loop, partial(shrunk, width=web.width), partial(jpeg, quality=web.quality), web.fps)
        self.still = Tap(loop, copied, png)
        self.viewers = 0  # live pictures that are open
        self._stalled_s = web.stalled_s

    @property
    def wanted(self) -> bool:
        """Whether the next picture has to be drawn. From any thread; costs nothing."""
        return self.live.wanted or self.still.wanted or self.recorder.wanted

    def add(self, picture: Picture, done_s: float) -> None:
        """A frame that is done, drawn or not; in the thread that takes them."""
        self.meter.add(picture.scene.frame, done_s)
        if picture.image is not None:
            self.live.offer(picture.image)
            self.still.offer(picture.image)

    def state(self) -> SourceState:
        """How the source is."""
        return state_of(self.source, self.meter.totals().last_s, self._stalled_s)

    def describe(self) -> dict[str, Any]:
        """What changes with time, for the page."""
        totals, info, state = self.meter.totals(), self.source.info, self.state()
        size_hw = totals.size_hw or info.size_hw
        return {
            "id": self.number,
            "name": self.name,
            "address": info.name,
            "live": info.live,
            "state": state.state,
            "since_s": round(state.since_s, 1),
            "attempt": state.attempt,
            "reason": state.reason,
            "gaps": state.gaps,
            "frames": totals.frames,
            "size": list(size_hw[::-1]) if size_hw else None,
            "viewers": self.viewers,
            "recording": self.recorder.state(),
        }

    def close(self) -> None:
        """Send everybody away who waits for a picture; in the loop."""
        self.live.close()
        self.still.close()
