"""Runs engines.build_child and tells what became of it: its answer, or the signal that ended it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import BackendError

Progress = Callable[[str, float], None]  # what TensorRT is at, and how much of the whole is done, 0..1
_LAST_LINES = 3
_ROOT = Path(__file__).resolve().parents[1]
# Not `-m`: that would look into the folder one is in, where a file may be called like a module.
_START = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from engines.build_child import main; main(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))"
)


def ask(request: Mapping[str, Any], folder: Path, progress: Progress = lambda phase, done: None) -> dict[str, Any]:
    """Have a request answered in a process of its own; that one is gone when this returns, however it does.

    Args:
        request: see engines.build_child.main.
        folder: for files on the way.
        progress: told what is going on.

    Returns:
        `version` of the product and `bytes` of the plan; or `parse`: what the parser refused; or `failed`: the
        last error of a build; or `error`, `hint`.

    Raises:
        BackendError: the process crashed; with the signal's name and the last lines of TensorRT's log.
    """
    asked, said = folder / "request.json", folder / "log.txt"
    asked.write_text(json.dumps(request))
    reading, writing = os.pipe()
    with open(reading, "rb") as replies, said.open("ab") as log:
        try:
            child = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(_ROOT), str(asked), str(writing), str(log.fileno())],
                stdin=subprocess.PIPE,  # never written to: it closes when this process goes
                stdout=log,
                stderr=log,
                pass_fds=(writing, log.fileno()),
                start_new_session=True,  # Ctrl-C comes here alone
            )
        finally:
            os.close(writing)
        answer: dict[str, Any] | None = None
        phase = ""
        try:
            for line in replies:
                told = json.loads(line)
                if "phase" in told:
                    phase = told["phase"] or phase
                    progress(phase, told["done"])
                else:
                    answer = told
        finally:
            child.kill()  # where it answered it has left or is about to
            assert child.stdin is not None
            child.stdin.close()
            code = child.wait()
    if answer is None:
        raise _crash(str(request["product"]), code, phase, said)
    return answer


def _crash(product: str, code: int, phase: str, said: Path) -> BackendError:
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines() if line.strip()]
    try:
        how = signal.Signals(-code).name
    except ValueError:
        how = f"exit code {code}"
    where = f" while `{phase}`" if phase else ""
    last = "; ".join(lines[-_LAST_LINES:]) or "nothing"
    return BackendError(
        f"{product} crashed the process it was in ({how}){where}; the last it said: {last}",
        hint="its driver or its libraries may be broken or of another version",
    )
