"""`dashmask build`: a TensorRT plan of a network, ahead of its first use."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.progress import redraws

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from engines.build import Built
    from engines.build_graph import Batch

PLAIN_EVERY_S = 5.0


def build(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX network.")],
    precision: Annotated[
        str | None, typer.Option(metavar="fp32|fp16|int8", help="Default: what the network is.")
    ] = None,
    shapes: Annotated[
        str | None,
        typer.Option(metavar="WxH,...", help="Input sizes that the plan is made for; default: that of 16:9 footage."),
    ] = None,
    batch: Annotated[
        str, typer.Option(metavar="N,... or N-M", help="Frames at once: several numbers, or a range.")
    ] = "1",
    product: Annotated[str, typer.Option(metavar="auto|tensorrt|tensorrt-rtx", help="What builds it.")] = "auto",
    workspace_mib: Annotated[
        int | None,
        typer.Option(
            "--workspace-mib", metavar="N", help="GPU memory that a layer may use, MiB. Default: TensorRT's choice."
        ),
    ] = None,
    level: Annotated[
        int | None,
        typer.Option(
            metavar="0-5", help="0 builds fast, 5 searches longest for what runs fast. Default: TensorRT's choice."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE.plan", help="Default: where `run` finds it.")
    ] = None,
) -> None:
    """Build a network for TensorRT on this machine's GPU, or with TensorRT for RTX where there is none.

    Example: [bold]dashmask build yolo11n-seg.onnx --precision fp16 --shapes 640x384,640x640 --batch 1,4,8[/bold]
    """
    from engines.build import build as make
    from engines.card import find_card
    from pipeline.cli.progress import say
    from pipeline.config_file import config_dirs
    from pipeline.errors import ConfigError

    sizes, batches = shapes_hw(shapes), batch_sizes(batch)
    if out is not None and out.suffix.lower() != ".plan":
        raise ConfigError(f"--out {out}: expected a name that ends in .plan")
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}")
    if workspace_mib is not None and not 1 <= workspace_mib <= 1 << 20:
        raise ConfigError(f"--workspace-mib {workspace_mib}: expected a number of MiB, such as 1024")
    if level is not None and not 0 <= level <= 5:
        raise ConfigError(f"--level {level}: expected 0 to 5")
    card = find_card(model, card_dirs=[folder / "cards" for folder in config_dirs()])
    with _Bar() as bar:
        built = make(
            card,
            precision=precision,
            shapes_hw=sizes,
            batches=batches,
            product=product,
            workspace_mib=workspace_mib,
            optimisation_level=level,
            out=out,
            progress=bar.tell,
        )
    for note in built.notes:
        say(f"note: {note}")
    print(_line(built))


def shapes_hw(text: str | None) -> list[tuple[int, int]]:
    """`640x384,640x640` (widths and heights) -> [(384, 640), (640, 640)]; None -> none.

    Raises:
        ConfigError: it is written otherwise.
    """
    from pipeline.errors import ConfigError

    found = []
    for part in [] if text is None else text.lower().split(","):
        width, _, height = part.strip().partition("x")
        if not all(side.isascii() and side.isdecimal() and 0 < int(side) < 1 << 16 for side in (width, height)):
            raise ConfigError(f"--shapes {text}: expected widths and heights such as 640x384,640x640")
        found.append((int(height), int(width)))
    return found


def batch_sizes(text: str) -> list[Batch]:
    """`1,4,8` -> each of them; `1-8` -> any from 1 to 8, best at 8.

    Raises:
        ConfigError: it is written otherwise.
    """
    from pipeline.errors import ConfigError

    found = []
    for part in text.split(","):
        least, dash, most = (side.strip() for side in part.partition("-"))
        most = most if dash else least
        numbers = all(side.isascii() and side.isdecimal() and len(side) <= 4 for side in (least, most))
        if not numbers or not 1 <= int(least) <= int(most):
            raise ConfigError(f"--batch {text}: expected numbers such as 1,4,8 or a range such as 1-8")
        found.append((int(least), int(most)))
    return found


def _line(built: Built) -> str:
    """Where the plan is and what it is."""
    from engines.manifest import shapes_of
    from engines.plans import manifest_path

    about, path = built.plan.manifest, built.plan.path
    shapes = []
    for one in shapes_of(about):
        sides = [str(b) if a == b else f"{a}-{b}" for a, b in zip(one.least, one.most, strict=True)]
        shapes.append("x".join(sides))
    where = f" for {about.gpu}" if about.gpu else ""
    return (
        f"{path}: {about.product} {about.version}{where}, {about.options.precision}, input {', '.join(shapes)}, "
        f"{about.plan_bytes / 2**20:.1f} MiB; manifest {manifest_path(path)}"
    )


class _Bar:
    """A bar on a terminal, a line every few seconds elsewhere; on stderr."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None
        self._task: Any = None
        self._terminal = redraws()
        self._next_s = time.monotonic() + PLAIN_EVERY_S

    def __enter__(self) -> _Bar:
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(), TextColumn("{task.fields[phase]}"), TimeElapsedColumn())
            self._rich = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._rich.add_task("", total=1.0, phase="starting TensorRT")
            self._rich.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._rich is not None:
            self._rich.stop()

    def tell(self, phase: str, done: float) -> None:
        """What TensorRT is at, and how much of the whole is done, 0..1."""
        from pipeline.cli.progress import say

        if self._rich is not None:
            self._rich.update(self._task, completed=done, phase=phase)
        elif (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + PLAIN_EVERY_S
            say(f"{100 * done:.0f} %: {phase}")
