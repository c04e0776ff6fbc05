"""A configuration that is read again while frames come: what can change does, and the rest is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from engines.backends.base import takes_frames
from pipeline.config import Config, RenderConfig
from pipeline.errors import UserError
from pipeline.networks import Network, replaced
from pipeline.render.check import check_config, check_names
from pipeline.running.outputs import all_names, looked_for

_SECTIONS = ("render", "decode")


class Reloading:
    """Applies a new configuration to a run, when it was asked to.

    Drawing (`render`) and thresholds and classes (`decode`, where the CPU decodes) change from the next frame on.
    Everything else is part of what was opened at the start. A configuration with a mistake changes nothing.

    Args:
        config: that the run began with.
        read: gives the configuration anew.
    """

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        self._config, self._read = config, read
        self._nets: Sequence[Network] = ()
        self._draws: Sequence[Callable[[RenderConfig], None]] = ()
        self._asked = False

    def ready(self, nets: Sequence[Network], draws: Sequence[Callable[[RenderConfig], None]]) -> None:
        """Frames come next.

        Args:
            nets: that run.
            draws: are told of what is drawn from now on; none: nothing is drawn.
        """
        self._nets, self._draws = nets, draws

    def ask(self) -> None:
        """Reload before the next frame; legal from a signal handler."""
        self._asked = True

    def due(self) -> list[str]:
        """Reload where that was asked for; what came of it, for people."""
        if not self._asked:
            return []
        self._asked = False
        try:
            return self._reload(self._read())
        except UserError as error:
            return [f"configuration not reloaded, the old one stays: {error}"]

    @property
    def _fixed(self) -> bool:
        """Whether a GPU decodes, with what it was told at the start."""
        return any(takes_frames(net.selection.backend) for net in self._nets)

    def _reload(self, new: Config) -> list[str]:
        old = self._config
        changed = dict(differences(old, new))
        sections = _SECTIONS[:1] if self._fixed else _SECTIONS
        taken = [key for key in changed if key.partition(".")[0] in sections]
        left = [key for key in changed if key not in taken]
        if self._draws:
            check_config(new.render)
            cards = [net.card for net in self._nets]
            only = (old if self._fixed else new).decode.classes
            check_names(new.render, all_names([card.classes for card in cards]), looked_for(cards, only))
        decode = old.decode if self._fixed else new.decode
        replaced(self._nets, msgspec.structs.replace(old, decode=decode))
        for draw in self._draws:
            draw(new.render)
        self._config = msgspec.structs.replace(old, render=new.render, decode=decode)
        told = [f"configuration reloaded: {', '.join(f'{key} {changed[key]}' for key in taken) or 'nothing new'}"]
        if left:
            told.append(f"needs a new start: {', '.join(f'{key} {changed[key]}' for key in left)}")
        return told


def differences(old: Any, new: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each key whose value differs, dotted, with `old -> new`."""
    if isinstance(old, msgspec.Struct):
        for name in old.__struct_fields__:
            yield from differences(getattr(old, name), getattr(new, name), f"{path}.{name}" if path else name)
    elif old != new:
        yield path, f"{_told(old)} -> {_told(new)}"


def _told(value: Any) -> str:
    return msgspec.json.encode(value).decode()
