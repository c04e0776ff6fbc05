"""The age of frames is kept under a budget: it converges, does not sway, and comes back."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from command import dashmask

import pipeline.running.ladder as ladder_module
from engines.backends.base import Ticket
from engines.backends.null import NullBackend
from pipeline.config import Config
from pipeline.live.budget import ALL_LATE, LEAST, Controller, Step, percentile_95
from pipeline.networks import Network
from pipeline.types import Prepared

COSTS = (60.0, 40.0, 25.0, 15.0)  # ms a frame, undisturbed
BUDGET_S = 0.05


def drive(
    controller: Controller,
    seconds: float,
    load: Callable[[float], float],
    noise: float = 0.1,
    fps: float = 30,
    seed: int = 0,
) -> list[Step]:
    """Frames under a virtual clock: one comes every 1 / fps seconds, the newest is taken when the last is done."""
    rng = random.Random(seed)
    now_s, steps = 0.0, []
    while now_s < seconds:
        captured_s = now_s
        lasts_s = COSTS[controller.rung] / 1e3 * load(now_s) * rng.lognormvariate(0, noise)
        now_s = captured_s + lasts_s
        step = controller.add(captured_s, now_s)
        if step is not None:
            steps.append(step)
        now_s = max(now_s, captured_s + 1 / fps)
    return steps


def test_it_finds_the_best_rung_that_holds_and_stays_there() -> None:
    controller = Controller(BUDGET_S, COSTS)
    steps = drive(controller, 120, lambda t: 1.0, noise=0.05)
    assert [step.rung for step in steps] == [1]
    assert steps[0].at_s < 1  # at once: every frame was late
    assert steps[0].p95_s > BUDGET_S


@pytest.mark.parametrize("seed", range(10))
def test_noise_does_not_make_it_sway(seed: int) -> None:
    controller = Controller(BUDGET_S, COSTS)
    steps = drive(controller, 600, lambda t: 1.0, noise=0.12, seed=seed)
    assert controller.rung in (1, 2)
    assert len(steps) <= 6  # in ten minutes: each failed climb is tried later than the last


def test_a_load_that_comes_and_goes_is_followed_both_ways() -> None:
    controller = Controller(BUDGET_S, COSTS)
    steps = drive(controller, 120, lambda t: 2.5 if 30 < t < 60 else 0.6, noise=0.05)
    at = {t: next((s.rung for s in reversed(steps) if s.at_s <= t), 0) for t in (29, 40, 59, 119)}
    assert at == {29: 0, 40: 3, 59: 3, 119: 0}
    down = [step.at_s for step in steps if step.rung > step.before]
    assert down[-1] < 32  # three rungs within two seconds
    up = [step.at_s for step in steps if step.rung < step.before]
    assert up[-1] < 100


def test_one_late_frame_is_no_reason() -> None:
    controller = Controller(BUDGET_S, (30.0, 15.0))
    for i in range(3000):
        late = i % 40 == 0
        assert controller.add(i / 30, i / 30 + (0.5 if late else 0.03)) is None


def test_a_load_that_nothing_helps_against_stays_at_the_last_rung() -> None:
    controller = Controller(BUDGET_S, COSTS)
    steps = drive(controller, 60, lambda t: 20.0)
    assert [step.rung for step in steps] == [1, 2, 3]


def test_frames_from_before_a_step_do_not_count_after_it() -> None:
    controller = Controller(BUDGET_S, COSTS)
    for i in range(ALL_LATE - 1):
        assert controller.add(i / 30, i / 30 + 0.1) is None
    step = controller.add(0.2, 0.3)
    assert step is not None
    for i in range(ALL_LATE * 3):  # in flight when the step was taken
        assert controller.add(0.25, 0.31 + i / 1000) is None


def test_the_promise_is_kept_where_any_rung_can() -> None:
    """Once settled, the 95th percentile is under the budget, whatever the load up to what the last rung takes."""
    for load in (0.3, 0.8, 1.2, 1.8, 2.5):
        controller = Controller(BUDGET_S, COSTS)
        rng = random.Random(1)
        ages: list[float] = []
        now_s = 0.0
        while now_s < 120:
            lasts_s = COSTS[controller.rung] / 1e3 * load * rng.lognormvariate(0, 0.08)
            controller.add(now_s, now_s + lasts_s)
            if now_s > 3:
                ages.append(lasts_s)
            now_s += max(lasts_s, 1 / 30)
        assert percentile_95(ages) <= BUDGET_S, load


def test_the_percentile_is_that_of_the_field() -> None:
    rng = np.random.default_rng(0)
    for count in (1, LEAST, 60, 61):
        ages = rng.exponential(1, count).tolist()
        assert percentile_95(ages) == pytest.approx(np.percentile(ages, 95, method="inverted_cdf"))


@pytest.mark.parametrize(("budget_s", "costs"), [(0, (1,)), (0.1, ()), (0.1, (1, 2)), (0.1, (2, 2))])
def test_a_ladder_that_is_none_is_refused(budget_s: float, costs: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expected a budget"):
        Controller(budget_s, costs)


SLOW = 100e-3 / (96 * 128)  # seconds a pixel of the input


class SlowBackend(NullBackend):
    """Takes as long as the input is large."""

    def submit(self, batch: Sequence[Prepared]) -> Ticket:
        for prepared in batch:
            time.sleep(SLOW * prepared.letterbox.network_hw[0] * prepared.letterbox.network_hw[1])
        return super().submit(batch)


def test_a_run_steps_down_to_its_budget_and_says_so(
    models: tuple[Path, Path], clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.backends.null.NullBackend", SlowBackend)
    opened: list[int] = []
    real = ladder_module.networks

    def counted(config: Config, scale: float = 1.0) -> tuple[Network, ...]:
        opened.append(len(list(tmp_path.glob("o.part.jsonl"))))
        return real(config, scale)

    monkeypatch.setattr(ladder_module, "networks", counted)
    words = ("--backend", "null", "--set", "backend.workers=1", "--budget", "150ms", "--set", "flow.capacity=1")
    outputs = ("--json", tmp_path / "o.jsonl", "--summary", tmp_path / "o.json", "--pictures", tmp_path / "p")
    said = dashmask("run", clip, "-m", models[0], *words, *outputs)
    assert said.code == 0, said.err
    assert opened == [0] * 4  # every rung, before the first frame came
    told = json.loads((tmp_path / "o.json").read_text())["budget"]
    assert {rung["name"] for rung in told["rungs"]} <= {"100%", "80%", "65%", "50%"}
    assert told["steps"]
    assert told["steps"][0]["from"] == "100%"
    assert told["steps"][0]["p95_ms"] > 150
    assert sum(rung["frames"] for rung in told["rungs"]) == 25
    rungs = [json.loads(line)["rung"] for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert rungs[0] == "100%"
    assert rungs[-1] != "100%"
    assert set(rungs) <= {"100%", *(step["to"] for step in told["steps"])}
    assert "budget 150 ms: from 100% to " in said.err


def test_networks_that_know_one_way_only_are_refused(models: tuple[Path, Path], clip: Path) -> None:
    said = dashmask(
        "run", clip, "-m", models[0], "--backend", "null", "--budget", "50ms", "--set", "budget.scales=[1]"
    )
    assert (said.code, "one way to run" in said.err) == (2, True)
    said = dashmask("run", clip, "-m", models[0], "--budget", "fast")
    assert (said.code, "--budget fast: expected a time over 0" in said.err) == (2, True)
