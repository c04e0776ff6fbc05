"""The training loop: batches and the score are handed in, weights, state and curves come out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engines.training import curves, rng
from engines.training.batches import Batches, known_only, to_network
from engines.training.checkpoint import load_state, save_checkpoint, save_state
from engines.training.config import MachineConfig, TrainConfig
from engines.training.early_stop import EarlyStop
from engines.training.ema import Ema
from engines.training.losses import enet_weights, weighted_sum
from engines.training.regression_losses import distillation
from engines.training.schedule import decay_groups, lr_factor
from pipeline.errors import ConfigError, ModelError

PLOT_EVERY = 10  # epochs


@dataclass(frozen=True, slots=True)
class Score:
    """How well a network does on one set."""

    mean_iou: float
    iou: Mapping[str, float]  # class -> IoU, those that occur


Forward = Callable[[Tensor], Tensor]  # (n, h, w, 3) uint8 RGB -> logits (n, classes, h, w) float32
Validate = Callable[[Forward], Mapping[str, Score]]  # name of a set -> score; the first one decides


class Watch(Protocol):
    """Who is told how it goes."""

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, row: Mapping[str, float], epochs: int, best: bool) -> None: ...


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
        about: goes into the checkpoints beside net, options, epoch and scores.
        teacher: logits of the same classes, for distillation.
        resume: go on from state.pt; the result is the same as without the interruption.
        until: stop after this epoch as if interrupted; for tests and for training in instalments.

    Raises:
        ModelError: no state to resume from, or one of another net.
        ConfigError: a loss or a device that does not exist, or training that has left the numbers.
    """
    device = choose_device(config.machine)
    if config.machine.threads:
        torch.set_num_threads(config.machine.threads)
    memory = torch.channels_last if config.machine.channels_last else torch.contiguous_format
    net = net.to(device, memory_format=memory)  # type: ignore[call-overload]
    run = _Run(net, batches, config, classes, device, teacher)
    stop, first, rows = EarlyStop(config.stop), 0, list[dict[str, float]]()
    if resume:
        rows = run.restore(load_state(out / "state.pt"))
        first = len(rows)
        stop.replay((i, row["val_mean_iou"]) for i, row in enumerate(rows) if "val_mean_iou" in row)
    out.mkdir(parents=True, exist_ok=True)
    best_path = out / f"{config.name}.safetensors"
    for epoch in range(first, min(config.epochs, until or config.epochs)):
        if stop.over(epoch - 1):
            break
        row = {"epoch": float(epoch + 1), **run.epoch(epoch, watch)}
        scores: Mapping[str, Score] = {}
        if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
            began_s = time.monotonic()
            scores = validate(run.forward)
            row["val_s"] = time.monotonic() - began_s
        for at, (name, score) in enumerate(scores.items()):
            prefix = "val" if at == 0 else name
            row[f"{prefix}_mean_iou"] = score.mean_iou
            row |= {f"{prefix}_iou_{key}": value for key, value in score.iou.items()}
        best = not scores or stop.seen(epoch, row["val_mean_iou"])
        rows.append(row)
        told = {**about, "epoch": epoch + 1, **_told(scores)}
        if best:
            save_checkpoint(best_path, run.kept, told)
        save_checkpoint(out / f"{config.name}-last.safetensors", run.kept, told)
        save_state(out / "state.pt", run.state(rows))
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
        stopped_early=len(rows) < config.epochs and stop.over(len(rows) - 1),
        checkpoint=best_path,
        rows=rows,
    )


def choose_device(machine: MachineConfig) -> torch.device:
    """The device that was asked for; `auto` is CUDA where there is one."""
    name = machine.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"machine.device: {name} is no device", hint="auto, cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"machine.device: {name} is not supported", hint="auto, cpu, cuda or cuda:1")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"machine.device: {name} is not there", hint="auto takes the CPU where there is no GPU")
    if device.type == "cpu" and machine.precision == "fp16":
        raise ConfigError("machine.precision: fp16 needs a GPU", hint="bf16 and fp32 run on the CPU")
    return device


def _told(scores: Mapping[str, Score]) -> dict[str, Any]:
    if not scores:
        return {}
    first, *others = scores.items()
    told = {"val": first[0], "mean_iou": first[1].mean_iou, "iou": dict(first[1].iou)}
    return told | {"other_mean_iou": {name: score.mean_iou for name, score in others}}


