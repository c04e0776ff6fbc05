"""What a run takes from the machine, and what others take meanwhile: /proc, read before and after a window. Linux."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

OTHER_LIMIT = 0.05  # of the CPUs that we may use: more of other work than this and a figure is not only ours
PROC = Path("/proc")
_IDLE, _IOWAIT, _STEAL = 3, 4, 7  # columns of /proc/stat; guest time, 8 and 9, is in user time already


@dataclass(frozen=True, slots=True)
class Usage:
    """The state of the counters at one moment; all in seconds."""

    at_s: float
    own_s: float  # CPU time of this process, threads that have ended included
    threads: Mapping[int, tuple[str, float]]  # thread -> its name and CPU time
    busy_s: float  # CPU time of everybody on the CPUs that this process may use
    stolen_s: float  # that the host of a virtual machine gave to others
    cores: int  # CPUs that this process may use


@dataclass(frozen=True, slots=True)
class Spent:
    """What went by between two moments."""

    wall_s: float
    own_s: float
    threads_s: Mapping[str, float]  # CPU time by thread; those of one name together
    other_share: float  # of those CPUs, that other processes and the host took, 0..1


def usage() -> Usage:
    """Read the counters now."""
    ticks, cores = _machine()
    per_s = os.sysconf("SC_CLK_TCK")
    stolen = ticks[_STEAL] if len(ticks) > _STEAL else 0
    busy = sum(ticks[:8]) - ticks[_IDLE] - ticks[_IOWAIT] - stolen if ticks else 0
    return Usage(time.monotonic(), time.process_time(), _threads(), busy / per_s, stolen / per_s, cores)


def spent(before: Usage, after: Usage) -> Spent:
    """What went by between two readings."""
    threads: dict[str, float] = {}
    for thread, (name, cpu_s) in after.threads.items():
        used_s = cpu_s - before.threads.get(thread, (name, 0.0))[1]
        threads[name] = threads.get(name, 0.0) + max(0.0, used_s)
    wall_s, own_s = after.at_s - before.at_s, after.own_s - before.own_s
    others_s = after.busy_s - before.busy_s - own_s + after.stolen_s - before.stolen_s
    share = max(0.0, others_s) / (wall_s * after.cores) if wall_s > 0 and after.cores else 0.0
    return Spent(wall_s, own_s, threads, min(1.0, share))


def reset_peak() -> bool:
    """Let `memory_mb` count its peak from now on; False where the system does not allow it."""
    try:
        (PROC / "self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def memory_mb() -> dict[str, float | None]:
    """Resident memory of this process, now and at its peak, megabytes of 2^20 bytes."""
    text = _read(PROC / "self/status")

    def of(key: str) -> float | None:
        found = re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)
        return round(int(found[1]) / 1024, 1) if found else None

    return {"resident": of("VmRSS"), "peak": of("VmHWM")}


def _machine() -> tuple[list[int], int]:
    """Ticks of the CPUs that this process may use, summed, and how many they are: what others do elsewhere costs us
    nothing, and what they do on two CPUs of sixty-four is no small share."""
    ours = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
    lines = [words for line in _read(PROC / "stat").splitlines() if (words := line.split())[:1] and words[0] in ours]
    return [sum(map(int, ticks)) for ticks in zip(*(words[1:] for words in lines), strict=True)], len(lines)


def _threads() -> dict[int, tuple[str, float]]:
    ours = {thread.native_id: thread.name for thread in threading.enumerate()}
    found = {}
    for entry in (PROC / "self/task").iterdir():
        thread = int(entry.name)
        runtime = _read(entry / "schedstat").split()
        if runtime:
            found[thread] = ours.get(thread, "threads of libraries"), int(runtime[0]) / 1e9
        elif stat := _read(entry / "stat").rpartition(")")[2].split():
            cpu_s = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
            found[thread] = ours.get(thread, "threads of libraries"), cpu_s
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:  # a thread that has just ended, or a system that does not say it
        return ""
