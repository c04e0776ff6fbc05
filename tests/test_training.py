"""Training learns, stops, goes on exactly, mixes data sets, and says what is wrong."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch here: install the extra `train`")
pytest.importorskip("albumentations", reason="no Albumentations here: install the extra `train`")
pytest.importorskip("safetensors", reason="no safetensors here: install the extra `train`")
pytest.importorskip("matplotlib", reason="no matplotlib here: install the extra `train`")

from engines.training import curves  # noqa: E402
from engines.training.batches import Batches  # noqa: E402
from engines.training.checkpoint import (  # noqa: E402
    begin_from,
    load_checkpoint,
    load_state,
    read_about,
    read_weights,
    save_checkpoint,
)
from engines.training.config import LossConfig, StopConfig, TrainConfig  # noqa: E402
from engines.training.early_stop import EarlyStop  # noqa: E402
from engines.training.ema import Ema  # noqa: E402
from engines.training.loop import Score, fit  # noqa: E402
from engines.training.partial import PartialLabels  # noqa: E402
from engines.training.schedule import decay_groups, lr_factor  # noqa: E402
from pipeline.datasets import Sample, open_dataset  # noqa: E402
from pipeline.errors import ConfigError, DataError, ModelError  # noqa: E402
from pipeline.types import VOID, Classes  # noqa: E402
from pipeline.workbench.train_config import load_train_config  # noqa: E402
from pipeline.workbench.training import predict, train  # noqa: E402
from pipeline.workbench.training_data import class_sets, label_table, samples  # noqa: E402

SHADES = np.array([[200, 60, 40], [60, 190, 80], [50, 60, 210]], np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 pictures of three coloured classes to train on and 4 to validate, as folders."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    (root / "classes.txt").write_text("red\ngreen\nblue\n")
    for split, count in (("train", 16), ("val", 4)):
        for folder in ("images", "masks"):
            (root / split / folder).mkdir(parents=True)
        for index in range(count):
            labels = np.kron(rng.integers(0, 3, (3, 4), dtype=np.uint8), np.ones((22, 20), np.uint8))
            image = (SHADES[labels][:, :, ::-1] + rng.normal(0, 8, (*labels.shape, 3))).clip(0, 255).astype(np.uint8)
            labels[:3] = VOID
            film = "dawn" if index % 2 else "noon"
            cv2.imwrite(str(root / split / "images" / f"{film}_{index:02}.png"), image)
            cv2.imwrite(str(root / split / "masks" / f"{film}_{index:02}.png"), labels)
    return root


def config_for(pictures: Path, **changes: Any) -> TrainConfig:
    """A training of seconds: 2 epochs, 2 batches of 8, 64x64."""
    tree = {
        "name": "tiny",
        "roots": {"folders": str(pictures)},
        "train": [{"dataset": "folders", "split": "train"}],
        "val": [{"dataset": "folders", "split": "val"}],
        "epochs": 2,
        "crops": [{"size_hw": [64, 64]}],
        "losses": [{"name": "cross_entropy"}, {"name": "dice", "weight": 0.5}],
        "optimiser": {"warmup_epochs": 0.5},
        "machine": {"threads": 1, "device": "cpu"},
    }
    return msgspec.convert(tree | changes, TrainConfig)


def tiny_net() -> Any:
    """Dropout, BatchNorm and a convolution: all that has a state."""
    torch.manual_seed(4)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.PReLU(8), nn.Dropout2d(0.2), nn.Conv2d(8, 3, 1)
    )


def fit_tiny(pictures: Path, out: Path, scores: list[float] | None = None, resume: bool = False, **how: Any) -> Any:
    """`fit` with the tiny net; `scores` are what validation says, epoch by epoch."""
    until = how.pop("until", None)
    config = config_for(pictures, **how)
    data = samples(config.train[0], open_dataset("folders", pictures, "train"), Classes(("red", "green", "blue"), ()))
    said = iter(scores or [])

    def validate(forward: Any) -> Mapping[str, Score]:
        return {"val": Score(next(said), {"red": 0.5})} if scores is not None else {}

    batches = Batches([(data, 1.0)], config)
    about = {"classes": {"names": ["red", "green", "blue"]}}
    return fit(tiny_net(), batches, validate, config, classes=3, about=about, out=out, resume=resume, until=until)


def same(one: Any, two: Any) -> bool:
    """Whether two states hold the same, to the bit; but for the seconds that it took."""
    if isinstance(one, torch.Tensor):
        return bool(torch.equal(one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[k], two[k]) for k in one if not str(k).endswith("_s"))
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return bool(one == two)


def test_two_epochs_on_16_pictures_leave_weights_state_and_curves(pictures: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    trained = train(config_for(pictures), tmp_path, say=lines.append)
    assert trained.epochs == 2
    assert not trained.stopped_early
    assert "folders train: 16 pictures" in lines
    net, about = load_checkpoint(tmp_path / "tiny.safetensors")
    assert not net.training
    assert about["net"] == "enet"
    assert about["classes"]["names"] == ["red", "green", "blue"]
    assert about["input"]["size_hw"] == [64, 64]
    assert about["mean_iou"] == trained.best_mean_iou
    assert set(about["iou"]) == {"red", "green", "blue"}
    assert about["data"] == ["folders train, 16 pictures"]
    header, first, second = (tmp_path / "curves.csv").read_text().splitlines()
    assert header.startswith("epoch,lr,loss,")
    assert "val_iou_green" in header
    assert first.startswith("1,")
    assert second.startswith("2,")
    assert cv2.imread(str(tmp_path / "curves.png")).shape[0] > 300
    assert (tmp_path / "state.pt").stat().st_size < 8_000_000


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resumed_is_bit_for_bit_the_same_as_not_interrupted(pictures: Path, tmp_path: Path, precision: str) -> None:
    how = {"epochs": 3, "machine": {"threads": 1, "device": "cpu", "precision": precision}}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config_for(pictures, **how), whole)
    for until in (1, 2, 3):
        torch.manual_seed(until)  # another process would begin with other numbers
        np.random.seed(until)
        train(config_for(pictures, **how), parts, resume=until > 1, until=until)
    assert (whole / "tiny-last.safetensors").read_bytes() == (parts / "tiny-last.safetensors").read_bytes()
    assert (whole / "tiny.safetensors").read_bytes() == (parts / "tiny.safetensors").read_bytes()
    assert same(load_state(whole / "state.pt"), load_state(parts / "state.pt"))


def test_colours_are_learned(pictures: Path, tmp_path: Path) -> None:
    plain = {"scale": [1, 1], "light": 0, "style": 0, "colour": 0, "gray": 0, "weather": 0, "noise": 0}
    trained = fit_tiny(pictures, tmp_path, epochs=30, augment=plain, optimiser={"lr": 0.03, "ema": 0.9})
    losses = [row["loss"] for row in trained.rows]
    assert losses[-1] < losses[0] / 3


def test_it_stops_when_validation_no_longer_rises(pictures: Path, tmp_path: Path) -> None:
    scores = [0.1, 0.3, 0.305, 0.2, 0.29, 0.9]
    stop = {"patience": 3, "min_delta": 0.01}
    trained = fit_tiny(pictures, tmp_path, scores, epochs=9, stop=stop)
    assert trained.stopped_early
    assert trained.epochs == 5  # the last rise worth the name was in epoch 2
    assert (trained.best_epoch, trained.best_mean_iou) == (3, 0.305)
    assert read_about(trained.checkpoint)["epoch"] == 3
    again = fit_tiny(pictures, tmp_path, [1.0], epochs=9, stop=stop, resume=True)
    assert again.stopped_early
    assert again.epochs == 5


def test_between_validations_the_best_is_not_replaced(pictures: Path, tmp_path: Path) -> None:
    trained = fit_tiny(pictures, tmp_path, [0.5, 0.4], epochs=4, validate_every=2)
    assert read_about(trained.checkpoint)["epoch"] == 2
    assert read_about(tmp_path / "tiny-last.safetensors")["epoch"] == 4


def test_without_patience_it_never_stops_early() -> None:
    stop = EarlyStop(StopConfig())
    assert stop.seen(0, 0.5)
    assert not stop.seen(1, 0.4)
    assert not stop.over(1000)


def test_the_rate_rises_then_falls_along_a_cosine() -> None:
    factors = [lr_factor(step, 110, 10, 0.1) for step in range(110)]
    assert factors[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert factors[10] == pytest.approx(1)
    assert factors[60] == pytest.approx(0.55)
    assert lr_factor(110, 110, 10, 0.1) == pytest.approx(0.1)


def test_norms_slopes_and_biases_do_not_decay() -> None:
    net = tiny_net()
    kernels, others = decay_groups(net, 0.1)
    assert [p.ndim for p in kernels["params"]] == [4, 4]
    assert (kernels["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert len(others["params"]) == 5


def test_the_average_is_of_weights_and_of_norms_buffers() -> None:
    net = tiny_net()
    ema = Ema(net, 0.9)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with torch.no_grad():
        net[0].weight += 1
    net.train()(torch.randn(2, 3, 8, 8) * 5)
    ema.update(net)
    after, now = ema.net.state_dict(), net.state_dict()
    for key in ("0.weight", "1.running_var"):  # the first step's decay is 1/10
        assert torch.allclose(after[key], before[key] * 0.1 + now[key] * 0.9)
    assert int(after["1.num_batches_tracked"]) == 1


def test_processes_that_help_make_the_same_batches(pictures: Path) -> None:
    alone, helped = (config_for(pictures, machine={"workers": n, "threads": 1}) for n in (0, 2))
    data = samples(alone.train[0], open_dataset("folders", pictures, "train"), Classes(("red", "green", "blue"), ()))
    one, two = (list(Batches([(data, 1.0)], config).epoch(1)) for config in (alone, helped))
    assert same(one, two)


def test_each_showing_of_a_picture_is_another_change(pictures: Path) -> None:
    config = config_for(pictures, batch=1)
    picture = samples(
        msgspec.structs.replace(config.train[0], limit=1),
        open_dataset("folders", pictures, "train"),
        Classes(("red", "green", "blue"), ()),
    )
    batches = Batches([(picture, 2.0)], config)
    shown = {images.numpy().tobytes() for epoch in (0, 1) for images, _ in batches.epoch(epoch)}
    assert len(shown) == 4


def test_an_epoch_shows_what_was_asked_for(pictures: Path) -> None:
    crops = [{"size_hw": [64, 64]}, {"size_hw": [32, 64], "from_epoch": 3, "batch": 2}]
    config = config_for(pictures, crops=crops, batch=4)
    a, b = (
        [Sample(str(i), np.zeros((8, 8, 3), np.uint8), np.full((8, 8), k, np.uint8)) for i in range(12)]
        for k in (0, 1)
    )
    batches = Batches([(a, 2.0), (b, 0.25)], config)
    shown = np.bincount([i for batch in batches.order(0) for i in batch], minlength=24)
    assert batches.steps(0) == 27 // 4
    assert shown[:12].max() == 2
    assert shown[12:].max() <= 1
    assert batches.steps(3) == 13
    assert batches.class_counts(2) == [24 * 64, 3 * 64]
    images, labels = next(iter(batches.epoch(3)))
    assert images.shape == (2, 32, 64, 3)
    assert labels.shape == (2, 32, 64)


def test_films_can_be_held_out(pictures: Path) -> None:
    classes = Classes(("red", "green", "blue"), ())
    data = open_dataset("folders", pictures, "train")
    part = config_for(pictures).train[0]
    assert len(samples(msgspec.structs.replace(part, hold_out="dawn"), data, classes)) == 8
    only = samples(msgspec.structs.replace(part, only=("dawn",), limit=3), data, classes)
    assert [sample.name for sample in only] == ["dawn_01", "dawn_09", "dawn_15"]
    small = samples(msgspec.structs.replace(part, limit=1, size_hw=(22, 40)), data, classes)[0]
    assert small.image.shape == (22, 40, 3)
    assert small.labels.shape == (22, 40)
    with pytest.raises(ConfigError, match="leave no picture of 16"):
        samples(msgspec.structs.replace(part, only="dusk"), data, classes)


def test_classes_are_mapped_by_name_and_the_others_are_void(pictures: Path) -> None:
    ours = Classes(("blue", "warm"), ((0, 0, 255), (255, 0, 0)))
    part = msgspec.structs.replace(config_for(pictures).train[0], map={"red": "warm", "blue": "blue"})
    theirs = Classes(("red", "green", "blue"), ())
    assert label_table(part, theirs, ours)[[0, 1, 2, VOID]].tolist() == [1, VOID, 0, VOID]
    with pytest.raises(ConfigError, match=r"`rde` is no class of folders \(did you mean `red`\?\)"):
        label_table(msgspec.structs.replace(part, map={"rde": "warm"}), theirs, ours)
    with pytest.raises(ConfigError, match="its 3 classes are not the 2 of the first data set"):
        label_table(msgspec.structs.replace(part, map=None), theirs, ours)


def test_a_class_that_is_coarser_than_ours_becomes_a_set_of_them(pictures: Path) -> None:
    ours, theirs = Classes(("blue", "warm", "cold"), ()), Classes(("red", "green", "blue"), ())
    either = ("warm", "cold")
    part = msgspec.structs.replace(
        config_for(pictures).train[0], map={"red": either, "blue": "blue", "green": either}
    )
    assert class_sets([part, part]) == (either,)
    assert label_table(part, theirs, ours, [either])[[0, 1, 2, VOID]].tolist() == [3, 3, 0, VOID]
    assert label_table(part, theirs, ours)[[0, 1, 2]].tolist() == [VOID, VOID, 0]  # where it is scored
    with pytest.raises(ConfigError, match="`wram` is no class"):
        label_table(msgspec.structs.replace(part, map={"red": ("wram", "cold")}), theirs, ours)


def test_a_set_of_classes_asks_that_one_of_them_is_there() -> None:
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.3, 0.3, 0.4]])
    logits = p.log().T.reshape(1, 3, 2, 2)
    labels = torch.tensor([[[3, 0], [4, VOID]]], dtype=torch.uint8)  # {0, 1}, class 0, {1, 2}, nothing
    loss = PartialLabels([(0, 1), (1, 2)], 3, torch.device("cpu"))(logits, labels)
    assert float(loss) == pytest.approx((-math.log(0.8) - math.log(0.8)) / 3, rel=1e-5)
    nothing = PartialLabels([(0, 1)], 3, torch.device("cpu"))(logits, torch.full((1, 2, 2), VOID, dtype=torch.uint8))
    assert float(nothing) == 0


def test_a_loss_acts_in_its_epochs_alone(pictures: Path, tmp_path: Path) -> None:
    early, late = LossConfig("mse", until_epoch=1), LossConfig("dice", weight=100, from_epoch=1)
    first, second = fit_tiny(pictures, tmp_path, epochs=2, losses=(early, late)).rows
    assert first["loss"] < 1 < 10 < second["loss"]


def test_training_learns_from_sets_of_classes(pictures: Path, tmp_path: Path) -> None:
    config = config_for(pictures)
    part = msgspec.structs.replace(config.train[0], map={"red": "red", "green": ("green", "blue"), "blue": "blue"})
    both = msgspec.structs.replace(config, train=(config.train[0], part))
    data = [
        samples(
            p, open_dataset("folders", pictures, "train"), Classes(("red", "green", "blue"), ()), class_sets([part])
        )
        for p in both.train
    ]
    batches = Batches([(d, 1.0) for d in data], both, [(1, 2)])
    assert {3} <= {int(v) for _, labels in batches.epoch(0) for v in labels.unique()}
    unsaid = msgspec.structs.replace(part, map={"red": "red", "blue": "blue"})
    without = msgspec.structs.replace(both, train=(config.train[0], unsaid))
    told, silent = (train(c, tmp_path / name, until=1).rows[0] for name, c in (("sets", both), ("void", without)))
    assert told["loss"] > silent["loss"]  # the same pictures in the same order, and one more thing to learn


def test_a_prediction_has_the_pictures_size_whatever_the_stride() -> None:
    rng = np.random.default_rng(0)
    group = [
        Sample(str(i), rng.integers(0, 255, (h, 30, 3), dtype=np.uint8), np.zeros((h, 30), np.uint8))
        for i, h in enumerate((21, 21, 16, 21, 21))
    ]

    def brightest(images: Any) -> Any:
        assert all(side % 8 == 0 for side in images.shape[1:3])
        return images.permute(0, 3, 1, 2).float()

    found = list(predict(brightest, group, 8))
    for sample, labels in zip(group, found, strict=True):
        assert (labels == sample.image[:, :, ::-1].argmax(2)).all()


def test_a_student_learns_from_a_teacher(pictures: Path, tmp_path: Path) -> None:
    train(config_for(pictures, epochs=1), tmp_path / "teacher")
    teacher = str(tmp_path / "teacher/tiny.safetensors")
    alone = train(config_for(pictures, epochs=1), tmp_path / "alone")
    config = config_for(pictures, epochs=1, distil={"teacher": teacher, "weight": 3.0})
    taught = train(config, tmp_path / "taught")
    assert taught.rows[0]["loss"] > alone.rows[0]["loss"]  # the same and KL to the teacher on top


def test_what_training_begins_from_is_told_as_well_with_its_data_and_terms(pictures: Path, tmp_path: Path) -> None:
    before = train(config_for(pictures, epochs=1, terms="for us alone"), tmp_path / "before").checkpoint
    part = {"dataset": "folders", "split": "val"}
    config = config_for(pictures, epochs=1, train=[part], net={"name": "enet", "init": str(before)})
    about = read_about(train(config, tmp_path / "after").checkpoint)
    assert about["data"] == ["folders val, 4 pictures", "folders train, 16 pictures"]
    assert "for us alone" in about["terms"]


def test_fine_tuning_takes_over_what_fits(pictures: Path, tmp_path: Path) -> None:
    from engines.nets import build_net

    torch.manual_seed(1)
    source = build_net("enet", 7)
    save_checkpoint(tmp_path / "seven.safetensors", source, {"classes": {"names": list("abcdefg")}})
    net = build_net("enet", 3)
    taken, of = begin_from(net, tmp_path / "seven.safetensors")
    assert 0.95 * of < taken < of
    weights = read_weights(tmp_path / "seven.safetensors")
    assert sum(torch.equal(value, weights[key]) for key, value in net.state_dict().items()) >= taken
    with pytest.raises(ModelError, match="none of its weights fits"):
        begin_from(tiny_net(), tmp_path / "seven.safetensors")


def test_files_of_others_are_told_apart(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "theirs.safetensors")
    with pytest.raises(ModelError, match="without what we write"):
        load_checkpoint(tmp_path / "theirs.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        load_checkpoint(tmp_path / "broken.safetensors")
    with pytest.raises(ModelError, match="no state to resume from"):
        load_state(tmp_path / "state.pt")


def test_a_state_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"net": Trap()}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="not a state of training"):
        load_state(tmp_path / "state.pt")
    assert not (tmp_path / "sprung").exists()


def test_curves_are_a_table_and_a_picture(tmp_path: Path) -> None:
    rows = [
        {"epoch": float(i + 1), "lr": 0.1 / (i + 1), "loss": 1 / (i + 1)} | ({"val_mean_iou": i / 9} if i % 2 else {})
        for i in range(8)
    ]
    curves.write_csv(tmp_path / "c.csv", rows)
    lines = (tmp_path / "c.csv").read_text().splitlines()
    assert lines[:3] == ["epoch,lr,loss,val_mean_iou", "1,0.1,1,", "2,0.05,0.5,0.111111"]
    curves.draw(tmp_path / "c.png", rows, "a run")
    assert cv2.imread(str(tmp_path / "c.png")).std() > 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("losses:\n  - {name: dice, wieght: 2}", r"line 4: losses\[0\]\.wieght: unknown key .*did you mean `weight`"),
        ("optimiser: {lr: 0}", r"optimiser\.lr: expected `float` > 0"),
        ("epoch: 3", r"unknown key `epoch` \(did you mean `epochs`\?\)"),
        ("augment: {flip: 2}", r"augment\.flip: expected `float` <= 1"),
        ("distil: {techer: x}", r"distil\.techer: unknown key .*did you mean `teacher`"),
    ],
)
def test_a_mistake_in_a_configuration_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(f"name: x\ntrain: [{{dataset: folders}}]\n{text}\n")
    with pytest.raises(ConfigError, match=says):
        load_train_config(str(file))


def test_what_is_not_installed_is_named(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "albumentations", None)
    with pytest.raises(ConfigError, match=r"training needs albumentations \(pip install 'dashmask\[train\]'\)"):
        train(config_for(pictures), tmp_path)


def test_mistakes_are_sentences(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\(did you mean (the preset )?enet-camvid\?\)"):
        load_train_config("enet-camvit")
    with pytest.raises(ConfigError, match="does not say where it is"):
        train(config_for(pictures, roots={}), tmp_path)
    with pytest.raises(DataError, match="no data set 'folder'"):
        train(config_for(pictures, train=[{"dataset": "folder", "root": "x"}]), tmp_path)
    with pytest.raises(ConfigError, match=r"crops\[0\]\.size_hw: \[60, 64\] does not fit the network"):
        train(config_for(pictures, crops=[{"size_hw": [60, 64]}]), tmp_path)
    with pytest.raises(ConfigError, match="warp9 is no device"):
        train(config_for(pictures, machine={"device": "warp9"}), tmp_path)
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        train(config_for(pictures, machine={"device": "cpu", "precision": "fp16"}), tmp_path)
    with pytest.raises(ModelError, match="no state to resume from"):
        train(config_for(pictures), tmp_path, resume=True)
    with pytest.raises(ConfigError, match="training has left the numbers"):
        fit_tiny(pictures, tmp_path, optimiser={"lr": 1e30, "warmup_epochs": 0, "clip_norm": 0, "ema": 0}, epochs=9)
