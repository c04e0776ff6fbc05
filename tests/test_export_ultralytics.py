"""Ultralytics' models by name and by file; without Ultralytics, a sentence."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from engines.card import read_card
from engines.export_ultralytics import export_ultralytics, is_ultralytics_name, named_model
from pipeline.errors import ModelError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and an empty cache."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module")
def ultralytics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_OFFLINE", "true")
        patch.setenv("YOLO_CONFIG_DIR", str(tmp_path_factory.mktemp("ultralytics")))
        pytest.importorskip("ultralytics", reason="Ultralytics exports its own: install dashmask[export]")
        try:
            import_module("torchvision")
        except (ImportError, RuntimeError) as error:  # a build for another torch
            pytest.skip(f"Ultralytics needs a torchvision that fits the torch here, install one: {error}")
        yield


def weights(shared: Path, name: str) -> Path:
    path = shared / "weights" / name
    if not path.is_file():
        pytest.skip(f"no trained network: {path} is not here")
    return path


def test_names_are_told_from_paths() -> None:
    for name in ("yolo11n-seg", "yolov8x-seg.pt", "yolo26s-seg", "yolov9c-seg", "yolo11n-seg.pt"):
        assert is_ultralytics_name(name)
    for name in ("yolo11n-seg.onnx", "./yolo11n-seg", "runs/yolo11n-seg.pt", "yolo11n", "enet-camvid", "roadnet"):
        assert not is_ultralytics_name(name)


def test_without_ultralytics_one_sentence_says_which_file_to_put_where(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(ModelError) as error:
        named_model("yolo11n-seg")
    folder = here / "cache/dashmask/models"
    assert "pip install ultralytics" in error.value.hint
    assert f"put yolo11n-seg.onnx, or with Ultralytics installed yolo11n-seg.pt, into {folder}" in error.value.hint
    checkpoint = here / "mine.pt"
    checkpoint.write_bytes(b"x")
    with pytest.raises(ModelError, match="pip install ultralytics"):
        export_ultralytics(checkpoint, here / "mine.onnx")


def test_a_file_in_the_cache_needs_no_ultralytics(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    file = here / "cache/dashmask/models/yolo11n-seg.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"an export")
    assert named_model("yolo11n-seg") == named_model("yolo11n-seg.pt") == file


def test_a_named_model_is_exported_once_from_where_ultralytics_looks(
    here: Path, shared: Path, ultralytics: None
) -> None:
    shutil.copy(weights(shared, "yolo11n-seg.pt"), Path.cwd())
    path = named_model("yolo11n-seg")
    assert path == here / "cache/dashmask/models/yolo11n-seg.onnx"
    card = read_card(path)
    assert (card.family, len(card.classes), card.input.size_hw) == ("yolo-seg", 80, (None, None))
    assert "AGPL-3.0" in card.licence
    changed = path.stat().st_mtime_ns
    assert named_model("yolo11n-seg").stat().st_mtime_ns == changed
    assert sorted(file.name for file in Path.cwd().iterdir()) == ["yolo11n-seg.pt"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["yolo11n-seg.onnx", "yolo11n-seg.pt"]


def test_a_checkpoint_is_exported_at_a_fixed_size(here: Path, shared: Path, ultralytics: None) -> None:
    out = export_ultralytics(weights(shared, "yolov8n-seg.pt"), here / "v8.onnx", size_hw=(192, 320))
    card = read_card(out)
    assert card.input.size_hw == (192, 320)
    assert "AGPL-3.0" in card.licence


def test_what_ultralytics_cannot_export_is_one_sentence(here: Path, ultralytics: None) -> None:
    broken = here / "broken.pt"
    broken.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="Ultralytics cannot export it"):
        export_ultralytics(broken, here / "broken.onnx")
    with pytest.raises(ModelError, match="no such file"):
        export_ultralytics(here / "missing.pt", here / "broken.onnx")
    with pytest.raises(ModelError, match="multiples of 32"):
        export_ultralytics(broken, here / "broken.onnx", size_hw=(360, 640))
    with pytest.raises(ModelError, match="fp16 was asked for"):
        export_ultralytics(broken, here / "broken.onnx", precision="fp16")
    assert [file.name for file in here.iterdir() if file.suffix == ".onnx"] == []


def test_a_name_that_nobody_has_is_one_sentence(here: Path, ultralytics: None) -> None:
    with pytest.raises(ModelError, match="Ultralytics cannot fetch yolo99n-seg") as error:
        named_model("yolo99n-seg")
    assert "yolo99n-seg.onnx" in error.value.hint
    with pytest.raises(ModelError, match="not the name"):
        named_model("resnet50")
