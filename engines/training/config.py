"""What can be said about a training run. Frozen and strict; reading YAML is the workbench's part."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Positive = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Above = Annotated[float, Meta(gt=0)]
Share = Annotated[float, Meta(ge=0, le=1)]


class NetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Which network; `init` is a checkpoint, or the name of an embedded one, to begin from: what
    fits is taken over."""

    name: str = "enet"
    options: dict[str, Any] = {}
    init: str | None = None


class DataConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One data set, or a part of it.

    Attributes:
        root: its folder; that of `roots` if not given.
        map: class name there -> class name here, or several of which it may be any (train alone; where it is
            scored that is void); a class that is not named is void. Without it, the classes must be the same.
        hold_out: parts of names, such as a film's; samples with one of them are left out ...
        only: ... or are the only ones taken.
        limit: at most so many samples, spread evenly over the set.
        size_hw: samples are kept at this size, pixels; as they are if not given.
        repeat: how often an epoch shows each sample; 0.25 shows a quarter of them, another one each time.
    """

    dataset: str
    root: str | None = None
    split: str = "train"
    options: dict[str, Any] = {}
    map: dict[str, str | tuple[str, ...]] | None = None
    hold_out: str | tuple[str, ...] = ()
    only: str | tuple[str, ...] = ()
    limit: Positive | None = None
    size_hw: tuple[Positive, Positive] | None = None
    repeat: Amount = 1.0


class LossConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One term of the loss, from an epoch on and before another, counted from 0."""

    name: str
    weight: float = 1.0
    from_epoch: Count = 0
    until_epoch: Count | None = None
    class_weights: bool = True
    options: dict[str, int | float] = {}


class CropConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """From this epoch on, training pictures have this size."""

    size_hw: tuple[Positive, Positive]
    from_epoch: Count = 0
    batch: Positive | None = None


class AugmentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Probabilities 0..1 and strengths; 0 leaves one out."""

    scale: tuple[Above, Above] = (0.5, 2.0)
    flip: Share = 0.5
    light: Share = 0.8  # exposure, gamma, contrast, white balance: other days, dusk
    light_strength: Share = 1.0
    regions: Share = 0.0  # half of the classes each in a light of its own: a white sky, trees in the shade
    colour: Share = 0.5  # hue and saturation
    gray: Share = 0.05
    style: Share = 0.3  # the histogram of another training picture
    blur: Share = 0.15
    noise: Share = 0.2
    jpeg: Share = 0.2
    weather: Share = 0.1  # fog, rain, sun flare or shadow


class DistilConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Learn from a checkpoint of ours, or an embedded one by its name, with the same classes."""

    teacher: str
    weight: Amount = 1.0
    temperature: Above = 2.0


class StopConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Stop when validation mean IoU has not risen by min_delta for so many epochs; None never stops early."""

    patience: Positive | None = None
    min_delta: Amount = 0.0


class OptimiserConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """AdamW with warm-up and a cosine down to lr * final."""

    lr: Above = 5e-3
    weight_decay: Amount = 1e-2
    warmup_epochs: Amount = 2.0
    final: Share = 0.01
    clip_norm: Amount = 1.0  # 0: no clipping
    ema: Share = 0.999  # of the weights, per step; 0: no average


class MachineConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What it runs on."""

    device: str = "auto"  # auto, cpu, cuda, cuda:1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    threads: Annotated[int, Meta(ge=0, le=512)] = 0  # 0: as torch likes
    workers: Annotated[int, Meta(ge=0, le=16)] = 0  # processes that augment


class TrainConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A training run, whole."""

    name: str
    train: Annotated[tuple[DataConfig, ...], Meta(min_length=1)]
    val: tuple[DataConfig, ...] = ()
    roots: dict[str, str] = {}  # data set -> folder
    out: str | None = None
    terms: str = ""  # of the trained weights, beside those of the data
    seed: Count = 0
    epochs: Positive = 75
    batch: Positive = 8
    validate_every: Positive = 1
    net: NetConfig = NetConfig()
    crops: Annotated[tuple[CropConfig, ...], Meta(min_length=1)] = (CropConfig((320, 448)),)
    losses: Annotated[tuple[LossConfig, ...], Meta(min_length=1)] = (LossConfig("cross_entropy"),)
    class_weights: Literal["enet", "none"] | tuple[float, ...] = "enet"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # of ImageNet, R, G, B
    std: tuple[Above, Above, Above] = (0.229, 0.224, 0.225)
    augment: AugmentConfig = AugmentConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    distil: DistilConfig | None = None
    stop: StopConfig = StopConfig()
    machine: MachineConfig = MachineConfig()
