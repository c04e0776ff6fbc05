"""What a machine lacks, or loses, is a reason: the real command, in processes of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from fake_gpu import HERE, Ran, run_with_gpu
from kernel_emulator.cache import fill_cache

CARD = "family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8, long_side: 128}\n"
COMMAND = "from pipeline.cli import main; main()"
FRAMES = 24
TENSORRT = [HERE / "fake_tensorrt"]


def new_model(folder: Path) -> Path:
    """A network of three colours."""
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    path = tiny_models.fcn(folder / "m.onnx")
    path.with_suffix(".yaml").write_text(CARD)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Without a plan."""
    return new_model(tmp_path)


@pytest.fixture(scope="module")
def planned(driver: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a plan, and beside it, in cpu.jsonl, what it says of the demo on the CPU."""
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    path = new_model(tmp_path_factory.mktemp("planned"))
    store_plan(driver, path)
    ran = run(None, path, "--backend", "onnxruntime-cpu")
    assert ran.code == 0, ran.out + ran.err
    (path.parent / "out.jsonl").rename(path.parent / "cpu.jsonl")
    return path


def run(driver: Path | None, model: Path, *words: str, python_path: Sequence[Path] = (), **environment: str) -> Ran:
    """`dashmask run` over the demo, into out.jsonl and out.json."""
    what = ["-c", COMMAND, "run", f"demo:frames={FRAMES},size=256x144", "--model", model, *words]
    outputs = ["--json", "out.jsonl", "--summary", "out.json"]
    folder = model.parent
    for name in ("out.jsonl", "out.json"):
        (folder / name).unlink(missing_ok=True)
    return run_with_gpu(driver, [*what, *outputs], folder, python_path=python_path, **environment)


def store_plan(driver: Path, model: Path, *more: str) -> Path:
    """A plan for the fake GPU, which refuses dashmask's kernels: see test_gpu_run.py for the way with them."""
    fill_cache(model.parent / "cache", binary=b"no cubin")
    script = HERE / "fake_plans.py"
    ran = run_with_gpu(driver, [script, model, "72", "128", *more], model.parent, python_path=TENSORRT)
    assert ran.code == 0, ran.err
    return Path(ran.out.strip())


def summary(model: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((model.parent / "out.json").read_text())
    return told


def reasons(model: Path) -> dict[str, str]:
    (about,) = summary(model)["models"]
    return {one["name"]: one["reason"] for one in about["tried"]}


def records(model: Path) -> list[str]:
    return (model.parent / "out.jsonl").read_text().splitlines()


def assert_goes_on(ran: Ran, model: Path, reason: str, backend: str = "tensorrt") -> None:
    """The run came to its end on a CPU, and says why."""
    assert ran.code == 0, ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    assert len(records(model)) == FRAMES
    assert summary(model)["models"][0]["backend"] in ("openvino", "onnxruntime-cpu")
    assert reason in reasons(model)[backend]
    if ran.report:
        assert (ran.report["alive"], ran.report["current"], ran.report["violations"]) == ({}, False, [])


def assert_refused(ran: Ran, *reasons: str) -> None:
    """The command ended with a sentence."""
    assert ran.code == 2, ran.out + ran.err
    assert "Traceback" not in ran.out + ran.err
    said = " ".join((ran.out + ran.err).split())
    for reason in reasons:
        assert reason in said, said


def assert_same_as_on_the_cpu(model: Path) -> None:
    """Frame by frame, in order."""
    expected = (model.parent / "cpu.jsonl").read_text().splitlines()
    assert _answers(records(model)) == _answers(expected)


def assert_clean(ran: Ran) -> None:
    """Nothing was left on the GPU, nothing was done wrong."""
    assert (ran.report["alive"], ran.report["current"], ran.report["violations"]) == ({}, False, [])


def test_no_driver(model: Path) -> None:
    assert_goes_on(run(None, model), model, "no NVIDIA driver")
    assert_refused(run(None, model, "--require", "gpu"), "no GPU backend can run m.onnx", "no NVIDIA driver")


def test_a_driver_without_a_gpu(driver: Path, model: Path) -> None:
    ran = run(driver, model, FAKE_CUDA_DEVICES="0")
    assert_goes_on(ran, model, "an NVIDIA driver, but no GPU that it can use")


def test_a_gpu_without_tensorrt(driver: Path, model: Path) -> None:
    assert_goes_on(run(driver, model), model, "")
    assert reasons(model)["tensorrt"] in (
        "not installed (pip install tensorrt)",
        "neither cuda-python nor pycuda is installed (pip install -U cuda-python)",
        f"no plan was built of it here (`dashmask build {model}` builds one)",
    )


def test_a_gpu_without_a_plan(driver: Path, model: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    assert_goes_on(run(driver, model, python_path=TENSORRT), model, f"(`dashmask build {model}` builds one)")
    ran = run(driver, model, "--backend", "tensorrt", python_path=TENSORRT)
    assert_refused(ran, "tensorrt cannot run m.onnx: no plan was built of it here", f"`dashmask build {model}`")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("crash", "tensorrt takes the process down when it is loaded (SIGSEGV)"),
        ("broken", "tensorrt does not load: ImportError: libnvinfer.so.10: cannot open shared object file"),
        ("old driver", "tensorrt does not load: the NVIDIA driver is older than the CUDA that it was made for, "),
    ],
)
def test_a_tensorrt_that_does_not_load(driver: Path, planned: Path, how: str, reason: str) -> None:
    assert_goes_on(run(driver, planned, python_path=TENSORRT, FAKE_TENSORRT=how), planned, reason)


def test_a_tensorrt_that_hangs_is_given_up(driver: Path, tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    code = "from engines.probe import tensorrt_here; print(tensorrt_here('tensorrt', 1.5))"
    ran = run_with_gpu(driver, ["-c", code], tmp_path, python_path=TENSORRT, FAKE_TENSORRT="hang")
    assert "tensorrt did not load within 1.5 s" in ran.out, ran.out + ran.err


def test_doctor_knows_a_tensorrt_that_loads_by_its_version(driver: Path, tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    code = "from engines.probe import facts\nfor fact in facts(): print(fact.topic, fact.state, fact.detail)"
    ran = run_with_gpu(driver, ["-c", code], tmp_path, python_path=TENSORRT)
    assert "backend tensorrt yes 10.16.1.11 can be tried" in ran.out, ran.out + ran.err
    assert "gpu yes Fake GPU 0" in ran.out


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("10.3.0.26",), "it was built by tensorrt 10.3.0.26, here is 10.16.1.11"),
        (("10.16.1.11", "no engine"), "gave no engine: IRuntime::deserializeCudaEngine: Magic tag does not match"),
    ],
)
def test_a_plan_that_cannot_be_loaded(driver: Path, model: Path, more: tuple[str, ...], reason: str) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    store_plan(driver, model, *more)
    assert_goes_on(run(driver, model, python_path=TENSORRT), model, reason)


