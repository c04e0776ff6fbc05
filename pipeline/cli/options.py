"""Options that several subcommands share, each with the key of the configuration that it sets."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.config import Config

RayAddress = Annotated[
    str | None, typer.Option(metavar="ADDR", help="Of a Ray cluster, or auto. Default: this machine alone.")
]
CPUs = Annotated[float | None, typer.Option(metavar="N", help="Ray: cores that a worker takes, such as 2 or 0.5.")]
GPUs = Annotated[float, typer.Option(metavar="N", help="Ray: GPUs that a worker takes, such as 0.25.")]
IMGSZ = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        help="Long side of the network's input, pixels. Default: the network's own.",
        rich_help_panel="Network",
    ),
]
ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="YAML configuration, or the name of a preset: dashcam, privacy, review."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="a.b=c",
        help="Set one key of the configuration, over --config; may be repeated. `dashmask config` shows all keys.",
    ),
]


def listed(names: str | None) -> tuple[str, ...] | None:
    """`a,b` -> ("a", "b")."""
    if names is None:
        return None
    return tuple(name.strip() for name in names.split(",") if name.strip())


def milliseconds(option: str, text: str | None) -> float | None:
    """`50ms` or `0.05s` -> 50.0; ConfigError for anything else."""
    from pipeline.errors import ConfigError

    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*(ms|s)\s*", text)
    if match is None or not float(match[1]):
        raise ConfigError(f"{option} {text}: expected a time over 0, in ms or s", hint=f"for instance {option} 50ms")
    return float(match[1]) * (1e3 if match[2] == "s" else 1)


@dataclass(frozen=True, slots=True)
class Key:
    """An option that sets a key of the configuration."""

    key: str  # dotted
    type: Any  # as typer reads it; bool: a flag
    value: Callable[[Any], object] = lambda said: said  # what the key is set to; None: left as it is


# A name here is a parameter of the command, and `--name` on the command line if nothing else is said.
KEYS: Mapping[str, Key] = MappingProxyType(
    {
        "model": Key(
            "model",
            Annotated[
                list[str] | None,
                typer.Option(
                    "--model",
                    "-m",
                    metavar="MODEL",
                    help="An ONNX network, or the name of an embedded one or of one of Ultralytics. Twice: a "
                    "semantic and an instance network together. Default: the best embedded one.",
                    rich_help_panel="Network",
                ),
            ],
            lambda said: tuple(said) if said else None,
        ),
        "backend": Key(
            "backend.name",
            Annotated[
                str | None,
                typer.Option(
                    metavar="NAME",
                    help="auto, tensorrt, tensorrt-rtx, onnxruntime-cuda, openvino, onnxruntime-cpu or null, which "
                    "finds nothing. Default: auto, the first that can run.",
                    rich_help_panel="Network",
                ),
            ],
        ),
        "require": Key(
            "backend.require",
            Annotated[
                str | None,
                typer.Option(
                    metavar="NAME|gpu",
                    help="End with an error rather than fall back to another backend.",
                    rich_help_panel="Network",
                ),
            ],
        ),
        "unverified": Key(
            "backend.unverified",
            Annotated[
                bool,
                typer.Option(
                    "--unverified",
                    help="Use backends that `dashmask verify` has not passed, or has not seen.",
                    rich_help_panel="Network",
                ),
            ],
            lambda said: said or None,
        ),
        "imgsz": Key("input.long_side", IMGSZ),
        "start": Key(
            "source.start_s",
            Annotated[
                float | None,
                typer.Option(metavar="S", help="Skip the first S seconds. Default: 0.", rich_help_panel="Frames"),
            ],
        ),
        "frames": Key(
            "source.frames",
            Annotated[
                int | None,
                typer.Option(
                    metavar="N", help="Stop after N frames or images. Default: at the end.", rich_help_panel="Frames"
                ),
            ],
        ),
        "fps": Key(
            "source.fps",
            Annotated[
                float | None,
                typer.Option(
                    metavar="N",
                    help="Frames a second of images, and of a recording without times. Default: as the data set "
                    "says, else 10.",
                    rich_help_panel="Frames",
                ),
            ],
        ),
        "conf": Key(
            "decode.conf",
            Annotated[float | None, typer.Option(metavar="0..1", help="Least score of an object. Default: 0.25.")],
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Given:
    """What was said of the configuration on the command line."""

    path: str | None
    sets: Sequence[str]
    keys: Mapping[str, object]

    def config(
        self, defaults: Mapping[str, object] | None = None, keys: Mapping[str, object] | None = None
    ) -> Config:
        """The configuration of --config, with --set and the options over it.

        Args:
            defaults: dotted key -> value; the file goes over these.
            keys: dotted key -> value that options of the command alone say; None: nothing.

        Raises:
            ConfigError: see pipeline.config_file.load.
        """
        from pipeline.config_file import load

        return load(self.path, self.sets, {**self.keys, **(keys or {})}, defaults)


def configured(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options of KEYS, where its parameter `given` stands, and --config and --set at the end.

    The command is called with all that they say as `given`, a Given.
    """

    def wrap(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            parameters += map(_parameter, names) if parameter.name == "given" else [parameter]
        parameters += [_optional("config", ConfigFile), _optional("set", Set)]

        def called(**said: Any) -> None:
            path, sets = said.pop("config"), said.pop("set") or ()
            keys = {KEYS[name].key: KEYS[name].value(said.pop(name)) for name in names}
            command(**said, given=Given(path, sets, keys))

        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        called.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
        )
        return called

    return wrap


def _parameter(name: str) -> inspect.Parameter:
    kind = KEYS[name].type
    return _optional(name, kind, False if kind.__origin__ is bool else None)


def _optional(name: str, kind: Any, default: object = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
