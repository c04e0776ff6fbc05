"""Print the README's tables from the committed results.

python benchmarks/table.py benchmarks/results/end-to-end-*.json
python benchmarks/table.py benchmarks/results/peers-2026-11-28.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

END_TO_END = ("clip", "dashmask fps", "Ultralytics fps", "network alone fps", "against Ultralytics")
END_TO_END += ("against the network alone", "CPU ms a frame outside the network", "MB, ours / theirs")
PEERS = (
    "side",
    "fps",
    "dashmask is faster by",
    "CPU ms a frame",
    "and takes less CPU by",
    "MB of memory",
    "does not",
)


def row(case: dict[str, Any]) -> str:
    """One case as a line of Markdown: medians, with least and most where it is a ratio."""
    runs = {side: statistics.median(run["fps"] for run in runs) for side, runs in case["runs"].items()}
    height, width = case["input_hw"][0]
    return line(
        f"{case['clip']}, {case['detections']['dashmask']:.0f} detections, {width}x{height}",
        f"{runs['dashmask']:.1f}",
        f"{runs['ultralytics']:.1f}",
        f"{runs['model_only']:.1f}",
        spread(case["against_ultralytics"], "x"),
        spread(case["against_model_only"], ""),
        spread(case["outside_model_cpu_ms"], ""),
        f"{case['rss_mb']['dashmask']:.0f} / {case['rss_mb']['ultralytics']:.0f}",
    )


def tables(found: dict[str, Any]) -> str:
    """A table for each case of benchmarks/run.py, and what each side does not do below."""
    parts = []
    if not found["quiet"]:
        parts.append(f"Not for quoting: others used {found['busy_before']:.0%} of the processor.")
    notes: dict[str, int] = {}  # what is not done -> its number
    for case in found["cases"]:
        height, width = case["input_hw"]
        objects = case["sides"]["dashmask"]["detections"]
        counted = f", {objects:.1f} objects a frame" if objects or "objects" in case["what"] else ""
        ours = case["sides"]["dashmask"]
        lines = [f"{case['what'].split(',')[0]} at {width}x{height}{counted}, {case['clip']}; "]
        lines[0] += f"the network alone {case['model_only_fps']['median']:.1f} fps, dashmask with writing "
        lines[0] += f"{spread(ours['against_model_only'], '')} of that, "
        lines[0] += f"{spread(ours['outside_model_cpu_ms'], '')} ms CPU outside the network\n"
        lines += [line(*PEERS), "|" + " --- |" * len(PEERS)]
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
    parts.append("\n".join(f"{number}. {what}" for what, number in notes.items()))
    versions = {side["name"] for case in found["cases"] for side in case["sides"].values()}
    parts.append("Versions: " + "; ".join(sorted(versions)))
    return "\n\n".join(parts)


def line(*cells: str) -> str:
    """A row of Markdown."""
    return "| " + " | ".join(cells) + " |"


def spread(values: dict[str, float], unit: str) -> str:
    """`median (least to most)`."""
    return f"{values['median']:.2f}{unit} ({values['min']:.2f} to {values['max']:.2f})"


def main() -> None:
    for name in sys.argv[1:]:
        found = json.loads(Path(name).read_text())
        if found.get("kind") == "peers":
            print(tables(found))
            continue
        print("\n".join([line(*END_TO_END), "|" + " --- |" * len(END_TO_END), *map(row, found["cases"])]))


if __name__ == "__main__":
    main()
