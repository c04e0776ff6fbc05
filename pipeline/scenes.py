"""The Python API: the scenes of a source, one a frame, in order."""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.flow import Flow
from pipeline.networks import Network, networks
from pipeline.running.assemble import build
from pipeline.running.capture import open_supervised
from pipeline.types import Picture, Scene, Source


def open(
    source: str | Path | int,
    model: str | Path | Sequence[str | Path] = (),
    *,
    config: Config | None = None,
    **sections: Any,
) -> Scenes:
    """Segment a source, frame by frame.

    Args:
        source: a video, a folder or glob of images, a camera (0, "/dev/video0"), an address (`rtsp://...`) or `demo`.
        model: one ONNX file, or a semantic and an instance network that run on the same frames.
        config: a configuration to start from.
        sections: keys of Config over it, for instance `decode={"conf": 0.4}` or `backend={"name": "openvino"}`.

    Returns:
        Scenes: iterate it, in a `with` where the loop may be left early.

    Raises:
        UserError: anything a user can mend.
    """
    tree = msgspec.to_builtins(config or Config())
    if model:
        tree["model"] = [os.fspath(m) for m in ([model] if isinstance(model, str | Path) else model)]
    for key, value in sections.items():
        given = msgspec.to_builtins(value)
        tree[key] = {**tree[key], **given} if isinstance(given, dict) and key in tree else given
    try:
        whole = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"pipeline.open: {error}") from error
    return Scenes(
        open_supervised(str(source) if isinstance(source, int) else os.fspath(source), whole), networks(whole), whole
    )


class Scenes:
    """An iterator of scenes that owns the threads behind it. They stop with it, at the latest with the program."""

    def __init__(self, source: Source, nets: Sequence[Network], config: Config) -> None:
        self.networks = tuple(nets)
        self.source = source
        self._scenes = _scenes(source, self.networks, config)
        self._close = weakref.finalize(self, _close, self._scenes, self.networks)

    def __iter__(self) -> Scenes:
        return self

    def __next__(self) -> Scene:
        return next(self._scenes)

    def __enter__(self) -> Scenes:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop and join every thread; legal at any time."""
        self._close()


def _scenes(source: Source, nets: Sequence[Network], config: Config) -> Generator[Scene]:
    flow: Flow[Picture]
    flow = build(config, source, nets, dropped=lambda: flow.drops)
    with flow:
        for picture in flow:
            yield picture.scene


def _close(scenes: Generator[Scene], nets: Sequence[Network]) -> None:
    scenes.close()
    for net in nets:
        net.selection.backend.close()
