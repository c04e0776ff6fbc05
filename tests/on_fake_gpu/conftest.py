"""Tests that run in a process of their own, where `libcuda.so.1` is tests/fake_cuda."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("fake_driver", "frame_runs")
from fake_driver import FakeCuda  # noqa: E402

from pipeline.types import Card  # noqa: E402


@pytest.fixture(scope="session")
def library() -> FakeCuda:
    gc.collect()
    gc.freeze()  # hundreds of modules, which every later collection would look through: most of the time of a check
    return FakeCuda()


@pytest.fixture
def cuda(library: FakeCuda) -> Iterator[FakeCuda]:
    """A fresh driver; what a test leaves behind is an error of the test."""
    library.reset()
    yield library
    library.assert_clean()


@pytest.fixture(scope="module")
def host_kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    import frame_runs

    with frame_runs.host_kernels(tmp_path_factory.mktemp("cache")):
        yield


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """A network of three colours, and a cache for its plans that nothing else uses."""
    import fake_plans

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return fake_plans.semantic(tmp_path)


@pytest.fixture
def semantic(tmp_path: Path, host_kernels: None) -> Card:
    import frame_runs

    return frame_runs.semantic_card(tmp_path)


@pytest.fixture
def objects(tmp_path: Path, host_kernels: None) -> Card:
    import frame_runs

    return frame_runs.objects_card(tmp_path)
