"""Pictures as a video file, with the source's own times and its sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av

from pipeline.errors import SinkError
from pipeline.image import Image
from pipeline.sinks.codecs import FINEST, MOST_TICKS, TAKE_A_COPY, VideoConfig, codec_named, container_for
from pipeline.sinks.encoder_frame import EncoderFrame
from pipeline.sinks.mp4_boxes import cut_torn_fragment
from pipeline.sinks.muxer import Muxer
from pipeline.sinks.outputs import PartFile, unwritable
from pipeline.sinks.presentation import Presentation
from pipeline.sinks.sound import Sound
from pipeline.types import Frame, Picture

__all__ = ["VideoConfig", "VideoSink"]

_REFUSED = (av.FFmpegError, OSError, ValueError)
_ENCODER = "avcodec_open"  # what PyAV names in place of a file, where it is the encoder that refuses


class VideoSink:
    """Writes a video file. The first picture decides the size and the colours.

    Times are the source's, in its own time base, less `start_s`. The file is written under a temporary
    name until it is whole; a picture of another size is fitted into the first one's.

    Args:
        path: of the file; its ending decides the container.
        config: of the encoder.
        audio_from: a file whose sound is copied, if it has any.
        start_s: what becomes time zero, seconds.
        rate: frames a second as the source states it: how long the first frame lasts if it stays the only
            one, and the tick of AVI, which has no times of its own.
        pixel_aspect: a pixel's width over its height: players show the video so much wider.
        colours: primaries and transfer of the pictures' colours, see SourceInfo: players show HDR by them.

    Raises:
        SinkError: the container or the codec is unknown, or the path cannot be written.
    """

    def __init__(
        self,
        path: Path,
        config: VideoConfig | None = None,
        *,
        audio_from: Path | None = None,
        start_s: float = 0.0,
        rate: float | None = None,
        pixel_aspect: Fraction = Fraction(1),
        colours: tuple[int, int] = (2, 2),
    ) -> None:
        self.notes: list[str] = []  # what a user should know, each once
        self._config = config or VideoConfig()
        self._format = container_for(path)
        self._codec = codec_named(self._config.codec)
        self._part = PartFile(path)
        self.notes += self._part.notes
        if self._part.special:
            raise SinkError(f"{path} is no ordinary file, which a video needs", hint="give the name of a file")
        self._audio_from, self._start_s = audio_from, start_s
        self._rate = Fraction(rate).limit_denominator(1001) if rate else None
        self._pixel_aspect, self._colours = pixel_aspect, colours
        self._muxer: Muxer | None = None
        self._sound: Sound | None = None
        self._frames = 0

    def write(self, picture: Picture) -> None:
        """Encode one picture.

        Raises:
            SinkError: the encoder or the disk refuses it.
        """
        image = picture.image
        if image is None:
            raise ValueError("a video needs pictures: the scene was not drawn")
        if self._muxer is None:
            self._muxer = self._open(image, picture.scene.frame)
        self._note_changes(image)
        filled = self._filler.fill(image)
        ticks = self._times.ticks(picture.scene.frame)
        try:
            self._muxer.write(filled, ticks, self._times.interval)
        except _REFUSED as error:
            raise self._refusal(error) from error
        self._frames += 1

    def close(self, whole: bool) -> None:
        """Finish the file. After an error it is kept, playable, as <stem>.partial.<ending>.

        Raises:
            SinkError: its end could not be written; only where `whole`, so that a first error stays the first.
        """
        kept = None
        if not whole and self._frames:
            kept = self._part.publish(whole=False)  # first: the process may be killed before the encoder is done
        refused = self._finish()
        if not self._frames:
            self._part.discard()
            return
        complete = whole and refused is None
        if not complete and self._format in ("mp4", "mov"):
            cut_torn_fragment(kept or self._part.path)
        name = kept or self._part.publish(complete)
        if not self._times.exact:
            self.notes.append(f"times are rounded to {self._times.clock} s, the finest that this file can hold")
        if self._times.moved:
            self.notes.append(
                f"{self._times.moved} frames had the time of the one before or an earlier one: moved behind it"
            )
        if jumps := len(self._times.origins) - 1:
            self.notes.append(f"the source's times jumped ({jumps}x): the video plays on where they do")
        if not complete:
            self.notes.append(f"{self._part.name} is not whole: what was written is in {name}")
        if whole and refused is not None:
            raise self._refusal(refused) from refused

    def _finish(self) -> Exception | None:
        """Close the file; the error that it met, if any."""
        try:
            if self._muxer is not None:
                self._muxer.close(self._times.end_s if self._frames else None)
        except _REFUSED as error:
            return error
        finally:
            if self._sound is not None:
                self._sound.close()
        return None

    def _open(self, image: Image, frame: Frame) -> Muxer:
        self._times = Presentation(
            frame,
            self._start_s,
            self._rate,
            fixed=self._format == "avi",
            finest=FINEST.get(self._codec),
            most=MOST_TICKS.get(self._format),
        )
        if self._audio_from is not None:
            self._sound = self._open_sound(self._audio_from)
        try:
            muxer = self._start(image)
        except _REFUSED as error:
            if self._sound is None:
                raise self._refusal(error) from error
            muxer = self._start_without_sound(image, error)
        self._first = image
        lend = self._codec in TAKE_A_COPY
        self._filler = EncoderFrame(image.size_hw, muxer.pix_fmt, image.matrix, image.full_range, lend)
        return muxer

    def _start(self, image: Image) -> Muxer:
        return Muxer(
            self._part.path,
            self._format,
            self._codec,
            self._config,
            image,
            self._times.clock,
            self._rate,
            self._sound,
            self._pixel_aspect,
            self._colours,
        )

    def _open_sound(self, path: Path) -> Sound | None:
        try:
            return Sound(path, self._start_s, self._times)
        except LookupError:
            return None
        except _REFUSED as error:
            self.notes.append(f"no sound: {path} cannot be read for it: {error}")
            return None

    def _start_without_sound(self, image: Image, error: Exception) -> Muxer:
        """If it works like this, it was the sound that the container refused."""
        assert self._sound is not None
        codec = self._sound.codec
        self._sound.close()
        self._sound = None
        try:
            muxer = self._start(image)
        except _REFUSED as again:
            raise self._refusal(again) from again
        self.notes.append(f"no sound: {self._part.name.suffix} does not take {codec}: {error}")
        return muxer

    def _note_changes(self, image: Image) -> None:
        notes = []
        if image.size_hw != self._first.size_hw:
            height, width = self._first.size_hw
            notes.append(f"the pictures changed their size: the later ones are fitted into {width}x{height}")
        if image.format == "bgra32":
            notes.append("a video has no transparency: what is transparent is black in it")
        self.notes += [note for note in notes if note not in self.notes]

    def _refusal(self, error: Exception) -> SinkError:
        if isinstance(error, OSError) and not str(error.filename).startswith(_ENCODER):
            return unwritable(self._part.name, error, kept=self._part.partial if self._frames else None)
        return SinkError(
            f"{self._part.name}: {self._codec} in {self._format} is not possible here: {error}",
            hint="try another ending, codec, crf or preset; .mp4 with libx264 always works",
        )
