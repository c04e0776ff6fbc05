"""`dashmask verify`: compare a backend with the reference before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import IMGSZ

if TYPE_CHECKING:
    from rich.table import Table

    from engines.verification import Verification


def verify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX network.")],
    backend: Annotated[
        str, typer.Option(metavar="NAME", help="Which backend; auto: the one that `run` would take.")
    ] = "auto",
    precision: Annotated[str, typer.Option(metavar="f32|bf16", help="In which the backend computes.")] = "f32",
    source: Annotated[
        str, typer.Option(metavar="CLIP|demo", help="Frames to compare on: a clip of yours, or a drawn drive.")
    ] = "demo",
    frames: Annotated[int, typer.Option(metavar="N", help="How many, spread over the clip.")] = 24,
    reference: Annotated[
        str | None,
        typer.Option(metavar="FLOAT.onnx", help="Compare with this model; default: the one it was quantized from."),
    ] = None,
    imgsz: IMGSZ = None,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write the record.")] = None,
) -> None:
    """Compare a backend with the ONNX Runtime fp32 reference on real frames; exit code 1 where it differs too much.

    `run` uses OpenVINO in bf16, int8 models and GPU engines only after they have passed here.

    Example: [bold]dashmask verify yolo11n-seg.onnx --backend openvino --precision bf16 --source drive.mp4[/bold]
    """
    from typing import cast, get_args

    import cv2
    from rich.console import Console
    from rich.markup import escape

    from engines.backends.base import Precision
    from engines.verification import to_plain
    from pipeline.cli.progress import say
    from pipeline.cli.settings import output_path
    from pipeline.errors import ConfigError
    from pipeline.report import write_report
    from pipeline.workbench.sampling import DRAWN
    from pipeline.workbench.verifying import Wanted, verify_model

    known = get_args(Precision)
    if precision not in known:
        raise ConfigError(f"--precision {precision}: expected {' or '.join(known)}")
    if frames < LEAST_FRAMES:
        raise ConfigError(f"--frames {frames}: expected {LEAST_FRAMES} or more, fewer prove nothing")
    output = output_path(json, model, source)
    cv2.setNumThreads(1)
    wanted = Wanted(
        model,
        backend,
        cast(Precision, precision),
        DRAWN if source == "demo" else source,
        frames,
        imgsz,
        reference,
    )
    every = max(1, frames // 4)
    outcome = verify_model(wanted, lambda done, of: say(f"{done} of {of} frames") if done % every == 0 else None)
    found = outcome.verification
    console = Console()
    print_verification(console, found, outcome.backend_detail)
    if output is not None:
        write_report(output, {"passed": found.passed, **to_plain(found)})
    console.print(escape(f"record {outcome.stored}"), soft_wrap=True, highlight=False)
    if not found.passed:
        raise typer.Exit(1)


LEAST_FRAMES = 8


def print_verification(console: Any, found: Verification, detail: str) -> None:
    """The table of checks, and the verdict."""
    from rich.markup import escape

    height, width = found.size_hw
    for line in (
        f"{found.model} on {detail}",
        f"against {found.reference}",
        f"on {found.frames} frames of {found.source}, input {width}x{height}; limits for {found.precision}",
    ):
        console.print(escape(line), soft_wrap=True, highlight=False)
    console.print(checks_table(found))
    if found.worst_frame is not None and found.worst_agreement is not None and found.worst_agreement < 1:
        console.print(f"worst frame: {found.worst_frame}, {found.worst_agreement * 100:.2f} % agree", highlight=False)
    if found.backend_ms is not None and found.reference_ms is not None:
        console.print(f"{found.backend_ms:.1f} ms a frame, reference {found.reference_ms:.1f} ms", highlight=False)
    for sentence in found.failures:
        console.print(f"[red]failed[/red] {escape(sentence)}", soft_wrap=True, highlight=False)
    verdict = "[green]verified[/green]" if found.passed else "[red]not verified[/red]"
    console.print(f"{verdict}: {escape(found.backend)} {found.precision}", highlight=False)


def checks_table(found: Verification) -> Table:
    """Measured value, limit and verdict of every check."""
    from engines.checks import CHECKS, shown
    from pipeline.cli.table import plain_table

    table = plain_table("check", "measured", "limit", "", numbers_from=1)
    for check in found.checks:
        kind = CHECKS[check.name]
        measured = "-" if check.measured is None else shown(check.name, check.measured)
        sense = "≥" if kind.sense == "least" else "≤"
        limit = "" if check.limit is None else f"{sense} {shown(check.name, check.limit)}"
        sign = "" if check.limit is None else "[green]pass[/green]" if check.passed else "[red]FAIL[/red]"
        table.add_row(kind.title, measured, limit, sign)
    return table
