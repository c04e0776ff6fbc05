"""Every backend behind the one contract: right answers, the same bytes each time, memory of their own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tiny_models
from one_backend import card_of, need, noise, open_backend, prepared, run
from onnx import TensorProto, helper

from engines.backends.base import Options
from engines.card import read_card
from pipeline.errors import BackendError, ModelError
from pipeline.types import Card

CPU = ("onnxruntime-cpu", "openvino")


@pytest.fixture(params=CPU)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_fcn_answers_the_means_of_its_cells(name: str, tmp_path: Path) -> None:
    backend = open_backend(name, card_of(tiny_models.fcn(tmp_path / "m.onnx")))
    for height, width in ((64, 96), (32, 40), (64, 96)):
        image = noise((1, 3, height, width))
        (scores,) = run(backend, image)
        expected = image.reshape(1, 3, height // 8, 8, width // 8, 8).mean((3, 5))
        np.testing.assert_allclose(scores, expected, rtol=1e-5)
    backend.close()


def test_a_unet_with_channels_last_answers_labels(name: str, tmp_path: Path) -> None:
    backend = open_backend(name, card_of(tiny_models.unet(tmp_path / "m.onnx")))
    x = noise((1, 48, 64, 3))
    (labels,) = run(backend, x)
    means = x.reshape(1, 24, 2, 32, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, (x + means).argmax(3))


def test_outputs_come_in_the_order_of_the_card(name: str, tmp_path: Path) -> None:
    arrays = {"a": noise((1, 4, 7)), "b": noise((1, 2, 3, 5), 1), "c": noise((1, 2), 2)}
    card = card_of(tiny_models.fixed(tmp_path / "m.onnx", arrays), "outputs: [c, a]")
    got = run(open_backend(name, card), noise((1, 3, 32, 32)))
    assert len(got) == 2
    np.testing.assert_array_equal(got[0], arrays["c"])
    np.testing.assert_array_equal(got[1], arrays["a"])


def test_a_batch_is_answered_frame_by_frame(name: str, tmp_path: Path) -> None:
    backend = open_backend(name, card_of(tiny_models.fcn(tmp_path / "m.onnx")))
    frames = [prepared(noise((1, 3, 64, 64), seed)) for seed in range(3)]
    inferred = backend.submit(frames).result()
    assert [one.prepared for one in inferred] == frames
    for one in inferred:
        np.testing.assert_array_equal(one.arrays()[0], run(backend, one.prepared.tensor)[0])


def test_workers_at_once_give_the_same_bytes_as_one_alone(name: str, tmp_path: Path) -> None:
    card = card_of(tiny_models.fcn(tmp_path / "m.onnx"))
    sizes = [(64, 64), (384, 640), (72, 40), (64, 128)]
    tensors = [noise((1, 3, *sizes[i % 4]), i) for i in range(60)]
    alone = open_backend(name, card, Options(workers=1, threads=1))
    expected = [run(alone, tensor)[0].tobytes() for tensor in tensors]
    together = open_backend(name, card, Options(workers=4, threads=1))
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda tensor: run(together, tensor)[0], tensors))
    # Compared only now: an array that a later run had written to would show.
    assert [array.tobytes() for array in kept] == expected


def test_outputs_live_on_after_the_backend_is_closed(name: str, tmp_path: Path) -> None:
    backend = open_backend(name, card_of(tiny_models.fcn(tmp_path / "m.onnx")))
    tensor = noise((1, 3, 384, 640))
    (scores,) = run(backend, tensor)
    before = scores.copy()
    backend.close()
    backend.close()
    del backend
    gc.collect()
    np.testing.assert_array_equal(scores, before)


def test_the_input_is_left_as_it_was(name: str, tmp_path: Path) -> None:
    backend = open_backend(name, card_of(tiny_models.fcn(tmp_path / "m.onnx")))
    tensor = noise((1, 3, 64, 64))
    before = tensor.copy()
    run(backend, tensor)
    np.testing.assert_array_equal(tensor, before)


@pytest.mark.parametrize("backend_name", [*CPU, "null"])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 3, 64, 64), np.float64),
        ((1, 4, 64, 64), np.float32),
        ((3, 64, 64), np.float32),
        ((1, 3, 60, 64), np.float32),
    ],
)
def test_a_wrong_input_is_a_sentence(backend_name: str, shape: tuple[int, ...], dtype: Any, tmp_path: Path) -> None:
    backend = open_backend(backend_name, card_of(tiny_models.fcn(tmp_path / "m.onnx", hw=(64, "width"))))
    with pytest.raises(ModelError, match=r"m\.onnx: expected an input \(1, 3, 64, width\) float32, got \("):
        run(backend, np.zeros(shape, dtype))


def test_a_size_that_only_the_network_refuses_is_a_sentence(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    backend = open_backend(name, card_of(tiny_models.unet(tmp_path / "m.onnx")))
    with pytest.raises(ModelError, match=r"m\.onnx does not run on an input of 1x33x64x3: ") as caught:
        run(backend, noise((1, 33, 64, 3)))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def unknown_operator(path: Path) -> Card:
    node = helper.make_node("Frobnicate", ["x"], ["y"])
    tensors = [tiny_models.floats(name, (1, 3, "h", "w")) for name in "xy"]
    return card_of(tiny_models.save(path, [node], tensors[:1], tensors[1:]))


def test_an_operator_that_nobody_knows_is_a_sentence(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BackendError, match=r"cannot load m\.onnx: .*Frobnicate") as caught:
        open_backend(name, unknown_operator(tmp_path / "m.onnx"))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_operators_newer_than_onnxruntime_are_told_without_its_source_code(tmp_path: Path) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.opset_import[0].version = 99
    onnx.save(model, path)
    with pytest.raises(BackendError, match=r"cannot load m\.onnx: ONNX Runtime only .*Opset 99") as caught:
        open_backend("onnxruntime-cpu", card_of(path))
    assert "onnxruntime_src" not in str(caught.value)


def test_a_model_that_is_broken_inside_is_a_sentence(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tiny_models.fcn(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = b"too short"
    onnx.save(model, path)
    with pytest.raises((BackendError, ModelError), match=r"m\.onnx") as caught:
        open_backend(name, card_of(path))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_what_onnxruntime_has_to_complain_about_stays_off_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # Declares another output shape than it gives: ONNX Runtime warns at loading and at running.
    path = tmp_path / "m.onnx"
    node = helper.make_node("Identity", ["x"], ["y"])
    tiny_models.save(
        path, [node], [tiny_models.floats("x", (1, 3, "h", "w"))], [tiny_models.floats("y", (1, 3, 9, 9))]
    )
    run(open_backend("onnxruntime-cpu", card_of(path)), noise((1, 3, 32, 32)))
    assert capfd.readouterr().err == ""


def test_onnxruntime_has_f32_only(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="has no bf16, only f32"):
        open_backend("onnxruntime-cpu", card_of(tiny_models.fcn(tmp_path / "m.onnx")), Options(precision="bf16"))


def test_openvino_runs_bf16_only_when_told(tmp_path: Path) -> None:
    card = card_of(tiny_models.fcn(tmp_path / "m.onnx"))
    image = noise((1, 3, 64, 64))
    exact = open_backend("openvino", card)
    assert "f32" in exact.detail
    np.testing.assert_allclose(run(exact, image)[0], image.reshape(1, 3, 8, 8, 8, 8).mean((3, 5)), rtol=1e-5)
    try:
        rough = open_backend("openvino", card, Options(precision="bf16"))
    except BackendError as error:
        pytest.skip(str(error))
    assert "bf16" in rough.detail
    np.testing.assert_allclose(run(rough, image)[0], run(exact, image)[0], rtol=0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_real_networks_answer_alike_on_both_runtimes(shared: Path, workers: int) -> None:
    for model, size in (("yolo11n-seg", (256, 320)), ("enet_cityscapes_512x1024", (512, 1024))):
        path = shared / "weights" / f"{model}.onnx"
        card = read_card(path, card_dirs=[Path(__file__).parents[1] / "configs" / "cards"])
        tensor = noise((1, 3, *size)) * np.float32(255 * card.input.scale)
        answers = []
        for runtime in CPU:
            backend = open_backend(runtime, card, Options(workers=workers, shape_hw=size))
            answers.append(run(backend, tensor))
            backend.close()
        for ours, theirs in zip(*answers, strict=True):
            assert np.abs(ours - theirs).max() <= 1e-4 * max(1, np.abs(ours).max())


def test_backends_do_as_they_are_told(name: str, tmp_path: Path) -> None:
    card = card_of(tiny_models.fcn(tmp_path / "m.onnx"))
    backend = open_backend(name, card, Options(workers=3, threads=2))
    assert (backend.workers, backend.threads, backend.slots) == (3, 2, 1)
    assert "3 workers of 2 threads" in backend.detail


def test_half_precision_networks_run(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    tensors = [tiny_models.floats(name, (1, 3, "h", "w"), TensorProto.FLOAT16) for name in "xy"]
    tiny_models.save(path, [helper.make_node("Neg", ["x"], ["y"])], tensors[:1], tensors[1:])
    x = noise((1, 3, 32, 32)).astype(np.float16)
    (y,) = run(open_backend("onnxruntime-cpu", card_of(path)), x)
    np.testing.assert_array_equal(y, -x)


def test_no_runtime_numbers_its_user_in_the_home_folder(name: str, tmp_path: Path) -> None:
    need(name)
    card = card_of(tiny_models.fcn(tmp_path / "m.onnx"))
    home = tmp_path / "home"
    home.mkdir()
    code = (
        "import sys; from engines.backends.base import Options; from engines.card import read_card;"
        "from engines.select import opener; opener(sys.argv[1])(read_card(sys.argv[2]), Options()).close()"
    )
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    for variable in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY"):
        environment.pop(variable, None)
    words = [sys.executable, "-c", code, name, str(card.path)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    assert list(home.iterdir()) == []
