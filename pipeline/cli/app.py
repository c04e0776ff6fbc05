"""The table of subcommands."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command_name
from typer.models import CommandInfo

from pipeline.cli.bench import bench
from pipeline.cli.build import build
from pipeline.cli.config import config
from pipeline.cli.data import data
from pipeline.cli.diff import diff
from pipeline.cli.doctor import doctor
from pipeline.cli.eval import eval
from pipeline.cli.export import export
from pipeline.cli.export_predictions import export_predictions
from pipeline.cli.models import models
from pipeline.cli.nets import nets
from pipeline.cli.quantize import quantize
from pipeline.cli.replay import replay
from pipeline.cli.run import run
from pipeline.cli.score import score
from pipeline.cli.serve import serve
from pipeline.cli.stability import stability
from pipeline.cli.train import train
from pipeline.cli.tune import tune
from pipeline.cli.verify import verify
from pipeline.cli.web_option import WebCommand

app = typer.Typer(
    name="dashmask",
    help="Real-time video segmentation for driving footage: what is where on the road, in every frame, in time.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Begin with [bold]dashmask doctor[/bold] and [bold]dashmask run demo:frames=300 --save out.mp4[/bold].",
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS = {
    "Segment": (run, serve, replay),
    "Measure": (eval, bench, score, diff, stability, export_predictions),
    "Engines": (doctor, config, tune, build, verify, quantize),
    "Networks and data": (nets, train, export),
}
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(cls=WebCommand, rich_help_panel=panel)(command)
for group in (models, data):
    app.add_typer(group, rich_help_panel=panel)


def program(words: Sequence[str]) -> typer.Typer:
    """The program for these words. Typer builds every command that it knows, 30 ms: where the first word names one,
    it gets to know that one alone."""
    named = [info for info in app.registered_commands if words[:1] == [_name(info)]]
    if not named:
        return app
    alone = copy.copy(app)
    alone.registered_commands, alone.registered_groups = named, []
    return alone


def _name(info: CommandInfo) -> str:
    return info.name or get_command_name(getattr(info.callback, "__name__", ""))


def _version(asked: bool) -> None:
    if asked:
        from pipeline import __version__

        print(f"dashmask {__version__}")
        raise typer.Exit


@app.callback()
def _dashmask(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
