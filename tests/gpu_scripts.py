"""The shell of the GPU benchmark, run as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_gpu import ROOT

GPU = ROOT / "benchmarks/gpu"


def bash() -> str:
    return shutil.which("bash") or pytest.skip("no bash here: apt-get install bash")


def run_sh(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHON": sys.executable, **environment}
    given.pop("OUT", None)
    command = [bash(), GPU / "run.sh", *words]
    return subprocess.run(
        list(map(str, command)), env=given, capture_output=True, text=True, timeout=100, check=False
    )


def run_machine_alone(folder: Path, packs: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """A dry run of the part that needs no GPU, all of it written into a folder."""
    places = ("--out", folder, "--work", folder / "work", "--packs", packs)
    return run_sh("--dry", "--only", "machine", *places, *words)