class _Run:
    """What changes while training: weights, their average, the optimiser, the random generators."""

    def __init__(
        self,
        net: nn.Module,
        batches: Batches,
        config: TrainConfig,
        classes: int,
        device: torch.device,
        teacher: nn.Module | None,
    ) -> None:
        self.net, self.batches, self.config, self.device, self.classes = net, batches, config, device, classes
        self.teacher = teacher.to(device).eval() if teacher is not None else None
        self.loss = weighted_sum(config.losses, _class_weights(config, batches, classes, device))
        groups = list(decay_groups(net, config.optimiser.weight_decay))
        self.optimiser = torch.optim.AdamW(groups, lr=config.optimiser.lr, foreach=True)
        self.ema = Ema(net, config.optimiser.ema) if config.optimiser.ema else None
        precision = config.machine.precision
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")
        self._dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision)
        self._starts = [0]
        for epoch in range(config.epochs):
            self._starts.append(self._starts[-1] + batches.steps(epoch))

    @property
    def kept(self) -> nn.Module:
        """The weights that are validated and kept."""
        return self.ema.net if self.ema is not None else self.net

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the kept weights, (n, classes, h, w) float32 on the CPU, for (n, h, w, 3) uint8 RGB."""
        net = self.kept.eval()
        with torch.inference_mode(), self._autocast():
            logits: Tensor = net(to_network(images, self.config, self.device))
        return logits.float().cpu()

    def epoch(self, epoch: int, watch: Watch | None) -> dict[str, float]:
        """Show every sample once; the row of the curves."""
        self.net.train()
        steps, total, data_s, done = self.batches.steps(epoch), torch.zeros((), device=self.device), 0.0, 0
        began_s = asked_s = time.monotonic()
        for images, labels in self.batches.epoch(epoch):
            data_s += time.monotonic() - asked_s
            loss = self._step(self._starts[epoch] + done, images, labels)
            total += loss
            done += 1
            if watch is not None:
                watch.step(epoch, self.config.epochs, done, steps, float(loss) if self.device.type == "cpu" else 0.0)
            asked_s = time.monotonic()
        mean = float(total) / max(1, done)
        if mean != mean or mean == float("inf"):
            raise ConfigError(
                f"epoch {epoch + 1}: the loss is {mean}; training has left the numbers",
                hint="lower optimiser.lr, or resume from the state before with another",
            )
        spent_s = time.monotonic() - began_s
        return {"lr": self._lr(self._starts[epoch] + done - 1), "loss": mean, "epoch_s": spent_s, "data_s": data_s}

    def _step(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = self._lr(step)
        x, truth = to_network(images, self.config, self.device), known_only(labels, self.classes, self.device)
        with self._autocast():
            logits = self.net(x)
        loss = self.loss(logits, truth)
        if self.teacher is not None and self.config.distil is not None:
            with torch.no_grad(), self._autocast():
                taught = self.teacher(x)
            distil = self.config.distil
            loss = loss + distil.weight * distillation(logits, taught, temperature=distil.temperature)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if self.config.optimiser.clip_norm:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.net.parameters(), self.config.optimiser.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.net)
        return loss.detach()

    def _lr(self, step: int) -> float:
        optimiser = self.config.optimiser
        warmup = round(optimiser.warmup_epochs * self._starts[1])
        return optimiser.lr * lr_factor(step, self._starts[-1], warmup, optimiser.final)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self._dtype) if self._dtype else contextlib.nullcontext()

    def state(self, rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """Everything that `restore` needs to go on as if nothing had happened."""
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "ema": self.ema.state() if self.ema is not None else None,
            "scaler": self.scaler.state_dict(),
            "rng": rng.capture(),
            "rows": [dict(row) for row in rows],
        }

    def restore(self, state: Mapping[str, Any]) -> list[dict[str, float]]:
        """Go on from a state; the rows of the curves so far."""
        try:
            self.net.load_state_dict(state["net"])
            self.optimiser.load_state_dict(state["optimiser"])
            if self.ema is not None and state["ema"] is not None:
                self.ema.restore(**state["ema"])
            self.scaler.load_state_dict(state["scaler"])
            rng.restore(state["rng"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ModelError(f"the state is of another net or configuration: {error}") from error
        return [dict(row) for row in state["rows"]]


def _class_weights(config: TrainConfig, batches: Batches, classes: int, device: torch.device) -> Tensor | None:
    if config.class_weights == "none":
        return None
    if config.class_weights == "enet":
        return torch.tensor(enet_weights(batches.class_counts(classes)), dtype=torch.float32, device=device)
    if len(config.class_weights) != classes:
        raise ConfigError(f"class_weights: {len(config.class_weights)} given for {classes} classes")
    return torch.tensor(config.class_weights, dtype=torch.float32, device=device)
