"""Which backend runs a network, and why not the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
from one_backend import SEMANTIC, close
from onnx import helper

from engines import probe
from engines.card import read_card
from engines.select import AUTO, BACKENDS, NAMES, opener, select
from pipeline.errors import BackendError, ModelError
from pipeline.types import Card

NO_GPU = bool(probe.nvidia_driver().reason)


needs_no_gpu = pytest.mark.skipif(not NO_GPU, reason="this machine has a GPU")


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_line_of_the_table_leads_to_an_opener(name: str) -> None:
    assert callable(opener(name))


def test_every_backend_of_the_automatic_order_is_known() -> None:
    assert set(AUTO) <= set(NAMES)
    assert set(BACKENDS) <= set(NAMES)
    assert set(probe.MODULES) == set(AUTO)


@needs_no_gpu
def test_auto_takes_the_first_that_can_and_gives_a_reason_for_each_other(fcn_card: Card) -> None:
    selection = select(fcn_card)
    assert [tried.name for tried in selection.tried] == list(AUTO)
    (ran,) = [tried for tried in selection.tried if tried.ok]
    assert ran.name == close(selection)
    assert "f32" in ran.reason
    assert all(tried.reason for tried in selection.tried)
    for tried in selection.tried:
        if tried.name in probe.GPU:
            assert "NVIDIA" in tried.reason


@pytest.mark.parametrize("name", ["onnxruntime-cpu", "openvino", "null"])
def test_a_backend_that_is_named_runs(fcn_card: Card, name: str) -> None:
    if name == "openvino":
        pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    assert close(select(fcn_card, backend=name, workers=1)) == name
    assert close(select(fcn_card, backend=name, require=name)) == name
    assert close(select(fcn_card, require=name)) == name


def test_an_unknown_backend_gets_the_nearest_name(fcn_card: Card) -> None:
    with pytest.raises(BackendError, match=r"no backend `openvno` \(did you mean openvino\?\)"):
        select(fcn_card, backend="openvno")
    with pytest.raises(BackendError, match="no backend `cuda-onnx`"):
        select(fcn_card, require="cuda-onnx")
    with pytest.raises(BackendError, match=r"no backend `zzz` \(known are auto, tensorrt"):
        select(fcn_card, backend="zzz")


@needs_no_gpu
def test_requiring_a_gpu_is_an_error_with_all_reasons(fcn_card: Card) -> None:
    with pytest.raises(BackendError, match=r"no GPU backend can run m\.onnx") as caught:
        select(fcn_card, require="gpu")
    for name in probe.GPU:
        assert f"{name}: " in str(caught.value)
    assert "leave --require out" in caught.value.hint


@needs_no_gpu
def test_a_named_backend_that_cannot_run_never_falls_back_in_silence(fcn_card: Card) -> None:
    with pytest.raises(
        BackendError, match=r"^tensorrt cannot run m\.onnx: .*NVIDIA.* can be tried: leave --backend out"
    ):
        select(fcn_card, backend="tensorrt")


def test_where_no_runtime_is_installed_the_hint_is_the_extra_that_runs_everywhere(
    fcn_card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "installed", lambda module: False)
    with pytest.raises(BackendError, match="no backend can run") as caught:
        select(fcn_card)
    assert "pip install 'dashmask[cpu]'" in caught.value.hint
    with pytest.raises(BackendError, match="no GPU backend") as caught:
        select(fcn_card, require="gpu")
    assert "dashmask[cpu]" not in caught.value.hint  # that would be no GPU


def test_naming_one_backend_and_requiring_another_is_an_error(fcn_card: Card) -> None:
    with pytest.raises(BackendError, match="both cannot be"):
        select(fcn_card, backend="onnxruntime-cpu", require="openvino")
    with pytest.raises(BackendError, match="both cannot be"):
        select(fcn_card, backend="onnxruntime-cpu", require="gpu")


@needs_no_gpu
def test_a_network_that_openvino_cannot_run_goes_to_the_next_with_the_reason_shown(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    path = tmp_path / "m.onnx"
    # ONNX Runtime has Det, OpenVINO has not.
    tensors = [tiny_models.floats("x", (1, 3, "n", "n")), tiny_models.floats("y", (1, 3))]
    tiny_models.save(path, [helper.make_node("Det", ["x"], ["y"])], tensors[:1], tensors[1:])
    path.with_suffix(".yaml").write_text(SEMANTIC)
    selection = select(read_card(path))
    assert close(selection) == "onnxruntime-cpu"
    (reason,) = [tried.reason for tried in selection.tried if tried.name == "openvino"]
    assert "Det" in reason


@needs_no_gpu
def test_a_network_that_nothing_can_run_is_an_error_with_all_reasons(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    path = tmp_path / "m.onnx"
    tensors = [tiny_models.floats(name, (1, 3, "h", "w")) for name in "xy"]
    tiny_models.save(path, [helper.make_node("Frobnicate", ["x"], ["y"])], tensors[:1], tensors[1:])
    path.with_suffix(".yaml").write_text(SEMANTIC)
    with pytest.raises(BackendError, match=r"no backend can run m\.onnx: .*onnxruntime-cpu: .*Frobnicate"):
        select(read_card(path))


def test_what_the_card_describes_and_the_file_then_lost_is_a_model_error(fcn_card: Card) -> None:
    fcn_card.path.write_bytes(fcn_card.path.read_bytes()[:200])
    with pytest.raises(ModelError, match=r"m\.onnx: not a whole ONNX file"):
        select(fcn_card, backend="onnxruntime-cpu")


def test_bf16_goes_to_the_backend_that_has_it(fcn_card: Card) -> None:
    pytest.importorskip("openvino", reason="no OpenVINO here: install the extra `openvino`")
    with pytest.raises(BackendError, match=r"onnxruntime-cpu cannot run .*no bf16"):
        select(fcn_card, backend="onnxruntime-cpu", precision="bf16")
    try:
        selection = select(fcn_card, precision="bf16")
    except BackendError as error:
        pytest.skip(f"this processor has no bf16: {error}")
    assert close(selection) == "openvino"
    assert "bf16" in selection.backend.detail


def test_importing_the_backends_imports_no_runtime() -> None:
    code = (
        "import sys; import engines.select, engines.tune, engines.probe;"
        "from engines.select import BACKENDS, opener; [opener(n) for n in BACKENDS];"
        "assert not {'onnxruntime', 'openvino', 'onnx', 'torch', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
