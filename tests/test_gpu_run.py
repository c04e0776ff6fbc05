"""Frames to detections on the GPU, without one: driver and kernels are in host memory, `dashmask run` is real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from fake_gpu import HERE, ROOT, Ran, need_cuda_python, run_with_gpu
from kernel_emulator.cache import fill_cache

TENSORRT = [HERE / "fake_tensorrt"]
# The kernels of the host take long for noughts of 1280x720, which come first.
COMMAND = "from engines.backends import frames; frames._FOOTAGE_HW = 54, 96; from pipeline.cli import main; main()"
SOURCE = "demo:frames=12,size=256x144"


@pytest.fixture(scope="module")
def driver(driver: Path) -> Path:
    need_cuda_python()
    return driver


@pytest.fixture(scope="module")
def planned(driver: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two networks, their plans, the host's kernels, and in cpu.jsonl what the CPU says of the demo."""
    folder = tmp_path_factory.mktemp("planned")
    boxes = [[8, 20, 30, 44], [34, 10, 60, 50]]
    tiny_models.fcn(folder / "colours.onnx")
    (folder / "colours.yaml").write_text(
        "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8, long_side: 128}\n"
    )
    tiny_models.yolo_seg(folder / "two.onnx", tiny_models.np.array(boxes, "float32"), [0, 1], [0.9, 0.8])
    fill_cache(folder / "cache")
    for model, size in (("colours.onnx", ("72", "128")), ("two.onnx", ("64", "64"))):
        ran = run_with_gpu(driver, [HERE / "fake_plans.py", folder / model, *size], folder, python_path=TENSORRT)
        assert ran.code == 0, ran.err
    ran = run(None, folder, "--backend", "onnxruntime-cpu")
    assert ran.code == 0, ran.out + ran.err
    (folder / "out.jsonl").rename(folder / "cpu.jsonl")
    return folder


def run(driver: Path | None, folder: Path, *words: str, source: str = SOURCE, **environment: str) -> Ran:
    """`dashmask run` with both networks, without times in the records."""
    for name in ("out.jsonl", "out.json"):
        (folder / name).unlink(missing_ok=True)
    what = ["-c", COMMAND, "run", source, "-m", folder / "colours.onnx", "-m", folder / "two.onnx", "--unverified"]
    outputs = ["--json", "out.jsonl", "--summary", "out.json", "--no-timing"]
    command = [*what, *outputs, *words]
    return run_with_gpu(driver, command, folder, python_path=TENSORRT, timeout_s=110, **environment)


