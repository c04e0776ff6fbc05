"""Keeps what was seen before and after something happened: a black box in a folder."""

from __future__ import annotations

import re
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.config import EvidenceConfig
from pipeline.errors import SinkError
from pipeline.evidence.conditions import Condition
from pipeline.evidence.ring import Moment, Ring
from pipeline.evidence.saving import Saving, Why
from pipeline.evidence.shelf import Shelf
from pipeline.evidence.watching import Watcher
from pipeline.image import Image
from pipeline.memory import trim
from pipeline.records import encode_record
from pipeline.sinks.codecs import FINEST, VideoConfig, codec_named
from pipeline.sinks.packets import Packet, PacketEncoder
from pipeline.sinks.presentation import Presentation
from pipeline.types import Picture

_STRETCH_S = 1.0  # a picture that is decodable on its own at least so often: evidence may begin there
_NOTHING = Image((np.zeros((1, 1, 3), np.uint8),), "bgr24")
_REFUSED = (av.FFmpegError, OSError, ValueError, SinkError)


class EvidenceSink:
    """Encodes all the time, writes to the disk only where a condition came true.

    What cannot be written is noted and the run goes on: a full disk is no reason to stop watching the road.

    Args:
        folder: each event becomes a folder in it.
        config: the evidence section.
        conditions: as parsed from config.when.
        asked: why somebody wants evidence now, once for each time; "" where nobody does.
        video: of the encoder.
        source: its name, for people.
        live: seconds are counted by the clock of capture, else by the source's own times.
        rate: frames a second as the source states it.
        timing: whether measured times are put into the records.

    Raises:
        SinkError: the folder cannot be made, or the codec is unknown.
    """

    def __init__(
        self,
        folder: Path,
        config: EvidenceConfig,
        conditions: tuple[Condition, ...],
        *,
        asked: Callable[[], str] = lambda: "",
        video: VideoConfig | None = None,
        source: str = "",
        live: bool = False,
        rate: float | None = None,
        timing: bool = True,
    ) -> None:
        self.notes: list[str] = []
        self.saved: list[Path] = []
        self._config, self._asked, self._source, self._live, self._timing = config, asked, source, live, timing
        self._video = video or VideoConfig()
        self._codec = codec_named(self._video.codec)
        self._rate = Fraction(rate).limit_denominator(1001) if rate else None
        self._shelf = Shelf(folder, config.limit_mb * 1_000_000)
        self._watcher = Watcher(conditions)
        self._at_errors = next((one.text for one in conditions if one.kind == "error"), "")
        self._ring = Ring(config.before_s, config.memory_mb * 1_000_000)
        self._encoder: PacketEncoder | None = None
        self._saving: Saving | None = None
        self._quiet_until_s = float("-inf")  # of the ring's clock
        self._key_ticks = 0
        self._failed = False  # whether the last one could not be saved
        self._news: deque[str] = deque(maxlen=100)

    def news(self) -> list[str]:
        """What happened since the last call that a user should know at once; from any one thread."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def write(self, picture: Picture) -> None:
        """Take one picture, look whether anything happened, and go on with what is being saved.

        Raises:
            SinkError: the encoder refuses the pictures.
        """
        scene, done_s = picture.scene, time.monotonic()
        image = scene.frame.image if picture.image is None or self._config.picture == "source" else picture.image
        if self._encoder is None:
            self._open(image, picture)
        assert self._encoder is not None
        ticks = self._times.ticks(scene.frame)
        clock_s = scene.frame.captured_s if self._live else float(ticks * self._times.clock)
        key = not self._ring.stretches or ticks >= self._key_ticks
        if key:
            self._ring.begin(ticks, clock_s)
            self._key_ticks = ticks + max(1, round(Fraction(_STRETCH_S) / self._times.clock))
        packets = self._encoded(image, ticks, key)
        bare = replace(scene.frame, image=_NOTHING, truth=None)
        moment = Moment(ticks, clock_s, encode_record(scene, self._timing), bare, done_s, scene.dropped)
        self._ring.add(moment, packets)
        if self._saving is not None:
            self._go_on(self._saving, moment, packets)
        reasons = [(one.text, seen) for one, seen in self._watcher.look(scene, done_s - scene.frame.captured_s)]
        if asked := self._asked():
            reasons.append((asked, ""))
        for text, seen in reasons:
            self._happened(text, seen, moment)

    def close(self, whole: bool) -> None:
        """End what is being saved; after an error save the last seconds, where that was asked for."""
        if self._encoder is None:
            return
        if not whole and self._at_errors and self._saving is None and (last := self._ring.last) is not None:
            self._begin(self._at_errors, "the run ended with an error", last)
        if self._saving is not None:
            self._end(self._saving, "the run ended" if whole else "the run ended with an error", flush=True)
        if self._ring.short:
            self.notes.append(
                f"evidence reaches back less than {self._config.before_s:g} s: evidence.memory_mb is too little"
            )
        if self.saved:
            self.notes.append(f"evidence of {len(self.saved)} events in {self._shelf.folder}")
        self.notes += self._shelf.notes

    def _open(self, image: Image, picture: Picture) -> None:
        frame = picture.scene.frame
        self._times = Presentation(frame, 0.0, self._rate, finest=FINEST.get(self._codec))
        self._first = image
        self._encoder = PacketEncoder(self._codec, self._video, image, self._times.clock, self._rate)

    def _encoded(self, image: Image, ticks: int, key: bool) -> list[Packet]:
        assert self._encoder is not None
        try:
            return list(self._encoder.encode(image, ticks, key))
        except _REFUSED as error:
            raise SinkError(
                f"evidence: {self._codec} does not take these pictures: {error}",
                hint="try another codec; libx264 always works",
            ) from error

    def _happened(self, text: str, seen: str, moment: Moment) -> None:
        if self._saving is not None:
            self._saving.also(text, seen, moment)
        elif moment.clock_s >= self._quiet_until_s:
            self._begin(text, seen, moment)

    def _begin(self, text: str, seen: str, moment: Moment) -> None:
        name = re.sub(r"[^\w]+", "-", text).strip("-")[:40]
        start = self._ring.stretches[0].ticks
        try:
            folder, number = self._shelf.new(name)
            why = Why(text, seen, moment.frame.index, moment.frame.pts_s, self._source, number)
            try:
                saving = Saving(folder, why, moment, self._muxing(), start, self._times)
            except _REFUSED:
                shutil.rmtree(folder, ignore_errors=True)  # there is nothing in it yet
                raise
        except _REFUSED as error:
            self._refused(error)
            return
        self._saving = saving
        for stretch in list(self._ring.stretches):
            for old in stretch.moments:
                self._take(saving, old, [])
            self._take(saving, None, stretch.packets)

    def _muxing(self) -> dict[str, Any]:
        return {
            "container": "mp4",
            "codec": self._codec,
            "config": self._video,
            "first": self._first,
            "clock": self._times.clock,
            "rate": self._rate,
            "sound": None,
        }

    def _go_on(self, saving: Saving, moment: Moment, packets: list[Any]) -> None:
        over = moment.clock_s > saving.moment.clock_s + self._config.after_s
        self._take(saving, None if over else moment, packets)
        if over and self._saving is not None and saving.whole(packets):
            self._end(saving, "")

    def _take(self, saving: Saving, moment: Moment | None, packets: list[Any]) -> None:
        if saving is not self._saving:
            return  # it was given up
        try:
            saving.take(moment, packets)
        except _REFUSED as error:
            self._give_up(saving, error)

    def _end(self, saving: Saving, ended: str, flush: bool = False) -> None:
        assert self._encoder is not None
        if flush:
            with suppress(*_REFUSED):  # an encoder that has failed, which is told, holds nothing
                self._take(saving, None, list(self._encoder.flush()))
            if self._saving is None:
                return
        self._saving = None
        self._quiet_until_s = saving.last_clock_s + self._config.cooldown_s
        try:
            saving.close(ended)
        except _REFUSED as error:
            self._refused(error)
            return
        self.saved.append(saving.folder)
        self._failed = False
        self._shelf.tidy(saving.folder)
        trim()  # some seconds of records and packets were let go of: else 10 MB of holes between what came meanwhile

    def _give_up(self, saving: Saving, error: Exception) -> None:
        self._saving = None
        saving.abandon()
        self._refused(error)

    def _refused(self, error: Exception) -> None:
        told = f"evidence could not be saved in {self._shelf.folder}: {getattr(error, 'strerror', None) or error}"
        if told not in self.notes:
            self.notes.append(told)
        if not self._failed:  # once is enough
            self._news.append(told)
        self._failed = True
