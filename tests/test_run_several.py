"""Several sources in one run: one set of networks, shared batches, outputs of their own, failures that stay alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from clips import write_clip
from command import dashmask

from engines.backends.base import Done, Ticket
from engines.backends.null import NullBackend
from engines.card import read_card
from engines.select import Selection
from pipeline.config import Config, FlowConfig
from pipeline.errors import SinkError
from pipeline.flow import Pool
from pipeline.networks import Network
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.running.assemble import build_lanes
from pipeline.running.lanes import Lane
from pipeline.running.source_names import outputs_for, short_names, summary_path
from pipeline.sources import open_source
from pipeline.types import Inferred, Prepared

# batches


class Batching(NullBackend):
    """A backend that gains by several frames at once; notes how many it was given."""

    max_batch = 4

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        assert len({prepared.tensor.shape for prepared in batch}) == 1
        sizes.append(len(batch))
        time.sleep(0.01)
        return Done([Inferred(prepared, self._outputs(prepared.tensor.shape[2:])) for prepared in batch])


sizes: list[int] = []


@pytest.mark.parametrize("wait_ms", [0.0, 200.0])
def test_frames_of_several_sources_share_a_batch_and_none_waits_for_ever(
    models: tuple[Path, Path], clips: list[Path], wait_ms: float
) -> None:
    sizes.clear()
    card = read_card(models[0])
    backend = Batching(card)
    backend.workers = 1
    net = Network(card, Selection(backend, (), ()), Preprocessor(card.input, Pool), decoder(card, Config().decode))
    lanes = [Lane(open_source(str(clip))) for clip in (clips[0], clips[0], clips[1])]
    flow = build_lanes(
        Config(flow=FlowConfig(batch_wait_ms=wait_ms)),
        lanes,
        [net],
        dropped=lambda number: flow.ledgers[number].drops,
    )
    with flow:
        scenes = [picture.scene for picture in flow]
    for number, (frames, height) in enumerate(((20, 96), (20, 96), (21, 112))):
        mine = [scene.frame for scene in scenes if scene.frame.source == number]
        assert [frame.index for frame in mine] == list(range(frames))
        assert {frame.image.size_hw for frame in mine} == {(height, 128)}
    assert sum(sizes) == 61
    assert 2 <= max(sizes) <= 3


# names


def test_every_source_has_a_name_of_its_own_without_a_password() -> None:
    specs = [
        "rtsp://me:s3cret@10.0.0.7:554/live/1?token=abc",
        "a/drive.mp4",
        "b/drive.mp4",
        "0",
        "demo:frames=3",
        "東京 1.mp4",
    ]
    assert short_names(specs) == ["10.0.0.7-554-live-1", "drive", "drive-2", "camera0", "demo", "東京-1"]


def test_outputs_of_several_sources_need_the_name_of_each() -> None:
    out = Config().output
    saved = type(out)(save="out-{source}.mp4", summary="s.json")
    assert outputs_for(saved, "drive", 2).save == "out-drive.mp4"
    assert outputs_for(saved, "drive", 2).summary == "s.json"
    assert summary_path(saved, ["drive", "other"]) == "s.json"
    assert summary_path(type(out)(summary="{source}.json"), ["drive"]) == "drive.json"
    with pytest.raises(SinkError, match="one summary of all 2 sources"):
        summary_path(type(out)(summary="{source}.json"), ["drive", "other"])
    with pytest.raises(SinkError, match="asked for by 2 sources") as caught:
        outputs_for(type(out)(json="out.jsonl"), "drive", 2)
    assert "out-{source}.jsonl" in caught.value.hint
    with pytest.raises(SinkError, match="asked for by 2 sources") as caught:
        outputs_for(type(out)(masks="masks"), "0", 2, images=True)
    assert "quote the glob" in caught.value.hint
    with pytest.raises(SinkError, match="- is asked for by 2 sources") as caught:
        outputs_for(type(out)(json="-"), "drive", 2)
    assert "out-{source}.jsonl" in caught.value.hint


# the command


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    return [
        write_clip(folder / f"clip{number}.mp4", frames=20 + number, size_hw=(96 + 16 * number, 128))
        for number in range(2)
    ]


def test_each_source_gets_the_same_outputs_as_in_a_run_of_its_own(
    clips: list[Path], models: tuple[Path, Path], tmp_path: Path
) -> None:
    outputs = ("-m", models[0], "-m", models[1], "--no-timing", "--set", "render.status=false")
    words = (*outputs, "--json", tmp_path / "{source}.jsonl", "--save", tmp_path / "{source}.mp4")
    said = dashmask("run", *clips, *words, "--summary", tmp_path / "s.json")
    assert said.code == 0, said.err
    assert "clip0: 20 frames in, 20 processed" in said.out
    for clip in clips:
        alone = tmp_path / "alone"
        alone.mkdir(exist_ok=True)
        again = (*outputs, "--json", alone / "{source}.jsonl", "--save", alone / "{source}.mp4")
        assert dashmask("run", clip, *again).code == 0
        assert (alone / f"{clip.stem}.jsonl").read_bytes() == (tmp_path / f"{clip.stem}.jsonl").read_bytes()
        assert pixels(alone / f"{clip.stem}.mp4") == pixels(tmp_path / f"{clip.stem}.mp4")
    summary = json.loads((tmp_path / "s.json").read_text())
    assert [source["frames"]["processed"] for source in summary["sources"]] == [20, 21]
    assert [source["source_fps"] for source in summary["sources"]] == [10, 10]
    assert summary["frames"] == {"in": 41, "processed": 41, "dropped": {}}


def pixels(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [np.ascontiguousarray(frame.to_ndarray()).tobytes() for frame in film.decode(video=0)]


def test_one_that_fails_is_told_at_the_end_and_by_the_exit_code_and_stops_no_other(
    clips: list[Path], models: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ("-m", models[0], "--backend", "null", "--unverified", "--json", tmp_path / "{source}.jsonl")
    said = dashmask("run", clips[0], "nowhere.mp4", *words)
    assert said.code == 1
    assert "nowhere: 0 frames in" in said.out
    assert "failed: nowhere.mp4: there is no such file" in said.out
    assert len((tmp_path / "clip0.jsonl").read_text().splitlines()) == 20
    said = dashmask("run", "nowhere.mp4", "neither.mp4", *words)
    assert said.code == 2
    assert "all 2 sources failed: nowhere.mp4" in said.err


def test_ctrl_c_ends_all_and_leaves_whole_files(clips: list[Path], models: tuple[Path, Path], tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-c", "from pipeline.cli import main; main()", "run", "demo:size=160x120"),
        *("lavfi:testsrc=size=160x120:rate=20", str(clips[0]), "-m", str(models[0]), "--backend", "null"),
        *("--unverified", "--save", "{source}.mp4", "--json", "{source}.jsonl"),
    ]
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(
            lambda: all(lines(tmp_path / f"{name}.part.jsonl") > 5 for name in ("demo", "lavfi-testsrc", "clip0")), 60
        )
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    for name in ("demo", "lavfi-testsrc", "clip0"):
        with av.open(str(tmp_path / f"{name}.mp4")) as film:
            assert sum(1 for _ in film.decode(video=0)) == lines(tmp_path / f"{name}.jsonl") > 5
    assert not list(tmp_path.glob("*.part*"))


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def until(true: Callable[[], bool], patience_s: float = 20) -> None:
    end_s = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_s
        time.sleep(0.001)
