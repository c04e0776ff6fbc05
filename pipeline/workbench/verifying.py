"""Verification, put together: frames and decoders from `pipeline` are handed to `engines.verify`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from engines.backends.base import Backend, Precision
from engines.backends.onnxruntime import open_exact
from engines.card import find_card
from engines.checks import limits_for
from engines.plans import plans_dir, read_manifest
from engines.plans import store_verification as store_in_manifest
from engines.select import select
from engines.verification import Verification, is_quantized, store_verification, to_plain
from engines.verify import verify
from pipeline.config import DecodeConfig, InputConfig
from pipeline.config_file import config_dirs
from pipeline.errors import BackendError, ModelError, SourceError
from pipeline.evaluation.comparing import comparison
from pipeline.flow import Pool
from pipeline.networks import input_for
from pipeline.placement import network_size
from pipeline.postprocess import decoder
from pipeline.preprocess import Preprocessor
from pipeline.types import Card, Frame, Prepared
from pipeline.workbench.sampling import sampled

FRAMES = 24


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be verified on what."""

    model: str
    backend: str = "auto"
    precision: Precision = "f32"
    source: str = "demo"
    frames: int = FRAMES
    long_side: int | None = None
    reference: str | None = None  # a float model that a quantized one was made of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    verification: Verification
    backend_detail: str
    stored: str  # where the record is kept, or why it is not


def verify_model(wanted: Wanted, watch: Callable[[int, int], None] = lambda done, of: None) -> Outcome:
    """Compare a backend with the reference on frames of a clip, and keep the record.

    Args:
        watch: is told how many frames are done, and of how many.

    Raises:
        UserError: a model, a clip or a backend that cannot be used.
    """
    card_dirs = [folder / "cards" for folder in config_dirs()]
    card = find_card(wanted.model, card_dirs=card_dirs)
    card = replace(card, input=input_for(card, InputConfig(long_side=wanted.long_side)))
    limits_for(card, wanted.precision)  # what is wrong with them is said before anything is loaded
    other = _reference(card, wanted.reference, card_dirs)
    frames = sampled(wanted.source, wanted.frames)
    first = next(frames, None)
    if first is None:
        raise SourceError(f"{wanted.source} has no frames", hint="give a clip with a few dozen frames")
    shape_hw = network_size(first.image.size_hw, card.input)
    backend = _open(card, wanted.backend, wanted.precision, shape_hw)
    try:
        reference = open_exact(other)
        try:
            found = compare(
                backend,
                reference,
                chain((first,), frames),
                card=card,
                limits=limits_for(card, backend.precision),
                source=wanted.source,
                compared_with="" if other.sha256 == card.sha256 else f"{other.path.name}, {reference.detail}",
                watch=lambda done: watch(done, wanted.frames),
            )
        finally:
            reference.close()
        stored = store_verification(card, backend, found)
        if not found.proves_nothing:
            into_manifest(card, found)
        return Outcome(found, backend.detail, stored)
    finally:
        backend.close()


def _open(card: Card, name: str, precision: Precision, shape_hw: tuple[int, int]) -> Backend:
    """The backend alone: under a name, never one that goes on with another where it fails."""
    if name == "auto":
        first = select(card, precision=precision, shape_hw=shape_hw).backend
        name = first.name
        first.close()
    return select(card, backend=name, precision=precision, shape_hw=shape_hw).backend


def compare(
    backend: Backend,
    reference: Backend,
    frames: Iterable[Frame],
    *,
    card: Card,
    limits: Mapping[str, float],
    source: str,
    compared_with: str = "",
    watch: Callable[[int], None] = lambda done: None,
) -> Verification:
    """engines.verify on frames, prepared and decoded as `run` does it."""
    config = DecodeConfig()
    return verify(
        backend,
        reference,
        prepare(card, frames),
        decoder(card, config).decode,
        comparison(card, config.conf),
        card=card,
        limits=limits,
        source=source,
        compared_with=compared_with,
        watch=watch,
    )


def prepare(card: Card, frames: Iterable[Frame]) -> Iterator[Prepared]:
    """Frames as the network wants them, by the very preprocessing of `run`."""
    preprocessor = Preprocessor(card.input, Pool)
    for frame in frames:
        yield preprocessor.prepare(frame)


def float_source(card: Card) -> tuple[Path, str] | None:
    """The file that a quantized model was made of, and its sha256, as its card says; None where it does not."""
    said = card.details.get("quantized")
    if not isinstance(said, Mapping):
        return None
    name, sha256 = said.get("source"), said.get("source_sha256")
    return (card.path.with_name(name), sha256) if isinstance(name, str) and isinstance(sha256, str) else None


def into_manifest(card: Card, found: Verification) -> None:
    """Put the record into the manifest of the plan that was verified, where a plan ran."""
    if "plan " not in found.identity:
        return
    for plan in plans_dir().glob(f"{card.sha256[:12]}-{found.backend}-*.plan"):
        with suppress(BackendError):  # the manifest of another plan cannot be read, or the folder not be written to
            if found.identity.endswith(f"plan {read_manifest(plan).plan_sha256[:8]}"):
                store_in_manifest(plan, to_plain(found))


def _reference(card: Card, named: str | None, card_dirs: Sequence[Path]) -> Card:
    """The model that the reference runs: the float one that a quantized one was made of, where it is at hand."""
    if named is not None:
        other = find_card(named, card_dirs=card_dirs)
        if (other.family, other.classes.names) != (card.family, card.classes.names):
            raise ModelError(
                f"{other.path.name} is no reference for {card.path.name}: other family or other classes",
                hint="give the float model that it was made of",
            )
        if (other.input.layout, other.input.dtype) != (card.input.layout, card.input.dtype):
            raise ModelError(f"{other.path.name} is no reference for {card.path.name}: its input is of another kind")
        return replace(other, input=replace(card.input, name=other.input.name))
    source = float_source(card) if is_quantized(card) else None
    if source is not None and source[0].is_file():
        other = find_card(source[0], card_dirs=card_dirs)
        if other.sha256 == source[1]:
            return replace(other, input=replace(card.input, name=other.input.name))
    return card
