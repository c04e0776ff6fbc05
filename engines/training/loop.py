"""The training loop: batches and the score are handed in, weights, state and curves come out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engines.training import curves
from engines.training.batches import Batches
from engines.training.checkpoint import load_state, save_checkpoint, save_state
from engines.training.config import TrainConfig
from engines.training.early_stop import EarlyStop
from engines.training.trainee import Trainee, Watch, choose_device
from pipeline.errors import ModelError

PLOT_EVERY = 10  # epochs


@dataclass(frozen=True, slots=True)
class Score:
    """How well a network does on one set."""

    mean_iou: float
    iou: Mapping[str, float]  # class -> IoU, those that occur


Forward = Callable[[Tensor], Tensor]  # (n, h, w, 3) uint8 RGB -> logits (n, classes, h, w) float32
Validate = Callable[[Forward], Mapping[str, Score]]  # name of a set -> score; the first one decides


@dataclass(slots=True)
class Trained:
    """What a training run left behind."""

    epochs: int  # done, those of an earlier run included
    best_mean_iou: float | None
    best_epoch: int | None
    stopped_early: bool
    checkpoint: Path
    rows: list[dict[str, float]] = field(default_factory=list)


def fit(
    net: nn.Module,
    batches: Batches,
    validate: Validate,
    config: TrainConfig,
    *,
    classes: int,
    about: Mapping[str, Any],
    out: Path,
    watch: Watch | None = None,
    teacher: nn.Module | None = None,
    resume: bool = False,
    until: int | None = None,
) -> Trained:
    """Train a network; leave `<name>.safetensors` (the best), `<name>-last.safetensors`, state.pt, curves.csv
    and curves.png in a folder.

    Args:
        net: gives logits (n, classes, h, w) for (n, 3, h, w) float32.
        validate: scores a forward function; called with the averaged weights. May give nothing.
        about: goes into the checkpoints beside net, options, epoch and scores; has `classes` with `names`.
        teacher: logits of the same classes, for distillation.
        resume: go on from state.pt; the result is the same as without the interruption.
        until: stop after this epoch as if interrupted; for tests and for training in instalments.

    Raises:
        ModelError: no state to resume from, or one of another net or other classes.
        ConfigError: a loss or a device that does not exist, or training that has left the numbers.
    """
    device = choose_device(config.machine)
    if config.machine.threads:
        torch.set_num_threads(config.machine.threads)
    memory = torch.channels_last if config.machine.channels_last else torch.contiguous_format
    net = net.to(device, memory_format=memory)  # type: ignore[call-overload]
    run = Trainee(net, batches, config, classes, device, teacher)
    stop, first, rows = EarlyStop(config.stop), 0, list[dict[str, float]]()
    of = {"net": getattr(net, "name", ""), "classes": list(about["classes"]["names"])}
    if resume:
        state = load_state(out / "state.pt")
        was = state.get("of", of)
        if was != of:
            before, now = (f"{one['net']} with the classes {', '.join(one['classes'])}" for one in (was, of))
            said = f"{out / 'state.pt'}: is of the net {before}, not of {now}"
            raise ModelError(said, hint="--out takes another folder")
        rows = run.restore(state)
        first = len(rows)
        stop.replay((i, row["val_mean_iou"]) for i, row in enumerate(rows) if "val_mean_iou" in row)
    out.mkdir(parents=True, exist_ok=True)
    best_path = out / f"{config.name}.safetensors"
    for epoch in range(first, min(config.epochs, until or config.epochs)):
        if stop.over():
            break
        row = {"epoch": float(epoch + 1), **run.epoch(epoch, watch)}
        scores: Mapping[str, Score] = {}
        due = (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs
        if due:
            began_s = time.monotonic()
            scores = validate(run.forward)
            row["val_s"] = time.monotonic() - began_s
        for at, (name, score) in enumerate(scores.items()):
            prefix = "val" if at == 0 else name
            row[f"{prefix}_mean_iou"] = score.mean_iou
            row |= {f"{prefix}_iou_{key}": value for key, value in score.iou.items()}
        # Without validation sets the latest weights count as the best; between two validations nothing does.
        best = stop.seen(epoch, row["val_mean_iou"]) if scores else due
        rows.append(row)
        told = {**about, "epoch": epoch + 1, **_told(scores)}
        if best:
            save_checkpoint(best_path, run.kept, told)
        save_checkpoint(out / f"{config.name}-last.safetensors", run.kept, told)
        save_state(out / "state.pt", run.state(rows) | {"of": of})
        curves.write_csv(out / "curves.csv", rows)
        if (epoch + 1) % PLOT_EVERY == 0:
            curves.draw(out / "curves.png", rows, config.name)
        if watch is not None:
            watch.epoch(row, config.epochs, best)
    if rows:
        curves.draw(out / "curves.png", rows, config.name)
    scored = stop.best_epoch >= 0
    return Trained(
        epochs=len(rows),
        best_mean_iou=stop.best if scored else None,
        best_epoch=stop.best_epoch + 1 if scored else None,
        stopped_early=len(rows) < config.epochs and stop.over(),
        checkpoint=best_path,
        rows=rows,
    )


def _told(scores: Mapping[str, Score]) -> dict[str, Any]:
    if not scores:
        return {}
    first, *others = scores.items()
    told = {"val": first[0], "mean_iou": first[1].mean_iou, "iou": dict(first[1].iou)}
    return told | {"other_mean_iou": {name: score.mean_iou for name, score in others}}
