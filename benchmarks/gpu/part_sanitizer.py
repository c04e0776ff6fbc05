"""The kernels under NVIDIA's compute-sanitizer: addresses, races, barriers, and memory that was never written.

What the emulator of the tests cannot show. Where the tool refuses the device, as on some virtual ones, that is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from report import Report, Skip, need_gpu, run

HERE = Path(__file__).resolve().parent
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
FOUND = 9  # the exit status that we ask for where something was found
_WAYS = "import part_kernels; [part_kernels.repeated(family) for family in ('yolo-seg', 'semantic')]"


def main(report: Report) -> None:
    need_gpu(report)
    program = sanitizer()
    if program is None:
        raise Skip("compute-sanitizer is not here")
    for tool in TOOLS:
        report.tried(lambda tool=tool: under(program, tool, report.left()), claim=f"nothing is found by {tool}")  # type: ignore[misc]


def sanitizer() -> str | None:
    """The program; None where it is not installed."""
    found = (str(path) for path in sorted(Path("/usr/local").glob("cuda*/bin/compute-sanitizer")))
    return shutil.which("compute-sanitizer") or next(found, None)


def under(program: str, tool: str, seconds: float) -> dict[str, Any]:
    """Both ways of part_kernels under a tool.

    Returns:
        passed, with what was found where it is False; or skipped, with the reason.
    """
    words = [
        program,
        "--tool",
        tool,
        "--error-exitcode",
        str(FOUND),
        "--print-limit",
        "5",
        sys.executable,
        "-c",
        _WAYS,
    ]
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            words, env=environment, capture_output=True, text=True, timeout=max(seconds, 5), check=False
        )
    except subprocess.TimeoutExpired:
        return {"skipped": f"{tool} took longer than the {seconds:.0f} s that were left"}
    print(done.stdout[-3000:], done.stderr[-2000:])
    told = [
        line.strip("= ") for line in done.stdout.splitlines() if line.startswith("=========") and line.strip("= ")
    ]
    if done.returncode == 0:
        return {"passed": True}
    if done.returncode == FOUND:
        return {"passed": False, "wrong": told[:12]}
    why = [*told[-2:], *done.stderr.strip().splitlines()[-1:]]
    return {"skipped": f"{tool} ended with {done.returncode}: {'; '.join(why)[:300]}"}


if __name__ == "__main__":
    run("sanitizer", main)
