"""Where `dashmask tune` keeps what it measured, and how a run finds it again.

One JSON file in the user's cache. A choice holds for the processor, the number of cores, the model's bytes, the
input's size, the precision and the versions of the runtimes; where one of them differs it is not used.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.backends.base import Precision, usual_hw
from engines.machine import available_cores, cpu_name
from pipeline.types import Card

RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "openvino")
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known from an earlier tune."""

    best: str | None = None  # backend with the highest rate
    crews: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # backend -> workers, threads
    note: str = ""  # why the file could not be used


def store_path() -> Path:
    """The file, by the XDG rules; it need not exist.

    Raises:
        RuntimeError: the user has no home.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "dashmask" / "tune.json"


def stored_choice(card: Card, shape_hw: tuple[int, int] | None, precision: Precision) -> Stored:
    """What tune measured for this network on this machine; nothing where it did not, or the file is broken.

    Args:
        card: of the network.
        shape_hw: of its input; None: that of 16:9 footage.
        precision: to run in.
    """
    try:
        path = store_path()
        if not path.is_file():  # the usual case, before anything is computed
            return Stored()
        choices = _choices(path)
    except (OSError, RuntimeError, ValueError) as error:
        return Stored(note=f"what `dashmask tune` measured is ignored: {error}")
    found = choices.get(_key(card, shape_hw or usual_hw(card.input), precision))
    try:
        return Stored() if found is None else _stored(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Stored(note=f"what `dashmask tune` measured is ignored: {path} holds an entry that it did not write")


def store_choice(
    card: Card,
    shape_hw: tuple[int, int],
    precision: Precision,
    crews: Mapping[str, tuple[int, int]],
    best: str,
) -> str:
    """Keep a choice, beside those of other networks and machines.

    Returns:
        A line for people: where it is, or why it could not be kept.
    """
    try:
        path = store_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            try:
                choices = _choices(path)
            except (OSError, ValueError):  # missing or broken: begin anew
                choices = {}
            choices[_key(card, shape_hw, precision)] = {
                "best": best,
                "crews": {name: {"workers": crew[0], "threads": crew[1]} for name, crew in crews.items()},
            }
            _write(path, json.dumps({"format": FORMAT, "choices": choices}, indent=1))
    except (OSError, RuntimeError) as error:
        return f"not stored: {error}"
    return f"stored in {path}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else adds to the file meanwhile: what one has read would be written over what another has added."""
    held = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _write(path: Path, text: str) -> None:
    """Whole or not at all, whenever somebody reads."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.replace(file.name, path)
        except OSError:
            Path(file.name).unlink(missing_ok=True)
            raise


def _choices(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        choices = tree["choices"] if tree["format"] == FORMAT else {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is broken") from error
    if not isinstance(choices, dict):
        raise ValueError(f"{path} is broken")
    return choices


def _stored(found: Any) -> Stored:
    crews = {str(name): (int(crew["workers"]), int(crew["threads"])) for name, crew in found["crews"].items()}
    if found["best"] not in crews or any(number < 1 for crew in crews.values() for number in crew):
        raise ValueError
    return Stored(found["best"], crews)


def _key(card: Card, shape_hw: tuple[int, int], precision: Precision) -> str:
    from importlib.metadata import PackageNotFoundError, version

    versions = []
    for name in RUNTIMES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    size = f"{shape_hw[1]}x{shape_hw[0]}"
    return " | ".join([cpu_name(), f"{available_cores()} cores", card.sha256, size, precision, *versions])
