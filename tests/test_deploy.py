"""What a run is deployed with: its configuration and its unit of systemd."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.config_file import load
from pipeline.evidence import Evidence

DEPLOY = Path(__file__).parents[1] / "configs/deploy"


def test_the_deployed_configuration_is_one() -> None:
    config = load(str(DEPLOY / "run.yaml"))
    assert config.evidence.when
    assert Evidence(load(str(DEPLOY / "run.yaml"), options={"evidence.folder": "e"})).conditions


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here: apt-get install systemd")
    unit = (DEPLOY / "dashmask.service").read_text()
    (tmp_path / "dashmask.service").write_text(unit.replace("/opt/dashmask/bin/dashmask", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "dashmask.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
