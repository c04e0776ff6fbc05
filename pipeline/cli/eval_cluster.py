"""`dashmask eval --engine ray`: the same figures, from many machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Config
    from pipeline.evaluation.labelled import Wanted
    from pipeline.replay.engines import Crew


def check_engine(name: str, crew: Crew, refused: Mapping[str, object]) -> bool:
    """Whether it is a cluster; ConfigError for what the engine does not have."""
    from pipeline.errors import ConfigError
    from pipeline.replay.engines import Crew as Anyone
    from pipeline.replay.engines import engine_maker

    engine_maker(name, crew)
    if name == "local":
        if crew != Anyone():
            raise ConfigError("--workers is of Ray: here the networks share the cores", hint="add --engine ray")
        return False
    for option, value in refused.items():
        if value:
            raise ConfigError(f"{option} needs all images in one place", hint="leave --engine ray out")
    return True


def evaluated(
    wanted: Wanted, config: Config, crew: Crew, mappings: Sequence[str], boundaries: bool, output: Path | None
) -> None:
    """Score on the cluster: the tables, and the JSON."""
    from rich.console import Console

    from pipeline.cli.eval_table import lines, tables
    from pipeline.evaluation.on_ray import evaluate_on_ray
    from pipeline.report import write_report

    what = evaluate_on_ray(wanted, config, crew, mappings, boundaries)
    if output is not None:
        write_report(output, what)
    console = Console()
    for table in tables(what):
        console.print(table)
    for line in lines(what):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
