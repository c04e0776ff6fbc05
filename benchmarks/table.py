"""Print what `benchmarks/run.py` found as Markdown: the README's table, or all sides with --all.

python benchmarks/table.py [--all] benchmarks/results/peers-2026-11-29.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

SUMMARY = ("frames", "dashmask fps", "OpenVINO bf16 fps", "with --carry 1: fps, bf16 fps")
SUMMARY += ("Ultralytics fps", "plain loop fps", "network alone fps")
SUMMARY += ("against Ultralytics", "against the plain loop", "against the network alone")
SUMMARY += ("CPU ms a frame outside the network", "MB, ours / Ultralytics")
OURS, PEERS = ("dashmask", "dashmask, OpenVINO bf16"), ("Ultralytics", "plain loop")
CARRIED = tuple(f"{name}, every 2nd frame" for name in OURS)
COLUMNS = (
    "side",
    "fps",
    "dashmask is faster by",
    "CPU ms a frame",
    "and takes less CPU by",
    "MB of memory",
    "does not",
)


def summary(found: dict[str, Any]) -> str:
    """A row for each case."""
    rows = map(_row, _measured(found))
    return "\n".join([line(*SUMMARY), "|" + " --- |" * len(SUMMARY), *rows, *_failed(found)])


def _measured(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [case for case in found["cases"] if "failed" not in case]


def _failed(found: dict[str, Any]) -> list[str]:
    return [f"{case['what']} is left out: {case['failed']}" for case in found["cases"] if "failed" in case]


def _row(case: dict[str, Any]) -> str:
    # Of a semantic network, ours is what `dashmask export` writes; the others run the same weights with logits.
    names = {name.removesuffix(", labels"): name for name in case["sides"]}
    height, width = case["input_hw"]
    ours, theirs = case["sides"][names["dashmask"]], case["sides"].get("Ultralytics")
    objects = f", {ours['detections']:.0f} objects" if "objects" in case["what"] else ""
    alone = [run["fps"] / case["model_only_fps"]["median"] for run in case["runs"][names["dashmask"]]]
    return line(
        f"{case['what'].split(',')[0]}, {width}x{height}{objects}",
        *(_fps(case, names, name) for name in OURS),
        ", ".join(_fps(case, names, name) for name in CARRIED),
        *(_fps(case, names, name) for name in PEERS),
        f"{case['model_only_fps']['median']:.1f}",
        *(_ratio(case, names, name) for name in PEERS),
        spread(_least_to_most(alone), ""),
        spread(ours["outside_model_cpu_ms"], ""),
        f"{ours['rss_mb']:.0f} / {theirs['rss_mb']:.0f}" if theirs else f"{ours['rss_mb']:.0f} / -",
    )


def _fps(case: dict[str, Any], names: dict[str, str], name: str) -> str:
    return f"{case['sides'][names[name]]['fps']['median']:.1f}" if name in names else "-"


def _ratio(case: dict[str, Any], names: dict[str, str], other: str) -> str:
    """How often as fast as another side ours is, within each round."""
    if other not in names:
        return "-"
    pairs = zip(case["runs"][names["dashmask"]], case["runs"][names[other]], strict=True)
    return spread(_least_to_most([mine["fps"] / theirs["fps"] for mine, theirs in pairs]), "x")


def _least_to_most(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def tables(found: dict[str, Any]) -> str:
    """A table for each case of benchmarks/run.py, and what each side does not do below."""
    parts = []
    if not found["quiet"]:
        parts.append(f"Not for quoting: others used {found['busy_before']:.0%} of the processor.")
    notes: dict[str, int] = {}  # what is not done -> its number
    for case in _measured(found):
        height, width = case["input_hw"]
        objects = case["sides"]["dashmask"]["detections"]
        counted = f", {objects:.1f} objects a frame" if objects or "objects" in case["what"] else ""
        ours = case["sides"]["dashmask"]
        lines = [f"{case['what'].split(',')[0]} at {width}x{height}{counted}, {case['clip']}; "]
        lines[0] += f"the network alone {case['model_only_fps']['median']:.1f} fps, dashmask with writing "
        lines[0] += f"{spread(ours['against_model_only'], '')} of that, "
        lines[0] += f"{spread(ours['outside_model_cpu_ms'], '')} ms CPU outside the network\n"
        lines += [line(*COLUMNS), "|" + " --- |" * len(COLUMNS)]
        for name, side in case["sides"].items():
            told = [str(notes.setdefault(what, len(notes) + 1)) for what in side["does_not"]]
            ratio = (spread(side[key], "x") for key in ("dashmask_is_faster_by", "dashmask_takes_less_cpu_by"))
            faster, less = ratio if name != "dashmask" else ("", "")
            fps, cpu = side["fps"]["median"], side["cpu_ms"]["median"]
            lines.append(
                line(name, f"{fps:.1f}", faster, f"{cpu:.1f}", less, f"{side['rss_mb']:.0f}", ", ".join(told))
            )
        lines += [f"{name} is left out: {why}" for name, why in case["left_out"].items()]
        parts.append("\n".join(lines))
    parts += _failed(found)
    parts.append("\n".join(f"{number}. {what}" for what, number in notes.items()))
    versions = {side["name"] for case in _measured(found) for side in case["sides"].values()}
    parts.append("Versions: " + "; ".join(sorted(versions)))
    return "\n\n".join(parts)


def line(*cells: str) -> str:
    """A row of Markdown."""
    return "| " + " | ".join(cells) + " |"


def spread(values: dict[str, float], unit: str) -> str:
    """`median (least to most)`."""
    return f"{values['median']:.2f}{unit} ({values['min']:.2f} to {values['max']:.2f})"


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--all"]
    for name in words:
        found = json.loads(Path(name).read_text())
        print((tables if len(words) < len(sys.argv) - 1 else summary)(found))


if __name__ == "__main__":
    main()
