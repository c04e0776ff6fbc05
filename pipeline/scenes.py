"""The Python API: the scenes of a source, one a frame, in order."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Config
from pipeline.config_file import load
from pipeline.errors import ConfigError
from pipeline.flow import Flow
from pipeline.networks import Network, networks
from pipeline.running.assemble import build
from pipeline.running.capture import open_supervised
from pipeline.types import Picture, Scene, Source

_OF_A_RUN = ("render", "output", "evidence", "web", "api", "budget")


def open(
    source: str | Path | int,
    /,
    model: str | Path | Sequence[str | Path] = (),
    *,
    config: Config | None = None,
    **sections: Any,
) -> Scenes:
    """Segment a source, frame by frame.

    Args:
        source: a video, a folder or glob of images, a camera (0, "/dev/video0"), an address (`rtsp://...`) or `demo`.
        model: an ONNX file or the name of an embedded network; or a semantic and an instance network that run on the
            same frames; without one the best that is embedded runs.
        config: a configuration to start from (pipeline.config.Config).
        sections: keys of Config over it, for instance `decode={"conf": 0.4}`, `source={"frames": 100}` or
            `backend={"name": "openvino"}`; not those of what a run draws, writes and serves.

    Returns:
        Scenes: iterate it, in a `with` where the loop may be left early.

    Raises:
        UserError: anything a user can mend.
    """
    tree = msgspec.to_builtins(config or Config())
    if model:
        tree["model"] = [os.fspath(m) for m in ([model] if isinstance(model, str | Path) else model)]
    for key, value in sections.items():
        if key in _OF_A_RUN:
            raise ConfigError(
                f"pipeline.open gives scenes, and `{key}` is of what a run does with them",
                hint="leave it out, or use `dashmask run`",
            )
        given = msgspec.to_builtins(value)
        tree[key] = {**tree[key], **given} if isinstance(given, dict) and key in tree else given
    whole = load(options=tree)
    return Scenes(
        open_supervised(str(source) if isinstance(source, int) else os.fspath(source), whole), networks(whole), whole
    )


class Scenes:
    """An iterator of scenes that owns the threads behind it. They stop with it, at the latest with the program.

    Several threads may take scenes from it; each goes to one of them.
    """

    def __init__(self, source: Source, nets: Sequence[Network], config: Config) -> None:
        self.networks = tuple(nets)
        self.source = source
        flow: Flow[Picture]
        flow = build(config, source, self.networks, dropped=lambda: flow.drops)
        self._turn = threading.RLock()  # a generator runs in one thread at a time
        self._scenes = _scenes(flow)
        self._close = weakref.finalize(self, _close, flow, self._turn, self._scenes, self.networks)

    def __iter__(self) -> Scenes:
        return self

    def __next__(self) -> Scene:
        with self._turn:
            return next(self._scenes)

    def __enter__(self) -> Scenes:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop and join every thread; legal at any time, and from any thread: who waits for a scene gets none."""
        self._close()


def _scenes(flow: Flow[Picture]) -> Generator[Scene]:
    with flow:
        for picture in flow:
            yield picture.scene


def _close(flow: Flow[Picture], turn: threading.RLock, scenes: Generator[Scene], nets: Sequence[Network]) -> None:
    flow.cancel()  # first: whoever waits inside of it wakes and gives the turn back
    with turn:
        scenes.close()
    for net in nets:
        net.selection.backend.close()
