"""The soak in its short form: nothing is left behind, every frame is accounted for, damaged files do no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psutil", reason="psutil is not installed: install the extra `test`")

ROOT = Path(__file__).parents[1]
NOTHING = {"threads": 0, "handles": 0, "children": 0}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `benchmarks/soak/run.sh --short` found; on real footage where that is there."""
    path = tmp_path_factory.mktemp("soak") / "soak.json"
    shared = Path(os.environ.get("DASHMASK_SHARED", ROOT.parent / "shared"))
    real = shared / "data/video/kitti_2011_09_26_vfr_h264.mp4"
    command = [str(ROOT / "benchmarks/soak/run.sh"), "--short", "--json", str(path)]
    command += ["--damage", str(real)] if real.exists() else []
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(path.read_text())
    return told


@pytest.mark.timeout(600)
def test_three_thousand_frames_at_full_speed_leave_nothing_behind(found: dict[str, Any]) -> None:
    part = found["full_speed"]
    assert part["frames"] == {"in": 3000, "processed": 3000, "dropped": {}}
    assert part["records"] == 3000
    assert part["left"] == NOTHING


@pytest.mark.timeout(600)
def test_live_with_a_camera_that_dies_again_and_again_every_frame_is_accounted_for(found: dict[str, Any]) -> None:
    part = found["live"]
    if "skipped" in part:
        pytest.skip(part["skipped"])
    assert part["kills"] >= 2
    assert part["interrupted"]
    assert part["accounted"], part["sources"]
    assert part["sources"][0]["gaps"] == 0
    assert part["sources"][1]["gaps"] >= 1
    assert part["left"] == NOTHING


@pytest.mark.timeout(600)
def test_twenty_files_with_flipped_bytes_crash_nothing_and_what_decodes_is_processed(found: dict[str, Any]) -> None:
    part = found["corrupt"]
    assert part["files"] == 20
    assert part["not_as_decoded"] == []
    assert part["frames_processed"] > 300
    assert part["longest_s"] < 60
