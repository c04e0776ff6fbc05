"""`dashmask bench` from the command line: what it writes, what it refuses, and that it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bench_runs import CPU, bench, figures
from bench_runs import semantic as semantic
from flow_parts import no_thread_is_left as no_thread_is_left

import pipeline.bench.case
from pipeline.bench.machine import machine
from pipeline.config import Config
from pipeline.networks import Network, networks


def test_thirty_frames_without_a_network_end_and_say_what_was_measured(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "b.json"
    said = bench("demo:frames=30,size=160x96", "-m", models[0], "--backend", "null", "--json", out)
    assert said.code == 0, said.err
    report = figures(out)
    assert report["schema"] == "dashmask bench 1"
    assert report["settings"] == {}
    assert report["machine"] == machine()
    assert {"dashmask", "python", "numpy", "av"} <= set(report["versions"])
    assert report["source"]["reading"] == (
        "30 frames, drawn beforehand and held in memory: drawing them is not measured"
    )
    (case,) = report["cases"]
    assert case["ok"]
    assert len(case["windows"]) == 3
    assert case["warm_up"]["said"].startswith(("stable after", "did not become stable"))
    assert set(case["stages"]) == {"capture", "preprocess", "infer", "postprocess", "render", "video"}
    assert sum(case["age_histogram"]["counts"]) == case["frames"]["out"] == case["frames"]["in"]
    assert case["frames"]["out"] == sum(window["frames_out"] for window in case["windows"])
    assert case["cpu"]["threads_ms_a_frame"].keys() >= {"capture", "preprocess", "postprocess", "render", "video"}
    assert "network_alone" not in case  # a network that answers at once has no rate of its own
    assert case["memory_mb"]["peak"] >= case["memory_mb"]["resident"] > 0
    assert case["other_load"]["limit"] == 0.05
    for text in ("frames/s", "throughput", "CPU ms a frame"):
        assert text in said.out
    assert ("not enough samples for p99.9" in said.out) == (case["frames"]["out"] < 1000)


def test_frames_that_the_network_left_out_are_counted(semantic: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    said = bench("demo:frames=30,size=320x192", "-m", semantic, *CPU, "--set", "track.carry=2", "--json", out)
    assert said.code == 0, said.err
    (case,) = figures(out)["cases"]
    stages = {name: what["service_ms"]["samples"] for name, what in case["stages"].items()}
    assert stages["follow"] == stages["track"] == stages["video"] == case["frames"]["out"]
    assert stages["infer"] == stages["preprocess"] < case["frames"]["out"] / 2
    words = (
        f"looked at {stages['infer']} of {case['frames']['out']} frames; what they found was carried to the others"
    )
    assert words in " ".join(said.out.split())


def test_frames_that_are_carried_do_not_keep_the_network_busy(semantic: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    live = ("--scenario", "live", "--fps", "20", "--output", "scene", "--set", "track.carry=3", "--json", out)
    said = bench("demo:frames=30,size=320x192", "-m", semantic, *CPU, *live)
    assert said.code == 0, said.err
    (case,) = figures(out)["cases"]
    looked = case["stages"]["infer"]["service_ms"]["samples"] / case["age_ms"]["samples"]
    alone = case["network_alone"]
    assert 0.2 < looked < 0.5
    assert alone["busy_share"] == pytest.approx(20 * looked / alone["fps"], abs=2e-4)


def test_a_clip_is_decoded_again_and_again_while_it_is_measured(semantic: Path, clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    said = bench(clip, "-m", semantic, *CPU, "--json", out, "--output", "scene", "--windows", "6")
    assert said.code == 0, said.err
    report = figures(out)
    (case,) = report["cases"]
    assert "decoded from the file as it is measured" in report["source"]["reading"]
    assert case["frames"]["out"] > 25
    assert list(case["stages"]) == ["capture", "preprocess", "infer", "postprocess"]
    assert all(window["alone"]["fps"] > 0 for window in case["windows"])
    assert case["efficiency"]["low"] <= case["efficiency"]["value"] <= case["efficiency"]["high"]
    assert case["own_overhead"]["cpu_ms_a_frame"] > 0
    (net,) = case["networks"]
    assert (net["backend"], net["input_hw"]) == ("onnxruntime-cpu", [[96, 128]])


def test_one_frame_at_a_time_has_one_worker_with_all_threads(semantic: Path, clip: Path, tmp_path: Path) -> None:
    from engines.machine import available_cores

    out = tmp_path / "b.json"
    said = bench(clip, "-m", semantic, *CPU, "--scenario", "single-stream", "--output", "picture", "--json", out)
    assert said.code == 0, said.err
    (case,) = figures(out)["cases"]
    (net,) = case["networks"]
    assert (net["workers"], net["threads"]) == (1, available_cores())


@pytest.mark.parametrize(("scenario", "streams"), [("live", 1), ("multi-stream", 3)])
def test_live_streams_come_at_their_pace_and_lose_nothing_uncounted(
    scenario: str, streams: int, semantic: Path, clip: Path, tmp_path: Path
) -> None:
    out = tmp_path / "b.json"
    many = ("--streams", streams) if streams > 1 else ()
    words = (*CPU, "--scenario", scenario, *many, "--fps", "40", "--output", "scene", "--json", out)
    said = bench(clip, "-m", semantic, *words)
    assert said.code == 0, said.err
    report = figures(out)
    (case,) = report["cases"]
    frames = case["frames"]
    assert frames["in"] == 3 * 8 * streams  # of each window at least 8, though its tenth of a second takes 4
    assert frames["in"] == frames["out"] + sum(frames["dropped"].values())
    assert case["due_fps"] == 40 * streams
    assert case["network_alone"]["busy_share"] > 0
    assert "decoding them is not measured" in report["source"]["reading"]
    if streams > 1:
        assert len(case["windows"][0]["streams_fps"]) == streams


def test_models_backends_and_shapes_make_one_table_and_what_cannot_run_is_a_line_of_it(
    models: tuple[Path, Path], semantic: Path, clip: Path, tmp_path: Path
) -> None:
    out, words = tmp_path / "b.json", ("--backend", "null", "--backend", "tensorrt", "--output", "scene")
    said = bench(clip, "-m", semantic, "-m", models[1], *words, "--json", out)
    assert said.code == 0, said.err
    cases = figures(out)["cases"]
    assert [case["label"] for case in cases] == [
        "colours, null", "colours, tensorrt", "two, null", "two, tensorrt"
    ]  # fmt: skip
    assert [case["ok"] for case in cases] == [True, False, True, False]
    assert "tensorrt cannot run colours.onnx" in cases[1]["reason"]
    assert "tensorrt cannot run" in " ".join(said.out.split())


def test_models_of_the_same_name_are_told_apart_by_their_folders(semantic: Path, clip: Path, tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        for file in (semantic, semantic.with_suffix(".yaml")):
            shutil.copy(file, tmp_path / name / f"best{file.suffix}")
    models = (word for name in ("old", "new") for word in ("-m", tmp_path / name / "best.onnx"))
    out = tmp_path / "b.json"
    said = bench(clip, *models, "--backend", "null", "--output", "scene", "--json", out)
    assert said.code == 0, said.err
    assert [case["label"] for case in figures(out)["cases"]] == ["old/best, null", "new/best, null"]


def test_two_networks_on_the_same_frames_are_one_case(models: tuple[Path, Path], clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.json"
    said = bench(clip, "-m", f"{models[0]}+{models[1]}", "--backend", "null", "--output", "scene", "--json", out)
    assert said.code == 0, said.err
    (case,) = figures(out)["cases"]
    assert [net["name"] for net in case["networks"]] == ["colours", "two"]


def test_models_are_closed_before_the_next_are_opened(
    semantic: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Network] = []

    def opened(config: Config) -> tuple[Network, ...]:
        assert all(net.selection.backend._running._session is None for net in seen)  # type: ignore[attr-defined]
        nets = networks(config)
        seen.extend(nets)
        return nets

    monkeypatch.setattr(pipeline.bench.case, "networks", opened)
    said = bench(clip, "-m", semantic, *CPU, *CPU, "--output", "scene")
    assert said.code == 0, said.err
    assert len(seen) == 2
    assert all(net.selection.backend._running._session is None for net in seen)  # type: ignore[attr-defined]


def test_a_report_is_compared_with_a_later_run(semantic: Path, clip: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    words = (clip, "-m", semantic, "--backend", "null", "--output", "scene", "--windows", "6")
    assert bench(*words, "--json", old).code == 0
    report = figures(old)
    for window in report["cases"][0]["windows"]:
        window["fps"] *= 1000  # once it was a thousand times as fast
    old.write_text(json.dumps(report))
    said = bench(*words, "--json", new, "--compare", old, "--set", "track.carry=1")
    assert said.code == 0, said.err
    assert "frames a second: slower (0.00" in said.out
    assert "track.carry is 1, it was as usual" in said.out
    assert "set otherwise than usual: track.carry=1" in said.out
    said = bench("demo:frames=9,size=160x96", *words[1:], "--compare", old)
    assert said.code == 2
    assert "was measured on the source" in said.err
    assert "case 1" not in said.err  # before anything is measured
    assert figures(new)["compared"]["verdicts"][0]["verdict"] == "slower"
    assert bench(*words, "--compare", old, "--fail-on", "slower").code == 1


def test_a_trace_holds_every_frame(semantic: Path, clip: Path, tmp_path: Path) -> None:
    trace, out = tmp_path / "t.json", tmp_path / "b.json"
    said = bench(clip, "-m", semantic, "--backend", "null", "--output", "scene", "--trace", trace, "--json", out)
    assert said.code == 0, said.err
    events = json.loads(trace.read_text())
    (case,) = figures(out)["cases"]
    whole = case["frames"]["out"] + case["warm_up"]["frames"]
    for stage in ("capture", "preprocess", "infer", "postprocess"):
        assert sum(event["ph"] == "X" and event["name"] == stage for event in events) == whole


def test_charts_are_drawn_at_a_size_to_be_read(semantic: Path, clip: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `eval`")
    import cv2

    plots = tmp_path / "plots"
    said = bench(
        clip, "-m", semantic, "-m", "roadnet-drawn", "--backend", "null", "--output", "scene", "--plots", plots
    )
    assert said.code == 0, said.err
    assert sorted(path.name for path in plots.iterdir()) == ["accuracy.png", "latency.png", "stages.png"]
    for path in plots.iterdir():
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.shape[1] == 1440
        assert len(np.unique(picture[:, :, 0])) > 20