def test_a_damaged_plan(driver: Path, model: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    path = store_plan(driver, model)
    path.write_bytes(path.read_bytes()[:-1])
    assert_goes_on(run(driver, model, python_path=TENSORRT), model, "it is damaged")
    assert_refused(run(driver, model, "--backend", "tensorrt", python_path=TENSORRT), "it is damaged")


def test_too_little_gpu_memory(driver: Path, planned: Path) -> None:
    ran = run(driver, planned, "--unverified", python_path=TENSORRT, FAKE_CUDA_MEMORY="200000")
    assert_goes_on(ran, planned, "cuMemAlloc: out of memory (CUDA error 2)")


def test_a_precision_that_a_gpu_backend_lacks(driver: Path, planned: Path) -> None:
    words = ("--set", "backend.precision=bf16", "--unverified")
    ran = run(driver, planned, *words, "--backend", "tensorrt", python_path=TENSORRT)
    assert_refused(ran, "tensorrt cannot run m.onnx: tensorrt has no bf16: its precision is that of its plan")
    ran = run(driver, planned, *words, "--require", "gpu", python_path=TENSORRT)
    assert_refused(ran, "no GPU backend can run m.onnx: tensorrt: tensorrt has no bf16")


@pytest.mark.parametrize("words", [(), ("--require", "gpu")])
def test_a_gpu_that_works_runs_the_plan(driver: Path, planned: Path, words: tuple[str, ...]) -> None:
    ran = run(driver, planned, "--unverified", *words, python_path=TENSORRT)
    assert ran.code == 0, ran.out + ran.err
    assert summary(planned)["models"][0]["backend"] == "tensorrt"
    assert_same_as_on_the_cpu(planned)
    assert_clean(ran)


@pytest.mark.parametrize("call", ["cuGraphLaunch:11+:719", "cuEventSynchronize:7+:700", "cuEventRecord:9:999"])
def test_a_gpu_that_goes_away_in_the_middle_of_a_run(driver: Path, planned: Path, call: str) -> None:
    ran = run(driver, planned, "--unverified", python_path=TENSORRT, FAKE_CUDA_FAIL=call)
    assert ran.code == 0, ran.out + ran.err
    assert_same_as_on_the_cpu(planned)
    assert summary(planned)["models"][0]["backend"] in ("openvino", "onnxruntime-cpu")
    (note,) = [note for note in summary(planned)["notes"] if "tensorrt stopped at frame" in note]
    assert f"the GPU cannot be used any more: {call.partition(':')[0]}: " in note
    assert f"{summary(planned)['models'][0]['backend']} goes on" in note
    assert note[:40] in " ".join(ran.err.split())
    assert_clean(ran)


@pytest.mark.parametrize("words", [("--backend", "tensorrt"), ("--require", "gpu")])
def test_a_gpu_that_goes_away_ends_a_run_that_asked_for_it(
    driver: Path, planned: Path, words: tuple[str, ...]
) -> None:
    fail = "cuGraphLaunch:11+:719"
    ran = run(driver, planned, "--unverified", *words, python_path=TENSORRT, FAKE_CUDA_FAIL=fail)
    assert_refused(ran, "the GPU cannot be used any more: cuGraphLaunch: unspecified launch failure")
    assert_clean(ran)


def test_frames_of_a_size_that_was_not_built_go_to_the_next_backend(driver: Path, planned: Path) -> None:
    ran = run(driver, planned, "--unverified", "--imgsz", "64", python_path=TENSORRT)
    assert ran.code == 0, ran.out + ran.err
    assert len(records(planned)) == FRAMES
    (note,) = [note for note in summary(planned)["notes"] if "tensorrt stopped at frame 0" in note]
    assert "the plan was built for inputs of 1x3x72x128" in note
    assert_clean(ran)


def _answers(lines: Sequence[str]) -> list[Any]:
    """Records without their times."""
    return [(record["index"], record["labels"]) for record in map(json.loads, lines)]