def summary(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return told


def assert_as_on_the_cpu(ran: Ran, folder: Path) -> None:
    """The records are the CPU's, byte for byte, and nothing is left on the GPU."""
    assert ran.code == 0, ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    assert (folder / "out.jsonl").read_bytes() == (folder / "cpu.jsonl").read_bytes()
    assert (ran.report["alive"], ran.report["current"], ran.report["violations"]) == ({}, False, [])


@pytest.mark.parametrize("way", ["auto", "tensors"])
def test_a_run_gives_the_bytes_of_the_cpu_whichever_way(driver: Path, planned: Path, way: str) -> None:
    ran = run(driver, planned, "--set", f"backend.way={way}", "--save", f"{way}.mp4")
    assert_as_on_the_cpu(ran, planned)
    taken = "tensors" if way == "tensors" else "frames"
    assert [model["way"] for model in summary(planned)["models"]] == [taken] * 2
    assert [model["input_hw"] for model in summary(planned)["models"]] == [[[72, 128]], [[64, 64]]]
    around = {"preprocess", "postprocess"} & set(summary(planned)["stages_ms"])
    assert around == (set() if taken == "frames" else {"preprocess", "postprocess"})
    said = " ".join(ran.err.split())
    assert ("tensorrt prepares the frames and decodes on the GPU too" in said) == (taken == "frames")
    assert (planned / f"{way}.mp4").stat().st_size > 1000


def test_frames_that_are_carried_keep_their_place_between_those_on_the_gpu(driver: Path, planned: Path) -> None:
    ran = run(None, planned, "--backend", "onnxruntime-cpu", "--carry", "2")
    assert ran.code == 0, ran.out + ran.err
    on_cpu = (planned / "out.jsonl").read_bytes()
    ran = run(driver, planned, "--carry", "2")
    assert ran.code == 0, ran.out + ran.err
    assert (planned / "out.jsonl").read_bytes() == on_cpu
    assert [json.loads(line).get("carried", 0) for line in on_cpu.splitlines()] == [0, 1, 2] * 4
    assert [model["way"] for model in summary(planned)["models"]] == ["frames"] * 2
    assert (ran.report["alive"], ran.report["current"], ran.report["violations"]) == ({}, False, [])


@pytest.mark.parametrize("call", ["cuGraphLaunch:15+:719", "cuEventRecord:11:999"])
def test_a_gpu_that_goes_away_leaves_the_rest_of_the_frames_to_the_cpu(
    driver: Path, planned: Path, call: str
) -> None:
    ran = run(driver, planned, FAKE_CUDA_FAIL=call)
    assert_as_on_the_cpu(ran, planned)
    models = summary(planned)["models"]
    assert {model["backend"] for model in models} <= {"openvino", "onnxruntime-cpu"}
    notes = [note for note in summary(planned)["notes"] if "tensorrt stopped at frame" in note]
    assert len(notes) == 2
    assert "the GPU cannot be used any more" in notes[0]


def test_a_gpu_that_goes_away_ends_a_run_that_asked_for_it(driver: Path, planned: Path) -> None:
    ran = run(driver, planned, "--require", "gpu", FAKE_CUDA_FAIL="cuGraphLaunch:15+:719")
    assert ran.code == 2, ran.out + ran.err
    assert "the GPU cannot be used any more: cuGraphLaunch: unspecified launch failure" in " ".join(ran.err.split())
    assert "Traceback" not in ran.err


def test_kernels_that_do_not_load_leave_the_way_around_the_network_to_the_cpu(driver: Path, planned: Path) -> None:
    ran = run(driver, planned, FAKE_CUDA_FAIL="cuModuleLoadData:1+:200")
    assert_as_on_the_cpu(ran, planned)
    assert [(model["backend"], model["way"]) for model in summary(planned)["models"]] == [("tensorrt", "tensors")] * 2
    said = " ".join(ran.err.split())
    assert "tensorrt leaves preparing and decoding to the CPU: the kernels of letterbox.cu cannot be loaded" in said
    ran = run(driver, planned, "--set", "backend.way=frames", FAKE_CUDA_FAIL="cuModuleLoadData:1+:200")
    assert ran.code == 2
    assert "tensorrt: takes tensors, not frames: the kernels of letterbox.cu" in " ".join(ran.err.split())


def test_frames_asked_for_where_there_is_no_gpu_is_an_error_that_says_so(driver: Path, planned: Path) -> None:
    ran = run(None, planned, "--set", "backend.way=frames")
    assert ran.code == 2
    said = " ".join(ran.err.split())
    assert "onnxruntime-cpu: takes tensors, not frames: it runs on the CPU" in said
    assert "tensorrt: no NVIDIA driver" in said


@pytest.mark.parametrize("memory", ["300000", "2000000"])
def test_too_little_gpu_memory_is_a_reason_whichever_part_lacks_it(driver: Path, planned: Path, memory: str) -> None:
    ran = run(driver, planned, FAKE_CUDA_MEMORY=memory)
    assert_as_on_the_cpu(ran, planned)
    if memory == "300000":
        reasons = [
            t["reason"] for model in summary(planned)["models"] for t in model["tried"] if t["name"] == "tensorrt"
        ]
        assert any("out of memory" in reason for reason in reasons), reasons


def test_real_networks_on_footage_give_the_records_of_the_cpu(driver: Path, shared: Path, tmp_path: Path) -> None:
    fill_cache(tmp_path / "cache")
    clip = shared / "data/video/udacity_test_video.mp4"
    models = {
        ROOT / "engines/weights/roadnet-camvid.onnx": (272, 480),
        shared / "weights/yolo11n-seg.onnx": (384, 640),
    }
    found = {}
    for name in ("onnxruntime-cpu", "tensorrt"):
        words: list[Any] = ["-c", COMMAND, "run", clip, "--frames", "3", "--unverified", "--backend", name]
        for model, (height, width) in models.items():
            words += ["-m", model]
            if name == "tensorrt":
                plan = [HERE / "fake_plans.py", model, height, width]
                assert run_with_gpu(driver, plan, tmp_path, python_path=TENSORRT).code == 0
        outputs = ["--json", f"{name}.jsonl", "--no-timing", "--summary", "out.json"]
        ran = run_with_gpu(driver, [*words, *outputs], tmp_path, python_path=TENSORRT, timeout_s=110)
        assert ran.code == 0, ran.err
        found[name] = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
    assert [model["way"] for model in summary(tmp_path)["models"]] == ["frames", "frames"]
    for one, other in zip(found["tensorrt"], found["onnxruntime-cpu"], strict=True):
        masks = [([dict(i, rle=None) for i in record["instances"]]) for record in (one, other)]
        assert masks[0] == masks[1]
        assert one["labels"] == other["labels"]
    assert ran.report["violations"] == []


def test_times_of_a_gpu_are_recorded_with_its_slots_and_imagined_so(driver: Path, planned: Path) -> None:
    names = "[red, green, blue]"
    (planned / "t.yaml").write_text(
        f"classes: {names}\nnetwork: {{red: red, green: green, blue: blue}}\ndataset: {{road: red, sky: blue}}\n"
    )
    data = ["eval", "--dataset", SOURCE, "--mapping", "t.yaml", "-m", planned / "colours.onnx", "--unverified"]
    words = [*data, "--record-times", "times.jsonl", "--what-if", "fps=50,latency=100ms", "--json", "eval.json"]
    ran = run_with_gpu(driver, ["-c", COMMAND, *words], planned, python_path=TENSORRT, timeout_s=110)
    assert ran.code == 0, ran.out + ran.err
    (timing, *rest) = [json.loads(line)["timing"] for line in (planned / "times.jsonl").read_text().splitlines()]
    assert len(rest) == 11
    assert (timing["workers"], timing["slots"], list(timing["stages_ms"])) == (1, 3, ["infer"])
    (imagined,) = json.loads((planned / "eval.json").read_text())["what_if"]
    assert imagined["finished_ms"][:2] == [[0, 100], [4, 200]]  # with three threads it would be 1 at 120
