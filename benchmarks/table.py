"""Print the README's table from the committed results.

python benchmarks/table.py benchmarks/results/end-to-end-*.json
"""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any


def row(case: dict[str, Any]) -> str:
    """One case as a line of Markdown: medians, with least and most where it is a ratio."""
    runs = {side: statistics.median(run["fps"] for run in runs) for side, runs in case["runs"].items()}
    height, width = case["input_hw"][0]
    cells = [
        f"{case['clip']}, {case['detections']['dashmask']:.0f} detections, {width}x{height}",
        f"{runs['dashmask']:.1f}",
        f"{runs['ultralytics']:.1f}",
        f"{runs['model_only']:.1f}",
        spread(case["against_ultralytics"], "x"),
        spread(case["against_model_only"], ""),
        spread(case["outside_model_cpu_ms"], ""),
        f"{case['rss_mb']['dashmask']:.0f} / {case['rss_mb']['ultralytics']:.0f}",
    ]
    return "| " + " | ".join(cells) + " |"


def spread(values: dict[str, float], unit: str) -> str:
    """`median (least to most)`."""
    return f"{values['median']:.2f}{unit} ({values['min']:.2f} to {values['max']:.2f})"


def main() -> None:
    heads = ("clip", "dashmask fps", "Ultralytics fps", "network alone fps", "against Ultralytics")
    heads += ("against the network alone", "CPU ms a frame outside the network", "MB, ours / theirs")
    print("| " + " | ".join(heads) + " |\n|" + " --- |" * len(heads))
    for name in sys.argv[1:]:
        for case in json.loads(Path(name).read_text())["cases"]:
            print(row(case))


if __name__ == "__main__":
    main()
