"""TensorRT for RTX builds plans for real, without a GPU."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import onnx
import pytest
import typer
from cards_to_build import network, quantised
from typer.testing import CliRunner

from engines.build import Built, build
from engines.card import read_card
from engines.embedded import embedded_models
from engines.gpu import Gpu, gpu_here
from engines.manifest import Machine, Shapes
from engines.plans import find_plans, load_plan, manifest_path
from pipeline.cli.build import batch_sizes, shapes_hw
from pipeline.cli.build import build as command
from pipeline.errors import BackendError, ConfigError

pytestmark = pytest.mark.usefixtures("plans")

NO_GPU = bool(gpu_here()[1])


def here(built: Built) -> Machine:
    """The machine that a plan was built on."""
    return Machine(built.plan.manifest.product, built.plan.manifest.version, gpu_here()[0])


def test_a_network_becomes_a_plan_with_its_manifest_where_a_run_finds_it(
    rtx: str, tmp_path: Path, plans: Path
) -> None:
    card = network(tmp_path, hw=("h", "w"), batch="n")
    told: list[tuple[str, float]] = []
    built = build(card, product="tensorrt-rtx", progress=lambda phase, done: told.append((phase, done)))
    about = built.plan.manifest
    assert (about.product, about.version, about.model) == ("tensorrt-rtx", rtx, "m.onnx")
    assert about.onnx_sha256 == card.sha256
    assert about.options.precision == "fp32"
    size = (1, 3, 72, 128)
    assert about.options.profiles == (Shapes(size, size, size),)
    assert about.verification is None
    found = find_plans(card.sha256, here(built))
    assert found.plans == (built.plan,)
    data, _ = load_plan(built.plan.path, here(built), onnx_sha256=card.sha256)
    assert len(data) == about.plan_bytes > 1000
    assert hashlib.sha256(data).hexdigest() == about.plan_sha256
    assert {file.name for file in plans.iterdir()} == {built.plan.path.name, manifest_path(built.plan.path).name}
    assert told
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert all(0 <= done <= 1 for _, done in told)
    if NO_GPU:
        assert built.notes == ("built here without a GPU: whether it can be loaded is decided where it runs",)
        assert (about.gpu, about.compute_capability, about.driver) == ("", "", "")


def test_sizes_and_batches_become_profiles(rtx: str, tmp_path: Path) -> None:
    card = network(tmp_path, hw=("h", "w"), batch="n")
    built = build(
        card,
        precision="fp16",
        shapes_hw=[(64, 96), (96, 96), (64, 96)],
        batches=[(1, 1), (1, 4)],
        product="tensorrt-rtx",
        workspace_mib=256,
        optimisation_level=2,
    )
    options = built.plan.manifest.options
    one, four = (1, 3, 64, 96), (4, 3, 64, 96)
    assert options.profiles[:2] == (Shapes(one, one, one), Shapes(one, four, four))
    assert [profile.best[2:] for profile in options.profiles] == [(64, 96), (64, 96), (96, 96), (96, 96)]
    assert (options.precision, options.workspace_mib, options.optimisation_level) == ("fp16", 256, 2)


def test_a_network_of_one_size_needs_no_profile(rtx: str, tmp_path: Path) -> None:
    options = build(network(tmp_path), product="tensorrt-rtx").plan.manifest.options
    assert (options.profiles, options.input_shape) == ((), (1, 3, 64, 96))


def test_a_gpu_that_rtx_leaves_out_of_a_plan_for_several_gets_one_of_its_own(
    rtx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, plans = network(tmp_path), {}
    for capability in ("8.9", "12.0", "7.5"):
        monkeypatch.setattr("engines.build.gpu_here", lambda: (Gpu("GPU", capability, "13.0"), ""))  # noqa: B023
        plans[capability] = build(card, product="tensorrt-rtx").plan.manifest.plan_sha256
    assert plans["8.9"] == plans["12.0"]  # what is said of neither
    assert plans["7.5"] != plans["8.9"]


def test_a_quantised_network_is_built_as_int8(rtx: str, tmp_path: Path) -> None:
    card = quantised(tmp_path)
    assert build(card, product="tensorrt-rtx").plan.manifest.options.precision == "int8"
    assert build(card, precision="int8", product="tensorrt-rtx").plan.manifest.options.precision == "int8"


def test_a_plan_can_be_written_where_one_wants_it(rtx: str, tmp_path: Path, plans: Path) -> None:
    out = tmp_path / "mine.plan"
    built = build(network(tmp_path), product="tensorrt-rtx", out=out)
    assert built.plan.path == out
    assert load_plan(out, here(built))[0] == out.read_bytes()
    assert not plans.exists()


@pytest.mark.parametrize("name", sorted(embedded_models()))
def test_every_network_that_comes_with_the_package_is_built(rtx: str, name: str) -> None:
    card = read_card(embedded_models()[name])
    size = card.input.stride * 6, card.input.stride * 8
    for precision in ("fp32", "fp16"):
        plan = build(card, precision=precision, shapes_hw=[size], product="tensorrt-rtx").plan
        assert plan.manifest.options.precision == precision
        assert plan.manifest.onnx_sha256 == card.sha256


def test_yolo_is_built_in_half(rtx: str, shared: Path) -> None:
    card = read_card(shared / "weights/yolo11n-seg.onnx")
    plan = build(card, precision="fp16", shapes_hw=[(384, 640)], batches=[(1, 4)], product="tensorrt-rtx").plan
    assert plan.manifest.options.profiles[0].most == (4, 3, 384, 640)


def test_a_plan_that_is_given_a_place_needs_no_cache(
    rtx: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    card = network(tmp_path)
    with pytest.raises(BackendError, match=r"cannot be written: .* set XDG_CACHE_HOME"):
        build(card, product="tensorrt-rtx")
    out = tmp_path / "new/there.plan"
    assert build(card, product="tensorrt-rtx", out=out).plan.path == out
    assert {file.name for file in out.parent.iterdir()} == {"there.plan", "there.plan.json"}


def test_a_network_whose_weights_lie_in_another_file_is_another_one_with_other_weights(
    rtx: str, tmp_path: Path
) -> None:
    card = network(tmp_path, hw=("h", "w"))
    model = onnx.load(card.path)
    onnx.save(model, card.path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    card = read_card(card.path)
    built = build(card, product="tensorrt-rtx")
    assert find_plans(card.sha256, here(built)).plans == (built.plan,)
    weights = bytearray((tmp_path / "weights.bin").read_bytes())
    weights[2] ^= 64
    (tmp_path / "weights.bin").write_bytes(weights)
    assert not find_plans(read_card(card.path).sha256, here(built)).plans


# The command


def test_the_command_ends_with_one_line_of_where_the_plan_is(rtx: str, tmp_path: Path) -> None:
    network(tmp_path, hw=("h", "w"), batch="n")
    app = typer.Typer()
    app.command()(command)
    words = [str(tmp_path / "m.onnx"), "--shapes", "96x64,64x64", "--batch", "1,2-4", "--product", "tensorrt-rtx"]
    said = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "m.plan")], catch_exceptions=False)
    assert said.exit_code == 0
    (line,) = said.stdout.splitlines()
    shapes = "1x3x64x96, 2-4x3x64x96, 1x3x64x64, 2-4x3x64x64"
    assert line.startswith(f"{tmp_path}/m.plan: tensorrt-rtx {rtx}, fp32, input {shapes}, ")
    assert line.endswith(f"MiB; manifest {tmp_path}/m.plan.json")
    if NO_GPU:
        assert "built here without a GPU" in said.stderr


def test_sizes_and_batches_are_read_as_they_are_written() -> None:
    assert shapes_hw("640x384, 640X640") == [(384, 640), (640, 640)]
    assert shapes_hw(None) == []
    assert batch_sizes("1,4, 8") == [(1, 1), (4, 4), (8, 8)]
    assert batch_sizes("1-8") == [(1, 8)]
    for wrong in ("", "640", "640x", "x", "0x8", "-1x8", "640x384,", "9999999x8", "٣x٤"):
        with pytest.raises(ConfigError, match="expected widths and heights such as 640x384,640x640"):
            shapes_hw(wrong)
    for wrong in ("", "0", "4-1", "-4", "1-", "1,,2", "a", "99999", "1-2-3"):
        with pytest.raises(ConfigError, match="expected numbers such as 1,4,8"):
            batch_sizes(wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"out": Path("m.engine")}, "ends in .plan"),
        ({"out": Path("nowhere/m.plan")}, "there is no folder nowhere"),
        ({"workspace_mib": 0}, "expected a number of MiB"),
        ({"level": 6}, "expected 0 to 5"),
    ],
)
def test_a_mistake_at_the_command_is_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        command("m.onnx", **options)
