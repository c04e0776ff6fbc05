"""Every loss gives what a hand works out, and what torch gives where torch has it."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch here: install the extra `train`")
F = torch.nn.functional

from engines.training import regression_losses as regression  # noqa: E402
from engines.training.config import LossConfig  # noqa: E402
from engines.training.losses import LOSSES, enet_weights, weighted_sum  # noqa: E402
from pipeline.errors import ConfigError  # noqa: E402
from pipeline.types import VOID  # noqa: E402

LN2 = math.log(2)


def logits_of(*pixels: tuple[float, ...]):
    """Logits (1, classes, 1, n) whose softmax is these probabilities."""
    return torch.tensor(pixels, dtype=torch.float64).log().T[None, :, None, :]


def labels_of(*ids: int):
    return torch.tensor(ids)[None, None, :]


# two classes; p of class 0 is 1/2, 1/4, 3/4; the truth is 0, 1, 1 and once unknown
LOGITS = logits_of((0.5, 0.5), (0.25, 0.75), (0.75, 0.25), (0.1, 0.9))
LABELS = labels_of(0, 1, 1, VOID)
BY_HAND = {
    # -ln 1/2 - ln 3/4 - ln 1/4, by three
    "cross_entropy": ({}, (LN2 + math.log(4 / 3) + math.log(4)) / 3),
    # (1 - p)^2 times the above: 1/4 ln 2 + 1/16 ln 4/3 + 9/16 ln 4
    "focal": ({"gamma": 2.0}, (LN2 / 4 + math.log(4 / 3) / 16 + 9 / 16 * math.log(4)) / 3),
    # class 0: overlap 1/2, sum p 3/2, sum y 1; class 1: overlap 1, sum p 3/2, sum y 2
    "dice": ({"smooth": 0.0}, 1 - (2 * 0.5 / 2.5 + 2 * 1 / 3.5) / 2),
    # errors of class 0 sorted: 3/4 (wrong), 1/2 (right), 1/4 (wrong). With one true pixel, IoU falls to 1/2, to 0
    # and stays: 1/2 * 3/4 + 1/2 * 1/2. Class 1, two true: 3/4 (right), 1/2 (wrong), 1/4 (right): IoU 1/2, 1/3, 0:
    # 1/2 * 3/4 + 1/6 * 1/2 + 1/3 * 1/4
    "lovasz": ({}, ((3 / 8 + 2 / 8) + (3 / 8 + 1 / 12 + 1 / 12)) / 2),
    # p of the true class under 0.6: 1/2 and 1/4
    "ohem": ({"threshold": 0.6}, (LN2 + math.log(4)) / 2),
    # differences: 1/2, 1/4, 3/4, the same for both classes
    "mse": ({}, (1 / 4 + 1 / 16 + 9 / 16) / 3),
    "mae": ({}, (1 / 2 + 1 / 4 + 3 / 4) / 3),
    # ln(1 + p) - ln(1 + y) for (class 0, class 1) of the three pixels
    "msle": (
        {},
        sum(
            math.log((1 + p) / (1 + y)) ** 2
            for p, y in ((0.5, 1), (0.5, 0), (0.25, 0), (0.75, 1), (0.75, 0), (0.25, 1))
        )
        / 6,
    ),
    # delta 1/2: 1/8; 1/32; 1/2 (3/4 - 1/4)
    "huber": ({"delta": 0.5}, (1 / 8 + 1 / 32 + 1 / 4) / 3),
    # the logits are ln p: max(0, 1 + ln(p wrong / p true)): 1; 1 - ln 3 under 0; 1 + ln 3
    "hinge": ({}, (1 + 0 + 1 + math.log(3)) / 3),
    # of a one-hot truth, it is cross-entropy
    "kl_divergence": ({}, (LN2 + math.log(4 / 3) + math.log(4)) / 3),
    # sigmoid(ln p) = p / (1 + p)
    "binary_cross_entropy": (
        {},
        -sum(
            math.log(p / (1 + p) if y else 1 / (1 + p))
            for p, y in ((0.5, 1), (0.5, 0), (0.25, 0), (0.75, 1), (0.75, 0), (0.25, 1))
        )
        / 6,
    ),
}


def test_every_loss_has_a_value_worked_out_by_hand() -> None:
    assert set(BY_HAND) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_what_a_hand_works_out(name: str) -> None:
    options, expected = BY_HAND[name]
    assert float(LOSSES[name](LOGITS, LABELS, **options)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_unknown_does_not_count(name: str) -> None:
    logits = torch.randn(2, 3, 5, 7, generator=torch.Generator().manual_seed(1), requires_grad=True)
    labels = torch.full((2, 5, 7), VOID)
    labels[:, 1:3] = torch.arange(14).reshape(2, 7) % 3
    loss = LOSSES[name](logits, labels)
    loss.backward()
    assert float(logits.grad[:, :, 3:].abs().max()) == 0 < float(logits.grad[:, :, 1:3].abs().max())
    changed = logits.detach().clone()
    changed[:, 0, 3:] += 5
    assert float(LOSSES[name](changed, labels)) == pytest.approx(float(loss.detach()), rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_nothing_known_is_no_loss_and_no_gradient_out_of_the_numbers(name: str) -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = LOSSES[name](logits, torch.full((1, 4, 4), VOID))
    loss.backward()
    assert float(loss.detach()) == 0
    assert float(logits.grad.abs().sum()) == 0


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_falls_as_the_answer_turns_right(name: str) -> None:
    labels = torch.arange(24).reshape(1, 4, 6) % 3
    truth = F.one_hot(labels, 3).permute(0, 3, 1, 2).float()
    values = [float(LOSSES[name](truth * scale, labels)) for scale in (-4.0, 0.0, 4.0, 12.0)]
    assert all(later < earlier for earlier, later in pairwise(values[:3]))
    assert values[3] <= values[2]


def test_class_weights_count_as_torch_counts_them() -> None:
    g = torch.Generator().manual_seed(3)
    logits, labels = torch.randn(2, 4, 6, 5, generator=g), torch.randint(4, (2, 6, 5), generator=g)
    labels[0, 0] = VOID
    weight = torch.tensor([1.0, 2.0, 0.5, 7.0])
    expected = F.cross_entropy(logits, labels, weight, ignore_index=VOID)
    assert torch.allclose(LOSSES["cross_entropy"](logits, labels, weight=weight), expected)
    assert torch.allclose(LOSSES["ohem"](logits, labels, weight=weight, threshold=1.0, keep=1.0), expected)
    # focal divides by the number of pixels instead of the weights
    known = labels != VOID
    rescaled = expected * weight[labels[known]].sum() / known.sum()
    assert torch.allclose(LOSSES["focal"](logits, labels, weight=weight, gamma=0.0), rescaled)
    pixels = zip(logits.permute(0, 2, 3, 1)[known].tolist(), labels[known].tolist(), strict=True)
    margins = [1 + max(x[:y] + x[y + 1 :]) - x[y] for x, y in pixels]
    assert float(LOSSES["hinge"](logits, labels)) == pytest.approx(np.clip(margins, 0, None).mean(), rel=1e-5)


def test_regression_is_torchs() -> None:
    g = torch.Generator().manual_seed(5)
    x, y = torch.rand(3, 4, generator=g) * 4, torch.rand(3, 4, generator=g) * 4
    assert torch.allclose(regression.mse(x, y), F.mse_loss(x, y))
    assert torch.allclose(regression.mae(x, y), F.l1_loss(x, y))
    assert torch.allclose(regression.huber(x, y, delta=0.7), F.huber_loss(x, y, delta=0.7))
    assert torch.allclose(regression.msle(x, y), F.mse_loss((1 + x).log(), (1 + y).log()))
    p, q = x.softmax(1), y.softmax(1)
    assert torch.allclose(regression.kl_divergence(p, q), F.kl_div(p.log(), q, reduction="batchmean"), atol=1e-6)
    where = x > y
    assert torch.allclose(regression.mse(x, y, where=where), F.mse_loss(x[where], y[where]))


def test_a_foreground_alone_is_binary() -> None:
    logits, labels = torch.tensor([[[[2.0, -1.0, 0.5]]]]), labels_of(1, 0, VOID)
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert float(LOSSES["binary_cross_entropy"](logits, labels)) == pytest.approx(expected)
    assert float(LOSSES["hinge"](logits * 0.25, labels)) == pytest.approx((0.5 + 0.75) / 2)


def test_distillation_is_hintons() -> None:
    student, teacher = logits_of((0.5, 0.5)), logits_of((0.8, 0.2))
    # at temperature 2 the teacher's odds are sqrt(4) = 2 : 1, the student's 1 : 1
    expected = 4 * (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3))
    assert float(regression.distillation(student, teacher, temperature=2.0)) == pytest.approx(expected, rel=1e-5)
    assert float(regression.distillation(teacher, teacher)) == pytest.approx(0, abs=1e-7)


def test_lovasz_over_hard_answers_is_one_minus_iou() -> None:
    g = torch.Generator().manual_seed(7)
    truth, answer = torch.randint(3, (1, 9, 9), generator=g), torch.randint(3, (1, 9, 9), generator=g)
    logits = F.one_hot(answer, 3).permute(0, 3, 1, 2).float() * 1e4
    iou = [float(((truth == k) & (answer == k)).sum() / ((truth == k) | (answer == k)).sum()) for k in range(3)]
    assert float(LOSSES["lovasz"](logits, truth)) == pytest.approx(1 - np.mean(iou), rel=1e-5)


def test_enets_weights_are_the_papers() -> None:
    weights = enet_weights([90, 10, 0])
    assert weights == pytest.approx([1 / math.log(1.92), 1 / math.log(1.12), 1 / math.log(1.02)])


def test_a_sum_of_losses_is_weighted() -> None:
    weight = torch.tensor([1.0, 3.0], dtype=torch.float64)
    parts = [LossConfig("cross_entropy", 2.0), LossConfig("dice", 0.5, class_weights=False, options={"smooth": 0.0})]
    total = weighted_sum(parts, weight.float())(LOGITS.float(), LABELS)
    expected = 2 * LOSSES["cross_entropy"](LOGITS, LABELS, weight=weight) + 0.5 * BY_HAND["dice"][1]
    assert float(total) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_batch_of_classes_without_weight_is_no_loss(name: str) -> None:
    weight = torch.tensor([0.0, 0.0, 1.0])
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, VOID, 0]).expand(1, 4, 4)
    loss = weighted_sum([LossConfig(name)], weight)(logits, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    if name in ("cross_entropy", "ohem", "lovasz", "dice", "focal", "hinge"):
        assert float(loss.detach()) == 0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_has_a_gradient_where_nothing_is_known_or_all_is_certain(gamma: float) -> None:
    pixels = torch.tensor([200.0, 0.0, 1.0, 0.0, 0.3, 0.0]).reshape(1, 3, 2)
    logits = pixels.transpose(1, 2)[..., None].requires_grad_()
    loss = LOSSES["focal"](logits, torch.tensor([0, VOID, 1]).reshape(1, 3, 1), gamma=gamma)
    loss.backward()
    assert torch.isfinite(logits.grad).all()
    last = -F.log_softmax(logits.detach(), 1)[0, 1, 2, 0]
    assert float(loss.detach()) == pytest.approx(float((1 - (-last).exp()) ** gamma * last) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (LossConfig("lovas"), r"no loss is called lovas \(did you mean `lovasz`\?\)"),
        (LossConfig("focal", options={"gama": 1.0}), r"focal has no option `gama` \(did you mean `gamma`\?\)"),
        (LossConfig("ohem", options={"keep": 2}), r"losses: ohem: keep is 2, expected 0 to 1"),
        (LossConfig("lovasz", options={"every_px": 2.5}), r"every_px is 2\.5, expected a whole number from 1 on"),
        (LossConfig("cross_entropy", options={"smoothing": 1.5}), r"smoothing is 1\.5, expected 0 to 1"),
        (LossConfig("huber", options={"delta": 0}), r"delta is 0, expected more than 0"),
        (LossConfig("focal", options={"gamma": -1}), r"gamma is -1, expected 0 or more"),
        (LossConfig("mse", options={"where": 1.0}), r"mse has no option `where` \(known are none\)"),
    ],
)
def test_a_mistyped_loss_is_named(part: LossConfig, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        weighted_sum([part], None)
