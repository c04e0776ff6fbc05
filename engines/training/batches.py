"""Samples in memory, as batches: which ones, in which order, changed how. All of it follows from seed and epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from engines.training.augment import Augment
from engines.training.config import CropConfig, TrainConfig
from pipeline.errors import ConfigError
from pipeline.types import VOID

_STYLES = 256  # pictures that lend their histograms; more would not be more varied


class LabelledPicture(Protocol):
    """What training needs of a sample."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(h, w, 3) BGR."""
        ...

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(h, w) class ids, VOID where unknown."""
        ...


class Batches:
    """Batches of (n, h, w, 3) uint8 RGB and (n, h, w) uint8 labels, on the CPU.

    Args:
        groups: data sets, and how often an epoch shows each of their samples.
        config: crops, batch size, augmentation, seed, workers.
        sets: classes that label ids beyond the classes stand for, see partial.PartialLabels.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[LabelledPicture], float]],
        config: TrainConfig,
        sets: Sequence[Sequence[int]] = (),
    ) -> None:
        self.config, self.sets = config, sets
        self.samples = [sample for group, _ in groups for sample in group]
        starts = np.cumsum([0, *(len(group) for group, _ in groups)])
        self._groups = [
            (np.arange(a, b), round((b - a) * repeat))
            for a, b, (_, repeat) in zip(starts[:-1], starts[1:], groups, strict=True)
        ]
        if not any(shown for _, shown in self._groups):
            raise ConfigError("train: an epoch shows no picture", hint="give a larger `repeat`, or more pictures")
        step = max(1, len(self.samples) // _STYLES)
        wanted = self.samples[::step] if config.augment.style > 0 else []
        self._styles = [np.ascontiguousarray(sample.image[:, :, ::-1]) for sample in wanted]
        self._augment: tuple[CropConfig, Augment] | None = None

    def crop(self, epoch: int) -> CropConfig:
        """Size and batch of an epoch, counted from 0."""
        return max((c for c in self.config.crops if c.from_epoch <= epoch), key=lambda c: c.from_epoch)

    def steps(self, epoch: int) -> int:
        """Batches of an epoch: whole ones, or a single smaller one."""
        shown: int = sum(count for _, count in self._groups)
        return max(1, shown // (self.crop(epoch).batch or self.config.batch))

    def class_counts(self, classes: int) -> list[int]:
        """Training pixels of each class, each data set as often as it is shown."""
        counts = np.zeros(256)
        for indices, shown in self._groups:
            part = np.zeros(256)
            for index in indices:
                part += np.bincount(self.samples[index].labels.ravel(), minlength=256)
            counts += part * shown / max(1, len(indices))
        return [round(count) for count in counts[:classes]]

    def order(self, epoch: int) -> list[list[int]]:
        """Which samples make up each batch of an epoch."""
        rng = np.random.default_rng((self.config.seed, epoch))
        chosen = []
        for indices, shown in self._groups:
            rounds, rest = divmod(shown, len(indices)) if len(indices) else (0, 0)
            chosen += [*([indices] * rounds), rng.permutation(indices)[:rest]]
        order = rng.permutation(np.concatenate(chosen)).tolist()
        batch = self.crop(epoch).batch or self.config.batch
        return [order[i * batch : (i + 1) * batch] for i in range(self.steps(epoch))]

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch, counted from 0."""
        crop = self.crop(epoch)
        if self._augment is None or self._augment[0] != crop:
            self._augment = crop, Augment(self.config.augment, crop.size_hw, self._styles)
        dataset = _Epoch(self.samples, self._augment[1], self.config.seed, epoch)
        loader: Iterable[tuple[Tensor, Tensor]] = DataLoader(
            dataset,
            batch_sampler=_numbered(self.order(epoch)),
            num_workers=self.config.machine.workers,
            worker_init_fn=_calm,
            collate_fn=_stack,
            generator=torch.Generator(),  # of its own: the loader draws from it, and training must not notice
        )
        yield from loader


class _Epoch(Dataset[tuple[NDArray[np.uint8], NDArray[np.uint8]]]):
    def __init__(self, samples: Sequence[LabelledPicture], augment: Augment, seed: int, epoch: int) -> None:
        self.samples, self.augment, self.seed, self.epoch = samples, augment, seed, epoch

    def __getitem__(self, place: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        at, index = place
        sample = self.samples[index]
        image = np.ascontiguousarray(sample.image[:, :, ::-1])
        return self.augment(image, sample.labels, (self.seed, self.epoch, at))


def _numbered(batches: Sequence[Sequence[int]]) -> list[list[tuple[int, int]]]:
    """Each sample with its place in the epoch: shown twice, it is changed in two ways."""
    place = iter(range(sum(map(len, batches))))
    return [[(next(place), index) for index in batch] for batch in batches]


def _stack(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(labels))


def _calm(worker: int) -> None:
    """A worker process is one thread: the others belong to the network."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def to_network(images: Tensor, config: TrainConfig, device: torch.device) -> Tensor:
    """(n, h, w, 3) uint8 RGB -> (n, 3, h, w) float32, (x / 255 - mean) / std."""
    mean = torch.tensor(config.mean, device=device) * 255
    std = torch.tensor(config.std, device=device) * 255
    values = (images.to(device, non_blocking=True).to(torch.float32) - mean) / std
    values = values.permute(0, 3, 1, 2)  # a view that is channels_last already
    return values if config.machine.channels_last else values.contiguous()


def known_only(labels: Tensor, classes: int, device: torch.device) -> Tensor:
    """(n, h, w) uint8 -> int64 on the device; ids beyond the classes are void."""
    ids = labels.to(device, non_blocking=True).to(torch.int64)
    return ids.masked_fill(ids >= classes, VOID)
