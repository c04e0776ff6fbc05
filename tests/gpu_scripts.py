"""The shell of the GPU benchmark, run as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

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
