"""Conditions held against scenes, frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.evidence.conditions import Bound, Condition
from pipeline.types import Instances, Labels, Scene

LEAST_SHARE = 0.001  # of the picture: fewer label pixels of a class are noise, where no area is asked for


class Watcher:
    """Says when a condition becomes true.

    Only a condition that was not true at the frame before counts: a person who stays is one event.

    Args:
        conditions: as parsed; those of kind error are not looked at here.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = [condition for condition in conditions if condition.kind != "error"]
        self._true: set[str] = set()

    def look(self, scene: Scene, age_s: float) -> list[tuple[Condition, str]]:
        """The conditions that became true with this frame, each with what was measured, for people."""
        now = {}
        for condition in self._conditions:
            seen = _late(condition, age_s) if condition.kind == "age" else _seen(condition, scene)
            if seen:
                now[condition.text] = condition, seen
        new = [what for text, what in now.items() if text not in self._true]
        self._true = set(now)
        return new


def _late(condition: Condition, age_s: float) -> str:
    return f"age {age_s * 1e3:.0f} ms" if condition.bounds[0].holds(age_s) else ""


def _seen(condition: Condition, scene: Scene) -> str:
    frame_px = int(np.prod(scene.frame.image.size_hw))
    if scene.instances is not None and condition.name in scene.instances.classes.names:
        return _objects(condition, scene.instances, frame_px)
    if scene.labels is not None and condition.name in scene.labels.classes.names:
        return _pixels(condition, scene.labels, frame_px)
    return ""


def _objects(condition: Condition, found: Instances, frame_px: int) -> str:
    met: list[str] = []
    class_id = found.classes.names.index(condition.name)
    for i in np.flatnonzero(found.class_ids == class_id).tolist():
        score, area_px = float(found.scores[i]), 0
        if any(bound.field.startswith("area") for bound in condition.bounds):
            area_px = int(np.count_nonzero(found.mask(i)))
        if all(bound.holds(_measure(bound, area_px, frame_px, score)) for bound in condition.bounds):
            number = 0 if found.track_ids is None else int(found.track_ids[i])
            area = f", {100 * area_px / frame_px:.2f} % of the picture" if area_px else ""
            met.append(f"{condition.name}{f' {number}' if number else ''}, score {score:.2f}{area}")
    enough = condition.count.holds(len(met)) if condition.count else bool(met)
    if not enough:
        return ""
    return "; ".join(met) if met else f"no {condition.name}"


def _pixels(condition: Condition, labels: Labels, frame_px: int) -> str:
    area_px = int(np.count_nonzero(labels.map == labels.classes.names.index(condition.name)))
    bounds = condition.bounds or (Bound("area", ">=", LEAST_SHARE),)
    if not all(bound.holds(_measure(bound, area_px, frame_px, 0.0)) for bound in bounds):
        return ""
    return f"{condition.name}, {100 * area_px / frame_px:.2f} % of the picture"


def _measure(bound: Bound, area_px: int, frame_px: int, score: float) -> float:
    return {"area": area_px / frame_px, "area_px": float(area_px), "score": score}[bound.field]
