"""What several test files need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real clips, labels and trained networks; not part of the repository."""
    folder = Path(os.environ.get("DASHMASK_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real footage and networks: {folder} is not here (set DASHMASK_SHARED)")
    return folder
