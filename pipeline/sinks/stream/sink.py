"""Pictures as a live stream to a receiver, which may be slow or away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from pipeline.errors import SinkError
from pipeline.image import Image
from pipeline.sinks.codecs import VideoConfig
from pipeline.sinks.encoder_frame import EncoderFrame
from pipeline.sinks.presentation import Presentation
from pipeline.sinks.stream.address import Address
from pipeline.sinks.stream.publisher import Format, Publisher, Shown
from pipeline.types import Frame, Picture

CODEC = "libx264"
FINEST = 90_000  # ticks a second: the clock of RTP and MPEG-TS


class StreamSink:
    """Sends H.264 without delay (no frame waits for another), with a key frame a second and the frames' own times.

    The run never waits for the receiver: where that is slow the newest picture is sent and those between are
    dropped, where it is away they all are, and it is connected to again for ever. A recording that nobody takes when
    it begins is an error; a live source goes on, and is taken as soon as somebody listens. Pictures of another size
    are fitted into the first one's; an odd side loses its last pixel.

    Args:
        address: of the receiver.
        live: whether the pictures come from a live source.
        waits: gives the seconds before each further attempt, anew after a connection that lasted.
        kbps: most kilobits a second; None: as many as the pictures need.
        preset: of the encoder.
        timeout_s: to connect, and for a picture to be taken, seconds each.
        start_s: what becomes time zero, seconds.
        rate: frames a second as the source states it; a tag only.
    """

    def __init__(
        self,
        address: Address,
        *,
        live: bool,
        waits: Callable[[], Iterator[float]],
        kbps: int | None = None,
        preset: str = "ultrafast",
        timeout_s: float = 5.0,
        start_s: float = 0.0,
        rate: float | None = None,
    ) -> None:
        self.notes: list[str] = []
        self._address, self._live, self._waits, self._timeout_s = address, live, waits, timeout_s
        self._start_s, self._rate = start_s, Fraction(rate).limit_denominator(1001) if rate else None
        limit = {} if kbps is None else {"maxrate": f"{kbps}k", "bufsize": f"{max(1, kbps // 2)}k"}
        crf = None if kbps is None else 23  # a constant quantiser would not keep the limit
        self._video = VideoConfig(CODEC, crf, preset, options={"tune": "zerolatency", **limit})
        self._publisher: Publisher | None = None

    def write(self, picture: Picture) -> None:
        """Hand a copy of one picture over, where somebody takes it; never waits but for a recording's first.

        Raises:
            SinkError: nobody will ever take it; or nobody takes the first picture of a recording.
        """
        if picture.image is None:
            raise ValueError("a stream needs pictures: the scene was not drawn")
        image, frame = _even(picture.image), picture.scene.frame
        publisher = self._publisher or self._open(image, frame)
        if publisher.defect is not None:
            raise publisher.defect
        if publisher.refusal is not None:
            raise self._refused(publisher.refusal)
        ticks = self._times.ticks(frame)
        if publisher.connected:
            publisher.put(Shown(self._filler.fill(image), ticks, self._times.interval))
        else:
            publisher.lost.drop("away")

    def close(self, whole: bool) -> None:
        """Send what waits and leave; see Publisher.close for how long that may take."""
        publisher = self._publisher
        if publisher is None:
            return
        publisher.close()
        if lost := publisher.lost.drops:
            causes = ", ".join(f"{cause} {count}" for cause, count in sorted(lost.items()))
            count = publisher.sent + sum(lost.values())
            self.notes.append(
                f"{self._address.name}: {sum(lost.values())} of {count} pictures were not sent ({causes})"
            )

    @property
    def dropped(self) -> dict[str, int]:
        """Pictures that were not sent so far, by cause; from any thread."""
        return {} if self._publisher is None else self._publisher.lost.drops

    def news(self) -> list[str]:
        """What happened to the connection since the last call, for people; for one thread."""
        if self._publisher is None:
            return []
        waiting = self._publisher.news
        return [waiting.popleft() for _ in range(len(waiting))]

    def report(self) -> dict[str, Any]:
        """For the summary."""
        publisher = self._publisher
        return {
            "to": self._address.name,
            "sent": 0 if publisher is None else publisher.sent,
            "dropped": self.dropped,
            "connections": 0 if publisher is None else publisher.connections,
        }

    def _open(self, image: Image, frame: Frame) -> Publisher:
        self._times = Presentation(frame, self._start_s, self._rate, finest=FINEST)
        self._filler = EncoderFrame(image.size_hw, "yuv420p", image.matrix, image.full_range)
        what = Format(image, self._video, self._times.clock, self._rate)
        self._publisher = Publisher(self._address, what, self._timeout_s, self._waits)
        if not self._live:
            self._publisher.wait_for_first()
            if self._publisher.first_failure is not None:
                raise self._refused(self._publisher.first_failure)
        return self._publisher

    def _refused(self, reason: tuple[str, str]) -> SinkError:
        return SinkError(f"{self._address.name} {reason[0]}", hint=reason[1])


def _even(image: Image) -> Image:
    """The picture with even sides; a view."""
    height, width = (side - side % 2 for side in image.size_hw)
    if (height, width) == image.size_hw:
        return image
    halved = image.format in ("yuv420p", "nv12")
    planes = [
        plane[: height // 2, : width // 2] if halved and number else plane[:height, :width]
        for number, plane in enumerate(image.planes)
    ]
    return Image(tuple(planes), image.format, image.matrix, image.full_range)
