"""The prototypes of masks are computed where boxes are, with the very bytes of the whole network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from one_backend import card_of, need, prepared
from onnx import helper
from tiny_models import fcn, floats, save, ultralytics_metadata

from engines.backends.base import Options
from engines.card import read_card
from engines.local_branch import LocalBranch, part, prototypes_branch
from engines.regional import BLOCK, Regional, blocks_of
from engines.select import opener
from pipeline.errors import ModelError
from pipeline.types import Card, Inferred

BACKENDS = ("onnxruntime-cpu", "openvino")
HW = (96, 160)


def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def conv(source: str, name: str, output: str, pads: int = 1, **attributes: Any) -> onnx.NodeProto:
    return node("Conv", [source, f"{name}.w", f"{name}.b"], output, pads=[pads] * 4, **attributes)


def network(path: Path, branch: list[onnx.NodeProto] | None = None) -> Path:
    """Like YOLO-seg: detections (1, 4 + 2 + 4, anchors), and prototypes of 4 channels by a branch of its own."""
    rng = np.random.default_rng(0)
    weights = {
        f"{name}.w": rng.normal(0, 0.3, shape).astype(np.float32)
        for name, shape in {
            "trunk": (8, 3, 3, 3),
            "rows": (10, 8, 1, 1),
            "first": (8, 8, 3, 3),
            "up": (8, 8, 2, 2),
            "second": (8, 8, 3, 3),
            "last": (4, 8, 1, 1),
        }.items()
    }
    biases = {
        name[:-1] + "b": np.linspace(-1, 1, array.shape[0], dtype=np.float32) for name, array in weights.items()
    }
    branch = branch or [
        conv("features", "first", "a"),
        node("Sigmoid", ["a"], "b"),
        node("Mul", ["a", "b"], "c"),
        node("ConvTranspose", ["c", "up.w", "up.b"], "d", strides=[2, 2]),
        conv("d", "second", "e", pads=2, dilations=[2, 2]),
        node("Relu", ["e"], "f"),
        conv("f", "last", "prototypes", pads=0),
    ]
    nodes = [
        node("Conv", ["images", "trunk.w", "trunk.b"], "t", strides=[4, 4], pads=[0, 0, 0, 0], kernel_shape=[3, 3]),
        node("Relu", ["t"], "features"),
        conv("features", "rows", "r", pads=0),
        node("Reshape", ["r", "shape"], "rows"),
        *branch,
    ]
    return save(
        path,
        nodes,
        [floats("images", (1, 3, "height", "width"))],
        [floats("rows", (1, 10, "anchors")), floats("prototypes", (1, 4, "h", "w"))],
        {**weights, **biases, "shape": np.array([1, 10, -1])},
        ultralytics_metadata(["car", "lorry"]),
    )


@pytest.fixture(params=["tiny", "yolo11n-seg"])
def card(request: pytest.FixtureRequest, tmp_path: Path) -> Card:
    if request.param == "tiny":
        return read_card(network(tmp_path / "tiny.onnx"))
    return read_card(request.getfixturevalue("shared") / "weights" / "yolo11n-seg.onnx")


def answer(card: Card, backend: str, seed: int = 0) -> Inferred:
    """What a backend says of a random picture; it is closed by then."""
    running = opener(backend)(card, Options(1, 1))
    (found,) = running.submit([prepared(np.random.default_rng(seed).random((1, 3, *HW), np.float32))]).result()
    running.close()
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_computed_later_and_in_parts_has_the_bytes_of_the_whole_network(
    card: Card, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(backend)
    found = answer(card, backend)
    module = f"engines.backends.{backend.removesuffix('-cpu')}"
    monkeypatch.setattr(f"{module}.prototypes_branch", lambda card: None)
    whole = answer(card, backend).outputs
    later = found.outputs[1]
    assert isinstance(later, Regional)
    assert all(isinstance(one, np.ndarray) for one in whole)
    for mine, theirs in zip(found.arrays(), whole, strict=True):
        assert isinstance(theirs, np.ndarray)
        assert mine.shape == theirs.shape
        assert mine.tobytes() == theirs.tobytes()
    rng = np.random.default_rng(1)
    _, _, rows, columns = later.shape
    for boxes in (1, 1, 2, 5, 20):
        start = rng.integers(0, (columns - 1, rows - 1), (boxes, 2))
        end = np.minimum(start + rng.integers(1, 12, (boxes, 2)), (columns, rows))
        seen = later.within(np.hstack([start, end]))
        for u0, v0, u1, v1 in np.hstack([start, end]).tolist():
            theirs = found.arrays()[1][0]
            assert np.array_equal(seen[:, v0:v1, u0:u1], theirs[:, v0:v1, u0:u1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_branch_that_fails_says_which_output_in_the_same_words(backend: str, tmp_path: Path) -> None:
    need(backend)
    whole = read_card(network(tmp_path / "n.onnx"))
    (regional,) = [output for output in answer(whole, backend).outputs if isinstance(output, Regional)]
    output = regional.branch.output
    with pytest.raises(ModelError, match=rf"^n\.onnx: {output} does not run: .+"):
        regional.run(np.zeros((1, 3, 4, 4), np.float32))  # it wants eight channels


def test_without_objects_nothing_is_computed() -> None:
    def run(features: NDArray[np.float32]) -> NDArray[np.float32]:
        raise AssertionError("it ran")

    branch = LocalBranch(b"", b"", "features", "prototypes", 4, 2, 3)
    later = Regional(np.zeros((1, 8, 24, 40), np.float32), branch, run)
    assert later.within(np.empty((0, 4), np.intp)).shape == (4, 48, 80)


def test_one_small_object_costs_a_small_part() -> None:
    seen: list[tuple[int, ...]] = []

    def run(features: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(features.shape[2:])
        return np.zeros((1, 4, 2 * features.shape[2], 2 * features.shape[3]), np.float32)

    branch = LocalBranch(b"", b"", "features", "prototypes", 4, 2, 3)
    later = Regional(np.zeros((1, 8, 48, 80), np.float32), branch, run)
    later.within(np.array([[40, 40, 44, 44], [120, 80, 126, 83]]))
    assert seen == [(8, 8), (8, 8)]


STRIDED = [conv("features", "first", "a", strides=[2, 2]), conv("a", "last", "prototypes", pads=0)]
UNEVEN = [conv("features", "first", "a", pads=0), conv("a", "last", "prototypes", pads=0)]
EVERYWHERE = [
    node("GlobalAveragePool", ["features"], "a"),
    node("Add", ["features", "a"], "b"),
    conv("b", "last", "prototypes", pads=0),
]
TWO_MAPS = [
    conv("images", "trunk", "a", strides=[4, 4], pads=0),
    node("Add", ["features", "a"], "b"),
    conv("b", "last", "prototypes", pads=0),
]


@pytest.mark.parametrize("branch", [STRIDED, UNEVEN, EVERYWHERE, TWO_MAPS])
def test_a_branch_that_looks_further_stays_in_the_network(branch: list[onnx.NodeProto], tmp_path: Path) -> None:
    assert part(network(tmp_path / "m.onnx", branch).read_bytes(), "prototypes") is None


def test_a_network_whose_other_outputs_read_the_branch_stays_whole(tmp_path: Path) -> None:
    data = network(tmp_path / "m.onnx").read_bytes()
    assert part(data, "rows") is None
    assert part(data, "no such output") is None
    assert part(data[: len(data) // 2], "prototypes") is None
    assert prototypes_branch(card_of(fcn(tmp_path / "fcn.onnx"))) is None


def test_both_parts_are_files_that_onnx_accepts(tmp_path: Path) -> None:
    found = part(network(tmp_path / "m.onnx").read_bytes(), "prototypes")
    assert found is not None
    assert (found.channels, found.scale, found.reach) == (4, 2, 4)
    for data in (found.trunk, found.branch):
        onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    trunk, branch = (onnx.load_from_string(data).graph for data in (found.trunk, found.branch))
    assert [output.name for output in trunk.output] == ["rows", "features"]
    assert {tensor.name for tensor in trunk.initializer}.isdisjoint({tensor.name for tensor in branch.initializer})


windows = st.tuples(st.integers(0, 78), st.integers(0, 46), st.integers(1, 30), st.integers(1, 30)).map(
    lambda w: (w[0], w[1], min(80, w[0] + w[2]), min(48, w[1] + w[3]))
)


@settings(max_examples=200, deadline=None)
@given(st.lists(windows, max_size=12))
def test_parts_hold_every_window_and_do_not_overlap(wanted: list[tuple[int, int, int, int]]) -> None:
    held = np.zeros((24, 40), np.int64)
    for top, left, bottom, right in blocks_of(np.array(wanted, np.intp).reshape(-1, 4), 2, held.shape):
        assert top % BLOCK == left % BLOCK == 0
        held[top:bottom, left:right] += 1
    assert held.max(initial=0) <= 1
    for u0, v0, u1, v1 in wanted:
        assert held[v0 // 2 : -(-v1 // 2), u0 // 2 : -(-u1 // 2)].all()
