"""Which cores a process may use, and how they are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.backends.base import MOST_WORKERS, share_cores, usual_hw
from engines.machine import available_cores, cpu_name
from pipeline.types import InputSpec


@pytest.mark.parametrize(
    ("given", "cores", "expected"),
    [
        ((None, None), 1, (1, 1)),
        ((None, None), 2, (2, 1)),
        ((None, None), 32, (MOST_WORKERS, 4)),
        ((1, None), 4, (1, 4)),
        ((3, None), 4, (3, 1)),
        ((None, 2), 8, (4, 2)),
        ((None, 16), 8, (1, 16)),
        ((5, 3), 2, (5, 3)),
    ],
)
def test_cores_are_shared_by_a_fixed_rule(
    given: tuple[int | None, int | None], cores: int, expected: tuple[int, int]
) -> None:
    assert share_cores(*given, cores) == expected


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 4),
        (
            {
                f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": f"{i % 2},{i % 2 + 2}"
                for i in range(4)
            },
            2,
        ),
        ({"proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/cpu.max": "250000 100000"}, 2),
        (
            {
                "proc/self/cgroup": "0::/a",
                "sys/fs/cgroup/a/cpu.max": "max 100000",
                "sys/fs/cgroup/cpu.max": "50000 100000",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/x\n1:cpu,cpuacct:/x",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            },
            3,
        ),
        (
            {
                "proc/self/cgroup": "1:cpu:/",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            4,
        ),
    ],
)
def test_cores_are_what_this_process_may_use(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    assert available_cores(tree(tmp_path, files)) == expected


def test_this_machine_has_a_processor() -> None:
    assert available_cores() >= 1
    assert cpu_name()


def test_the_usual_size_is_that_of_wide_footage() -> None:
    assert usual_hw(InputSpec("x")) == (384, 640)
    assert usual_hw(InputSpec("x", size_hw=(512, 1024))) == (512, 1024)
    assert usual_hw(InputSpec("x", size_hw=(360, None), stride=8)) == (360, 640)
    assert usual_hw(InputSpec("x", size_hw=(None, 1280))) == (736, 1280)
