"""Training, put together: data sets from `pipeline.datasets` are handed to `engines.training`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.embedded import checkpoint
from engines.training.config import DataConfig, TrainConfig
from pipeline.datasets.base import Dataset, Sample
from pipeline.errors import ConfigError
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import Classes
from pipeline.workbench.training_data import check_roots, class_sets, open_part, samples, words

if TYPE_CHECKING:
    from torch import Tensor

    from engines.nets.base import Net
    from engines.training.loop import Forward, Score, Trained
    from engines.training.trainee import Watch

_VAL_BATCH = 4
_NEEDED = ("torch", "albumentations", "safetensors", "matplotlib")


def train(
    config: TrainConfig,
    out: Path,
    *,
    resume: bool = False,
    until: int | None = None,
    watch: Watch | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Trained:
    """Train the network of a configuration; everything goes into the folder `out`.

    Args:
        resume: go on from what `out` holds, exactly.
        until: stop after this epoch, to be resumed.
        watch: told about every step and epoch.
        say: told in sentences what is trained on what.

    Raises:
        UserError: data, configuration, checkpoint or state that cannot be used.
    """
    _check_installed()
    from engines.nets import build_net
    from engines.training import rng
    from engines.training.batches import Batches
    from engines.training.checkpoint import begin_from
    from engines.training.loop import fit

    cv2.setNumThreads(1)
    check_roots(config)
    opened = [open_part(part, config) for part in (*config.train, *config.val)]
    classes = _classes(config, opened)
    parts = list(zip((*config.train, *config.val), opened, strict=True))
    shown = len(config.train)
    sets = class_sets(config.train)
    held = [samples(part, dataset, classes, sets if at < shown else ()) for at, (part, dataset) in enumerate(parts)]
    for (part, _), kept in zip(parts, held, strict=True):
        say(f"{part.dataset} {part.split}: {len(kept)} pictures")
    rng.seed(config.seed)
    net = build_net(config.net.name, len(classes), **config.net.options)
    _check_crops(config, net)
    init = checkpoint(config.net.init) if config.net.init is not None else None
    if init is not None and not resume:
        taken, of = begin_from(net, init)
        say(f"begins from {config.net.init}: {taken} of {of} tensors")
    say(f"{config.net.name}: {sum(p.numel() for p in net.parameters()):,} parameters, {len(classes)} classes")
    repeats = [part.repeat for part in config.train]
    out.mkdir(parents=True, exist_ok=True)
    return fit(
        net,
        Batches(
            list(zip(held[:shown], repeats, strict=True)),
            config,
            [[classes.names.index(name) for name in names] for names in sets],
        ),
        scorer(_val_names(config), held[shown:], classes, int(net.stride)),
        config,
        classes=len(classes),
        about=_about(config, classes, parts[:shown], held[:shown], _long_side([*held[shown:], held[0]][0])),
        out=out,
        watch=watch,
        teacher=_teacher(config, classes),
        resume=resume,
        until=until,
    )


def scorer(
    names: Sequence[str], sets: Sequence[Sequence[Sample]], classes: Classes, stride: int
) -> Callable[[Forward], Mapping[str, Score]]:
    """What scores a network on validation sets: one confusion matrix over each."""
    from engines.training.loop import Score

    def validate(forward: Forward) -> dict[str, Score]:
        scores = {}
        for name, group in zip(names, sets, strict=True):
            matrix = ConfusionMatrix(len(classes))
            for sample, labels in zip(group, predict(forward, group, stride), strict=True):
                matrix.add(sample.labels, labels)
            result = matrix.scores()
            iou = {key: float(v) for key, v in zip(classes.names, result.iou, strict=True) if not np.isnan(v)}
            scores[name] = Score(result.mean_iou, iou)
        return scores

    return validate


def predict(forward: Forward, group: Sequence[Sample], stride: int) -> Iterable[NDArray[np.uint8]]:
    """Class ids (h, w) uint8 of each sample at its own size; edges are repeated up to a multiple of `stride`.

    Args:
        forward: the network, see engines.training.loop.
        group: in the order of the answers.
        stride: of the network, pixels.
    """
    for at in range(0, len(group), _VAL_BATCH):
        batch = group[at : at + _VAL_BATCH]
        if len({sample.labels.shape for sample in batch}) == 1:
            yield from _labels(forward, batch, stride)
        else:
            for sample in batch:
                yield from _labels(forward, [sample], stride)


def _labels(forward: Forward, batch: Sequence[Sample], stride: int) -> NDArray[np.uint8]:
    import torch

    height, width = batch[0].labels.shape
    images = np.stack([sample.image[:, :, ::-1] for sample in batch])
    padded = np.pad(images, ((0, 0), (0, -height % stride), (0, -width % stride), (0, 0)), "edge")
    logits: Tensor = forward(torch.from_numpy(padded))[:, :, :height, :width]
    return logits.argmax(1).to(torch.uint8).numpy()


def _classes(config: TrainConfig, opened: Sequence[Dataset]) -> Classes:
    """Those of the first data set, which therefore has no map."""
    if config.train[0].map is not None:
        raise ConfigError("train[0].map: the first data set gives the classes", hint="put another one first")
    return opened[0].classes


def _val_names(config: TrainConfig) -> list[str]:
    """Names of the validation sets, for the curves; two of the same are numbered."""
    names: list[str] = []
    for part in config.val:
        name = "-".join((part.dataset, part.split, *words(part.only)))
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return names


def _check_installed() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}", hint="pip install 'dashmask[train]'")


def _check_crops(config: TrainConfig, net: Net) -> None:
    for at, crop in enumerate(config.crops):
        if any(side % net.stride for side in crop.size_hw):
            hint = f"both sides must be multiples of {net.stride} for {net.name}"
            raise ConfigError(f"crops[{at}].size_hw: {list(crop.size_hw)} does not fit the network", hint=hint)
        if (crop.batch or config.batch) == 1 and crop.size_hw == (net.stride, net.stride):
            said = f"crops[{at}]: one picture of {net.stride}x{net.stride} at a time is one value of a channel"
            raise ConfigError(f"{said}, and BatchNorm needs several", hint="give a larger crop or batch")
    if min(crop.from_epoch for crop in config.crops) > 0:
        raise ConfigError("crops: nothing is said about epoch 0", hint="the first one needs from_epoch: 0")


def _teacher(config: TrainConfig, classes: Classes) -> Any:
    from engines.training.checkpoint import load_checkpoint

    if config.distil is None:
        return None
    teacher, about = load_checkpoint(checkpoint(config.distil.teacher))
    if tuple(about["classes"]["names"]) != classes.names:
        raise ConfigError(f"distil.teacher: {config.distil.teacher} has other classes than the data")
    _check_crops(config, teacher)
    seen = about.get("input", {})
    if not np.allclose([seen.get("mean", config.mean), seen.get("std", config.std)], [config.mean, config.std]):
        said = f"was trained with the mean {seen['mean']} and std {seen['std']}, and sees what its student sees"
        raise ConfigError(f"distil.teacher: {config.distil.teacher} {said}", hint="give the same `mean` and `std`")
    return teacher


def _ancestors(config: TrainConfig) -> list[dict[str, Any]]:
    """What the weights say of themselves that training begins from or learns from: the new ones come from them."""
    from engines.training.checkpoint import read_about

    named = (config.net.init, config.distil.teacher if config.distil is not None else None)
    return [read_about(checkpoint(name)) for name in named if name is not None]


def _long_side(group: Sequence[Sample]) -> int:
    """The longer side of most pictures: a network knows things at the size that they have there, not in a crop."""
    sides = sorted(max(sample.labels.shape) for sample in group)
    return int(sides[len(sides) // 2])


def _about(
    config: TrainConfig,
    classes: Classes,
    parts: Sequence[tuple[DataConfig, Dataset]],
    held: Sequence[Sequence[Sample]],
    long_side: int,
) -> dict[str, Any]:
    """What goes into the checkpoint beside what the loop knows."""
    data = [
        f"{part.dataset} {part.split}, {len(kept)} pictures"
        + (f" without {', '.join(words(part.hold_out))}" if part.hold_out else "")
        for (part, _), kept in zip(parts, held, strict=True)
    ]
    before = _ancestors(config)
    inherited = [str(one.get("terms") or "not stated") for one in before]
    said = (*(f"{d.name}: {d.terms}" for _, d in parts), config.terms, *inherited)
    terms = dict.fromkeys(one for several in said for one in several.split("; ") if one)
    size_hw = max(config.crops, key=lambda crop: crop.from_epoch).size_hw
    return {
        "name": config.name,
        "classes": {"names": list(classes.names), "colours": [list(c) for c in classes.colours]},
        "input": {
            "mean": list(config.mean),
            "std": list(config.std),
            "scale": 1 / 255,
            "colour": "rgb",
            "size_hw": list(size_hw),
            "long_side": long_side,
        },
        "data": list(dict.fromkeys([*data, *(seen for one in before for seen in one.get("data", ()))])),
        "terms": "; ".join(terms),
        "epochs": config.epochs,
        "seed": config.seed,
    }
