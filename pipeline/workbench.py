"""Training, put together: data sets from `pipeline.datasets` are handed to `engines.training`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engines.training.config import DataConfig, TrainConfig
from pipeline.datasets.base import Dataset, Sample, open_dataset
from pipeline.errors import ConfigError
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID, Classes, Frame

if TYPE_CHECKING:
    from torch import Tensor

    from engines.training.loop import Forward, Score, Trained
    from engines.training.trainee import Watch

_VAL_BATCH = 4


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
    import torch

    from engines.nets import build_net
    from engines.training.batches import Batches
    from engines.training.checkpoint import begin_from
    from engines.training.loop import fit

    cv2.setNumThreads(1)
    opened = [_open(part, config) for part in (*config.train, *config.val)]
    classes = _classes(config, opened)
    parts = list(zip((*config.train, *config.val), opened, strict=True))
    held = [samples(part, dataset, classes) for part, dataset in parts]
    for (part, _), kept in zip(parts, held, strict=True):
        say(f"{part.dataset} {part.split}: {len(kept)} pictures")
    shown = len(config.train)
    torch.manual_seed(config.seed)
    net = build_net(config.net.name, len(classes), **config.net.options)
    _check_crops(config, int(net.stride))
    if config.net.init is not None and not resume:
        taken, of = begin_from(net, Path(config.net.init))
        say(f"begins from {config.net.init}: {taken} of {of} tensors")
    say(f"{config.net.name}: {sum(p.numel() for p in net.parameters()):,} parameters, {len(classes)} classes")
    repeats = [part.repeat for part in config.train]
    out.mkdir(parents=True, exist_ok=True)
    return fit(
        net,
        Batches(list(zip(held[:shown], repeats, strict=True)), config),
        scorer(_val_names(config), held[shown:], classes, int(net.stride)),
        config,
        classes=len(classes),
        about=_about(config, classes, parts[:shown], held[:shown]),
        out=out,
        watch=watch,
        teacher=_teacher(config, classes),
        resume=resume,
        until=until,
    )


def samples(part: DataConfig, dataset: Dataset, classes: Classes) -> list[Sample]:
    """The samples that a configuration asks for, decoded once, kept in memory, labelled in these classes."""
    table = label_table(part, dataset.classes, classes)
    names = dataset.names
    without, only = _words(part.hold_out), _words(part.only)
    chosen = [
        index
        for index, name in enumerate(names)
        if not any(word in name for word in without) and (not only or any(word in name for word in only))
    ]
    if not chosen:
        raise ConfigError(f"{part.dataset} {part.split}: hold_out and only leave no picture of {len(names)}")
    if part.limit is not None and part.limit < len(chosen):
        chosen = [chosen[round(i * (len(chosen) - 1) / max(1, part.limit - 1))] for i in range(part.limit)]
    return [_kept(dataset[index], table, part.size_hw) for index in chosen]


def label_table(part: DataConfig, theirs: Classes, ours: Classes) -> NDArray[np.uint8]:
    """(256,) class id there -> class id here.

    Raises:
        ConfigError: a class in `map` that does not exist, or no `map` where the classes differ.
    """
    table = np.full(256, VOID, np.uint8)
    if part.map is None:
        if theirs.names != ours.names:
            raise ConfigError(
                f"{part.dataset}: its {len(theirs)} classes are not the {len(ours)} of the first data set",
                hint=f"give `map:` with {', '.join(theirs.names[:4])}, ... on the left",
            )
        table[: len(ours)] = np.arange(len(ours))
        return table
    for left, right in part.map.items():
        table[_index(left, theirs, part.dataset)] = _index(right, ours, "the first data set")
    return table


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
    """Labels of each sample at its own size; edges are repeated up to a multiple of the network's stride."""
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


