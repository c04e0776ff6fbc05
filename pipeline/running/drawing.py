"""What draws the pictures of one source of a run: for its outputs, and for a page while somebody watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.config import Config
from pipeline.flow import Pool
from pipeline.networks import Network
from pipeline.running.outputs import all_names, looked_for
from pipeline.running.page import RunPage
from pipeline.running.source_run import SourceRun
from pipeline.running.status_line import StatusLine
from pipeline.types import Picture, Scene


class Drawing:
    """What draws is imported when this is made, and ready once the networks are known.

    Args:
        config: of the run.
        one: whose scenes are drawn.
        always: every frame is drawn; else those that the page waits for.
        page: says what it waits for, and which classes it does not show.
    """

    def __init__(self, config: Config, one: SourceRun, always: bool, page: RunPage | None) -> None:
        from pipeline.render import Renderer

        self._config, self._always, self._page = config.render, always, page
        self._only = config.decode.classes
        self._status = StatusLine(one.source.live, one.score)
        self._renderer = Renderer(config.render, Pool)
        self.use = self._renderer.use

    def ready(self, nets: Sequence[Network]) -> Callable[[Scene], Picture]:
        """The step of the run's thread; ConfigError where the render section names a class that is none."""
        from pipeline.render import check_names

        cards = [net.card for net in nets]
        check_names(self._config, all_names([card.classes for card in cards]), looked_for(cards, self._only))
        return self._draw

    def _draw(self, scene: Scene) -> Picture:
        line = self._status.line(scene)
        page = self._page
        if page is None:
            return self._renderer.render(scene, line)
        if not (self._always or page.wanted(scene.frame.source)):
            return Picture(scene, None)
        return self._renderer.render(scene, line, page.hidden)
