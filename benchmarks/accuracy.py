"""Mean IoU of the embedded networks, by the stages that `dashmask eval` runs; JSON, and the README's table.

python benchmarks/accuracy.py --root camvid=DIR --root idd-lite=DIR --out benchmarks/results/accuracy.json
python benchmarks/accuracy.py --table benchmarks/results/accuracy.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import cv2

from engines.card import find_card
from engines.embedded import embedded_models
from engines.machine import cpu_name
from pipeline.config import BackendConfig, Config
from pipeline.evaluation.evaluate import evaluate, evaluation_report
from pipeline.evaluation.labelled import Labelled, Wanted, open_labelled
from pipeline.evaluation.mapping import fitting_mapping
from pipeline.evaluation.trained_on import trained_on
from pipeline.networks import Network
from pipeline.timing import Summary
from pipeline.types import Source, SourceInfo

SETS = {  # what is scored -> dataset and split
    "CamVid val": ("camvid", "val"),
    "IDD Lite val": ("idd-lite", "val"),
    "KITTI semantics": ("kitti-semantic", "training"),
    "drawn drives": ("demo:frames=60,seed=7,fps=1", ""),
}


class Silent:
    """Watches an evaluation and says nothing."""

    def started(self, source: Source, nets: Sequence[Network]) -> None: ...

    def frame(self, summary: Summary, info: SourceInfo) -> None: ...

    def noted(self, notes: Sequence[str]) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", action="append", default=[], metavar="NAME=DIR", help="where a data set lies")
    parser.add_argument("--out", type=Path, help="JSON")
    parser.add_argument("--table", type=Path, help="print the table of such a JSON, measure nothing")
    wanted = parser.parse_args()
    if wanted.table:
        print(table(json.loads(wanted.table.read_text())))
        return
    cv2.setNumThreads(1)
    roots = dict(pair.split("=", 1) for pair in wanted.root)
    found = {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "networks": [score(name, roots) for name in embedded_models()],
    }
    if wanted.out:
        wanted.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))


def score(name: str, roots: dict[str, str]) -> dict[str, Any]:
    """One network on every set whose folder was named."""
    card = find_card(embedded_models()[name])
    config = Config(model=(name,), backend=BackendConfig(name="onnxruntime-cpu"))
    sets: dict[str, Any] = {}
    for told, (dataset, split) in SETS.items():
        if dataset.partition(":")[0] != "demo" and dataset not in roots:
            continue
        data: Labelled = open_labelled(Wanted(dataset, roots.get(dataset), split), config)
        if trained_on([card], dataset, split):
            sets[told] = None
            continue
        mapping = fitting_mapping(card.classes.names, data.classes.names).name
        done = evaluate(data, config, Silent(), () if mapping == "same names" else (mapping,))
        what = evaluation_report(done)
        sets[told] = {key: what[key] for key in ("mIoU", "pixel_accuracy", "images", "mapping")} | {
            "IoU": {one: figures["IoU"] for one, figures in what["classes"].items()}
        }
        print(f"{name} on {told}: mean IoU {what['mIoU']:.3f}", flush=True)
    keep = ("net", "parameters", "gflop_640x360", "epoch", "speed")
    return {"name": name, "sha256": card.sha256, "licence": card.licence, "sets": sets} | {
        key: card.details.get(key) for key in keep
    }


def table(found: dict[str, Any]) -> str:
    """Markdown: a row a network, a column a set."""
    sets = [told for told in SETS if any(told in net["sets"] for net in found["networks"])]
    heads = ("network", "parameters", "GFLOP at 640x360", *(f"mean IoU, {told}" for told in sets))
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for net in found["networks"]:
        cells = [f"`{net['name']}`", f"{net['parameters'] / 1e6:.2f} M", f"{net['gflop_640x360']:.2f}"]
        cells += ["trained on it" if one is None else f"{one['mIoU']:.3f}" for one in map(net["sets"].get, sets)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
