"""From model files to networks that are ready to run: card, backend, what stands before and behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from engines.backends.base import Backend, Options, Precision
from engines.backends.restart import Interruptible, RestartingBackend
from engines.card import find_card
from engines.checks import gate
from engines.embedded import BEST, FREE, embedded_models
from engines.export_ultralytics import is_ultralytics_name, named_model
from engines.frame_task import DetectRules, FrameTask
from engines.select import Selection, opener, select
from pipeline.config import Config, DecodeConfig, InputConfig
from pipeline.config_file import config_dirs
from pipeline.errors import ConfigError, ModelError
from pipeline.flow import Pool
from pipeline.memory import trim
from pipeline.postprocess import Decoder, Replaceable, decoder
from pipeline.preprocess import Preprocessor
from pipeline.types import Card, InputSpec


@dataclass(frozen=True, slots=True)
class Network:
    """One network of a run, with what stands before and behind it."""

    card: Card
    selection: Selection
    preprocessor: Preprocessor
    decoder: Replaceable

    @property
    def network_sizes(self) -> list[tuple[int, int]]:
        """Heights and widths of the network's inputs of late, pixels."""
        return sorted({*self.preprocessor.network_sizes, *getattr(self.selection.backend, "network_sizes", ())})


def networks(config: Config, scale: float = 1.0) -> tuple[Network, ...]:
    """Read the cards, choose the backends and load the models; the best embedded one where none is named.

    Args:
        config: of the run.
        scale: of the input's long side, where the network leaves it free.

    Raises:
        ModelError, BackendError, ConfigError: a model that is missing, broken or that nothing here can run.
    """
    cards = [replace(card, input=scaled(input_for(card, config.input), scale)) for card in read_cards(config)]
    made: list[Network] = []
    try:
        for card in cards:
            made.append(_network(config, card, len(cards)))
    except BaseException:
        for net in made:
            net.selection.backend.close()
        raise
    trim()
    return tuple(made)


def _network(config: Config, card: Card, networks: int) -> Network:
    """One of so many networks of a run."""
    rules = decode_config(config, card, networks)
    preprocessor, decode = Preprocessor(card.input, Pool), decoder(card, rules)
    selection = select(
        card,
        backend=config.backend.name,
        require=config.backend.require,
        workers=config.backend.workers,
        threads=config.backend.threads,
        precision=config.backend.precision,
        way=config.backend.way,
        task=frame_task(preprocessor, decode, rules),
        verified=None if config.backend.unverified else gate,
    )
    selection = replace(selection, backend=_restarting(card, selection.backend))
    if config.backend.unverified and (reason := gate(card, selection.backend)):
        selection = replace(selection, notes=(*selection.notes, f"used unverified: {reason}"))
    if not config.model:
        free = "" if FREE == BEST else f"; --model {FREE} is free of such terms"
        notes = (f"no --model, so {card.name}, trained on {card.licence}{free}", *selection.notes)
        selection = replace(selection, notes=notes)
    return Network(card, selection, preprocessor, Replaceable(decode, config.decode.conf))


def _restarting(card: Card, running: Backend) -> Backend:
    """The backend, as one that starts anew where it is stuck and can be stopped."""
    if not isinstance(running, Interruptible):
        return running
    precision: Precision = "bf16" if running.precision == "bf16" else "f32"
    options = Options(running.workers, running.threads, precision)
    return RestartingBackend(running, lambda: opener(running.name)(card, options))


def decode_config(config: Config, card: Card, networks: int) -> DecodeConfig:
    """What the decoder of a network is told; where objects are numbered, it looks down to scores that keep a number.

    Args:
        config: of the run.
        card: of the network.
        networks: how many run on the same frames.
    """
    decode = config.decode
    if config.track.objects:
        decode = msgspec.structs.replace(decode, conf=min(decode.conf, config.track.low))
    # `classes` picks objects: beside an instance network a semantic one says all it sees.
    everything = networks > 1 and card.family == "semantic"
    return msgspec.structs.replace(decode, classes=()) if everything else decode


def replaced(nets: Sequence[Network], config: Config) -> None:
    """Let networks that run decode with other thresholds and classes, from the next frame on.

    Raises:
        ConfigError: a class that a network does not have; nothing is changed then.
    """
    made = [decoder(net.card, decode_config(config, net.card, len(nets))) for net in nets]
    for net, other in zip(nets, made, strict=True):
        net.decoder.replace(other, config.decode.conf)


def frame_task(preprocessor: Preprocessor, decode: Decoder, config: DecodeConfig) -> FrameTask | None:
    """What a backend does that takes frames; None where only the CPU can."""
    if decode.chosen is None:
        return None
    rules = DetectRules(config.conf, config.iou, config.max_det, config.agnostic)
    return FrameTask(preprocessor.place, preprocessor.prepare, decode.decode, decode.chosen, rules)


def read_cards(config: Config) -> list[Card]:
    """The cards of the networks that a configuration names; the best embedded one where it names none.

    Raises:
        ModelError: a model that is missing or broken, or two of the same family.
    """
    card_dirs = [folder / "cards" for folder in config_dirs()]
    files = [_file(name) for name in config.model] or [embedded_models()[BEST]]
    cards = [find_card(file, card_dirs=card_dirs) for file in files]
    families = [card.family for card in cards]
    if len(set(families)) < len(families):
        raise ModelError(
            f"{len(cards)} models of the same family ({', '.join(families)}) cannot share one picture",
            hint="give one semantic and one instance network, or run them apart",
        )
    return cards


def _file(name: str) -> str | Path:
    """The model's file; a name that Ultralytics knows is exported once, where no such file lies here."""
    if Path(name).is_file() or Path(f"{name}.onnx").exists() or not is_ultralytics_name(name):
        return name
    return named_model(name)


def scaled(spec: InputSpec, scale: float) -> InputSpec:
    """The input with a shorter long side, a multiple of the stride; the same where the network fixes its size."""
    if scale == 1 or None not in spec.size_hw:
        return spec
    return replace(spec, long_side=max(1, round(scale * spec.long_side / spec.stride)) * spec.stride)


def input_for(card: Card, wanted: InputConfig) -> InputSpec:
    """The input of a network as a user wants it.

    Raises:
        ConfigError: the network does not take that size.
    """
    if wanted.long_side is None and not wanted.square:
        return card.input
    spec, long_side = card.input, card.input.long_side if wanted.long_side is None else wanted.long_side
    if None not in spec.size_hw:
        if wanted.long_side is not None and max(n for n in spec.size_hw if n) != long_side:
            height, width = spec.size_hw
            raise ConfigError(
                f"{card.path.name} takes {width}x{height} only, {long_side} was asked for",
                hint="leave --imgsz out, or export the model with free sizes",
            )
        return spec
    if long_side < 1 or long_side % spec.stride:
        near = max(1, round(long_side / spec.stride)) * spec.stride
        raise ConfigError(
            f"{card.path.name} takes multiples of {spec.stride}, {long_side} was asked for", hint=f"try {near}"
        )
    return replace(spec, long_side=long_side, size_hw=(long_side, long_side) if wanted.square else spec.size_hw)
