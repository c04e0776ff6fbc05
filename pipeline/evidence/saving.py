"""One piece of evidence while it is written."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from pipeline import __version__
from pipeline.evidence.ring import Moment
from pipeline.evidence.shelf import WHY
from pipeline.sinks.line_file import LineFile
from pipeline.sinks.mp4_boxes import cut_torn_fragment
from pipeline.sinks.muxer import Muxer
from pipeline.sinks.outputs import keep, write_whole
from pipeline.sinks.packets import Packet
from pipeline.sinks.presentation import Presentation
from pipeline.trace import Trace


@dataclass(frozen=True, slots=True)
class Why:
    """What happened."""

    because: str  # the condition as it was written, or the signal
    seen: str  # what was measured, for people
    frame: int
    pts_s: float
    source: str
    number: int = 0  # of the event in its folder, see Shelf


class Saving:
    """A folder with video.mp4, records.jsonl, trace.json and why.json.

    The video is written in fragments and the records line by line, so both are of use when the process is killed;
    why.json says `whole` once they are. The video's time zero is its first frame; intervals are the source's own.

    Args:
        folder: empty.
        why: what happened.
        moment: at which it happened.
        muxing: what Muxer is told besides the path.
        start: ticks of the first frame.
        times: of the pictures.

    Raises:
        SinkError, OSError, av.FFmpegError: nothing can be written there.
    """

    def __init__(
        self, folder: Path, why: Why, moment: Moment, muxing: Mapping[str, Any], start: int, times: Presentation
    ) -> None:
        self.folder, self.moment = folder, moment
        self.last_clock_s = moment.clock_s
        self._why, self._start, self._times = why, start, times
        self._moments: list[Moment] = []
        self._last_ticks = start
        self._also: list[dict[str, Any]] = []
        self._video = folder / "video.mp4"
        self._written = time.time()
        self._say(False, "")
        self._records = LineFile(folder / "records.jsonl")
        try:
            self._muxer = Muxer(self._video, **muxing)
        except BaseException:
            self._records.close()
            raise

    def take(self, moment: Moment | None, packets: Sequence[Packet]) -> None:
        """Write what belongs to it of the next frame; None: no more frames belong to it, only their pictures."""
        if moment is not None:
            self._records.write(moment.line)
            self._moments.append(moment)
            self._last_ticks, self.last_clock_s = moment.ticks, moment.clock_s
        for packet in packets:
            if self._start <= packet.ticks <= self._last_ticks:
                shown, decoded = packet.ticks - self._start, packet.decode_ticks - self._start
                self._muxer.copy(packet.data, shown, decoded, self._times.interval, packet.key)

    def whole(self, packets: Sequence[Packet]) -> bool:
        """Whether these packets are behind all of its own."""
        return any(packet.ticks > self._last_ticks for packet in packets)

    def also(self, text: str, seen: str, moment: Moment) -> None:
        """Something else happened meanwhile."""
        self._also.append({"because": text, "seen": seen, "frame": moment.frame.index, "pts_s": moment.frame.pts_s})

    def close(self, ended: str) -> None:
        """Finish the files. What why.json calls whole is on the disk: the power may go with what happened.

        Args:
            ended: why it is shorter than asked for; "": it is not.
        """
        self._records.close()
        self._muxer.close(None)
        for file in (self._video, self.folder / "records.jsonl"):
            keep(file)
        with Trace(self.folder / "trace.json") as trace:
            for moment in self._moments:
                trace.add(moment.frame, moment.done_s, moment.dropped)
        self._say(True, ended)

    def abandon(self) -> None:
        """Stop writing; what is there stays, and why.json says that it is not whole."""
        self._records.close()
        with suppress(av.FFmpegError, OSError, ValueError):  # the first error is the one that is told
            self._muxer.close(None)
        with suppress(OSError):
            cut_torn_fragment(self._video)

    def _say(self, whole: bool, ended: str) -> None:
        frames = self._moments
        zero_s = float(self._start * self._times.clock + self._times.origin)
        what = {
            "dashmask": __version__,
            "number": self._why.number,
            "because": self._why.because,
            "seen": self._why.seen,
            "frame": self._why.frame,
            "pts_s": self._why.pts_s,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._written)),
            "source": self._why.source,
            "first_frame": frames[0].frame.index if frames else None,
            "last_frame": frames[-1].frame.index if frames else None,
            "frames": len(frames),
            "video_zero_pts_s": zero_s,
            "also": self._also,
            "whole": whole,
            **({"ended": ended} if ended else {}),
        }
        write_whole(self.folder / WHY, json.dumps(what, indent=1, ensure_ascii=False).encode() + b"\n")
