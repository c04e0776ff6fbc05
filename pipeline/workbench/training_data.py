"""The pictures that a training run asks for: opened, chosen, mapped to its classes, kept in memory."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.training.config import DataConfig, TrainConfig
from pipeline.datasets.base import DATASETS, Dataset, Sample, open_dataset
from pipeline.errors import ConfigError
from pipeline.types import VOID, Classes, Frame

_FIRST_WORLD = 1000  # the worlds below are those that `run demo` shows: scored on what was not learned


def check_roots(config: TrainConfig) -> None:
    """ConfigError where a folder is given for a data set that there is not; those that are not needed may stand."""
    for name in config.roots:
        if name not in DATASETS and name != "demo":
            near = difflib.get_close_matches(name, DATASETS, 1)
            hint = f"did you mean roots.{near[0]}?" if near else f"there are {', '.join(DATASETS)}"
            raise ConfigError(f"roots.{name}: there is no data set of that name", hint=hint)


def open_part(part: DataConfig, config: TrainConfig) -> Dataset:
    """The data set of a part, nothing decoded yet; ConfigError where nothing says where it is."""
    root = part.root or config.roots.get(part.dataset, "." if part.dataset == "demo" else None)
    if root is None:
        hint = f"give its folder: --set roots.{part.dataset}=DIR"
        raise ConfigError(f"{part.dataset}: the configuration does not say where it is", hint=hint)
    options = dict(part.options)
    if part.dataset == "demo":
        first, worlds = int(options.pop("first_world", _FIRST_WORLD)), int(options.pop("worlds", 4))
        options |= {"frames": _drawn(part, range(first, first + max(1, worlds)), int(options.get("count", 100)))}
    return open_dataset(part.dataset, root, part.split, **options)


def _drawn(part: DataConfig, worlds: Sequence[int], count: int) -> Iterator[Frame]:
    """Frames of several drawn worlds, two seconds of driving apart: they differ in weather, season and place."""
    from pipeline.sources.demo import Demo

    each = -(-count // len(worlds))
    for seed in worlds:
        with Demo(seed, each, part.size_hw or (360, 480), fps=0.5) as frames:
            yield from frames


def class_sets(parts: Sequence[DataConfig]) -> tuple[tuple[str, ...], ...]:
    """The sets of classes, each once, that labels of these parts may stand for."""
    named = (names for part in parts for names in (part.map or {}).values() if not isinstance(names, str))
    return tuple(dict.fromkeys(named))


def samples(
    part: DataConfig, dataset: Dataset, classes: Classes, sets: Sequence[tuple[str, ...]] = ()
) -> list[Sample]:
    """The samples that a configuration asks for, decoded once, kept in memory, labelled in these classes (and
    sets of them, numbered behind the classes; a set that is not among `sets` is void)."""
    table = label_table(part, dataset.classes, classes, sets)
    names = dataset.names
    without, only = words(part.hold_out), words(part.only)
    chosen = [
        index
        for index, name in enumerate(names)
        if not any(word in name for word in without) and (not only or any(word in name for word in only))
    ]
    if not chosen:
        raise ConfigError(f"{part.dataset} {part.split}: hold_out and only leave no picture of {len(names)}")
    if part.limit is not None and part.limit < len(chosen):
        chosen = [chosen[round(i * (len(chosen) - 1) / max(1, part.limit - 1))] for i in range(part.limit)]
    kept = [_kept(dataset[index], table, part.size_hw) for index in chosen]
    if not any((sample.labels != VOID).any() for sample in kept):
        hint = "look at its masks, and at `map` where it has one"
        raise ConfigError(f"{part.dataset} {part.split}: no pixel of its {len(kept)} pictures has a class", hint=hint)
    return kept


def label_table(
    part: DataConfig, theirs: Classes, ours: Classes, sets: Sequence[tuple[str, ...]] = ()
) -> NDArray[np.uint8]:
    """(256,) class id there -> class id here, or number of classes + index of a set.

    Raises:
        ConfigError: a class in `map` that does not exist, or no `map` where the classes differ.
    """
    table = np.full(256, VOID, np.uint8)
    if part.map is None:
        if theirs.names != ours.names:
            raise ConfigError(
                f"{part.dataset}: its {len(theirs)} classes are not the {len(ours)} of the first data set",
                hint=f"give `map:` with {', '.join(theirs.names[:4])}, ... on the left",
            )
        table[: len(ours)] = np.arange(len(ours))
        return table
    for left, right in part.map.items():
        names = words(right)
        if not names:
            raise ConfigError(f"map: `{left}` stands for no class", hint="leave it out, and it is void")
        ids = [_index(name, ours, "the first data set") for name in names]
        number = ids[0] if len(ids) == 1 else len(ours) + sets.index(names) if names in sets else VOID
        table[_index(left, theirs, part.dataset)] = number
    return table


def _kept(sample: Sample, table: NDArray[np.uint8], size_hw: tuple[int, int] | None) -> Sample:
    image, labels = sample.image, np.asarray(cv2.LUT(sample.labels, table), np.uint8)
    if size_hw is not None and size_hw != labels.shape:
        size_wh = size_hw[::-1]
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        labels = np.asarray(cv2.resize(labels, size_wh, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    return replace(sample, image=image, labels=labels)


def words(said: str | Sequence[str]) -> tuple[str, ...]:
    """One word or several, as several."""
    return (said,) if isinstance(said, str) else tuple(said)


def _index(name: str, classes: Classes, whose: str) -> int:
    if name in classes.names:
        return classes.names.index(name)
    near = difflib.get_close_matches(name, classes.names, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"they are {', '.join(classes.names)}"
    raise ConfigError(f"map: `{name}` is no class of {whose}", hint=hint)
