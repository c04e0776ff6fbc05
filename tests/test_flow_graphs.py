"""The flow: any graph gives what a plain loop gives, or a beginning of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flow_parts import PATIENCE_S, Slots, feed, run, slots_stage, stage
from flow_parts import no_thread_is_left as no_thread_is_left
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.flow import Flow, Stage

pytestmark = pytest.mark.timeout(60)


@dataclass(frozen=True)
class Plan:
    """A stage of a random graph: message x becomes copies[x % len(copies)] messages."""

    copies: list[int]
    slots: int
    at_once: bool
    workers: int
    batch: int
    capacity: int

    def results(self, x: int) -> list[int]:
        return [x * 7 + k for k in range(self.copies[x % len(self.copies)])]

    def stage(self, number: int) -> Stage:
        options = {"workers": self.workers, "batch": self.batch, "capacity": self.capacity}

        def step(batch: list[int]) -> list[int]:
            if batch[0] % 5 == 0:
                time.sleep(1e-4)
            return [y for x in batch for y in self.results(x)]

        if self.slots:
            make = lambda: Slots(self.slots, self.results, self.at_once)  # noqa: E731
            return slots_stage(f"s{number}", make, **options)
        return stage(f"s{number}", step, **options)


PLANS = st.lists(
    st.builds(
        Plan,
        copies=st.lists(st.integers(0, 2), min_size=1, max_size=4),
        slots=st.integers(0, 3),
        at_once=st.booleans(),
        workers=st.integers(1, 4),
        batch=st.integers(1, 3),
        capacity=st.integers(1, 3),
    ),
    max_size=4,
)


def in_sequence(items: int, plans: list[Plan]) -> list[int]:
    messages = list(range(items))
    for plan in plans:
        messages = [y for x in messages for y in plan.results(x)]
    return messages


@settings(max_examples=80, deadline=None)
@given(PLANS, st.integers(0, 60), st.none() | st.integers(1, 5), st.integers(1, 3))
def test_any_graph_gives_what_a_plain_loop_gives(
    plans: list[Plan], items: int, in_flight: int | None, capacity: int
) -> None:
    stages = [plan.stage(number) for number, plan in enumerate(plans)]
    flow = Flow[int](feed(range(items)), stages, in_flight=in_flight, capacity=capacity, stall_s=PATIENCE_S)
    assert run(flow) == in_sequence(items, plans)
    assert flow.drops == {}
    assert not flow.ended_early


@settings(max_examples=40, deadline=None)
@given(PLANS, st.integers(0, 40), st.integers(0, 40), st.sampled_from(["break", "cancel", "error"]))
def test_any_graph_cut_short_gave_a_beginning(plans: list[Plan], items: int, cut: int, way: str) -> None:
    def numbers() -> Iterator[int]:
        for x in range(items):
            if x == cut and way == "error":
                raise ValueError("boom")
            yield x

    got: list[int] = []

    def body() -> None:
        with Flow[int](feed(numbers()), [plan.stage(number) for number, plan in enumerate(plans)]) as flow:
            for x in flow:
                got.append(x)
                if len(got) == cut and way == "break":
                    break
                if len(got) == cut and way == "cancel":
                    flow.cancel()

    if way == "error" and cut < items:
        with pytest.raises(ValueError, match="boom"):
            body()
    else:
        body()
    assert got == in_sequence(items, plans)[: len(got)]
