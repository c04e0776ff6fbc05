"""Measure cases one after the other, each with its models loaded for itself, into one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec

from pipeline.bench.case import run_case
from pipeline.bench.footage import open_footage
from pipeline.bench.gpu_meter import GpuMeter
from pipeline.bench.machine import machine, versions
from pipeline.bench.options import BenchOptions, Case, asked, label
from pipeline.config import Config
from pipeline.errors import ConfigError, UserError
from pipeline.networks import read_cards
from pipeline.trace import Trace

SCHEMA = "dashmask bench 1"
_MATTER = (  # what settings begin with that may change a figure
    *("source.start_s", "source.every", "backend.", "input.", "decode.", "track.", "render.", "flow."),
    *("output.codec", "output.crf", "output.preset"),
)


def bench(
    spec: str,
    cases: Sequence[Case],
    config: Config,
    options: BenchOptions,
    *,
    trace: Path | None = None,
    check: Callable[[Mapping[str, Any]], None] = lambda source: None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure every case.

    Args:
        spec: a recorded source.
        cases: at least one.
        config: what they have in common.
        options: how it is measured.
        trace: a file for each frame's way through the threads; of one case, and of the first stream.
        check: is told of the source, as the report has it, before anything is measured; may refuse it.
        say: is told how it goes on.

    Returns:
        The report, for JSON. A case that cannot run is in it with its reason. Ctrl-C ends it early, with what was
        measured by then: `interrupted`.

    Raises:
        UserError: a source or a model that is not there, or nothing that was asked for can run.
    """
    if trace is not None and len(cases) > 1:
        raise ConfigError(f"--trace takes one case, these are {len(cases)}", hint="give one model and one backend")
    for case in cases:  # what is missing shows before minutes are spent on the others
        read_cards(case.config(config, None))
    decode = not (options.scenario.paced or options.scenario.alone)
    footage = open_footage(spec, config, options.frames, decode=decode)
    if options.scenario.paced and options.fps is None and not footage.info.fps:
        raise ConfigError(f"{footage.info.name} does not say its frame rate", hint="give it with --fps")
    source = {
        "spec": footage.info.name,
        "size_hw": footage.info.size_hw,
        "fps": footage.info.fps,
        "codec": footage.info.codec,
        "reading": footage.told,
    }
    check(source)
    say(f"{footage.info.name}: {footage.told}")
    gpu = GpuMeter()
    measured: list[dict[str, Any]] = []
    errors: list[UserError] = []
    try:
        for number, (case, own) in enumerate(zip(cases, asked(cases), strict=True)):
            about = {"asked": own, "label": label(own)}
            say(f"case {number + 1} of {len(cases)}: {label(own)}")
            try:
                with Trace(trace) if trace is not None else nullcontext() as writer:
                    figures = run_case(case, footage, config, options, gpu, say, writer)
            except UserError as error:
                errors.append(error)
                say(f"  cannot run: {error}")
                measured.append({**about, "ok": False, "reason": str(error)})
                continue
            except KeyboardInterrupt:  # while a network is loaded: nothing runs yet that it could end
                if not any(one["ok"] for one in measured):
                    raise
                measured.append({**about, "ok": False, "interrupted": True})
                break
            measured.append({**about, "ok": bool(figures["windows"]), **figures})
            if figures["interrupted"]:
                break
    finally:
        gpu.close()
    if len(errors) == len(cases):
        raise errors[0] if len(errors) == 1 else _nothing(measured, errors[0])
    return {
        "schema": SCHEMA,
        "made": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(),
        "gpu_meter": gpu.reason or f"{gpu.name}, driver {gpu.driver}",
        "versions": versions(),
        "options": options.as_dict(),
        "settings": settings(config),
        "source": source,
        "interrupted": any(one.get("interrupted", False) for one in measured),
        "cases": measured,
    }


def settings(config: Config) -> dict[str, Any]:
    """What is set otherwise than by default, and may change a figure: `{"track.carry": 1}`."""
    own, usual = (_flat(msgspec.to_builtins(one)) for one in (config, Config()))
    return {
        key: value
        for key, value in own.items()
        if value != usual[key] and key.startswith(_MATTER) and key != "backend.name"
    }


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def _nothing(measured: Sequence[dict[str, Any]], first: UserError) -> UserError:
    reasons = "; ".join(f"{one['label']}: {one['reason']}" for one in measured)
    return type(first)(f"none of {len(measured)} cases can run: {reasons}")
