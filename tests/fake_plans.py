"""Plans for tests/fake_tensorrt, and frames for the networks in them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tiny_models
from numpy.typing import NDArray

from engines.backends.base import Backend, Options
from engines.card import read_card
from engines.gpu import gpu_here
from engines.manifest import Manifest, PlanOptions, Product, Shapes
from engines.plans import Plan, store_plan
from engines.select import opener
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Card, Frame, Prepared

VERSION = "10.16.1.11"  # of tests/fake_tensorrt
Shape = tuple[int, int, int, int]


def semantic(folder: Path, **more: Any) -> Card:
    """A network of three colours whose scores are means over 8 x 8 pixels."""
    path = tiny_models.fcn(folder / "m.onnx", **more)
    path.with_suffix(".yaml").write_text("family: semantic\nclasses: [red, green, blue]\ninput: {stride: 8}\n")
    return read_card(path)


def plan(
    card: Card,
    shapes: Sequence[tuple[Shape, Shape, Shape]],
    *,
    product: Product = "tensorrt",
    version: str = VERSION,
    data: bytes | None = None,
    built: datetime | None = None,
    precision: str = "fp32",
) -> Plan:
    """Store a plan of a network for this machine."""
    gpu = gpu_here()[0]
    data = data or b"FAKE" + json.dumps({"profiles": list(shapes)}).encode() + b"\n" + card.path.read_bytes()
    manifest = Manifest(
        product=product,
        version=version,
        gpu=gpu.name,
        compute_capability=gpu.compute_capability,
        driver=gpu.driver,
        model=card.path.name,
        onnx_sha256=card.sha256,
        plan_sha256="",
        plan_bytes=0,
        options=PlanOptions(precision, tuple(Shapes(*one) for one in shapes), shapes[0][1]),  # type: ignore[arg-type]
        dashmask="0",
        built=(built or datetime.now(UTC)).isoformat(),
    )
    return store_plan(data, manifest)


def fixed(height: int, width: int, most: int = 1) -> tuple[Shape, Shape, Shape]:
    """A profile of one size, for 1 to `most` frames."""
    one = (1, 3, height, width)
    return one, one, (most, 3, height, width)


def prepared(tensor: NDArray[Any], index: int = 0) -> Prepared:
    """A frame as the network wants it."""
    frame = Frame(index, index, Fraction(1, 25), 0.0, Image((np.zeros((8, 8, 3), np.uint8),), "bgr24"))
    return Prepared(frame, tensor, Letterbox((8, 8), (8, 8), (8, 8), 0, 0))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """(1, 3, height, width), 0..1."""
    return np.random.default_rng(seed).random((1, 3, height, width), np.float32)


def means(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network answers."""
    _, _, height, width = tensor.shape
    found: NDArray[np.float32] = tensor.reshape(1, 3, height // 8, 8, width // 8, 8).mean((3, 5))
    return found


def opened(card: Card, product: str = "tensorrt", **options: object) -> Backend:
    """The backend of a product for a network."""
    return opener(product)(card, Options(**options))  # type: ignore[arg-type]


def ask(backend: Backend, tensor: NDArray[np.float32], index: int = 0) -> NDArray[Any]:
    """The first output for one frame."""
    (inferred,) = backend.submit([prepared(tensor, index)]).result()
    return inferred.arrays()[0]


def main(model: str, height: str, width: str, version: str = VERSION, data: str = "") -> None:
    """Store a plan from another process: `python fake_plans.py MODEL HEIGHT WIDTH [VERSION [DATA]]`."""
    size = fixed(int(height), int(width))
    print(plan(read_card(Path(model)), [size], version=version, data=data.encode() or None).path)


if __name__ == "__main__":
    main(*sys.argv[1:])
