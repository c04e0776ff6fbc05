"""Measure cases one after the other, each with its models loaded for itself, into one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engines.embedded import BEST
from pipeline.bench.case import run_case
from pipeline.bench.footage import open_footage
from pipeline.bench.gpu_meter import GpuMeter
from pipeline.bench.machine import machine, versions
from pipeline.bench.options import BenchOptions, Case
from pipeline.config import Config
from pipeline.errors import ConfigError, SinkError, UserError
from pipeline.networks import read_cards
from pipeline.trace import Trace

SCHEMA = "dashmask bench 1"


def bench(
    spec: str,
    cases: Sequence[Case],
    config: Config,
    options: BenchOptions,
    *,
    trace: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure every case.

    Args:
        spec: a recorded source.
        cases: at least one.
        config: what they have in common.
        options: how it is measured.
        trace: a file for each frame's way through the threads; of one case, and of the first stream.
        say: is told how it goes on.

    Returns:
        The report, for JSON. A case that cannot run is in it with its reason. Ctrl-C ends it early: `interrupted`.

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
    say(f"{footage.info.name}: {footage.told}")
    gpu = GpuMeter()
    measured: list[dict[str, Any]] = []
    errors: list[UserError] = []
    try:
        for number, case in enumerate(cases):
            say(f"case {number + 1} of {len(cases)}: {label(case)}")
            about = {"asked": asked(case), "label": label(case)}
            writer = Trace(trace) if trace is not None else None
            try:
                figures = run_case(case, footage, config, options, gpu, say, writer)
            except SinkError:
                raise
            except UserError as error:
                errors.append(error)
                say(f"  cannot run: {error}")
                measured.append({**about, "ok": False, "reason": str(error)})
                continue
            finally:
                if writer is not None:
                    writer.close()
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
        "source": {
            "spec": footage.info.name,
            "size_hw": footage.info.size_hw,
            "fps": footage.info.fps,
            "codec": footage.info.codec,
            "reading": footage.told,
        },
        "interrupted": any(one.get("interrupted", False) for one in measured),
        "cases": measured,
    }


def label(case: Case) -> str:
    """For people: `yolo11n-seg, openvino, 640`."""
    names = " + ".join(Path(model).stem for model in case.models or (BEST,))
    size = "" if case.long_side is None else f", {case.long_side} px"
    return f"{names}, {case.backend}{size}"


def asked(case: Case) -> dict[str, Any]:
    """What tells a case from another, for JSON."""
    return {
        "models": [Path(model).stem for model in case.models or (BEST,)],
        "backend": case.backend,
        "long_side": case.long_side,
    }


def _nothing(measured: Sequence[dict[str, Any]], first: UserError) -> UserError:
    reasons = "; ".join(f"{one['label']}: {one['reason']}" for one in measured)
    return type(first)(f"none of {len(measured)} cases can run: {reasons}")
