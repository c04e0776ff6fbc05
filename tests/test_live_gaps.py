"""A gap is told with the first frame behind it, however many workers decode."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engines.backends.base import Options
from engines.backends.null import NullBackend
from pipeline.config import Config, ReconnectConfig
from pipeline.errors import SourceError
from pipeline.flow import Pool
from pipeline.image import Image
from pipeline.live.supervised import Supervised
from pipeline.networks import Network, networks
from pipeline.postprocess import Replaceable
from pipeline.preprocess import Preprocessor
from pipeline.running.assemble import build
from pipeline.types import Frame, Inferred, Labels, SourceInfo

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")

IMAGE = Image((np.zeros((64, 64, 3), np.uint8),), "bgr24")


class Connection:
    """Three frames, and then it breaks, unless it is the last one. It waits for room: nothing is dropped."""

    live = False
    info = SourceInfo("a camera", (64, 64), 25)

    def __init__(self, last: bool) -> None:
        self._last = last

    def __enter__(self) -> Iterator[Frame]:
        for index in range(3):
            yield Frame(index, index, Fraction(1, 25), 0.0, IMAGE)
        if not self._last:
            raise SourceError("the camera is away")

    def __exit__(self, *error: object) -> None:
        pass


def test_a_gap_comes_with_the_first_frame_behind_it_where_a_later_one_is_decoded_sooner(
    models: tuple[Path, Path],
) -> None:
    config = Config(model=(str(models[0]),))
    (net,) = networks(config)
    overtaken = threading.Event()

    class Decoder:
        """Decodes frame 3, the first one behind the gap, after frame 4."""

        chosen = None

        def decode(self, inferred: Inferred) -> Labels:
            index = inferred.prepared.frame.index
            if index == 3:
                assert overtaken.wait(20)
            if index > 4:
                overtaken.set()  # whoever decoded frame 4 has taken the next one: it is through
            return Labels(np.zeros((64, 64), np.uint8), net.card.classes)

    many: Network = replace(
        net,
        selection=replace(net.selection, backend=NullBackend(net.card, Options(workers=6, threads=1))),
        preprocessor=Preprocessor(net.card.input, Pool),
        decoder=Replaceable(Decoder(), 0.0),
    )
    connections = iter((Connection(last=False), Connection(last=True)))
    source = Supervised(lambda: next(connections), ReconnectConfig(first_wait_s=0.0))
    with build(config, source, [many], dropped=dict) as flow:
        scenes = [picture.scene for picture in flow]
    net.selection.backend.close()
    assert [scene.frame.index for scene in scenes] == list(range(6))
    assert [scene.frame.index for scene in scenes if scene.gaps] == [3]
