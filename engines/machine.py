"""How many cores this process may use, and which processor it is. Linux."""

from __future__ import annotations

import os
import platform
from pathlib import Path

ROOT = Path("/")


def available_cores(root: Path = ROOT) -> int:
    """Physical cores that this process may use, at least 1.

    The least of: cores (two threads of one core count once) among the CPUs it may be scheduled on, and the time
    that its control group may take (a container's `--cpus`), rounded down.

    Args:
        root: of the file system to look at.
    """
    cpus = os.sched_getaffinity(0)
    siblings = {
        _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu) for cpu in cpus
    }
    quota = _quota(root)
    return max(1, len(siblings) if quota is None else min(len(siblings), int(quota)))


def cpu_name() -> str:
    """The processor as the system names it, with family, model and stepping, which tell virtual ones apart."""
    facts: dict[str, str] = {}
    for line in _read(ROOT / "proc/cpuinfo").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            facts.setdefault(key.strip(), value.strip())
    name = facts.get("model name") or platform.processor() or platform.machine()
    numbers = "/".join(facts[key] for key in ("cpu family", "model", "stepping") if key in facts)
    return f"{name} ({numbers})" if numbers else name


def _quota(root: Path) -> float | None:
    """Cores' worth of time that the control group and the groups above it may take; None: as much as there is."""
    quotas = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        names: tuple[str, ...]
        if controllers == "":  # version 2
            top, names = root / "sys/fs/cgroup", ("cpu.max",)
        elif "cpu" in controllers.split(","):  # version 1
            top, names = root / "sys/fs/cgroup" / controllers, ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            group = top.joinpath(*parts[:depth])
            match " ".join(_read(group / name) for name in names).split():
                case [quota, period] if quota.isdigit() and period.isdigit() and int(period):
                    quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
