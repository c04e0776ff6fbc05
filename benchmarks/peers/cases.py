"""What is compared: clips, networks, how many detections, and the sides."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NOTHING = 0.99  # no object is that sure
DASHMASK = (sys.executable, "-c", "from pipeline.cli import main; main()")


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison: every side sees the same clip, the same bytes of a network and the same confidence."""

    what: str  # for people
    clip: Path
    model: Path
    input_hw: tuple[int, int]
    conf: float = NOTHING
    semantic: bool = False
    labels_model: Path | None = None  # the same weights as `dashmask export` writes them, labels out of the graph


@dataclass(frozen=True, slots=True)
class Side:
    """One program in a process of its own."""

    script: str
    args: tuple[str, ...] = ()
    labels: bool = False  # runs Case.labels_model


_BF16, _CARRY = ("--backend", "openvino", "--precision", "bf16"), ("--set", "track.carry=1")
OURS = {
    "dashmask": Side("dashmask_run.py"),
    "dashmask, OpenVINO f32": Side("dashmask_run.py", ("--backend", "openvino")),
    "dashmask, OpenVINO bf16": Side("dashmask_run.py", _BF16),
    "dashmask, every 2nd frame": Side("dashmask_run.py", _CARRY),
    "dashmask, OpenVINO bf16, every 2nd frame": Side("dashmask_run.py", (*_BF16, *_CARRY)),
}
OBJECTS = OURS | {
    "Ultralytics": Side("ultralytics_predict.py"),
    "Ultralytics, OpenVINO": Side("ultralytics_predict.py", ("--runtime", "openvino")),
    "Ultralytics + supervision": Side("supervision_draw.py"),
    "plain loop": Side("plain_loop.py"),
    "plain loop, OpenCV DNN": Side("plain_loop.py", ("--runtime", "opencv-dnn")),
}
_LABELS = {f"{name}, labels": Side(side.script, side.args, labels=True) for name, side in OURS.items()}
SEMANTIC = {"dashmask": OURS["dashmask"]} | _LABELS
SEMANTIC |= {
    "plain loop": Side("plain_loop.py", ("--family", "semantic")),
    "plain loop, blending bytes": Side("plain_loop.py", ("--family", "semantic", "--in-bytes")),
    "plain loop, OpenCV DNN": Side("plain_loop.py", ("--family", "semantic", "--runtime", "opencv-dnn")),
}
CEILING = Side("model_only.py")


def sides(case: Case) -> dict[str, Side]:
    """Who takes part in a case."""
    return SEMANTIC if case.semantic else OBJECTS


def confidence(clip: Path, model: Path, wanted: float, least: float = 0.03) -> float:
    """The confidence at which a clip has about so many objects a frame; the most that there are at `least`.

    A higher threshold keeps those of a lower one that reach it: what suppresses a box is always surer than it.
    """
    if not wanted:
        return NOTHING
    records = clip.with_name(f"{clip.stem}-found.jsonl")
    if not records.exists():
        words = ["run", clip, "-m", model, "--conf", least, "--json", records, "--no-timing"]
        words += ["--backend", "onnxruntime-cpu"]
        done = subprocess.run([*DASHMASK, *map(str, words)], check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"dashmask cannot run {model.name} on {clip.name}: {last_word(done)}")
    frames = [json.loads(line)["instances"] for line in records.read_text().splitlines()]
    scores = sorted((found["score"] for frame in frames for found in frame), reverse=True)
    if not scores:
        raise SystemExit(f"{model.name} finds nothing in {clip.name}: give footage with objects in it")
    at = min(round(wanted * len(frames)), len(scores) - 1)
    return round(scores[at], 4)


def last_word(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed."""
    return (done.stderr.strip().splitlines() or ["no word"])[-1]


def enet_files(folder: Path, size_hw: tuple[int, int], checkpoint: Path) -> tuple[Path, Path]:
    """A trained ENet as ONNX of one size, with logits and with labels."""
    from engines.export import export_net
    from engines.training.checkpoint import load_checkpoint

    net, about = load_checkpoint(checkpoint)
    made = folder / "enet-logits.onnx", folder / "enet-labels.onnx"
    for path, logits in zip(made, (True, False), strict=True):
        export_net(net, about, path, size_hw=size_hw, logits=logits)
    return made


def command(side: Side, case: Case, frames: int | None) -> Sequence[str]:
    """The words that start a side."""
    model = case.labels_model if side.labels and case.labels_model else case.model
    script = str(Path(__file__).with_name(side.script))
    shape = "x".join(map(str, case.input_hw))
    if side is CEILING:
        return [sys.executable, script, str(model), "--input", shape]
    words = [
        sys.executable,
        script,
        str(case.clip),
        str(model),
        "--conf",
        str(case.conf),
        "--input",
        shape,
        *side.args,
    ]
    return words + (["--frames", str(frames)] if frames else [])
