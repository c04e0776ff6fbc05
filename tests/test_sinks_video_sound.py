"""The sound of a file goes into the video as it is, and stays in time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from command import dashmask
from video_parts import as_format, drawn, of_clip, of_image, save, times_of

from pipeline.sinks.video import VideoConfig


def film(path: Path, codec: str, rate: int = 48_000) -> Path:
    """Four seconds of a tone beside four seconds of pictures, the sound a little late."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height = 160, 96
        audio = container.add_stream(codec, rate=rate, layout="mono")
        for i in range(100):
            frame = av.VideoFrame.from_ndarray(drawn(i), format="bgr24")
            frame.pts, frame.time_base = i, Fraction(1, 25)
            container.mux(video.encode(frame))
        tone = (8000 * np.sin(np.arange(4 * rate) / 30)).astype(np.int16)
        samples = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s16", layout="mono")
        samples.rate, samples.pts, samples.time_base = rate, rate // 10, Fraction(1, rate)
        container.mux(audio.encode(samples))
        container.mux(audio.encode(None))
        container.mux(video.encode(None))
    return path


def sound_of(path: Path) -> list[tuple[Fraction, bytes]]:
    """When each packet of the sound begins, seconds, and what is in it."""
    with av.open(str(path)) as container:
        packets = container.demux(audio=0)
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.pts is not None and p.time_base is not None]


@pytest.mark.parametrize(
    ("codec", "first", "second"),
    [("aac", ".mp4", ".mp4"), ("aac", ".mp4", ".mkv"), ("libopus", ".mkv", ".mp4"), ("libmp3lame", ".avi", ".mov")],
)
def test_sound_is_copied_as_it_is_and_stays_in_time(tmp_path: Path, codec: str, first: str, second: str) -> None:
    source = film(tmp_path / f"in{first}", codec)
    sink = save(tmp_path / f"out{second}", of_clip(source), audio_from=source)
    assert sink.notes == []
    heard, truth = sound_of(tmp_path / f"out{second}"), sound_of(source)
    end = times_of(source)[-1] + Fraction(1, 25)
    kept = [packet for packet in truth if packet[0] < end]
    assert [data for _, data in heard] == [data for _, data in kept]
    assert all(abs(t - u) <= Fraction(1, 1000) for (t, _), (u, _) in zip(heard, kept, strict=True))
    assert times_of(tmp_path / f"out{second}") == times_of(source)


def test_sound_begins_and_ends_with_the_pictures(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "aac")
    chosen = [picture for picture in of_clip(source) if 25 <= picture.scene.frame.index < 50]
    save(tmp_path / "out.mp4", chosen, audio_from=source, start_s=1.0)
    assert times_of(tmp_path / "out.mp4") == [Fraction(i, 25) for i in range(25)]
    truth = [(t - 1, data) for t, data in sound_of(source) if 1 <= t < 2]
    heard = sound_of(tmp_path / "out.mp4")
    assert [data for _, data in heard] == [data for _, data in truth]
    assert all(abs(t - u) <= Fraction(1, 48_000) for (t, _), (u, _) in zip(heard, truth, strict=True))


def test_sound_that_does_not_fit_is_left_out_and_said_so(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "aac")
    if "libvpx" not in av.codecs_available:
        pytest.skip("this FFmpeg has no libvpx, the encoder for webm: install a wheel of PyAV")
    sink = save(tmp_path / "out.webm", of_clip(source), config=VideoConfig("libvpx"), audio_from=source)
    assert len(sink.notes) == 1
    assert sink.notes[0].startswith("no sound: .webm does not take aac")
    assert len(times_of(tmp_path / "out.webm")) == 100
    with av.open(str(tmp_path / "out.webm")) as container:
        assert len(container.streams) == 1


def test_the_privacy_preset_keeps_no_voices(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "aac")
    for out, preset in (("kept.mp4", ()), ("silent.mp4", ("--config", "privacy"))):
        words = (*preset, "-m", "roadnet-drawn", "--imgsz", "64", "--backend", "onnxruntime-cpu")
        assert dashmask("run", source, *words, "--frames", 10, "--save", tmp_path / out).code == 0
    with av.open(str(tmp_path / "kept.mp4")) as kept, av.open(str(tmp_path / "silent.mp4")) as silent:
        assert len(kept.streams.audio) == 1
        assert not silent.streams.audio


def test_a_source_without_sound_or_that_is_no_media_is_no_error(tmp_path: Path) -> None:
    silent = tmp_path / "silent.mp4"
    save(silent, [of_image(as_format(drawn(0), "yuv420p"), i) for i in range(3)])
    assert save(tmp_path / "out.mp4", of_clip(silent), audio_from=silent).notes == []
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    sink = save(tmp_path / "other.mp4", of_clip(silent), audio_from=text)
    assert sink.notes[0].startswith(f"no sound: {text} cannot be read")
