"""What several test files need."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from benchmarks_on_disk import CAR, PERSON
from clips import write_clip
from fake_gpu import build_driver
from one_backend import card_of
from tiny_models import fcn, yolo_seg

from pipeline.types import Card

pytest.register_assert_rewrite("exported_nets", "scenes_to_draw")  # their asserts say what they saw, as tests' do

CARD = """
family: semantic
classes: [red, green, blue]
input: {stride: 8, long_side: 128}
"""


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real clips, labels and trained networks; not part of the repository."""
    folder = Path(os.environ.get("DASHMASK_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real footage and networks: {folder} is not here (set DASHMASK_SHARED)")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A semantic network of three colours, and one that finds a person and a car in every picture."""
    folder = tmp_path_factory.mktemp("models")
    semantic = fcn(folder / "colours.onnx")
    (folder / "colours.yaml").write_text(CARD)
    boxes = np.array([[8, 20, 30, 44], [34, 10, 60, 50]], np.float32)
    return semantic, yolo_seg(folder / "two.onnx", boxes, [0, 1], [0.9, 0.8])


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finds a person (0.9) and a car (0.8) in every picture, each mask its whole box, and a ghost (0.1)."""
    other = (1, 1, 5, 5)  # never found; whole masks are those of every second object
    boxes = np.array([other, PERSON, other, CAR, other, (50, 55, 60, 62)], np.float32)
    path = tmp_path_factory.mktemp("objects") / "two.onnx"
    return yolo_seg(path, boxes, [0, 0, 1, 1, 0, 1], [0, 0.9, 0, 0.8, 0, 0.1])


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that nothing else uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def plans(own_cache: Path) -> Path:
    """Where plans are kept, in a cache that nothing else uses; it need not be there."""
    return own_cache / "dashmask/plans"


@pytest.fixture
def fcn_card(tmp_path: Path) -> Card:
    """The card of a semantic network of three colours that takes every size."""
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    return card_of(fcn(tmp_path / "m.onnx"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """25 frames of H.264 at 10 frames a second, 128x96."""
    return write_clip(tmp_path_factory.mktemp("clip") / "drive.mp4", "libx264", frames=25)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the driver in host memory."""
    return build_driver(tmp_path_factory.mktemp("gpu") / "driver")


@pytest.fixture(scope="session")
def rtx() -> str:
    """The version of TensorRT for RTX."""
    if find_spec("tensorrt_rtx") is None:
        pytest.skip("TensorRT for RTX is not installed: pip install tensorrt-rtx")
    from importlib.metadata import version

    return version("tensorrt-rtx")
