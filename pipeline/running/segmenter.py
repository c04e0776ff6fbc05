"""One upload in, one answer out: what `POST /segment` does."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from pipeline.config import Config, SourceConfig
from pipeline.errors import ConfigError, SourceError, UserError
from pipeline.flow import Flow
from pipeline.networks import Network, networks
from pipeline.records import encode_record
from pipeline.render.cutout import kept_alpha
from pipeline.running.assemble import build
from pipeline.running.outputs import all_names
from pipeline.serve.asked import Answer, Asked, Form
from pipeline.sinks.masks import mask_of
from pipeline.sources import SourceOptions, open_source
from pipeline.sources.upload import look_at
from pipeline.types import Picture, Scene, Source


class Segmenter:
    """Runs the networks of a configuration on uploads, one at a time; implements serve.asked.Segmenting.

    The networks are its own, loaded with the first upload or by `load`: those of a run are busy. Each upload
    goes the way of a run over a file, and gives the same records.

    Args:
        config: of the networks, and of `api`.
    """

    def __init__(self, config: Config) -> None:
        self._config = msgspec.structs.replace(config, source=SourceConfig())
        self._lock = threading.Lock()
        self._nets: tuple[Network, ...] | None = None
        self._flow: Flow[Picture] | None = None
        self._cancelled = False

    def load(self) -> tuple[Network, ...]:
        """The networks, loaded once.

        Raises:
            ModelError, BackendError, ConfigError: as networks().
        """
        with self._lock:
            if self._nets is None:
                self._nets = networks(self._config)
            return self._nets

    def answer(self, asked: Asked) -> Answer:
        """Segment an upload.

        Raises:
            UserError: it is no picture or clip, too large, or cannot be answered in that form.
            TimeoutError: it was cancelled.
        """
        limits = self._config.api
        upload = look_at(asked.upload, limits.max_megapixels * 1e6)
        if upload.kind == "clip" and asked.form in ("mask", "cutout"):
            raise SourceError(
                f"a {asked.form} is one PNG, and this is a clip", hint="ask for jsonl, or send a picture"
            )
        nets = self.load()
        kept = _kept(asked, nets) if asked.form == "cutout" else ()
        make = _MAKERS[asked.form]
        parts: list[bytes] = []
        with _file(asked.upload, upload.suffix) as path:
            # Its head was looked at, but behind that a clip may change its size.
            source = open_source(str(path), SourceOptions(most_px=int(limits.max_megapixels * 1e6)))
            with self._running(path, source, nets) as flow:
                for picture in flow:
                    if len(parts) == limits.max_frames:
                        raise SourceError(f"the clip has more than {limits.max_frames} frames", hint="cut it shorter")
                    parts.append(make(picture.scene, kept))
        if self._cancelled:
            raise TimeoutError
        return _joined(asked.form, parts, nets, getattr(source, "undecodable", 0))

    def begin(self) -> None:
        """Before `answer`: what was cancelled before does not count."""
        self._cancelled = False

    def cancel(self) -> None:
        """Stop the upload that is being worked on; from any thread, and legal when there is none."""
        self._cancelled = True
        flow = self._flow
        if flow is not None:
            flow.cancel()

    def close(self) -> None:
        """Let go of the networks; no upload is being worked on."""
        for net in self._nets or ():
            net.selection.backend.close()
        self._nets = ()

    @contextmanager
    def _running(self, path: Path, source: Source, nets: Sequence[Network]) -> Iterator[Flow[Picture]]:
        flow: Flow[Picture] = build(self._config, source, nets, dropped=lambda: flow.drops)
        self._flow = flow
        if self._cancelled:
            raise TimeoutError
        try:
            with flow:
                yield flow
        except UserError as error:
            told = "the upload"
            message = error.message.replace(str(path), told)
            raise type(error)(message, error.hint.replace(str(path), told)) from error
        finally:
            self._flow = None


@contextmanager
def _file(data: bytes, suffix: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dashmask-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(data)
        yield path


def _kept(asked: Asked, nets: Sequence[Network]) -> tuple[str, ...]:
    """The classes of a cut-out: those asked for, else all objects."""
    names = all_names([net.card.classes for net in nets])
    for name in asked.classes:
        if name not in names:
            raise ConfigError(f"no model here knows the class {name!r}", hint=f"known are {', '.join(names)}")
    if asked.classes:
        return asked.classes
    objects = [net.card.classes for net in nets if net.card.family != "semantic"]
    if not objects:
        raise ConfigError("a cut-out needs classes=NAME,...", hint=f"known are {', '.join(names)}")
    return tuple(all_names(objects))


def _record(scene: Scene, kept: Sequence[str]) -> bytes:
    return encode_record(scene, timing=False)


def _mask(scene: Scene, kept: Sequence[str]) -> bytes:
    return cv2.imencode(".png", mask_of(scene))[1].tobytes()


def _cutout(scene: Scene, kept: Sequence[str]) -> bytes:
    alpha = kept_alpha(scene, kept)
    shown = np.multiply(alpha != 0, 255, dtype=np.uint8)  # nothing of the picture is left under alpha 0
    planes = [cv2.bitwise_and(plane, shown) for plane in cv2.split(scene.frame.image.bgr())]
    return cv2.imencode(".png", cv2.merge([*planes, alpha]))[1].tobytes()


_MAKERS: dict[Form, Callable[[Scene, Sequence[str]], bytes]] = {
    "json": _record,
    "jsonl": _record,
    "mask": _mask,
    "cutout": _cutout,
}


def _joined(form: Form, parts: list[bytes], nets: Sequence[Network], left_out: int) -> Answer:
    if form == "json":
        models: list[dict[str, Any]] = [
            {"name": net.card.name, "family": net.card.family, "classes": net.card.classes.names} for net in nets
        ]
        frames = b",\n".join(part.rstrip(b"\n") for part in parts)
        lost = b',"left_out":%d' % left_out if left_out else b""
        return Answer(
            b'{"models":' + msgspec.json.encode(models) + b',"frames":[\n' + frames + b"\n]" + lost + b"}\n"
        )
    if form == "jsonl":
        return Answer(b"".join(parts), "application/jsonl")
    return Answer(b"".join(parts), "image/png")
