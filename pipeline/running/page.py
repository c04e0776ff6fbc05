"""The page of a run, and the API alone: puts `serve` together with what draws, records and segments."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.networks import Network
from pipeline.running.source_run import SourceRun
from pipeline.types import Picture, Sink

if TYPE_CHECKING:
    from pipeline.serve.station import Station

_NEEDED = ("starlette", "uvicorn", "prometheus_client", "python_multipart")


class RunPage:
    """The page of a run: a context manager that owns the server's thread.

    Opened before the networks are loaded, so that a port that is taken is known at once; answers from `start` on.

    Args:
        config: of the run; `web.address` says where.
        runs: the sources, in the order of their numbers; none for an API without a page.

    Raises:
        ConfigError: the address cannot be used, the token is too weak, or a package is missing.
        SinkError: nothing can be recorded into `web.recordings`.
    """

    def __init__(self, config: Config, runs: Sequence[SourceRun]) -> None:
        check_packages()
        from pipeline.running.segmenter import Segmenter
        from pipeline.serve.address import listen, parse_address, token_for
        from pipeline.serve.app import application
        from pipeline.serve.board import Board, Classes
        from pipeline.serve.meter import Meter
        from pipeline.serve.recorder import Recorder
        from pipeline.serve.server import Server
        from pipeline.serve.station import Station
        from pipeline.serve.work import Work
        from pipeline.sinks import check_outputs

        web = config.web
        check_outputs(None, [], [web.recordings] if web.recordings else [])
        address = parse_address(web.address or "")
        token = token_for(address, web.token)
        listening, address = listen(address)
        self.url = address.url(None if web.token else token)  # who has set one knows it: logs are read by others
        self._segmenter = Segmenter(config)
        self._work = Work(self._segmenter, config.api.waiting, config.api.timeout_s)
        self._server = Server(listening)
        folder = Path(web.recordings) if web.recordings else None
        self._stations: list[Station] = []
        for number, one in enumerate(runs):
            recorder = Recorder(folder, one.name, partial(_recording, config))
            one.opened.append(recorder)  # for its notes
            meter = Meter(partial(_drops, one))
            self._stations.append(Station(number, one.name, one.source, meter, recorder, self._server.loop, web))
        self._classes = Classes()
        self._board = Board(self._stations, self._classes)
        self._server.app = application(self._board, self._work, config.api, token, address.port)

    def sink(self, number: int) -> tuple[str, Callable[[], Sink]]:
        """Name and opener of the sink that records a source."""
        recorder: Sink = self._stations[number].recorder
        return "recording", lambda: recorder

    def load(self) -> tuple[Network, ...]:
        """The networks of the API, which a run loads only when somebody asks for them."""
        return self._segmenter.load()

    def start(self, nets: Sequence[Network]) -> None:
        """Answer from now on; these networks run."""
        self._classes.known = classes_of(nets)
        self._board.models = models_of(nets)
        self._server.start(self._board.sample_for_ever, self._end)

    def wanted(self, number: int) -> bool:
        """Whether somebody waits for the next picture of a source. From any thread; costs nothing."""
        return self._stations[number].wanted

    @property
    def hidden(self) -> frozenset[str]:
        """Classes that are not drawn."""
        return self._classes.hidden

    def add(self, picture: Picture, done_s: float) -> None:
        """A frame that is done; before the next one is taken."""
        self._stations[picture.scene.frame.source].add(picture, done_s)

    def close(self) -> None:
        """End every answer and join the threads; legal in every state, and again."""
        self._work.stop()
        self._server.stop()
        self._work.close()

    def _end(self) -> None:
        self._board.close()
        self._work.stop()

    def __enter__(self) -> RunPage:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def check_packages() -> None:
    """Raises ConfigError where the extra is not installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"the page and the API need {', '.join(missing)}", hint="pip install 'dashmask[web]'")


def classes_of(nets: Sequence[Network]) -> tuple[tuple[str, tuple[int, int, int]], ...]:
    """Every class of several networks once, with its colour as it is drawn."""
    from pipeline.render.colours import legible

    found: dict[str, tuple[int, int, int]] = {}
    for net in nets:
        for name, colour in zip(net.card.classes.names, net.card.classes.colours, strict=True):
            found.setdefault(name, legible(colour))
    return tuple(found.items())


def models_of(nets: Sequence[Network]) -> list[dict[str, Any]]:
    """What runs on what, for the page and the metrics."""
    return [
        {"name": net.card.name, "backend": net.selection.backend.name, "detail": net.selection.backend.detail}
        for net in nets
    ]


def _recording(config: Config, stem: Path, first: Picture) -> list[Sink]:
    """The outputs of one recording, which begins with a picture: a video from time 0 and its records."""
    from pipeline.sinks.codecs import VideoConfig
    from pipeline.sinks.jsonl import JsonlSink
    from pipeline.sinks.video import VideoSink

    out = config.output
    told = VideoConfig(codec=out.codec, crf=out.crf, preset=out.preset)
    video = VideoSink(stem.with_name(f"{stem.name}.mp4"), told, start_s=first.scene.frame.pts_s)
    return [video, JsonlSink(stem.with_name(f"{stem.name}.jsonl"), out.timing)]


def _drops(one: SourceRun) -> Mapping[str, int]:
    return one.ledger.drops


def serve_api(config: Config, told: Callable[[str, Sequence[Network]], None], wait: Callable[[], object]) -> None:
    """Answer `POST /segment` until `wait` returns.

    Args:
        config: the networks, `web.address`, `web.token` and `api`.
        told: is called with the address and the networks once it answers.
        wait: returns when it is time to stop.

    Raises:
        UserError: the address or the networks cannot be used.
    """
    with RunPage(config, []) as page:
        nets = page.load()
        page.start(nets)
        told(page.url, nets)
        wait()
