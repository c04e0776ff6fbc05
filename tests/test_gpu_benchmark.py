"""The GPU benchmark where there is no GPU: shell, dry run, packs, table, and its parts on a driver in host memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fake_gpu import ROOT, build_driver, run_with_gpu
from test_device import CHECKS, PYTEST

GPU = ROOT / "benchmarks/gpu"
PARTS = ["machine", "device", "kernels", "onnxruntime", "rtx", "run", "way", "sanitizer", "compile"]
KEYS = {"part": str, "state": str, "why": str, "seconds": float, "facts": dict, "rows": list, "log": str}
STATES = ("done", "skipped", "failed", "timed out")


def bash() -> str:
    return shutil.which("bash") or pytest.skip("no bash here: apt-get install bash")


def run_sh(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHON": sys.executable, **environment}
    given.pop("OUT", None)
    command = [bash(), GPU / "run.sh", *words]
    return subprocess.run(
        list(map(str, command)), env=given, capture_output=True, text=True, timeout=100, check=False
    )


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
    words = (
        "--dry",
        "--only",
        "machine",
        "--out",
        tmp_path,
        "--work",
        tmp_path / "work",
        "--packs",
        tmp_path,
        "--name",
        "one",
    )
    assert run_sh(*words).returncode == 0
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


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_packs_go_over_in_pieces_and_come_together_again(tmp_path: Path) -> None:
    ready, packs = tmp_path / "ready", tmp_path / "packs"
    ready.mkdir()
    packs.mkdir()
    wheel(
        ready / "unheard_of-1.0-py3-none-any.whl",
        {"unheard_of/__init__.py": b"x = 1", "unheard_of-1.0.data/purelib/beside.py": b""},
    )
    wheel(ready / "numpy-0.1-py3-none-any.whl", {"numpy/__init__.py": b"raise SystemExit"})
    (ready / "yolo.onnx").write_bytes(os.urandom(150_000))
    content = tmp_path / "large.bin"
    content.write_bytes(os.urandom(400_000))
    with tarfile.open(ready / "large.tar.xz", "w:xz") as archive:
        archive.add(content, "inside/large.bin")
    subprocess.run(
        [sys.executable, GPU / "parts_of.py", ready, packs, "--mib", "0.2"], check=True, capture_output=True
    )
    folders = sorted(packs.iterdir())
    assert [folder.name for folder in folders] == ["1", "2", "3"]
    assert all(sum(file.stat().st_size for file in folder.iterdir()) < 0.21 * 2**20 for folder in folders)
    for folder in folders:  # one call each: what came before is kept
        one = tmp_path / f"call{folder.name}"
        shutil.copytree(folder, one / folder.name)
        done = run_sh("--stash", "--work", tmp_path / "work", "--packs", one)
        assert done.returncode == 0, done.stderr
    words = (
        "--dry",
        "--only",
        "machine",
        "--out",
        tmp_path,
        "--work",
        tmp_path / "work",
        "--packs",
        tmp_path / "none",
    )
    told = run_sh(*words)
    assert told.returncode == 0, told.stderr
    found = json.loads((tmp_path / "gpu-dry.json").read_text())["packs"]
    assert found["wrong"] == []
    assert found["extra"] == ["yolo.onnx"]
    assert sorted(found["installed"]) == ["large.tar.xz", "unheard_of-1.0-py3-none-any.whl"]
    assert found["there"][0].startswith("numpy-0.1-py3-none-any.whl (the machine has ")
    site = tmp_path / "work/site"
    assert (site / "inside/large.bin").read_bytes() == content.read_bytes()
    assert (site / "beside.py").is_file()
    assert not (site / "numpy").exists()
    assert (
        hashlib.sha256((tmp_path / "work/extra/yolo.onnx").read_bytes()).digest()
        == hashlib.sha256((ready / "yolo.onnx").read_bytes()).digest()
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="git tells what a checkout carries")
def test_a_pack_and_the_checkout_are_carried_together_in_64_mib(tmp_path: Path) -> None:
    root = GPU.parents[1]
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=root, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    names = listed.stdout.decode().split("\0")
    checkout = sum((root / name).stat().st_size for name in names if name and (root / name).is_file())
    python = tmp_path / "python"  # fetches nothing
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] || exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "large.onnx").write_bytes(bytes(70 << 20))
    (tmp_path / "packs/wheels/base").mkdir(parents=True)
    environment = {**os.environ, "PYTHON": str(python), "GPU_PACKS": str(tmp_path / "packs")}
    words = [bash(), str(GPU / "pack.sh"), "--only", "base", str(tmp_path / "large.onnx")]
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=60)
    packs = [folder for folder in (tmp_path / "packs").iterdir() if folder.name.isdecimal()]
    assert len(packs) > 1
    assert all(checkout + sum(file.stat().st_size for file in pack.iterdir()) < 63 << 20 for pack in packs)


def test_a_pack_that_is_damaged_or_not_whole_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    pack = tmp_path / "packs/1"
    pack.mkdir(parents=True)
    (pack / "a.whl").write_bytes(b"not what it was")
    (pack / "b.tar.xz.piece001").write_bytes(b"the second piece alone")
    sums = {"a.whl": "0" * 64, "gone.whl": "0" * 64}
    sums["b.tar.xz.piece001"] = hashlib.sha256((pack / "b.tar.xz.piece001").read_bytes()).hexdigest()
    (pack / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))
    done = run_sh(
        "--dry", "--only", "machine", "--out", tmp_path, "--work", tmp_path / "work", "--packs", tmp_path / "packs"
    )
    assert done.returncode == 0, done.stderr
    wrong = " ".join(json.loads((tmp_path / "gpu-dry.json").read_text())["packs"]["wrong"])
    assert "1/a.whl is damaged" in wrong
    assert "1/gone.whl is not there" in wrong
    assert "b.tar.xz: pieces [1] of it are there" in wrong


def elf(code: bytes) -> bytes:
    """A 64-bit ELF file with nothing but a `.nv_fatbin`."""
    names = b"\0.nv_fatbin\0.shstrtab\0"
    rows = [(0,) * 10, (1, 1, 0, 0, 64, len(code), 0, 0, 8, 0), (12, 3, 0, 0, 64 + len(code), len(names), 0, 0, 1, 0)]
    header = bytearray(64)
    header[:5] = b"\x7fELF\x02"
    struct.pack_into("<Q", header, 0x28, 64 + len(code) + len(names))
    struct.pack_into("<HHH", header, 0x3A, 64, 3, 2)
    return bytes(header) + code + names + b"".join(struct.pack("<IIQQQQIIQQ", *row) for row in rows)


def entry(kind: int, architecture: int, payload: bytes) -> bytes:
    header = bytearray(64)
    struct.pack_into("<HHIQ", header, 0, kind, 0, 64, len(payload))
    struct.pack_into("<I", header, 28, architecture)
    return bytes(header) + payload


def test_the_code_of_other_architectures_is_left_out_and_nothing_moves(tmp_path: Path) -> None:
    entries = [entry(2, 80, b"a" * 64), entry(2, 90, b"b" * 64), entry(1, 90, b"c" * 64)]
    body = b"".join(entries)
    container = struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(body)) + body
    library = elf(container + bytes(16) + container)
    (tmp_path / "wheels").mkdir()
    wheel(
        tmp_path / "wheels/onnxruntime_gpu-1-py3-none-any.whl",
        {"onnxruntime/capi/lib.so": library, "onnxruntime/tools/x.py": b""},
    )
    words = (GPU / "one_architecture.py", tmp_path / "wheels", "--out", tmp_path / "one.tar.xz", "--sm")
    subprocess.run([sys.executable, *words, "90"], check=True, capture_output=True)
    with tarfile.open(tmp_path / "one.tar.xz") as archive:
        (member,) = archive.getmembers()
        made = archive.extractfile(member)
        assert made is not None
        assert made.read() == library.replace(b"a" * 64, bytes(64)).replace(b"c" * 64, bytes(64))
    missing = subprocess.run([sys.executable, *words, "75"], capture_output=True, text=True, check=False)
    assert "no machine code for sm_75" in missing.stderr


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


def test_its_parts_run_on_a_driver_in_host_memory(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings", reason="no cuda-bindings here: pip install cuda-bindings")
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    words = [*PYTEST, CHECKS / "check_gpu_benchmark.py"]
    driver = build_driver(tmp_path / "driver")
    ran = run_with_gpu(driver, words, tmp_path, python_path=[GPU], timeout_s=110, FAKE_CUDA_EAGER="1")
    assert ran.code == 0, ran.out + ran.err
    assert "skipped" not in ran.out


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
