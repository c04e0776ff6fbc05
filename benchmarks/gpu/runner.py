"""Runs the parts one after the other, each in a process of its own, and keeps one JSON of what they say.

See run.sh. Only the standard library is imported here: everything else may be missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import site_folder
import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCHEMA = 1
# In the order of what the rest depends on; the limits are seconds, and --seconds holds for all of them together.
PARTS = {
    **{"machine": 30, "device": 40, "kernels": 75, "onnxruntime": 60, "rtx": 70},
    **{"run": 100, "way": 150, "sanitizer": 60, "compile": 90},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.sh", description="Everything that needs a GPU.")
    parser.add_argument("--only", action="append", choices=PARTS, help="this part; may be given several times")
    parser.add_argument("--name", help="of the result: gpu-NAME.json; the GPU's name by default")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "benchmarks/results"))
    parser.add_argument("--packs", type=Path, default=ROOT / ".gpu", help="where pack.sh put them")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "dashmask-gpu")
    parser.add_argument("--seconds", type=float, default=460, help="for all of it")
    parser.add_argument("--stash", action="store_true", help="only keep the packs that are here")
    parser.add_argument("--dry", action="store_true", help="the same without touching a GPU")
    args = parser.parse_args()
    began = time.monotonic()
    gathered = args.work / "packs"
    wrong = site_folder.gather(args.packs, gathered)
    if args.stash:
        kept = sorted(file.name for file in gathered.iterdir())
        print("\n".join([*wrong, f"kept in {gathered}: {', '.join(kept) or 'nothing'}"]))
        return 0
    site, extra = args.work / "site", args.work / "extra"
    packs = site_folder.build(gathered, site, extra)
    packs["wrong"] = [*wrong, *packs["wrong"]]
    for kind, names in packs.items():
        print(f"packs, {kind}: {', '.join(names) or 'none'}")
    told: dict[str, Any] = {
        "schema": SCHEMA,
        "name": args.name or "",
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "dry": args.dry,
        "commit": _commit(),
        "packs": packs,
        "seconds": 0.0,
        "parts": {},
    }
    environment = _environment(args.work, site, extra)
    for part in args.only or PARTS:
        left = args.seconds - (time.monotonic() - began)
        if left < 10:
            told["parts"][part] = _empty(part, "skipped", "no time was left for it")
        else:
            told["parts"][part] = run_part(part, args.dry, min(PARTS[part], left), args.work, environment)
        told["seconds"] = round(time.monotonic() - began, 1)
        path = keep(told, args.out)
        print(f"{part}: {told['parts'][part]['state']} {told['parts'][part]['why']}".rstrip(), flush=True)
    path.with_suffix(".md").write_text(table.markdown(told))
    print(f"{path}, {path.with_suffix('.md').name}: {told['seconds']} s")
    return 0


def run_part(part: str, dry: bool, limit_s: float, work: Path, environment: dict[str, str]) -> dict[str, Any]:
    """What a part says; what it said before it crashed or ran out of time."""
    result, log = work / f"{part}.json", work / f"{part}.log"
    work.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    words = [
        sys.executable,
        str(HERE / f"part_{part}.py"),
        str(result),
        f"{limit_s - 5:.0f}",
        "dry" if dry else "run",
    ]
    began = time.monotonic()
    with log.open("wb") as writing:
        child = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=writing, stderr=writing, start_new_session=True
        )
        try:
            code: int | None = child.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # compilers and the like that it left
            child.wait()
    try:
        told: dict[str, Any] = json.loads(result.read_text())
    except (OSError, ValueError):
        told = _empty(part, "failed", "it said nothing")
    if code is None:
        told |= {"state": "timed out", "why": f"stopped after {limit_s:.0f} s; what is here was measured before"}
    elif code:
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        told |= {"state": "failed", "why": told["why"] or f"it ended with {how}"}
    told["seconds"] = round(time.monotonic() - began, 1)
    told["log"] = log.read_text(errors="replace")[-4000:]
    return told


def keep(told: dict[str, Any], out: Path) -> Path:
    """Write all that is known; whole or not at all."""
    machine = told["parts"].get("machine", {}).get("facts", {})
    told["name"] = told["name"] or ("dry" if told["dry"] else _slug(machine.get("gpu") or "none"))
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"gpu-{told['name']}.json"
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(told, indent=1) + "\n")
    unfinished.replace(path)
    return path


def _environment(work: Path, site: Path, extra: Path) -> dict[str, str]:
    """The site folder first; torch's CUDA libraries where ONNX Runtime finds them; caches that go with the work."""
    paths = [str(site), str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {str(folder) for entry in (str(site), *sys.path) for folder in Path(entry).glob("nvidia/*/lib")}
    libraries = [*filter(None, [os.environ.get("LD_LIBRARY_PATH")]), *sorted(found)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(work / "cache"),
        "DASHMASK_GPU_EXTRA": str(extra),
    }
    return environment | ({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {})


def _empty(part: str, state: str, why: str) -> dict[str, Any]:
    return {"part": part, "state": state, "why": why, "seconds": 0.0, "facts": {}, "rows": [], "log": ""}


def _commit() -> str:
    git = shutil.which("git")
    words: Sequence[str] = ("rev-parse", "--short", "HEAD")
    done = subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False) if git else None
    return done.stdout.strip() if done and done.returncode == 0 else ""


def _slug(name: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())


if __name__ == "__main__":
    sys.exit(main())
