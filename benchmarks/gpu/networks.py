"""The networks and the frames of the benchmark: those of the repository, and what was carried along."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.image import Image
from pipeline.types import Card

ROOT = Path(__file__).resolve().parents[2]
FRAME_HW = (720, 1280)
SEMANTIC_HW = ((360, 640), (512, 1024))
CLIPS = ("*.mp4", "*.mkv", "*.webm", "*.avi")


@dataclass(frozen=True, slots=True)
class Net:
    """A network at one size of its input.

    Attributes:
        card: whose input has that size alone.
        note: what the reader should know, such as whose weights they are.
    """

    label: str
    card: Card
    note: str = ""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Of the input, pixels."""
        height, width = self.card.input.size_hw
        assert height is not None
        assert width is not None
        return height, width

    def shape(self, batch: int) -> tuple[int, ...]:
        """Of the input of a batch."""
        return self.card.input.shape(self.size_hw, batch)


def extra() -> Path:
    """Where run.sh put the files that were carried along; it need not exist."""
    return Path(os.environ.get("DASHMASK_GPU_EXTRA", ROOT / ".gpu"))


def networks(work: Path) -> tuple[list[Net], list[str]]:
    """ENet at both sizes and YOLO, as far as they are here, and why the others are not.

    Args:
        work: where an ENet may be exported to, whose weights are drawn at random: it costs the same time.
    """
    found, missing = [], []
    try:
        card, note = _semantic(work)
        name = card.name if "enet" in card.name.lower() else f"{card.name} (in place of ENet)"
        found += [Net(f"{name} {w}x{h}", sized(card, (h, w)), note) for h, w in SEMANTIC_HW]
    except Exception as error:  # torch is not here, or a file is broken: the others go on
        missing.append(f"ENet: {error}")
    from engines.card import read_card
    from pipeline.placement import network_size

    for path in sorted(extra().glob("*yolo*.onnx")):
        try:
            card = read_card(path, card_dirs=[ROOT / "configs/cards"])
            height, width = network_size(FRAME_HW, card.input)
            found.append(Net(f"{path.stem} {width}x{height}", sized(card, (height, width))))
        except Exception as error:
            missing.append(f"{path.name}: {error}")
    if not any(net.card.family == "yolo-seg" for net in found):
        missing.append("YOLO: no *yolo*.onnx was carried along (`pack.sh FILE`)")
    return found, missing


def _semantic(work: Path) -> tuple[Card, str]:
    from engines.card import read_card

    for path in sorted((ROOT / "engines/weights").glob("enet*.onnx")):
        return read_card(path), ""
    try:
        return read_card(export_enet(work)), "weights drawn at random: for speed alone"
    except Exception as error:  # no torch, or one whose exporter has changed
        print(f"ENet could not be exported: {error}")
    for path in sorted(extra().glob("enet*.onnx")):  # may hold what no GPU runtime takes, such as MaxUnpool
        return read_card(path, card_dirs=[ROOT / "configs/cards"]), "carried along"
    return read_card(ROOT / "engines/weights/roadnet-camvid.onnx"), "in place of ENet"


def export_enet(work: Path, classes: int = 19) -> Path:
    """Our ENet as ONNX, with weights drawn at random."""
    import torch

    from engines.export import export_net
    from engines.nets import build_net

    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    about = {"classes": {"names": [f"class {number}" for number in range(classes)]}}
    return export_net(build_net("enet", classes).eval(), about, work / "enet-random.onnx")


def sized(card: Card, size_hw: tuple[int, int]) -> Card:
    """The card with one size of its input."""
    return replace(card, input=replace(card.input, size_hw=size_hw))


def in_half(net: Net, work: Path) -> Net:
    """The same network computing in float16 between float32 inputs and outputs, as `dashmask build` converts it."""
    import hashlib

    from engines.build_graph import in_precision, load_graph

    path = work / f"{net.card.path.stem}-fp16.onnx"
    if not path.is_file():
        work.mkdir(parents=True, exist_ok=True)
        path.write_bytes(in_precision(load_graph(net.card), net.card.path.name, "fp16", "onnxruntime")[0])
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(net, card=replace(net.card, path=path, sha256=sha256))


def frames(count: int) -> tuple[list[Image], str]:
    """Frames of 1280x720 BGR, and where they are from: a clip that was carried along, else a picture."""
    import cv2

    pictures: list[NDArray[Any]] = []
    source = ROOT / "benchmarks/results/demo.jpg"
    for path in (path for pattern in CLIPS for path in sorted(extra().glob(pattern))):
        try:
            pictures, source = list(_decoded(path, count)), path
            break
        except Exception as error:  # PyAV is not here: a picture will do
            print(f"{path.name}: {error}")
    if not pictures:
        picture = cv2.imread(str(source))
        if picture is None:
            picture = np.random.default_rng(0).integers(0, 256, (*FRAME_HW, 3), np.uint8)
        pictures = [np.roll(picture, 16 * shift, 1) for shift in range(count)]
    height, width = FRAME_HW
    scaled: list[NDArray[Any]] = [cv2.resize(one, (width, height)) for one in pictures]
    return [Image((scaled[number % len(scaled)],), "bgr24") for number in range(count)], source.name


def _decoded(path: Path, count: int) -> Iterator[NDArray[Any]]:
    import av

    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == count:
                return
            yield frame.to_ndarray(format="bgr24")
