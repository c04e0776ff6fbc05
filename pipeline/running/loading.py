"""Load the networks of a run in a thread of their own, while the caller imports what reads, draws and writes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

from engines.embedded import BEST
from pipeline.config import Config
from pipeline.networks import Network, networks

if TYPE_CHECKING:
    from pipeline.running.ladder import Ladder

Loaded = tuple[tuple[Network, ...], "Ladder | None"]
STILL_S = 10.0  # whoever waits is told so often that it goes on


class Loading:
    """Networks that are being loaded. Leaving the `with` waits for them and closes their backends.

    Making a session lets the GIL go, so what is imported meanwhile costs no time.

    Args:
        config: names the models and the backend.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pool = ThreadPoolExecutor(1, "load")
        self._loading: Future[Loaded] | None = None

    def __enter__(self) -> Loading:
        self._loading = self._pool.submit(_load, self._config)
        return self

    def result(self, told: Callable[[str], None] = lambda text: None) -> Loaded:
        """The networks, and where a budget is to be kept, the ladder that they stand on.

        Args:
            told: is told every 10 seconds what is still being loaded.

        Raises:
            ModelError, BackendError, ConfigError: as pipeline.networks.networks does.
        """
        assert self._loading is not None
        names, waited_s = ", ".join(Path(name).name for name in self._config.model) or BEST, 0.0
        while not wait([self._loading], STILL_S).done:
            waited_s += STILL_S
            told(f"still loading {names} after {waited_s:.0f} s")
        return self._loading.result()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()
        if self._loading is not None and self._loading.exception() is None:
            for net in self._loading.result()[0]:
                net.selection.backend.close()


def _load(config: Config) -> Loaded:
    if config.budget.ms is None:
        return networks(config), None
    from pipeline.running.ladder import open_ladder

    ladder = open_ladder(config)
    return ladder.nets, ladder
