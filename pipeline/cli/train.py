"""`dashmask train`: a network from labelled pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.progress import redraws

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PLAIN_EVERY_S = 30.0


def train(
    config: Annotated[
        str,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="A file, or one that comes along: folders, roadnet-camvid, enet-camvid ...",
        ),
    ],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="a.b=c", help="Set one key over the file, such as roots.camvid=DIR; may be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where weights, curves and the state go. Default: runs/NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from DIR/state.pt, exactly.")] = False,
    until: Annotated[int | None, typer.Option(metavar="EPOCH", help="Pause after this epoch.", min=1)] = None,
) -> None:
    """Train a network; weights, curves and a state to resume from go into a folder.

    Example: [bold]dashmask train --config enet-camvid --set roots.camvid=data/CamVid[/bold]
    """
    from rich.console import Console
    from rich.markup import escape

    from engines.model_file import write_model
    from pipeline.cli.progress import say
    from pipeline.cli.table import plain_table
    from pipeline.config_file import dump
    from pipeline.errors import ConfigError
    from pipeline.workbench.train_config import load_train_config
    from pipeline.workbench.training import train as run

    wanted = load_train_config(config, sets or ())
    folder = out or Path(wanted.out or f"runs/{wanted.name}")
    if not resume and (folder / "state.pt").exists():
        raise ConfigError(f"{folder} holds a training already", hint="--resume goes on with it; --out takes another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error}", hint="--out takes another folder") from error
    write_model(dump(wanted).encode(), folder / "config.yaml")  # whole: that of before is kept where there is no room
    try:
        with _Show() as show:
            trained = run(wanted, folder, resume=resume, until=until, watch=show, say=say)
    except KeyboardInterrupt:
        say(f"stopped; --resume goes on after the last whole epoch, in {folder}")
        raise typer.Exit(130) from None
    scored = [row for row in trained.rows if "val_mean_iou" in row]
    if scored:
        best = max(scored, key=lambda row: row["val_mean_iou"])
        table = plain_table("class", "IoU")
        prefix = "val_iou_"
        for key, value in best.items():
            if key.startswith(prefix):
                table.add_row(escape(key.removeprefix(prefix)), f"{value:.3f}")
        table.add_row("mean", f"{best['val_mean_iou']:.3f}")
        Console().print(table)
        say(f"best mean IoU {trained.best_mean_iou:.3f} in epoch {trained.best_epoch} of {trained.epochs}")
    if trained.stopped_early:
        say("stopped early: validation no longer rose")
    elif trained.epochs < wanted.epochs:
        say(f"paused after {trained.epochs} of {wanted.epochs} epochs; --resume goes on")
    say(f"kept in {trained.checkpoint}")


class _Show:
    """A bar on a terminal; elsewhere a line every half minute and one per epoch. Implements loop.Watch."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: Any = None
        self._terminal = redraws()
        self._next_s = time.monotonic() + PLAIN_EVERY_S

    def __enter__(self) -> _Show:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
        """A batch is done."""
        if self._terminal:
            self._draw(epoch, epochs, step, steps, loss)
        elif time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + PLAIN_EVERY_S
            self._say(f"epoch {epoch + 1} of {epochs}, batch {step} of {steps}, loss {loss:.3f}")

    def epoch(self, row: Mapping[str, float], epochs: int, best: bool) -> None:
        """An epoch is done, its state kept."""
        scores = [
            f"{key.removesuffix('_mean_iou')} {value:.3f}" for key, value in row.items() if key.endswith("mean_iou")
        ]
        told = f", mean IoU {', '.join(scores)}{' best' if best else ''}" if scores else ""
        took = f"{row['epoch_s']:.0f} s, of it data {row['data_s']:.0f} s"
        self._say(f"epoch {row['epoch']:.0f} of {epochs}: loss {row['loss']:.4f}{told}, {took}")
        self._next_s = time.monotonic() + PLAIN_EVERY_S

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _draw(self, epoch: int, epochs: int, step: int, steps: int, loss: float) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            told = TextColumn("epoch {task.fields[epoch]} loss {task.fields[loss]}")
            columns = (told, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4)
            self._task = self._bar.add_task("", total=steps, epoch="", loss="")
            self._bar.start()
        of = f"{epoch + 1}/{epochs}"
        self._bar.update(self._task, completed=step, total=steps, epoch=of, loss=f"{loss:.3f}")
