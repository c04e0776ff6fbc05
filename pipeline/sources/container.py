"""Frames out of anything FFmpeg opens: files, cameras and network streams share this source."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from pipeline.errors import RefusedError, SourceError
from pipeline.media import open_media
from pipeline.sources import SourceOptions, keeps_times
from pipeline.sources.clock import Clock
from pipeline.sources.pace import IN_PIECES, Pace
from pipeline.sources.planes import PlaneReader
from pipeline.sources.reading import Reading
from pipeline.types import Frame, SourceInfo

ONE_THREAD_PX = 1280 * 720  # up to here one core decodes faster than any network runs
MISSING_S = 1.0  # a recording that ends so long before its stated end is worth a word
KEY_FRAME_S = 20.0  # a live stream may be joined so long before its next key frame


@dataclass(frozen=True, slots=True)
class Request:
    """What FFmpeg is asked to open."""

    url: str
    format: str | None = None  # None: found out from the content
    options: dict[str, str] = field(default_factory=dict)
    timeout_s: tuple[float, float] | None = None  # to open, to read once; only network protocols keep it


class ContainerSource:
    """A source that FFmpeg reads; see pipeline.types.Source. Subclasses say what is opened and word the errors.

    Up to 1280x720 one thread decodes: 4 to 8 % less CPU and 3 MB less memory than with two frame threads,
    and the network has the other cores. Larger recordings are decoded by up to four.

    Args:
        name: for people; holds no password.
        request: what to open.
        options: how.
    """

    live: bool = False
    _in_one_go = ""  # what to do where a pipe gives no picture; "": what is read can be sought in

    def __init__(self, name: str, request: Request, options: SourceOptions) -> None:
        self._name = name
        self._request = request
        self._options = options
        self.notes: list[str] = []  # what a user should know, once the frames have ended
        self._info = SourceInfo(name, live=self.live)
        self._container: InputContainer | None = None
        self._reading: Reading | None = None
        self._running: Generator[Frame] | None = None

    @property
    def info(self) -> SourceInfo:
        """What is known so far; complete once the first frame has come."""
        return self._info

    @property
    def undecodable(self) -> int:
        """Packets that did not decode so far; they are left out."""
        return 0 if self._reading is None else self._reading.undecodable

    def __enter__(self) -> Iterator[Frame]:
        """Open; the frames come from the iterator.

        Raises:
            SourceError: here, where it cannot be opened; from the iterator, where it cannot be read.
        """
        self._check()
        try:
            self._container = self._open()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._not_opened(error) from None  # FFmpeg's text holds the address, with its password
        try:
            self._running = self._frames(self._container, self._choose(self._container))
            return self._running
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        if self._running is not None:
            self._running.close()  # first: PyAV reads freed memory once its container is closed
            self._running = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _check(self) -> None:
        """Cheap tests with clear answers, before FFmpeg is asked."""

    def _open(self) -> InputContainer:
        asked = self._request
        return open_media(
            asked.url, format=asked.format, options=asked.options | self._limit, timeout=asked.timeout_s
        )

    @property
    def _limit(self) -> dict[str, str]:
        most_px = self._options.most_px
        return {} if most_px is None else {"max_pixels": str(most_px)}

    def _wait(self) -> None:
        """Before each read: TimeoutError where nothing comes and FFmpeg would wait for ever."""

    def _not_opened(self, error: Exception) -> SourceError:
        """What to say when it could not be opened."""
        raise NotImplementedError

    def _lost(
        self, failure: Exception | None, last_s: Fraction | None, length_s: Fraction | None
    ) -> SourceError | None:
        """What to say when reading failed, or ended without a failure; None where that was the end.

        Args:
            failure: as it was raised; None: the data ended.
            last_s: when the last picture is shown, seconds from the start; None: there was none.
            length_s: how long all of it should be, seconds; None: unknown.
        """
        raise NotImplementedError

    def _choose(self, container: InputContainer) -> VideoStream:
        """The video stream, ready to decode. The cover of a song is none."""
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            what = "only sound" if container.streams.audio else "neither pictures nor sound"
            raise RefusedError(f"{self._name} has no video in it, {what}", hint="give one with video")
        best = container.streams.best("video")
        stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
        context = stream.codec_context
        if context is None:
            raise RefusedError(
                f"{self._name} is coded in a way that nothing here decodes", hint="convert it to H.264"
            )
        large = context.width * context.height > ONE_THREAD_PX
        context.thread_count = min(4, len(os.sched_getaffinity(0))) if large else 1
        context.thread_type = "SLICE" if self.live else "AUTO"  # frame threads hold pictures back
        context.copy_opaque = self.live  # carries a packet's arrival to its picture
        context.options = self._limit
        rate = stream.average_rate or stream.guessed_rate
        self._info = SourceInfo(
            self._name,
            size_hw=(context.height, context.width) if context.width else None,
            fps=float(rate) if rate else None,
            frames=None if self.live else self._count(container, stream),
            live=self.live,
            codec=context.codec.canonical_name,
            pixel_aspect=Fraction(stream.sample_aspect_ratio or 1),
            colours=(_stated(context.color_primaries), _stated(context.color_trc)),
        )
        return stream

    def _count(self, container: InputContainer, stream: VideoStream) -> int | None:
        rate, length_s = stream.average_rate, _length_s(container, stream)
        frames = stream.frames or (round(length_s * rate) if rate and length_s else 0)
        return max(1, frames - round(self._options.start_s * (rate or 0))) if frames else None

    def _frames(self, container: InputContainer, stream: VideoStream) -> Generator[Frame]:
        options = self._options
        start_s = Fraction(str(options.start_s))
        # What a camera does not compress lies in its driver's memory, which is gone once it is closed.
        lent = "v4l2" in container.format.name and stream.codec_context.name == "rawvideo"
        image_of = PlaneReader(options.pixel_format == "bgr24", copied=lent)
        index, last_s = 0, None
        failure: Exception | None = None
        picture: av.VideoFrame | None = None
        try:
            pictures = self._reader(container, stream).pictures_from(start_s) if self._is_sought else None
            if self._is_sought and pictures is None:  # frame by frame, then
                container.close()
                self._container = container = self._open()
                stream = self._choose(container)
            if pictures is None:
                pictures = self._reader(container, stream).pictures()
            clock = Clock(stream, options.fps, self.live, timed=container.format.name != "mpjpeg")
            pace = Pace() if self.live and container.format.name in IN_PIECES else None
            for picture, arrived_s in pictures:
                pts = clock.time(picture, arrived_s)
                last_s = (pts - clock.origin) * clock.time_base
                if not index and last_s < start_s:
                    continue
                if pace is not None:
                    arrived_s = pace.wait_for(float(last_s))
                image = image_of(picture)
                if not index:
                    fps = float(clock.rate) if clock.counted else self._info.fps
                    aspect = self._info.pixel_aspect
                    if picture.rotation % 180:  # PlaneReader has turned it
                        aspect = 1 / aspect
                    self._info = replace(self._info, size_hw=image.size_hw, fps=fps, pixel_aspect=aspect)
                    if self._options.fps is not None and not clock.counted:
                        self.notes.append(keeps_times(self._name))
                yield Frame(index, pts, clock.time_base, arrived_s, image)
                index += 1
        except (av.FFmpegError, OSError) as error:
            failure = error.with_traceback(None)
        picture = None  # nothing of it may be left, here or in a traceback, when its camera is closed
        self._end(index, last_s, failure, _length_s(container, stream))

    @property
    def _is_sought(self) -> bool:
        return bool(self._options.start_s) and not self._in_one_go

    def _reader(self, container: InputContainer, stream: VideoStream) -> Reading:
        silence_s = self._options.read_timeout_s + KEY_FRAME_S
        self._reading = Reading(container, stream, self.live, silence_s, self._wait)
        return self._reading

    def _end(
        self, frames: int, last_s: Fraction | None, failure: Exception | None, length_s: Fraction | None
    ) -> None:
        name = self._name
        if not frames and not failure and not self.live:
            if last_s is None:
                raise SourceError(f"{name} has a video in it, but no picture of it can be decoded", self._in_one_go)
            raise SourceError(
                f"{name} has nothing from {self._options.start_s:g} s on: its last picture is at {float(last_s):g} s",
                hint="start earlier",
            )
        lost = self._lost(failure, last_s, length_s)
        if lost is not None:
            raise lost
        if not self.live and last_s is not None and length_s is not None and length_s - last_s > MISSING_S:
            self.notes.append(
                f"{name}: its last picture is at {float(last_s):.2f} s, but it says of itself that it is "
                f"{float(length_s):.2f} s long: is it cut off?"
            )


def _stated(number: int) -> int:
    """A number of ITU-T H.273 where it means something there, else 2: encoders refuse those that are reserved."""
    return int(number) if number == 1 or 4 <= number <= 18 or number == 22 else 2


def _length_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """The shorter of what the stream and the file say: an edit list shortens the one, sound lengthens the other.

    A Matroska's length counts from zero, as most write it, also where its first picture comes later.
    """
    stated = [stream.duration * stream.time_base] if stream.duration and stream.time_base else []
    if container.duration:
        late = max(container.start_time or 0, 0) if "matroska" in container.format.name else 0
        stated.append(Fraction(container.duration - (late if late < container.duration else 0), av.time_base))
    return min(stated, default=None)
