"""One line of the comparison, from its model file to its figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from engines.backends.base import Options
from engines.backends.null import NullBackend
from engines.machine import available_cores
from engines.select import Selection
from pipeline.bench.ceiling import Inputs, answers, inputs_of, run_alone
from pipeline.bench.footage import Footage
from pipeline.bench.gpu_meter import GpuMeter
from pipeline.bench.lines import instead, streams
from pipeline.bench.meter import Order
from pipeline.bench.options import BenchOptions, Case
from pipeline.bench.results import alone, figures, overhead, window_of
from pipeline.bench.stream import Seen, Streams
from pipeline.bench.tally import Tally
from pipeline.bench.usage import memory_mb, reset_peak, spent, usage
from pipeline.bench.warming import AGREE, Warming
from pipeline.config import Config
from pipeline.flow import drain_on_interrupt
from pipeline.networks import Network, networks
from pipeline.running.outputs import all_names, looked_for
from pipeline.trace import Trace

LEAST_FRAMES = 8  # of a window, however slow the network is
LEAST_ALONE_S = 0.25  # of a window of the network alone
OWN_WINDOWS = 3  # of the run without a network, behind one that warms it up
Say = Callable[[str], None]


def run_case(
    case: Case,
    footage: Footage,
    config: Config,
    options: BenchOptions,
    gpu: GpuMeter,
    say: Say,
    trace: Trace | None = None,
) -> dict[str, Any]:
    """Measure one case: warm-up, then windows of the pipeline and of the network alone in turn, then the rest of it.

    Args:
        case: what runs.
        footage: what it looks at.
        config: what all cases have in common.
        options: of the benchmark.
        gpu: open.
        say: is told how it goes on.
        trace: takes every frame.

    Returns:
        Its figures, for JSON. `interrupted` where Ctrl-C came; then of what was measured by then.

    Raises:
        UserError: it cannot run.
    """
    config = case.config(config, available_cores() if options.scenario.alone else None)
    with ExitStack() as closing:
        closing.enter_context(_one_thread_each())
        freed = reset_peak()
        nets = networks(config)
        for net in nets:
            closing.callback(net.selection.backend.close)
        if options.output != "scene":
            from pipeline.render import check_names

            cards = [net.card for net in nets]
            only = looked_for(cards, config.decode.classes)
            check_names(config.render, all_names([card.classes for card in cards]), only)
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="dashmask-bench-")))
        say(f"  {' and '.join(f'{net.card.name} on {net.selection.backend.detail}' for net in nets)}")
        due_fps = _due_fps(footage, options)
        inputs = inputs_of(nets, footage.samples)
        with streams(nets, footage, config, options, folder, trace) as running, drain_on_interrupt(running):
            measured = _Measured(nets, inputs, running, options, gpu, say)
            measured.warm_up()
            measured.take_turns()
            what = figures(nets, measured.warming, measured.windows, measured.tally, due_fps)
        what["memory_mb"] = {**memory_mb(), "peak_is_of": "this case" if freed else "the whole process"}
        silent_already = all(net.selection.backend.name == "null" for net in nets)
        if measured.windows and not measured.interrupted and not silent_already:
            fixed = [one.arrays() for one in answers(nets, inputs[len(inputs) // 2])]
            backends = [
                NullBackend(net.card, Options(net.selection.backend.workers, net.selection.backend.threads), outputs)
                for net, outputs in zip(nets, fixed, strict=True)
            ]
            silent = instead(nets, [Selection(backend, ()) for backend in backends])
            with streams(silent, footage, config, options, folder) as running, drain_on_interrupt(running):
                own = _Measured(silent, (), running, options, gpu, say)
                own.take_turns(1 + OWN_WINDOWS, alone=False)
            what["own_overhead"] = overhead(own.windows[1:])
            measured.interrupted = own.interrupted
        return {**what, "interrupted": measured.interrupted}


class _Measured:
    """What was measured of one flow so far."""

    def __init__(
        self,
        nets: Sequence[Network],
        inputs: Inputs,
        running: Streams,
        options: BenchOptions,
        gpu: GpuMeter,
        say: Say,
    ) -> None:
        self._backends = [net.selection.backend for net in nets]
        self._null = all(backend.name == "null" for backend in self._backends)
        self._inputs, self._running, self._options, self._gpu, self._say = inputs, running, options, gpu, say
        self.windows: list[dict[str, Any]] = []
        self.tally = Tally()
        self.warming = Warming(0, (), options.stable_percent, options.warm_up_s)
        self.interrupted = False

    def warm_up(self) -> None:
        """Windows until the last ones agree, or until the time for it is over."""
        options, paced = self._options, self._options.scenario.paced
        # However long the windows that count are: those that shall agree have to fit in.
        window_s = min(options.window_s, options.warm_up_s / (AGREE + 1))
        most = max(AGREE, int(options.warm_up_s / window_s)) if options.warm_up_s else 0
        frames, values, began_s = 0, [], usage().at_s
        for _ in range(most):
            seen = self._window(window_s)
            if seen is None:
                return
            frames += sum(len(one.came) for one in seen)
            tally = Tally()
            for one in seen:
                tally.add(one.came)
            values.append(tally.age.sum_s / tally.age.count * 1e3 if paced else sum(one.fps or 0.0 for one in seen))
            self.warming = Warming(frames, tuple(values), options.stable_percent, options.warm_up_s)
            if self.warming.stable or usage().at_s - began_s > options.warm_up_s:
                break
        self._say(f"  warm-up: {self.warming.said()}")

    def take_turns(self, count: int | None = None, *, alone: bool = True) -> None:
        """Windows of the pipeline, each followed by one of the network alone."""
        options = self._options
        for number in range(count or options.windows):
            gpu_before, before = self._gpu.read(), usage()
            seen = self._window(options.window_s)
            after, gpu_after = usage(), self._gpu.read()
            if seen is None:
                return
            for one in seen:
                self.tally.add(one.came)
            window = window_of(seen, spent(before, after), gpu_before, gpu_after)
            if alone and not self._null:
                window["alone"] = self._alone()
            self.windows.append(window)
            if alone and (number + 1) % max(1, options.windows // 4) == 0:
                self._say(f"  window {number + 1} of {options.windows}: {window['fps'] or 0:.1f} frames/s")

    def _alone(self) -> dict[str, Any]:
        one = self._options.scenario.alone
        workers = 1 if one else min(backend.workers for backend in self._backends)
        seconds = max(LEAST_ALONE_S, self._options.window_s)
        before = usage()
        ceiling = run_alone(self._backends, self._inputs, seconds, workers, one_at_a_time=one)
        return alone(ceiling, spent(before, usage()))

    def _window(self, seconds: float) -> list[Seen] | None:
        if self.interrupted:
            return None
        seen = self._running.window(Order(seconds, LEAST_FRAMES))
        self.interrupted = seen is None
        return seen


def _due_fps(footage: Footage, options: BenchOptions) -> float | None:
    paced_fps = options.fps or footage.info.fps
    return paced_fps * options.streams if options.scenario.paced and paced_fps else None


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """The stages are the threads; more inside them would fight over the same cores. As it was, afterwards."""
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
