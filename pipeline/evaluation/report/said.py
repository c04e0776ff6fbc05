"""An evaluation in words: its title, its main figures, and what was left out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def title(what: Mapping[str, Any]) -> str:
    """`yolo11n-seg on coco val2017`."""
    data = what["dataset"]
    models = " and ".join(model["name"] for model in what["models"])
    return f"{models} on {data['name']} {data['split']}".rstrip()


def facts(what: Mapping[str, Any]) -> list[list[tuple[str, str]]]:
    """Name and value of what matters most: a row of accuracies, a row of speeds."""
    said = []
    for kind in ("mask", "box"):
        if kind in what:
            said += [(f"{kind} AP, %", percent(what[kind]["AP"])), (f"{kind} AP50, %", percent(what[kind]["AP50"]))]
    said.append(("mean IoU, %", percent(what["mIoU"])))
    if what["mIoU_of"] == "label maps":
        said.append(("pixel accuracy, %", percent(what["pixel_accuracy"])))
    if "boundary" in what:
        said.append(("boundary IoU, %", percent(what["boundary"]["IoU"])))
    if "panoptic" in what:
        said.append(("PQ, %", percent(what["panoptic"]["PQ"])))
    speed = [("images", str(what["images"]))]
    speed.append(("frames a second", f"{what['fps'] or 0:.1f}"))
    age = what["age_ms"]
    name = next((name for name in ("p50", "mean") if age[name] is not None), None)
    if name is not None:
        speed.append((f"latency {name}, ms", f"{age[name]:.0f}"))
    for name in ("p90", "p99"):
        if age[name] is not None:
            speed.append((f"latency {name}, ms", f"{age[name]:.0f}"))
    network = what["stages_ms"].get("infer", {}).get("p50")
    if network is not None:
        speed.append(("network p50, ms", f"{network:.0f}"))
    return [said, speed]


def left_out(what: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, str]]]:
    """In sentences, and each file with its reason."""
    files = [(one["name"], one["reason"]) for one in what["left_out"]["files"]]
    count = what["left_out"]["count"]
    said = [f"{what['images']} images were scored, {count} left out."]
    if carried := what["frames"].get("carried", 0):
        said.append(f"At {carried} of them the networks did not look: what they found before was carried there.")
    said += [f"Not scored: {note}." for note in what["not_scored"]]
    said += [f"{line[0].upper()}{line[1:]}." for line in unmapped(what)]
    if what["not_in_mean"]:
        said.append(f"Counted, but not in the mean: {', '.join(what['not_in_mean'])}.")
    if "objects" in what and (what["objects"]["crowd"] or what["objects"]["ignored"]):
        objects = what["objects"]
        said.append(
            f"Of {objects['truth']} objects in truth {objects['crowd']} are crowds and {objects['ignored']} ignored: "
            "neither found nor missed."
        )
    return said, files


def unmapped(what: Mapping[str, Any], most: int = 5) -> list[str]:
    """What the table of classes leaves out, in sentences; no more than `most` classes are named."""
    said = []
    for side, text in (("truth", "not scored, the mapping leaves them out"), ("predicted", "counted as misses")):
        if pixels := what["pixels"]["unmapped"][side]:
            said.append(f"{text}: {_largest(pixels, most, lambda name, count: f'{name} {count} px')}")
    for side, counts in what.get("objects", {}).get("unmapped", {}).items():
        if counts:
            what_is = "objects" if side == "truth" else "found objects"
            named = _largest(counts, most, lambda name, count: f"{count} {name}")
            said.append(f"{what_is} not scored, the mapping leaves them out: {named}")
    return said


def _largest(counts: Mapping[str, int], most: int, told: Callable[[str, int], str]) -> str:
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    rest = len(ordered) - most
    more = f" and {rest} more class{'es' if rest > 1 else ''}" if rest > 0 else ""
    return ", ".join(told(name, count) for name, count in ordered[:most]) + more


def percent(share: float | None) -> str:
    """0.458 -> 45.8; a dash where there is nothing to measure."""
    return "–" if share is None else f"{share * 100:.1f}"
