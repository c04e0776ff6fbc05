"""`dashmask nets`: the networks that can be trained, and what they cost."""

from __future__ import annotations

from typing import Annotated

import typer

SIZE_HW = (360, 640)


def nets(
    classes: Annotated[int, typer.Option(metavar="N", help="Classes of the last layer.")] = 11,
) -> None:
    """Show the networks of our own that can be trained: parameters, operations, stride.

    Example: [bold]dashmask nets --classes 19[/bold]
    """
    from importlib.util import find_spec

    from rich.console import Console

    from pipeline.errors import ConfigError

    if find_spec("torch") is None:
        raise ConfigError(
            "what is trained is made with torch, which is not here", hint="pip install 'dashmask[train]'"
        )

    from engines.nets import NETS, build_net
    from engines.nets.cost import cost
    from pipeline.cli.table import plain_table

    table = plain_table("network", "parameters", "GFLOP", "stride", "what it is", numbers_from=1)
    table.columns[4].justify = "left"
    for name in NETS:
        net = build_net(name, classes)
        price = cost(net, SIZE_HW)
        about = (type(net).__doc__ or "").strip().partition("\n")[0]
        table.add_row(name, f"{price.parameters:,}", f"{price.gflop:.2f}", str(net.stride), about)
    console = Console()
    console.print(table)
    console.print(
        f"GFLOP: thousand million operations for one picture of {SIZE_HW[1]}x{SIZE_HW[0]}, {classes} classes; "
        "a multiplication with addition counts as 2; convolutions only. Sides of the input are multiples of stride.",
        soft_wrap=True,
    )
