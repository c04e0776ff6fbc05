"""Tests that run in a process of their own, where `libcuda.so.1` is tests/fake_cuda."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("fake_driver")
from fake_driver import FakeCuda  # noqa: E402


@pytest.fixture(scope="session")
def library() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def cuda(library: FakeCuda) -> Iterator[FakeCuda]:
    """A fresh driver; what a test leaves behind is an error of the test."""
    library.reset()
    yield library
    library.assert_clean()
