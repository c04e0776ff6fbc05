"""`dashmask diff`: what two runs say differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.evaluation.difference import Difference, FrameDifference


def diff(
    a: Annotated[str, typer.Argument(metavar="A.jsonl", help="Records of a run.")],
    b: Annotated[str, typer.Argument(metavar="B.jsonl", help="Records of another one.")],
    tolerance: Annotated[
        str | None,
        typer.Option(
            metavar="0.01 or labels=0.01,...",
            help="How much may differ in the worst frame: one share for all, or one for each of frames, labels, "
            "objects, flips, masks, boxes, scores. Default: nothing.",
        ),
    ] = None,
    json: Annotated[str | None, typer.Option(metavar="OUT.json", help="Write all figures, frame by frame.")] = None,
) -> None:
    """Compare the records of two runs frame by frame: labels, objects, masks; times are not compared.

    Exit code 0: the same within the tolerance; 1: not; 2: a file is broken.

    Example: [bold]dashmask diff yesterday.jsonl today.jsonl --tolerance labels=0.02,frames=0.1[/bold]
    """
    from pathlib import Path

    import cv2

    from pipeline.cli.settings import output_path
    from pipeline.evaluation.difference import Difference, differences

    allowed, output = _tolerance(tolerance), output_path(json, a, b)
    cv2.setNumThreads(1)
    whole = Difference()
    frames = differences(Path(a), Path(b), whole)
    if output is None:
        for _ in frames:
            pass
    else:
        _write(output, frames, whole)
    beyond = whole.beyond(allowed)
    _say(whole, beyond)
    if beyond:
        raise typer.Exit(1)


def _tolerance(text: str | None) -> dict[str, float]:
    from pipeline.errors import ConfigError
    from pipeline.evaluation.difference import MEASURES

    allowed: dict[str, float] = {}
    for part in (text or "").split(",") if text else ():
        key, equals, value = (side.strip() for side in part.rpartition("="))
        names = MEASURES if not equals else (key,)
        try:
            share = float(value)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1 or not set(names) <= set(MEASURES):
            raise ConfigError(
                f"--tolerance {text}: {part!r} is no share", hint=f"0.01, or labels=0.01 with one of {_names()}"
            )
        allowed |= dict.fromkeys(names, share)
    return allowed


def _names() -> str:
    from pipeline.evaluation.difference import MEASURES

    return ", ".join(MEASURES)


def _write(path: Path, frames: Iterator[FrameDifference], whole: Difference) -> None:
    """The frames as they are compared, so that none is kept, and what they come to behind them."""
    import msgspec

    from pipeline.sinks.outputs import PartFile, unwritable

    part = PartFile(path)
    encode = msgspec.json.encode
    try:
        with part.path.open("wb") as file:
            file.write(b'{"per_frame": [')
            for number, frame in enumerate(frames):
                file.write((b",\n" if number else b"\n") + encode(frame._asdict()))
            file.write(b'\n],\n"whole": ' + encode(whole.report()) + b"}\n")
        part.publish(whole=True)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.discard()


def _say(whole: Difference, beyond: list[str]) -> None:
    from rich.console import Console

    from pipeline.cli.table import plain_table

    console = Console()

    def say(line: str) -> None:
        console.print(line, soft_wrap=True, highlight=False, markup=False)

    say(f"{whole.both} frames in both, {whole.only[0]} only in A, {whole.only[1]} only in B{_only(whole)}")
    if whole.elsewhere_first is not None:
        index, at_a, at_b = whole.elsewhere_first
        say(
            f"{whole.elsewhere} of them at another time, first frame {index}: at {at_a:.6g} s in A, {at_b:.6g} s "
            "in B. Frames are compared by their index: did both runs begin at the same one?"
        )
    if whole.first is None:
        say("no difference")
        return
    say(f"first difference: frame {whole.first}")
    table = plain_table("differs by, 0 to 1", "worst frame", "at frame", "mean", "", numbers_from=1)
    for name, value in whole.measures.items():
        total, count = whole.sums.get(name, (0.0, 0))
        at = whole.worst.get(name)
        verdict = "too much" if name in beyond else ""
        table.add_row(
            name, _figure(value), str(at[1]) if at else "", _figure(total / count) if count else "", verdict
        )
    console.print(table)
    if whole.named:
        worst = sorted(whole.named, reverse=True)
        say("least label IoU: " + ", ".join(f"frame {-frame} {1 - less:.4f}" for less, frame in worst))
    if whole.pixels:
        say(f"pixels with another label: {whole.changed_pixels} of {whole.pixels}")
    for (one, other), count in whole.flips.most_common(5):
        say(f"{count} times {one} became {other}")
    if whole.objects[0] or whole.objects[1]:
        console.print(_objects(whole))


def _only(whole: Difference) -> str:
    named = [
        f"{side}: {', '.join(map(str, frames))}{', ...' if count > len(frames) else ''}"
        for side, frames, count in zip("AB", whole.only_named, whole.only, strict=True)
        if count
    ]
    return f" ({'; '.join(named)})" if named else ""


def _objects(whole: Difference) -> Any:
    from rich.markup import escape

    from pipeline.cli.table import plain_table

    a, b = whole.objects
    table = plain_table("objects", "A", "B", "", numbers_from=1)
    for name in sorted(a.keys() | b.keys()):
        apart = b[name] - a[name]
        table.add_row(escape(name), str(a[name]), str(b[name]), f"{apart:+d}" if apart else "")
    return table


def _figure(value: float) -> str:
    return "0" if value == 0 else f"{value:.4f}" if value >= 1e-4 else f"{value:.1e}"
