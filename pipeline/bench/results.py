"""From measured windows to the figures of a case, as its JSON holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, TypeVar

from pipeline.bench.ceiling import Ceiling
from pipeline.bench.gpu_meter import over_time
from pipeline.bench.interval import mean_interval, ratio_interval
from pipeline.bench.stream import Seen
from pipeline.bench.tally import Tally, percentiles
from pipeline.bench.usage import OTHER_LIMIT, Spent
from pipeline.bench.warming import Warming
from pipeline.networks import Network
from pipeline.timing import Distribution

Window = dict[str, Any]
Number = TypeVar("Number", int, float)


def window_of(
    seen: Sequence[Seen],
    used: Spent,
    gpu_before: Mapping[str, float] | None,
    gpu_after: Mapping[str, float] | None,
) -> Window:
    """One window of all streams; times in milliseconds where their name says so, else in seconds."""
    ages = [one.done_s - one.due_s for stream in seen for one in stream.came]
    rates = [stream.fps for stream in seen]
    window: Window = {
        "seconds": round(used.wall_s, 4),
        "frames_in": sum(stream.given for stream in seen),
        "frames_out": len(ages),
        "dropped": _summed(stream.drops for stream in seen),
        "fps": None if None in rates else round(sum(rate for rate in rates if rate is not None), 4),
        "age_ms_mean": round(fmean(ages) * 1e3, 4),
        "cpu_s": round(used.own_s, 5),
        "threads_s": {name: round(cpu_s, 5) for name, cpu_s in sorted(used.threads_s.items())},
        "other_load": round(used.other_share, 4),
    }
    if len(seen) > 1:
        window["streams_fps"] = [None if rate is None else round(rate, 4) for rate in rates]
    if gpu := over_time(gpu_before, gpu_after):
        window["gpu"] = gpu
    return window


def alone(ceiling: Ceiling, used: Spent) -> dict[str, Any]:
    """One window of the network alone."""
    times = Distribution()
    for latency_s in ceiling.latencies_s:
        times.add(latency_s)
    return {
        "fps": round(ceiling.fps, 4),
        "latency_ms": percentiles(times),
        "cpu_s": round(used.own_s, 5),
        "other_load": round(used.other_share, 4),
    }


def figures(
    nets: Sequence[Network], warming: Warming, windows: Sequence[Window], tally: Tally, due_fps: float | None
) -> dict[str, Any]:
    """All that a case comes to.

    Args:
        due_fps: frames a second that were due on all streams together; None: they had no pace of their own.
    """
    of = "frames a second" if due_fps is None else "mean age, ms"
    what: dict[str, Any] = {"networks": [_network(net) for net in nets], "warm_up": warming.as_dict(of)}
    what |= {"windows": list(windows)}
    if not windows:
        return what
    rates = [window["fps"] for window in windows if window["fps"]]
    frames = sum(window["frames_out"] for window in windows)
    dropped = _summed(window["dropped"] for window in windows)
    interval = mean_interval(rates)
    what |= {
        "frames": {"in": sum(w["frames_in"] for w in windows), "out": frames, "dropped": dropped},
        "fps": round(fmean(rates), 4) if rates else None,
        "fps_interval": interval.as_dict() if interval else None,
        **tally.as_dict(),
        "cpu": _cpu(windows, frames),
        "other_load": other_load(windows),
    }
    if due_fps is not None:
        what["due_fps"] = round(due_fps, 4)
    if gpus := [window["gpu"] for window in windows if "gpu" in window]:
        what["gpu"] = {name: round(fmean(gpu[name] for gpu in gpus if name in gpu), 2) for name in gpus[-1]}
    if ceilings := [window["alone"]["fps"] for window in windows if "alone" in window]:
        what["network_alone"] = {"fps": round(fmean(ceilings), 4)}
        latencies = [window["alone"]["latency_ms"]["p50"] for window in windows]
        what["network_alone"]["latency_ms_p50"] = _mean_of(latencies)
        if due_fps is not None:
            what["network_alone"]["busy_share"] = round(due_fps * tally.looked_share / fmean(ceilings), 4)
        elif len(rates) == len(ceilings) and (efficiency := ratio_interval(rates, ceilings, paired=True)):
            what["efficiency"] = efficiency.as_dict()
    return what


def overhead(windows: Sequence[Window]) -> dict[str, Any]:
    """What is left where the network answers at once."""
    frames = sum(window["frames_out"] for window in windows)
    rates = [window["fps"] for window in windows if window["fps"]]
    if not frames or not rates:
        return {}
    return {
        "means": "the same stages behind a network that answers at once what the real one said of one frame",
        "fps": round(fmean(rates), 3),
        "age_ms_mean": round(fmean(window["age_ms_mean"] for window in windows), 4),
        **_cpu(windows, frames),
    }


def other_load(windows: Sequence[Window]) -> dict[str, Any]:
    """What others took of the machine while the pipeline ran, as a share of all cores."""
    shares = [window["other_load"] for window in windows]
    mean = fmean(shares)
    return {
        "share": round(mean, 4),
        "most": max(shares),
        "limit": OTHER_LIMIT,
        "over": mean > OTHER_LIMIT,
    }


def _cpu(windows: Sequence[Window], frames: int) -> dict[str, Any]:
    """CPU time a frame, milliseconds: of all threads together, and of each."""
    threads = _summed(window["threads_s"] for window in windows)
    total_s = sum(window["cpu_s"] for window in windows)
    each = {name: round(cpu_s / frames * 1e3, 4) for name, cpu_s in sorted(threads.items(), key=lambda one: -one[1])}
    return {"cpu_ms_a_frame": round(total_s / frames * 1e3, 4), "threads_ms_a_frame": each}


def _network(net: Network) -> dict[str, Any]:
    backend, card = net.selection.backend, net.card
    return {
        "name": card.name,
        "sha256": card.sha256,
        "licence": card.licence,
        "backend": backend.name,
        "detail": backend.detail,
        "precision": backend.precision,
        "workers": backend.workers,
        "threads": backend.threads,
        "slots": backend.slots,
        "max_batch": backend.max_batch,
        "way": backend.way,
        "input_hw": [list(size) for size in net.network_sizes],
        "tried": [{"name": t.name, "ok": t.ok, "reason": t.reason} for t in net.selection.tried],
        "notes": [*net.selection.notes, *getattr(backend, "notes", ())],
        "accuracy": card.details.get("accuracy"),
    }


def _summed(parts: Iterable[Mapping[str, Number]]) -> dict[str, Number]:
    """For each name its numbers of all parts together."""
    whole: dict[str, Number] = {}
    for part in parts:
        for name, number in part.items():
            whole[name] = whole[name] + number if name in whole else number
    return whole


def _mean_of(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 4) if known else None
