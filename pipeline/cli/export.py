"""`dashmask export`: a checkpoint to an ONNX file with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A .safetensors file of `dashmask train`, a .pt file of Ultralytics, or a name such as yolo11n-seg.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="OUT.onnx", help="Default: the checkpoint's name, here.")
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH|free", help="The one input size, or any.")] = "free",
    precision: Annotated[str, typer.Option(metavar="fp32|fp16", help="Of weights and arithmetic.")] = "fp32",
    logits: Annotated[
        bool, typer.Option("--logits", help="Give logits instead of labels; networks of ours.")
    ] = False,
) -> None:
    """Export a trained network as ONNX, ready to run, with its card inside.

    Example: [bold]dashmask export roadnet.safetensors --out roadnet.onnx --size 640x368[/bold]
    """
    from rich.console import Console
    from rich.markup import escape

    from engines.card import read_card
    from engines.export_ultralytics import export_ultralytics, is_ultralytics_name, named_model
    from pipeline.cli.table import size_of
    from pipeline.errors import ConfigError, ModelError

    size_hw = _size_hw(size)
    if precision not in ("fp32", "fp16"):
        raise ConfigError(f"--precision {precision}: expected fp32 or fp16")
    path = Path(checkpoint).expanduser()
    target = out or Path(f"{path.stem}.onnx")
    if target.suffix.lower() != ".onnx":
        raise ConfigError(f"--out {target}: expected a name that ends in .onnx")
    if not target.parent.is_dir():
        raise ConfigError(f"--out {target}: there is no folder {target.parent}")
    named = not path.exists() and is_ultralytics_name(checkpoint)
    if logits and (named or path.suffix.lower() == ".pt"):
        raise ConfigError("--logits: networks of Ultralytics have no labels to leave out", hint="leave --logits out")
    if named:
        if precision != "fp32":
            raise ConfigError(f"--precision {precision}: networks of Ultralytics are exported in fp32")
        made = named_model(checkpoint, size_hw=size_hw)
        target.write_bytes(made.read_bytes())
    elif path.suffix.lower() == ".safetensors":
        _export_ours(path, target, size_hw, precision, logits)
    elif path.suffix.lower() == ".pt":
        export_ultralytics(path, target, size_hw=size_hw, precision=precision)
    else:
        raise ModelError(
            f"{path}: expected a .safetensors file of `dashmask train`, a .pt file of Ultralytics, or a name such as "
            "yolo11n-seg",
            hint="networks that come with the package are ONNX already: run them by their names",
        )
    card = read_card(target)
    outputs = ", ".join(f"{output.name} {output.dtype}" for output in card.outputs)
    console = Console()
    console.print(
        f"{escape(str(target))}: {card.family}, {len(card.classes)} classes, "
        f"input {card.input.dtype}, {size_of(card.input)}, output {outputs}; licence: {escape(card.licence)}",
        soft_wrap=True,
    )


def _export_ours(path: Path, out: Path, size_hw: tuple[int, int] | None, precision: str, logits: bool) -> None:
    from pipeline.errors import ModelError

    if not path.is_file():
        raise ModelError(f"{path}: there is no such file")
    try:
        from engines.training.checkpoint import load_checkpoint
    except ImportError as error:
        raise ModelError(
            f"{path}: {error}, which is needed to read it", hint="pip install torch safetensors"
        ) from error
    from engines.export import export_net

    net, about = load_checkpoint(path)
    half = precision == "fp16"
    export_net(net, about, out, size_hw=size_hw, precision="fp16" if half else "fp32", logits=logits)


def _size_hw(size: str) -> tuple[int, int] | None:
    """`640x360` -> (360, 640); `free` -> None."""
    from pipeline.errors import ConfigError

    if size == "free":
        return None
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ConfigError(f"--size {size}: expected a width and a height such as 640x360, or `free`")
    return int(height), int(width)
