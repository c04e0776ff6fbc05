"""Official evaluation packages in environments of their own: never in the one that runs the tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest


def run_reference(package: str, script: str, *words: object) -> Any:
    """What a script says as JSON in its last line, run by $DASHMASK_REFERENCES/<package>/bin/python; else a skip."""
    folder = os.environ.get("DASHMASK_REFERENCES")
    python = Path(folder or "", package, "bin", "python")
    if folder is None or not python.exists():
        pytest.skip(f"no {package} to compare with: DASHMASK_REFERENCES names no folder with an environment of it")
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
