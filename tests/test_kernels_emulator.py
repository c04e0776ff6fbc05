"""The emulator that runs kernels on the host finds what it is there to find; structs lie alike in C++ and ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from kernel_emulator.build import HERE, KERNELS, build
from kernel_emulator.device import HostBuffer, HostDevice, HostFunction

from engines.kernels import arguments
from engines.kernels.arguments import AXIS_TAP, COUNTS, TAP
from engines.kernels.compile import SOURCES

COUNT = 4 * 64
NUMBERS = np.arange(COUNT, dtype=np.int32)


class TurnArgs(ctypes.Structure):
    _fields_ = (("source", ctypes.c_void_p), ("target", ctypes.c_void_p))


@pytest.fixture(scope="module")
def library() -> Path:
    return build("broken", [HERE / "broken.cu"])


def run(library: Path, name: str, seed: int, blocks: int = 4, target: int = 4 * COUNT) -> HostBuffer:
    device = HostDevice(library, seed)
    source, out = device.put(NUMBERS), device.put(np.zeros(target // 4, np.int32))
    function = device.module(b"").function(name)
    device.launch(function, (blocks, 1, 1), (64, 1, 1), (TurnArgs(source.ptr, out.ptr),), device.stream())
    return out


def numbers(library: Path, name: str, seed: int, blocks: int = 4) -> list[int]:
    out: list[int] = run(library, name, seed, blocks).bytes.view(np.int32).tolist()
    return out


def test_a_kernel_with_its_barrier_gives_the_same_in_every_order(library: Path) -> None:
    expected = NUMBERS.reshape(4, 64)[:, ::-1].ravel().tolist()
    assert all(numbers(library, "turn_with_barrier", seed) == expected for seed in range(8))


def test_a_missing_barrier_shows(library: Path) -> None:
    expected = NUMBERS.reshape(4, 64)[:, ::-1].ravel().tolist()
    found = [numbers(library, "turn_without_barrier", seed) for seed in range(3)]
    assert expected not in found  # a thread reads what another has not yet written: rubbish
    assert len({tuple(out) for out in found}) == 3


def test_blocks_that_count_on_their_order_show(library: Path) -> None:
    right = [numbers(library, "one_block_after_the_other", seed, 2)[65] == 2 for seed in range(16)]
    assert any(right)
    assert not all(right)


def test_a_sum_in_two_steps_loses_numbers_and_an_atomic_one_does_not(library: Path) -> None:
    total = sum(range(64))
    assert all(numbers(library, "sum_by_atomics", seed, 1)[0] == total for seed in range(3))
    assert any(numbers(library, "sum_in_two_steps", seed, 1)[0] != total for seed in range(3))


def test_a_barrier_that_only_some_threads_reach_is_an_error(library: Path) -> None:
    with pytest.raises(RuntimeError, match=r"half_a_barrier: some threads .* wait at a barrier"):
        run(library, "half_a_barrier", 0)
    assert numbers(library, "turn_with_barrier", 0)[0] == 63  # and the next launch is a new one


def test_writing_beside_a_buffer_shows(library: Path) -> None:
    run(library, "beside_the_buffer", 0, blocks=3).check()  # one too many, but still inside
    with pytest.raises(AssertionError):
        run(library, "beside_the_buffer", 0).check()


def test_more_threads_than_the_kernel_is_compiled_for_are_an_error(library: Path) -> None:
    device = HostDevice(library, 0)
    function: HostFunction = device.module(b"").function("turn_with_barrier")
    with pytest.raises(RuntimeError, match="at most 64"):
        device.launch(function, (1, 1, 1), (128, 1, 1), (TurnArgs(),), device.stream())


def test_structs_lie_alike_in_cpp_and_in_ctypes(tmp_path: Path) -> None:
    compiler = which("g++")
    if compiler is None:
        pytest.skip("no g++ to compile the kernels for the host: apt-get install g++")
    lines = [*(f'#include "{source}.cu"' for source in SOURCES), "#include <cstddef>"]
    structs = [kind for kind in vars(arguments).values() if isinstance(kind, type(ctypes.Structure))]
    assert len(structs) == 11
    for kind in structs:
        lines.append(f"static_assert(sizeof({kind.__name__}) == {ctypes.sizeof(kind)});")
        for name, *_ in kind._fields_:
            lines.append(f"static_assert(offsetof({kind.__name__}, {name}) == {getattr(kind, name).offset});")
    for name, dtype in (("Tap", TAP), ("AxisTap", AXIS_TAP), ("Counts", COUNTS)):
        lines.append(f"static_assert(sizeof({name}) == {dtype.itemsize});")
        for field in dtype.names or ():
            lines.append(f"static_assert(offsetof({name}, {field}) == {dtype.fields[field][1]});")
    file = tmp_path / "layout.cpp"
    file.write_text("\n".join(lines))
    command = [
        compiler,
        "-std=c++17",
        "-fsyntax-only",
        f"-I{KERNELS}",
        "-include",
        str(HERE / "emulator.h"),
        str(file),
    ]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert told.returncode == 0, told.stderr
