"""The GPU benchmark where there is no GPU: shell, dry run, table, and its parts on a driver in host memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_gpu import ROOT, need_cuda_python, run_checks
from gpu_scripts import GPU, bash, run_machine_alone, run_sh

PARTS = ["machine", "device", "kernels", "onnxruntime", "rtx", "run", "way", "sanitizer", "compile"]
KEYS = {"part": str, "state": str, "why": str, "seconds": float, "facts": dict, "rows": list, "log": str}
STATES = ("done", "skipped", "failed", "timed out")


@pytest.mark.parametrize("name", ["run.sh", "pack.sh"])
def test_the_shell_can_read_it_and_it_says_what_it_does(name: str) -> None:
    subprocess.run([bash(), "-n", GPU / name], check=True)
    assert os.access(GPU / name, os.X_OK)
    told = subprocess.run(
        [bash(), GPU / name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHON": sys.executable},
    )
    assert "--only" in told.stdout


def test_a_dry_run_goes_through_every_part_and_claims_nothing(tmp_path: Path) -> None:
    done = run_sh("--dry", "--out", tmp_path / "out", "--work", tmp_path / "work", "--packs", tmp_path / "none")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "out/gpu-dry.json").read_text())
    assert {"schema": 1, "name": "dry", "dry": True}.items() <= told.items()
    assert list(told["parts"]) == PARTS
    for name, part in told["parts"].items():
        assert {key: type(part[key]) for key in KEYS} == KEYS, name
        assert part["state"] in STATES
        assert part["rows"] == []
    assert told["parts"]["machine"]["state"] == "done"
    assert all(told["parts"][name]["state"] == "skipped" for name in PARTS[1:])
    assert all(told["parts"][name]["why"].startswith("no GPU: ") for name in PARTS[1:])
    table = subprocess.run(
        [sys.executable, GPU / "table.py", tmp_path / "out/gpu-dry.json"], capture_output=True, text=True, check=True
    ).stdout
    assert table.strip() == (tmp_path / "out/gpu-dry.md").read_text().strip()
    assert "A dry run: nothing was executed on a GPU." in table
    assert table.count("no GPU: ") == len(PARTS) - 1


def test_one_part_is_run_alone_and_a_part_that_hangs_is_stopped(tmp_path: Path) -> None:
    assert run_machine_alone(tmp_path, tmp_path, "--name", "one").returncode == 0
    assert list(json.loads((tmp_path / "gpu-one.json").read_text())["parts"]) == ["machine"]
    (tmp_path / "part_hangs.py").write_text(
        "import report, sys, time\n"
        "report.Report('hangs', report.Path(sys.argv[1]), 1, False).row(fps=1.0)\n"
        "time.sleep(60)\n"
    )
    (tmp_path / "part_dies.py").write_text("import os\nos.abort()\n")
    code = f"""
import json, os, pathlib, sys
sys.path.insert(0, {str(GPU)!r})
import runner
runner.HERE = folder = pathlib.Path({str(tmp_path)!r})
environment = {{**os.environ, "PYTHONPATH": {str(GPU)!r}}}
print(json.dumps([runner.run_part(part, False, 3, folder, environment) for part in ("hangs", "dies")]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    hangs, dies = json.loads(done.stdout)
    assert (hangs["state"], hangs["rows"]) == ("timed out", [{"fps": 1.0}])
    assert dies["state"] == "failed"


def full(graph: str, **more: Any) -> dict[str, Any]:
    spread = {"p50": 0.31, "p99": 0.42, "n": 9}
    row = {"network": "enet 640x360", "by": "ONNX Runtime CUDA fp16", "batch": 1, "graph": graph, "fps": 4000.0}
    row |= {"ms_a_frame": 0.25, "latency_ms": spread, "python_ms": spread, "pack_ms": spread, "share_of_model": 0.5}
    return row | {"memory_mib": 100.0, "agree": 1.0} | more


def test_the_table_sets_figures_against_aims_and_says_what_did_not_run(tmp_path: Path) -> None:
    stages = {
        name: {"p50": 0.1, "p99": 0.2, "n": 9}
        for name in ("upload", "preprocess", "network", "postprocess", "download")
    }
    slow = full("off", network="yolo11n-seg 640x384", ms_a_frame=0.7, stages=stages)
    refused = {
        "network": "enet 640x360",
        "by": "TensorRT for RTX fp16",
        "batch": 4,
        "not_run": "no kernel | for cc 9.0",
    }
    machine = {"facts": {"gpu": "NVIDIA H200", "nvidia_smi": "NVIDIA H200, 580"}, "rows": []}
    parts = {
        name: {"state": "done", "why": "", "seconds": 1.0, **part}
        for name, part in {
            "machine": machine,
            "way": {"facts": {}, "rows": [full("yes"), slow, refused]},
            "kernels": {"facts": {}, "rows": [{"claim": "x.py", "passed": False, "wrong": ["test_y"]}]},
        }.items()
    }
    file = tmp_path / "gpu-x.json"
    about = {"name": "x", "dry": False, "began": "now", "commit": "abc", "seconds": 3.0, "parts": parts}
    file.write_text(json.dumps(about))
    done = subprocess.run([sys.executable, GPU / "table.py", file], capture_output=True, text=True, check=True)
    assert "| enet 640x360 | ONNX Runtime CUDA fp16 | 1 | yes | 4000 | 0.250 | 0.4 reached |" in done.stdout
    assert "| 0.700 | 0.6 missed |" in done.stdout
    assert "no kernel / for cc 9.0" in done.stdout
    assert "| x.py | does not hold: test_y |" in done.stdout
    assert "| 0.100 / 0.200 | 0.500 |" in done.stdout


def test_its_parts_run_on_a_driver_in_host_memory(driver: Path, tmp_path: Path) -> None:
    need_cuda_python()
    said = run_checks(driver, tmp_path, "gpu_benchmark", python_path=[GPU], FAKE_CUDA_EAGER="1")
    assert "skipped" not in said


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (0, "========= ERROR SUMMARY: 0 errors", {"passed": True}),
        (9, "========= Invalid read of size 4", {"passed": False, "wrong": ["Invalid read of size 4"]}),
        (
            1,
            "========= Error: Device not supported",
            {"skipped": "racecheck ended with 1: Error: Device not supported"},
        ),
    ],
)
def test_what_the_sanitizer_finds_is_told_apart_from_a_device_that_it_refuses(
    status: int, said: str, told: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(GPU))
    import part_sanitizer

    program = tmp_path / "compute-sanitizer"
    program.write_text(f"#!/bin/sh\necho '{said}'\nexit {status}\n")
    program.chmod(0o755)
    assert part_sanitizer.under(str(program), "racecheck", 20) == told


def test_what_rtx_makes_of_the_gpu_is_told_as_far_as_it_came(rtx: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(GPU))
    import ask_rtx

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    told = ask_rtx.ask("usual")
    assert told["version"].startswith(rtx)
    assert told["plan_bytes"] > 1000
    assert "no NVIDIA driver" in told["failed"] or "right" in told
    import table

    parts = {"rtx": {"state": "done", "why": "", "seconds": 1.0, "rows": [], "facts": {"a_plan_for_usual": told}}}
    whole = {"name": "x", "dry": False, "began": "now", "commit": "", "seconds": 1.0, "parts": parts}
    assert f"TensorRT for RTX, a plan for usual: `{told}`" in table.markdown(whole)
