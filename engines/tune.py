"""Measure which backend and how many workers run a network fastest here, and keep the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

import numpy as np

from engines.backends.base import MOST_WORKERS, Backend, Options, Precision, crew, share_cores, usual_hw
from engines.machine import available_cores
from engines.probe import GPU, why_not
from engines.select import AUTO, opener
from engines.tune_store import store_choice
from pipeline.errors import BackendError
from pipeline.image import Image
from pipeline.letterbox import Letterbox
from pipeline.types import Card, Frame, Prepared

ROUNDS = 5
CLEAR_GAIN = 1.03  # and faster in all rounds but one


@dataclass(frozen=True, slots=True)
class TuneRow:
    """One combination, as measured."""

    backend: str
    workers: int
    threads: int
    fps: float  # frames a second, median over the rounds
    spread_fps: float  # between the best and the worst round
    latency_ms: float  # of one frame inside the backend, median

    def __str__(self) -> str:
        what = f"{self.backend:<16} {crew(self.workers, self.threads):<24}"
        return f"{what} {self.fps:7.1f} fps (+-{self.spread_fps / 2:.1f}) {self.latency_ms:7.1f} ms"


@dataclass(frozen=True, slots=True)
class TuneResult:
    """All combinations, fastest first, and what was chosen."""

    shape_hw: tuple[int, int]  # of the network's input
    rows: tuple[TuneRow, ...]
    best: TuneRow  # what runs would do without tune, unless another one is clearly faster
    passed_over: tuple[str, ...]  # backends that cannot run here, with the reason
    stored: str  # where the choice is kept, or why it is not


def tune(
    card: Card,
    shape_hw: tuple[int, int] | None = None,
    seconds: float = 20.0,
    *,
    precision: Precision = "f32",
    say: Callable[[str], None] = lambda line: None,
) -> TuneResult:
    """Run every combination of CPU backend, workers and threads in turns, with as many threads as it has workers.

    The rounds are interleaved, so that what else the machine does hits all combinations alike; the median counts.

    Args:
        card: of the network.
        shape_hw: of its input, pixels; None: that of 16:9 footage.
        seconds: to measure for, besides the time for loading.
        precision: to run in.
        say: is told what is going on.

    Raises:
        BackendError: nothing runs the network here.
        ModelError: the network does not take this size.
    """
    shape_hw = shape_hw or usual_hw(card.input)
    prepared = _noise(card, shape_hw)
    passed_over = []
    with ExitStack() as closing:
        backends: list[Backend] = []
        for name in (name for name in AUTO if name not in GPU):
            try:
                if reason := why_not(name):
                    raise BackendError(reason)
                for workers, threads in combinations(available_cores()):
                    backend = opener(name)(card, Options(workers, threads, precision, shape_hw))
                    closing.callback(backend.close)
                    _run_whole(backend, prepared)  # what the first run allocates and compiles is not measured
                    backends.append(backend)
                    say(f"loaded {backend.detail}")
            except BackendError as error:
                passed_over.append(f"{name}: {error}")
        if not backends:
            raise BackendError(f"nothing can run {card.path.name} here: {'; '.join(passed_over)}")
        slice_s = seconds / ROUNDS / len(backends)
        measured: list[list[tuple[float, float]]] = [[] for _ in backends]
        for turn in range(ROUNDS):
            say(f"round {turn + 1} of {ROUNDS}")
            for backend, results in zip(backends, measured, strict=True):
                results.append(_measure(backend, prepared, slice_s))
    rows = [_row(backend, results) for backend, results in zip(backends, measured, strict=True)]
    rates = dict(zip(rows, ([rate for rate, _ in results] for results in measured), strict=True))
    usual = share_cores(None, None, available_cores())
    chosen = []
    for name in dict.fromkeys(row.backend for row in rows):
        own = sorted(
            (row for row in rows if row.backend == name), key=lambda row: (row.workers, row.threads) != usual
        )
        chosen.append(choose(own, rates))
    best = choose(chosen, rates)
    crews = {row.backend: (row.workers, row.threads) for row in chosen}
    stored = store_choice(card, shape_hw, precision, crews, best.backend)
    return TuneResult(shape_hw, tuple(sorted(rows, key=lambda row: -row.fps)), best, tuple(passed_over), stored)


def choose(rows: Sequence[TuneRow], rates: Mapping[TuneRow, Sequence[float]]) -> TuneRow:
    """The fastest of several, if it is clearly faster than the first; on a busy machine most differences are noise.

    Args:
        rows: the usual choice first.
        rates: of each row, one a round; the rounds of all rows ran side by side.
    """
    usual, fastest = rows[0], max(rows, key=lambda row: row.fps)
    gains = [ours / theirs for ours, theirs in zip(rates[fastest], rates[usual], strict=True)]
    clear = median(gains) > CLEAR_GAIN and sum(gain > 1 for gain in gains) >= len(gains) - 1
    return fastest if clear else usual


def combinations(cores: int) -> list[tuple[int, int]]:
    """Workers and threads of each that use all cores: 1 x 8, 2 x 4, 4 x 2, 8 x 1; at most MOST_WORKERS."""
    powers = {1 << power for power in range(cores.bit_length())}
    return [(workers, cores // workers) for workers in sorted({*powers, cores}) if workers <= MOST_WORKERS]


def _noise(card: Card, shape_hw: tuple[int, int]) -> Prepared:
    """A frame of noise in the range of pixels, the same every time; what it shows changes a network's time little."""
    spec = card.input
    pixels = np.random.default_rng(0).integers(0, 256, spec.shape(shape_hw))
    tensor = pixels.astype(spec.dtype) if spec.dtype == "uint8" else (pixels * spec.scale).astype(spec.dtype)
    picture = Image((np.zeros((*shape_hw, 3), np.uint8),), "bgr24")
    frame = Frame(0, 0, Fraction(1, 25), 0.0, picture)
    return Prepared(frame, tensor, Letterbox(shape_hw, shape_hw, shape_hw, 0, 0))


def _measure(backend: Backend, prepared: Prepared, seconds: float) -> tuple[float, float]:
    """Frames a second and the median time of a frame, seconds, with all of a backend's workers busy."""

    def work() -> list[tuple[float, float]]:
        spans: list[tuple[float, float]] = []
        while not spans or spans[-1][1] < began_s + seconds:
            start_s = time.perf_counter()
            _run_whole(backend, prepared)
            spans.append((start_s, time.perf_counter()))
        return spans

    with ThreadPoolExecutor(backend.workers) as pool:
        began_s = time.perf_counter()
        each = [future.result() for future in [pool.submit(work) for _ in range(backend.workers)]]
    # A worker's rate counts up to its own last frame: waiting for the slowest one is no part of a run.
    rate = sum(len(spans) / (spans[-1][1] - began_s) for spans in each)
    return rate, median(end - start for spans in each for start, end in spans)


def _run_whole(backend: Backend, prepared: Prepared) -> None:
    """Whatever of the network is computed only where somebody looks, too."""
    for inferred in backend.submit([prepared]).result():
        inferred.arrays()


def _row(backend: Backend, measured: Sequence[tuple[float, float]]) -> TuneRow:
    rates = [rate for rate, _ in measured]
    latency_ms = median(latency_s for _, latency_s in measured) * 1e3
    return TuneRow(backend.name, backend.workers, backend.threads, median(rates), max(rates) - min(rates), latency_ms)
