"""The Python API: the scenes of a source, one a frame, in order."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.assemble import build, open_configured
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.flow import Flow
from pipeline.networks import Network, networks
from pipeline.types import Picture, Scene, Source


def open(
    source: str | Path,
    model: str | Path | Sequence[str | Path] = (),
    *,
    config: Config | None = None,
    **sections: Any,
) -> Scenes:
    """Segment a source, frame by frame.

    Args:
        source: a video, a folder or glob of images, a camera (`0`), an address (`rtsp://...`) or `demo`.
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
    return Scenes(open_configured(os.fspath(source), whole), networks(whole), whole)


class Scenes:
    """An iterator of scenes that owns the threads behind it."""

    def __init__(self, source: Source, nets: Sequence[Network], config: Config) -> None:
        self.networks = tuple(nets)
        self.source = source
        self._scenes = self._run(config)

    def __iter__(self) -> Generator[Scene]:
        return self._scenes

    def _run(self, config: Config) -> Generator[Scene]:
        flow: Flow[Picture]
        flow = build(config, self.source, self.networks, dropped=lambda: flow.drops)
        try:
            with flow:
                for picture in flow:
                    yield picture.scene
        finally:
            for net in self.networks:
                net.selection.backend.close()

    def __enter__(self) -> Scenes:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop and join every thread; legal at any time."""
        self._scenes.close()
        for net in self.networks:  # a generator that was never started runs no `finally`
            net.selection.backend.close()