def _open(part: DataConfig, config: TrainConfig) -> Dataset:
    root = part.root or config.roots.get(part.dataset, "." if part.dataset == "demo" else None)
    if root is None:
        hint = f"give its folder: --set roots.{part.dataset}=DIR"
        raise ConfigError(f"{part.dataset}: the configuration does not say where it is", hint=hint)
    options = dict(part.options)
    if part.dataset == "demo":
        options |= {"frames": _drawn(part, int(options.pop("worlds", 4)), int(options.get("count", 100)))}
    return open_dataset(part.dataset, root, part.split, **options)


def _drawn(part: DataConfig, worlds: int, count: int) -> Iterator[Frame]:
    """Frames of several drawn worlds, two seconds of driving apart: they differ in weather, season and place."""
    from pipeline.sources.demo import Demo

    each = -(-count // max(1, worlds))
    for seed in range(max(1, worlds)):
        with Demo(seed, each, part.size_hw or (360, 480), fps=0.5) as frames:
            yield from frames


def _classes(config: TrainConfig, opened: Sequence[Dataset]) -> Classes:
    """Those of the first data set, which therefore has no map."""
    if config.train[0].map is not None:
        raise ConfigError("train[0].map: the first data set gives the classes", hint="put another one first")
    return opened[0].classes


def _kept(sample: Sample, table: NDArray[np.uint8], size_hw: tuple[int, int] | None) -> Sample:
    image, labels = sample.image, np.asarray(cv2.LUT(sample.labels, table), np.uint8)
    if size_hw is not None and size_hw != labels.shape:
        size_wh = size_hw[::-1]
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        labels = np.asarray(cv2.resize(labels, size_wh, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    return replace(sample, image=image, labels=labels)


def _words(said: str | Sequence[str]) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)


def _index(name: str, classes: Classes, whose: str) -> int:
    if name in classes.names:
        return classes.names.index(name)
    near = difflib.get_close_matches(name, classes.names, 1)
    hint = f"did you mean `{near[0]}`?" if near else f"they are {', '.join(classes.names)}"
    raise ConfigError(f"map: `{name}` is no class of {whose}", hint=hint)


def _val_names(config: TrainConfig) -> list[str]:
    """Names of the validation sets, for the curves; two of the same are numbered."""
    names: list[str] = []
    for part in config.val:
        name = "-".join((part.dataset, part.split, *_words(part.only)))
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return names


def _check_crops(config: TrainConfig, stride: int) -> None:
    for at, crop in enumerate(config.crops):
        if any(side % stride for side in crop.size_hw):
            hint = f"both sides must be multiples of {stride} for {config.net.name}"
            raise ConfigError(f"crops[{at}].size_hw: {list(crop.size_hw)} does not fit the network", hint=hint)
    if min(crop.from_epoch for crop in config.crops) > 0:
        raise ConfigError("crops: nothing is said about epoch 0", hint="the first one needs from_epoch: 0")


def _teacher(config: TrainConfig, classes: Classes) -> Any:
    from engines.training.checkpoint import load_checkpoint

    if config.distil is None:
        return None
    teacher, about = load_checkpoint(Path(config.distil.teacher))
    if tuple(about["classes"]["names"]) != classes.names:
        raise ConfigError(f"distil.teacher: {config.distil.teacher} has other classes than the data")
    return teacher


def _about(
    config: TrainConfig,
    classes: Classes,
    parts: Sequence[tuple[DataConfig, Dataset]],
    held: Sequence[Sequence[Sample]],
) -> dict[str, Any]:
    """What goes into the checkpoint beside what the loop knows."""
    data = [
        f"{part.dataset} {part.split}, {len(kept)} pictures"
        + (f" without {', '.join(_words(part.hold_out))}" if part.hold_out else "")
        for (part, _), kept in zip(parts, held, strict=True)
    ]
    terms = dict.fromkeys(filter(None, (*(f"{d.name}: {d.terms}" for _, d in parts), config.terms)))
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
        },
        "data": data,
        "terms": "; ".join(terms),
        "epochs": config.epochs,
        "seed": config.seed,
    }
