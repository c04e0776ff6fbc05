"""What the GPU benchmark takes with it: packs in pieces, whole and damaged, and the code of one architecture."""

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

import pytest
from gpu_scripts import GPU, bash, run_machine_alone, run_sh


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
    told = run_machine_alone(tmp_path, tmp_path / "none")
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
