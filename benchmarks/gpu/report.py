"""What a part of the benchmark says: a JSON file, whole after every line that is added."""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Skip(Exception):  # noqa: N818 it is no error
    """A part that cannot run here; the text says why."""


class Report:
    """Collects facts (by name) and rows (measurements), and writes them at once.

    Attributes:
        deadline: time.monotonic() at which nothing new should be begun.
    """

    def __init__(self, part: str, path: Path, seconds: float, dry: bool) -> None:
        self.path, self.dry = path, dry
        self.deadline = time.monotonic() + seconds
        self.told: dict[str, Any] = {"part": part, "state": "failed", "why": "", "seconds": 0.0, "facts": {}}
        self.told |= {"rows": [], "log": ""}
        self._write()

    def fact(self, name: str, value: Any) -> None:
        """Something that is so."""
        self.told["facts"][name] = value
        print(f"{name}: {value}")
        self._write()

    def row(self, **values: Any) -> None:
        """A measurement or a claim that was tried."""
        self.told["rows"].append(values)
        print(values)
        self._write()

    def tried(self, work: Callable[[], dict[str, Any]], **what: Any) -> bool:
        """A row of what some work measures, or of the error that it ends with; False where it fails."""
        if self.left() < 3:
            self.row(**what, skipped="no time was left")
            return False
        try:
            self.row(**what, **work())
        except Exception as error:
            traceback.print_exc()
            self.row(**what, failed=_sentence(error))
            return False
        return True

    def left(self) -> float:
        """Seconds until the part should end."""
        return self.deadline - time.monotonic()

    def _write(self) -> None:
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self.told, indent=1))
        unfinished.replace(self.path)

    def end(self, state: str, why: str = "") -> None:
        """How the part came out: done, skipped or failed."""
        self.told |= {"state": state, "why": why}
        self._write()


def need_gpu(report: Report) -> None:
    """Skip where there is no GPU, or none is to be touched."""
    from engines.gpu import gpu_here

    gpu, reason = gpu_here()
    if reason:
        raise Skip(f"no GPU: {reason}")
    if report.dry:
        raise Skip("no GPU: this is a dry run")
    report.fact("gpu", gpu.name)


def run(part: str, work: Callable[[Report], None]) -> None:
    """Run a part as runner.py calls it: arguments are the file, the seconds, and `run` or `dry`."""
    report = Report(part, Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "dry")
    try:
        work(report)
    except Skip as skip:
        report.end("skipped", str(skip))
    except Exception as error:
        traceback.print_exc()
        report.end("failed", _sentence(error))
        sys.exit(1)
    else:
        bad = [row for row in report.told["rows"] if "failed" in row or row.get("passed") is False]
        report.end(
            "failed" if bad else "done", f"{len(bad)} of {len(report.told['rows'])} rows failed" if bad else ""
        )


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:600]
