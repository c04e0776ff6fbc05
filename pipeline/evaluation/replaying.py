"""Score recorded results against the truth, and imagine them at another pace: no network runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config import Config
from pipeline.errors import DataError
from pipeline.evaluation.film import Film
from pipeline.evaluation.labelled import Labelled
from pipeline.evaluation.scoring import Scores, open_scores
from pipeline.evaluation.service_times import read_times
from pipeline.evaluation.what_if import WhatIf
from pipeline.networks import read_cards
from pipeline.records import Record, read_records
from pipeline.types import VOID, Card, Instances, Labels, Scene


def replay(
    data: Labelled,
    config: Config,
    path: Path,
    what_ifs: Sequence[WhatIf],
    mappings: Sequence[str] = (),
    boundaries: bool = False,
) -> dict[str, Any]:
    """What an evaluation says of accuracy, from the records of one; the same bytes each time.

    Args:
        data: the labelled frames that were recorded, all of them.
        config: names the models that were recorded; only their cards are read.
        path: JSON Lines as `eval --record-times` or `run --json` writes them.
        what_ifs: what to imagine.
        mappings, boundaries: as for an evaluation.

    Raises:
        UserError: records that are broken, without times, of other classes or of other frames.
    """
    cards = read_cards(config)
    times, shown = read_times(path)
    film = Film(what_ifs)

    def scores() -> Scores:
        return open_scores(
            cards, data.classes, data.object_classes, mappings, data.not_in_mean, boundaries, data.rules
        )

    film.imagine(times, shown, scores)
    offline = scores()
    images = 0
    for scene in _scenes(data, config, path, cards):
        offline.add(scene.frame.truth, scene)
        film.follow(scene)
        images += 1
    return {
        "dataset": {"name": data.name, "split": data.split, "terms": data.terms},
        "images": images,
        "left_out": {"count": len(data.left_out), "files": [one._asdict() for one in data.left_out]},
        "replayed": path.name,
        **({"assumed": times.assumed} if times.assumed and what_ifs else {}),
        **offline.report(),
        **film.report(),
    }


def _scenes(data: Labelled, config: Config, path: Path, cards: Sequence[Card]) -> Iterator[Scene]:
    """The frames with their truth, and what the records say of them."""
    semantic = next((card for card in cards if card.family == "semantic"), None)
    objects = next((card for card in cards if card.family != "semantic"), None)
    records = read_records(path, semantic.classes.names if semantic else ())
    wanted = config.source.frames
    record = next(records, None)
    with data.source as frames:
        for count, frame in enumerate(frames):
            if count == wanted:
                return
            if record is None or record.index != frame.index:
                raise DataError(
                    f"{path} does not hold frame {frame.index} of {data.name}",
                    hint="a replay needs every frame: record them with eval --streaming --record-times",
                )
            labels = _labels(record, semantic, path, frame.image.size_hw)
            yield Scene(frame, _instances(record, objects, path), labels)
            record = next(records, None)


def _labels(record: Record, card: Card | None, path: Path, size_hw: tuple[int, int]) -> Labels | None:
    if card is None:
        return None
    if record.labels is None:
        raise DataError(f"{path}: frame {record.index} has no labels, {card.name} gives them", hint=_OTHER)
    labels = record.labels.map
    return Labels(labels if labels.size else np.full(size_hw, VOID, np.uint8), card.classes)  # no size: all is VOID


def _instances(record: Record, card: Card | None, path: Path) -> Instances | None:
    if card is None:
        return None
    if record.instances is None:
        raise DataError(f"{path}: frame {record.index} has no objects, {card.name} finds them", hint=_OTHER)
    names = dict(enumerate(record.instances.classes.names))
    for class_id in set(record.instances.class_ids.tolist()):
        if class_id >= len(card.classes) or card.classes.names[class_id] != names[class_id]:
            raise DataError(
                f"{path}: frame {record.index}: class {class_id} is {names[class_id]}, not as in {card.name}",
                hint=_OTHER,
            )
    return replace(record.instances, classes=card.classes)


_OTHER = "give the --model that was recorded"
