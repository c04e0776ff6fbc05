"""A network while it is trained: its weights, their average, the optimiser, one epoch at a time."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from engines.training import rng
from engines.training.batches import Batches, known_only, to_network
from engines.training.config import LossConfig, MachineConfig, TrainConfig
from engines.training.ema import Ema
from engines.training.losses import enet_weights, weighted_sum
from engines.training.partial import PartialLabels
from engines.training.regression_losses import distillation
from engines.training.schedule import decay_groups, lr_factor
from pipeline.errors import ConfigError, ModelError


class Watch(Protocol):
    """Who is told how it goes."""

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, row: Mapping[str, float], epochs: int, best: bool) -> None: ...


class Trainee:
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
        self._weights = _class_weights(config, batches, classes, device)
        self.loss = weighted_sum(config.losses, self._weights)  # all of them: what is misspelt is told at once
        self.partial = PartialLabels(batches.sets, classes, device) if batches.sets else None
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
        """Logits of the kept weights, (n, classes, h, w) float32 on the CPU, for (n, h, w, 3) uint8 RGB.

        In float32 whatever is trained in: the score is that of the weights as they are kept.
        """
        net = self.kept.eval()
        with torch.inference_mode():
            logits: Tensor = net(to_network(images, self.config, self.device))
        return logits.float().cpu()

    def epoch(self, epoch: int, watch: Watch | None) -> dict[str, float]:
        """Show every sample once; the row of the curves."""
        self.net.train()
        self.loss = weighted_sum([part for part in self.config.losses if _acts(part, epoch)], self._weights)
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
        wrong = f"loss is {mean}" if not math.isfinite(mean) else "weights are no longer finite"
        if not (math.isfinite(mean) and _finite(self.net) and _finite(self.kept)):
            raise ConfigError(
                f"epoch {epoch + 1}: the {wrong}; training has left the numbers",
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
        if self.partial is not None:
            loss = loss + self.partial(logits, labels)
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
            decays = [group["weight_decay"] for group in self.optimiser.param_groups]
            self.optimiser.load_state_dict(state["optimiser"])
            for group, decay in zip(self.optimiser.param_groups, decays, strict=True):
                group["weight_decay"] = decay  # the state's is of the configuration that it was made with
            if self.ema is not None and state["ema"] is not None:
                self.ema.restore(**state["ema"])
            elif self.ema is not None:
                self.ema.restore(0, state["net"])  # the average begins here
            self.scaler.load_state_dict(state["scaler"])
            rng.restore(state["rng"])
            return [dict(row) for row in state["rows"]]
        except (RuntimeError, ValueError, KeyError) as error:
            said = str(error).splitlines()[0]  # torch goes on with the name of every tensor
            raise ModelError(f"the state is of another net or configuration: {said}") from error


def _finite(net: nn.Module) -> bool:
    """Whether all weights and running figures are numbers: what the last step did shows in no loss yet."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in net.state_dict().values())


def _acts(part: LossConfig, epoch: int) -> bool:
    return part.from_epoch <= epoch and (part.until_epoch is None or epoch < part.until_epoch)


def _class_weights(config: TrainConfig, batches: Batches, classes: int, device: torch.device) -> Tensor | None:
    if config.class_weights == "none":
        return None
    if config.class_weights == "enet":
        return torch.tensor(enet_weights(batches.class_counts(classes)), dtype=torch.float32, device=device)
    if len(config.class_weights) != classes:
        raise ConfigError(f"class_weights: {len(config.class_weights)} given for {classes} classes")
    if min(config.class_weights) < 0 or not any(config.class_weights):
        raise ConfigError(f"class_weights: {list(config.class_weights)}: expected 0 or more, and one above 0")
    return torch.tensor(config.class_weights, dtype=torch.float32, device=device)


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
