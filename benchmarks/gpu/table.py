"""Markdown tables of a GPU run, beside the floors and the aims.

python benchmarks/gpu/table.py benchmarks/results/gpu-*.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Milliseconds a frame of 1280x720 that an H200 cannot go below, computed from its rates (4.3 TB/s, 790 TFLOP/s).
FLOORS = {"upload": 0.050, "preprocess": 0.001, "postprocess": 0.003, "download": 0.017}
NETWORK_FLOORS = {"640x360": 0.030, "1024x512": 0.071, "yolo": 0.016}
AIMS = {"640x360": 0.4, "yolo": 0.6}  # milliseconds a frame, sustained, host memory to host memory
STAGES = ("upload", "preprocess", "network", "postprocess", "download")
HEADS = (
    *("network", "by", "batch", "CUDA graph", "frames/s", "ms a frame", "aim", "latency p50 / p99 ms"),
    *("Python ms a frame (packing)", "share of the network alone", "GPU MiB", "as on the CPU"),
)
RUN_STAGES = ("capture", "preprocess", "infer", "postprocess")
RUN_HEADS = (
    *("network", "by", "way", "frames/s", "ms a frame", "aim", "age p50 / p99 ms"),
    *(f"{name} p50 / p99 ms" for name in RUN_STAGES),
    "as on the CPU",
)


def markdown(told: Mapping[str, Any]) -> str:
    """All tables of a run."""
    parts: Mapping[str, Any] = told["parts"]
    machine = parts.get("machine", {}).get("facts", {})
    gpu = machine.get("gpu") or f"no GPU ({machine.get('no_gpu', 'not asked')})"
    lines = [f"# {told['name']}: {gpu}", ""]
    if told["dry"]:
        lines += ["A dry run: nothing was executed on a GPU.", ""]
    lines += [f"{told['began']}, commit {told['commit'] or 'unknown'}, {told['seconds']} s.", ""]
    lines += [f"`{machine['nvidia_smi']}`", ""] if machine.get("nvidia_smi") and machine.get("gpu") else []
    states = ([name, part["state"], part["why"], f"{part['seconds']:.0f}"] for name, part in parts.items())
    lines += [*table(("part", "state", "why", "s"), states), ""]
    if rows := _rows(parts, "run"):
        lines += ["## Through the stages of `dashmask run`, frames in host memory to scenes", ""]
        lines += [*table(RUN_HEADS, (_run(row) for row in rows)), ""]
    if way := _rows(parts, "way"):
        lines += ["## Frame in host memory to masks in host memory", ""]
        lines += [*table(HEADS, (_way(row) for row in way)), ""]
        lines += ["## Stages, milliseconds a batch, p50 / p99, launched one by one", ""]
        staged = [row for row in way if "stages" in row]
        lines += [*table(("network", "by", "batch", *STAGES, "sum"), (_stages(row) for row in staged)), ""]
        floors = ", ".join(f"{name} {ms:g}" for name, ms in (FLOORS | NETWORK_FLOORS).items())
        lines += [f"Floors on an H200, ms a frame, computed: {floors}.", ""]
    for name, title in (("onnxruntime", "ONNX Runtime CUDA beside the CPU"), ("rtx", "TensorRT for RTX")):
        if rows := _rows(parts, name):
            keys = (
                "network",
                "precision",
                "ms_a_frame",
                "agree",
                "largest",
                "mean",
                "same_twice",
                "build_s",
                "failed",
            )
            lines += [f"## {title}", "", *table(keys, ([_cell(row.get(key)) for key in keys] for row in rows)), ""]
    asked = {name: told for name, told in parts.get("rtx", {}).get("facts", {}).items() if name.startswith("a_plan")}
    lines += [f"TensorRT for RTX, {name.replace('_', ' ')}: `{told}`" for name, told in asked.items()]
    lines += [""] * bool(asked)
    if rows := _rows(parts, "compile"):
        keys = ("network", "by", "batch", "ms", "model_fps", "first_s", "memory_mib", "skipped", "failed")
        lines += ["## ENet by torch, the network alone", ""]
        lines += [*table(keys, ([_cell(row.get(key)) for key in keys] for row in rows)), ""]
    claims = {"kernels": "Kernels against the CPU", "device": "Life cycle of the device"}
    claims["sanitizer"] = "Kernels under compute-sanitizer"
    for name, title in claims.items():
        if rows := _rows(parts, name):
            lines += [f"## {title}", "", *table(("claim", "outcome"), (_claim(row) for row in rows)), ""]
    return "\n".join(lines)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return lines + ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]


def kind_of(network: str) -> str:
    """The key of a network in NETWORK_FLOORS and AIMS; empty where it has none."""
    if "yolo" in network.lower():
        return "yolo"
    return next((size for size in NETWORK_FLOORS if size in network), "")


def _rows(parts: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return list(parts.get(name, {}).get("rows", []))


def _run(row: Mapping[str, Any]) -> list[str]:
    first = [row["network"], row["by"], row.get("taken", row["way"])]
    if "fps" not in row:
        return [*first, row.get("failed") or row.get("skipped") or "?", *[""] * (len(RUN_HEADS) - 4)]
    if row["taken"] != row["way"]:
        first[2] += f" ({row['why_tensors']})"
    return [
        *first,
        f"{row['fps']:.0f}",
        f"{row['ms_a_frame']:.3f}",
        _verdict(row),
        *(_spread(times) for times in (row["age_ms"], *(row["stages_ms"].get(name) for name in RUN_STAGES))),
        f"{row['agree']:.4f}" if "agree" in row else "not compared",
    ]


def _spread(times: Mapping[str, Any] | None) -> str:
    """Of a stage, which may be left out, or have too few frames for a percentile."""
    numbers = [None, None] if times is None else [times["p50"], times["p99"]]
    return " / ".join("-" if number is None else f"{number:.3f}" for number in numbers)


def _verdict(row: Mapping[str, Any]) -> str:
    aim = AIMS.get(kind_of(row["network"]))
    return "" if aim is None else f"{aim:g} {'reached' if row['ms_a_frame'] <= aim else 'missed'}"


def _way(row: Mapping[str, Any]) -> list[str]:
    first = [row["network"], row["by"], str(row["batch"])]
    if "fps" not in row:
        reason = row.get("failed") or row.get("skipped") or row.get("not_run") or "?"
        return [*first, "", reason, *[""] * (len(HEADS) - 5)]
    latency, python, pack = row["latency_ms"], row["python_ms"], row["pack_ms"]
    return [
        *first,
        row["graph"],
        f"{row['fps']:.0f}",
        f"{row['ms_a_frame']:.3f}",
        _verdict(row),
        f"{latency['p50']:.3f} / {latency['p99']:.3f}",
        f"{python['p50']:.3f} ({pack['p50']:.3f})",
        f"{row['share_of_model']:.2f}",
        f"{row['memory_mib']:.0f}",
        f"{row['agree']:.4f}" if "agree" in row else "not compared",
    ]


def _stages(row: Mapping[str, Any]) -> list[str]:
    stages = row["stages"]
    cells = [f"{stages[name]['p50']:.3f} / {stages[name]['p99']:.3f}" for name in STAGES]
    return [row["network"], row["by"], str(row["batch"]), *cells, f"{sum(s['p50'] for s in stages.values()):.3f}"]


def _claim(row: Mapping[str, Any]) -> list[str]:
    reason = row.get("failed") or row.get("skipped") or ", ".join(row.get("wrong", []))
    return [str(row.get("claim", "")), "holds" if row.get("passed") else f"does not hold: {reason}"]


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    for name in sys.argv[1:]:
        print(markdown(json.loads(Path(name).read_text())))


if __name__ == "__main__":
    main()
