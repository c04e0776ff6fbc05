"""What `dashmask bench` says on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.cli.table import plain_table

if TYPE_CHECKING:
    from rich.table import Table

_LEAST_NAME = 16  # columns of the screen
_THREADS = 6  # so many are named a case; the JSON names all


def table(report: Mapping[str, Any]) -> Table:
    """A line for each case: how fast, with the interval of 95 % below it, and how late."""
    from rich.markup import escape

    cases = [case for case in report["cases"] if case["ok"]]
    percents = [name for name in ("p50", "p90", "p99", "p99.9") if any(case["age_ms"][name] for case in cases)]
    efficient = any("efficiency" in case for case in cases)
    dropping = any(case["frames"]["dropped"] for case in cases)
    heads = ("case", "frames/s", "network\nalone", *(["share\nof it"] if efficient else []))
    made = plain_table(
        *heads, *(f"age ms\n{name}" for name in percents), *(["dropped"] if dropping else []), numbers_from=1
    )
    for case in report["cases"]:
        if not case["ok"]:
            made.add_row(escape(case["label"]), "[red]-[/red]")
            continue
        cells = [
            _with_interval(case["fps"], case["fps_interval"], "{:.1f}"),
            _number(case.get("network_alone", {}).get("fps"), "{:.1f}"),
        ]
        if efficient:
            cells.append(_efficiency(case))
        cells += [_ms(case["age_ms"][name]) for name in percents]
        if dropping:
            dropped = sum(case["frames"]["dropped"].values())
            cells.append(f"{dropped} of\n{case['frames']['in']}" if dropped else "0")
        made.add_row(escape(case["label"]), *cells)
    return _whole_numbers(made)


def machine_table(report: Mapping[str, Any]) -> Table:
    """A line for each case: what ran, and what it took of the machine."""
    from rich.markup import escape

    made = plain_table("case", "runs on", "input", "CPU ms\na frame", "peak MB", "other\nload", numbers_from=2)
    for case in report["cases"]:
        if not case["ok"]:
            made.add_row(escape(case["label"]), "[red]cannot run, see below[/red]")
            continue
        load = case["other_load"]
        share = f"{load['share'] * 100:.0f} %"
        made.add_row(
            escape(case["label"]),
            escape(" + ".join(f"{net['backend']} {net['precision']}" for net in case["networks"])),
            " + ".join("/".join(f"{w}x{h}" for h, w in net["input_hw"]) for net in case["networks"]),
            f"{case['cpu']['cpu_ms_a_frame']:.1f}",
            _number(case.get("memory_mb", {}).get("peak"), "{:.0f}"),
            f"[bold red]{share} !![/bold red]" if load["over"] else share,
        )
    return _whole_numbers(made)


def _whole_numbers(table: Table) -> Table:
    """What is set to the right is never broken over lines."""
    for column in table.columns:
        column.no_wrap = column.justify == "right"
    table.columns[0].min_width = _LEAST_NAME
    return table


def stages_table(report: Mapping[str, Any]) -> Table:
    """Where a frame's time goes: work of each stage and the wait before it, medians."""
    from rich.markup import escape

    cases = [case for case in report["cases"] if case["ok"]]
    stages = list(dict.fromkeys(stage for case in cases for stage in case["stages"]))
    made = plain_table("ms a frame: work\n(wait before it)", *stages, numbers_from=1)
    for case in cases:
        cells = []
        for stage in stages:
            times = case["stages"].get(stage)
            if times is None:
                cells.append("")
                continue
            waited = times["waiting_ms"]
            cells.append(_typical(times["service_ms"]) + (f"\n({_typical(waited)})" if waited else ""))
        made.add_row(escape(case["label"]), *cells)
    return _whole_numbers(made)


def lines(report: Mapping[str, Any]) -> list[str]:
    """What the tables do not say."""
    options, source = report["options"], report["source"]
    streams = f", {options['streams']} streams" if options["streams"] > 1 else ""
    said = [
        f"{options['scenario']}{streams}: {options['means']}; up to the {_END[options['output']]}",
        f"{source['spec']}: {source['reading']}",
    ]
    if settings := report["settings"]:
        said.append(f"set otherwise than usual: {', '.join(f'{key}={value}' for key, value in settings.items())}")
    for case in report["cases"]:
        said += [f"{case['label']}:", *(f"  {line}" for line in _about(case))]
    machine = report["machine"]
    said.append(f"{machine['cpu']}, {machine['cores']} cores, governor {machine['governor']}; {_gpu(report)}")
    return said


_END = {"video": "encoded picture", "picture": "drawn picture", "scene": "scene, nothing drawn"}


def _about(case: Mapping[str, Any]) -> list[str]:
    if not case["ok"]:
        return [f"cannot run: {case['reason']}" if "reason" in case else "stopped before anything was measured"]
    said = [case["warm_up"]["said"]]
    if refused := case["age_ms"]["refused"]:
        said.append(f"{', '.join(refused)} ({case['age_ms']['samples']} frames)")
    if (busy := case.get("network_alone", {}).get("busy_share")) is not None:
        said.append(f"the frames that were due for it are {busy * 100:.0f} % of what the network alone can do")
    frames = case["age_ms"]["samples"]
    looked = case["stages"]["infer"]["service_ms"]["samples"] if "infer" in case["stages"] else frames
    if looked < frames:
        said.append(f"the networks looked at {looked} of {frames} frames; what they found was carried to the others")
    if drops := case["frames"]["dropped"]:
        said.append(f"dropped: {', '.join(f'{count} {cause}' for cause, count in drops.items())}")
    threads = list(case["cpu"]["threads_ms_a_frame"].items())[:_THREADS]
    said.append(f"CPU ms a frame: {', '.join(f'{name} {ms:.2f}' for name, ms in threads)}")
    if own := case.get("own_overhead"):
        said.append(
            f"without the network: {own['cpu_ms_a_frame']:.2f} ms of CPU a frame, {own['fps']:.0f} frames/s, "
            f"mean age {own['age_ms_mean']:.1f} ms"
        )
    if gpu := case.get("gpu"):
        said.append(f"GPU: {', '.join(f'{name} {value:g}' for name, value in gpu.items())}")
    load = case["other_load"]
    if load["over"]:
        said.append(
            f"warning: other work took {load['share'] * 100:.0f} % of the machine meanwhile "
            f"(over {load['limit'] * 100:.0f} %): these figures are not only ours"
        )
    return said


def _gpu(report: Mapping[str, Any]) -> str:
    gpu = report["machine"]["gpu"]
    return f"{gpu}; {report['gpu_meter']}" if gpu else f"no GPU figures: {report['gpu_meter']}"


def _efficiency(case: Mapping[str, Any]) -> str:
    efficiency = case.get("efficiency")
    return "-" if efficiency is None else _with_interval(efficiency["value"], efficiency, "{:.2f}")


def _with_interval(value: float | None, interval: Mapping[str, Any] | None, form: str) -> str:
    if value is None:
        return "-"
    if interval is None:
        return form.format(value)
    return f"{form.format(value)}\n{form.format(interval['low'])} to {form.format(interval['high'])}"


def _typical(times: Mapping[str, Any]) -> str:
    return _ms(times["p50"] if times["p50"] is not None else times["mean"])


def _ms(milliseconds: float | None) -> str:
    return _number(milliseconds, "{:.1f}")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
