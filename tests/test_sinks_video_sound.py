"""The sound of a file goes into the video as it is, and stays in time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from command import dashmask
from video_parts import as_format, drawn, of_clip, of_image, save, times_of

from pipeline.sinks.video import VideoConfig

ADTS_HEAD = 7  # bytes before each packet of AAC in MPEG-TS


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


def near(t: Fraction, u: Fraction) -> bool:
    return abs(t - u) <= Fraction(1, 1000)


def samples_of(path: Path) -> list[tuple[Fraction, np.ndarray]]:
    """When each piece of the decoded sound begins, seconds, and its samples."""
    with av.open(str(path)) as container:
        frames = container.decode(audio=0)
        return [(f.pts * f.time_base, f.to_ndarray()) for f in frames if f.pts is not None]


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


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_the_aac_of_a_transport_stream_is_heard_in_other_containers(tmp_path: Path, ending: str) -> None:
    source, out = film(tmp_path / "in.ts", "aac"), tmp_path / f"out{ending}"
    assert save(out, of_clip(source), audio_from=source).notes == []
    assert times_of(out) == times_of(source)
    end = times_of(source)[-1] + Fraction(1, 25)
    heard, truth = samples_of(out), [one for one in samples_of(source) if one[0] < end]
    assert len(heard) == len(truth) > 150
    assert all(abs(t - u) <= Fraction(1, 1000) for (t, _), (u, _) in zip(heard, truth, strict=True))
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(heard, truth, strict=True))
    late = [picture for picture in of_clip(source) if picture.scene.frame.index >= 50]
    start_s = late[0].scene.frame.pts_s
    save(out, late, audio_from=source, start_s=start_s)
    kept = [data[ADTS_HEAD:] for t, data in sound_of(source) if start_s <= t < end]
    assert [data for _, data in sound_of(out)] == kept
    assert len(samples_of(out)) == len(kept)


def test_transport_streams_put_one_behind_the_other_play_on_with_their_sound(tmp_path: Path) -> None:
    one, whole, out = film(tmp_path / "one.ts", "aac"), tmp_path / "whole.ts", tmp_path / "out.mp4"
    whole.write_bytes(one.read_bytes() * 3)
    sink = save(out, of_clip(whole), audio_from=whole)
    assert sink.notes == ["the source's times jumped (2x): the video plays on where they do"]
    times = times_of(out)
    assert [after - before for before, after in pairwise(times)] == [Fraction(1, 25)] * 299
    heard, part = sound_of(out), [(t, data[ADTS_HEAD:]) for t, data in sound_of(one)]
    assert [data for _, data in heard[: len(part)]] == [data for _, data in part]
    for k in range(3):  # the end of one part's sound may reach into the next, whose first packets it hides
        ahead = times[100 * k] - times_of(one)[0]
        found = [(t, data) for t, data in part[5:-5] if any(near(t + ahead, u) and data == d for u, d in heard)]
        assert found == part[5:-5]


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


def test_sound_of_a_codec_that_nobody_knows_is_left_out_and_said_so(tmp_path: Path) -> None:
    source = film(tmp_path / "in.mp4", "libopus")
    source.write_bytes(source.read_bytes().replace(b"Opus", b"Nobo"))
    sink = save(tmp_path / "out.mp4", of_clip(source), audio_from=source)
    assert sink.notes == [f"no sound: {source} cannot be read for it: its codec is not known here"]
    assert len(times_of(tmp_path / "out.mp4")) == 100


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
