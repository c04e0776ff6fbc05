"""`dashmask bench`, as quick as it can be, and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import Said, dashmask

QUICK = ("--seconds", "0.3", "--windows", "3", "--warm-up", "0.2")
CPU = ("--backend", "onnxruntime-cpu")


@pytest.fixture
def semantic(models: tuple[Path, Path]) -> Path:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    return models[0]


def bench(source: object, *words: object) -> Said:
    said = dashmask("bench", source, *QUICK, *words)
    assert "Traceback" not in said.err
    return said


def figures(path: Path) -> dict[str, Any]:
    report = json.loads(path.read_text())
    assert isinstance(report, dict)
    return report
