"""`dashmask tune`: measure what runs a network fastest here, and keep the answer."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.options import IMGSZ


def tune(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX network.")],
    seconds: Annotated[float, typer.Option(metavar="S", help="How long to measure.")] = 20.0,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Of the footage; default 1280x720.")] = None,
    imgsz: IMGSZ = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Measure in bf16, where a backend has it.")] = False,
) -> None:
    """Measure backends, workers and threads for a network on this machine; `run` then uses the best.

    Example: [bold]dashmask tune yolo11n-seg.onnx --seconds 20[/bold]
    """
    from rich.console import Console

    from engines.backends.base import crew
    from engines.card import find_card
    from engines.tune import tune as measure
    from pipeline.cli.progress import say
    from pipeline.cli.table import plain_table
    from pipeline.config import InputConfig
    from pipeline.config_file import config_dirs
    from pipeline.errors import ConfigError
    from pipeline.networks import input_for
    from pipeline.placement import network_size

    if not 0 < seconds < float("inf"):
        raise ConfigError(f"--seconds {seconds:g}: nothing can be measured in that time", hint="for instance 20")
    card = find_card(model, card_dirs=[folder / "cards" for folder in config_dirs()])
    shape_hw = network_size(_size_hw(size), input_for(card, InputConfig(long_side=imgsz)))
    result = measure(card, shape_hw, seconds, precision="bf16" if bf16 else "f32", say=say)
    table = plain_table("backend", "workers", "threads each", "fps", "spread fps", "latency ms")
    for row in result.rows:
        figures = (f"{row.fps:.1f}", f"{row.spread_fps:.1f}", f"{row.latency_ms:.1f}")
        table.add_row(row.backend, str(row.workers), str(row.threads), *figures)
    Console().print(table)
    for reason in result.passed_over:
        say(f"not measured: {reason}")
    best = result.best
    what = f"{best.backend}, {crew(best.workers, best.threads)}"
    why = "" if best == result.rows[0] else "; as usual, for nothing was clearly faster"
    say(f"for inputs of {shape_hw[1]}x{shape_hw[0]}, `run` takes {what}{why} ({result.stored})")


def _size_hw(size: str | None) -> tuple[int, int]:
    from pipeline.errors import ConfigError

    if size is None:
        return 720, 1280
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f"--size {size}: expected WIDTHxHEIGHT", hint="for instance 1280x720")
    return int(height), int(width)
