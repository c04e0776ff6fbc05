"""Compare a backend with the ONNX Runtime fp32 reference on real frames, and judge it.

Frames, the decoder and what compares its results are handed in. Both run the same tensors; what is judged is what a
user sees (labels, boxes, masks, classes), the raw numbers, and whether a frame's result depends on anything but the
frame: on its place in a batch, on what else is in the batch, on the run, on the worker.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from statistics import median
from typing import Any, Protocol

from engines.backends.base import Backend
from engines.checks import CHECKS, judge
from engines.machine import cpu_name
from engines.raw_outputs import RawOutputs, distance, same_bytes
from engines.verification import VERSION, Verification, grade_of, identity_of
from pipeline.errors import BackendError
from pipeline.types import Card, Inferred, Prepared

_KEPT = 4  # frames that are run again, in a batch and by all workers


class Comparison(Protocol):
    """Compares decoded results, frame by frame; pipeline.evaluation.comparing has one for each family."""

    def add(self, expected: Any, found: Any) -> float:
        """Count a frame; how far the two agree, 0..1."""
        ...

    def measures(self) -> Mapping[str, float]:
        """Keys of CHECKS to values over all frames; NaN where there was nothing to measure."""
        ...


def verify(
    backend: Backend,
    reference: Backend,
    frames: Iterable[Prepared],
    decode: Callable[[Inferred], Any],
    comparison: Comparison,
    *,
    card: Card,
    limits: Mapping[str, float],
    source: str,
    compared_with: str = "",
    watch: Callable[[int], None] = lambda done: None,
) -> Verification:
    """Run both on every frame and compare.

    Args:
        backend: what is judged; used from this thread, and from others where it has several workers.
        reference: see engines.backends.onnxruntime.open_exact.
        frames: taken one by one, their leases are released; a few are held until the end.
        decode: of the network's family.
        comparison: of decoded results.
        card: of the model that the backend runs.
        limits: see engines.checks.limits_for.
        source: of the frames, for people.
        compared_with: the reference, for people; "": its own detail.
        watch: is told how many frames are done.

    Raises:
        BackendError: there was not one frame.
        UserError: one of the two cannot run the network.
    """
    raw = RawOutputs()
    kept: list[Inferred] = []  # of the first frames, as the backend said them
    spans: list[tuple[float, float]] = []
    worst, worst_frame, size_hw, shapes = math.inf, None, (0, 0), 0
    different: set[bytes] = set()  # digests of inputs: the same picture once more proves no more
    with ExitStack() as held:
        for prepared in frames:
            with ExitStack() as lease:
                alike = not kept or kept[0].prepared.tensor.shape == prepared.tensor.shape  # rows of one batch
                keep = held if alike and len(kept) < _KEPT else lease
                if prepared.lease is not None:
                    keep.callback(prepared.lease.release)
                expected, reference_s = _timed(reference, prepared)
                found, backend_s = _timed(backend, prepared)
                size_hw = size_hw if spans else prepared.letterbox.network_hw
                spans.append((backend_s, reference_s))
                different.add(hashlib.blake2b(prepared.tensor.tobytes()).digest())
                if keep is held:
                    kept.append(found)
                comparable = raw.add(expected.arrays(), found.arrays())
                shapes += not comparable
                agreement = comparison.add(decode(expected), decode(found)) if comparable else 0.0
            if agreement < worst:
                worst, worst_frame = agreement, prepared.frame.index
            watch(len(spans))
        if not spans:
            raise BackendError(f"{source}: there is not one frame to verify on", hint="give a clip with frames")
        done = len(spans)
        measures = {
            "frames": float(len(different)),
            "other_shapes": float(shapes),
            **raw.measures(),
            **again(backend, kept),
        }
    measures |= comparison.measures()
    later = spans[1:] or spans  # the first run allocates and compiles
    return Verification(
        version=VERSION,
        model=card.path.name,
        sha256=card.sha256,
        reference=compared_with or reference.detail,
        backend=backend.name,
        identity=identity_of(backend),
        machine=cpu_name(),
        precision=grade_of(card, backend.precision),
        source=source,
        size_hw=size_hw,
        frames=done,
        worst_frame=worst_frame,
        worst_agreement=None if worst_frame is None else worst,
        backend_ms=median(ours for ours, _ in later) * 1e3,
        reference_ms=median(theirs for _, theirs in later) * 1e3,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        checks=tuple(judge(name, measures[name], limits.get(name)) for name in CHECKS if name in measures),
    )


def again(backend: Backend, before: Sequence[Inferred]) -> dict[str, float]:
    """Run frames again: alone, by all workers at once, and as rows of one batch.

    Args:
        before: results of the frames alone, one each.
    """
    prepared = [inferred.prepared for inferred in before]

    def repeats(_: int) -> list[bool]:
        return [
            same_bytes(_one(backend, one).arrays(), first.arrays())
            for one, first in zip(prepared, before, strict=True)
        ]

    if backend.workers > 1:
        with ThreadPoolExecutor(backend.workers) as pool:
            same = list(pool.map(repeats, range(backend.workers)))
    else:
        same = [repeats(0)]  # in this thread: it may own a context of the device
    other = sum(not all(of_frame) for of_frame in zip(*same, strict=True))
    size = max(backend.max_batch, len(prepared) + 1, 3)
    order = [row % len(prepared) for row in range(size - 1)] + [0]
    rows = [inferred.arrays() for inferred in backend.submit([prepared[index] for index in order]).result()]
    if len(rows) != size:
        return {
            "repeat": float(other),
            "batch_twins": float(size),
            "batch_order": float(size),
            "batch_rows": math.inf,
        }
    alone = [inferred.arrays() for inferred in before]
    twins = sum(not same_bytes(rows[row], rows[order.index(index)]) for row, index in enumerate(order))
    apart = [[distance(other_frame, row) for other_frame in alone] for row in rows]
    # Clearly nearer to another frame: two frames of a car that stands still are the same but for rounding.
    swapped = sum(min(all_) < all_[index] / 2 for all_, index in zip(apart, order, strict=True))
    own = max(all_[index] for all_, index in zip(apart, order, strict=True))
    return {"repeat": float(other), "batch_twins": float(twins), "batch_order": float(swapped), "batch_rows": own}


def _timed(backend: Backend, prepared: Prepared) -> tuple[Inferred, float]:
    began = time.perf_counter()
    inferred = _one(backend, prepared)
    inferred.arrays()  # what is computed where somebody looks is part of the network
    return inferred, time.perf_counter() - began


def _one(backend: Backend, prepared: Prepared) -> Inferred:
    (inferred,) = backend.submit([prepared]).result()
    return inferred
