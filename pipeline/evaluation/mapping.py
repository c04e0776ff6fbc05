"""Which classes of a network are compared with which of a data set: by name, from a table, never guessed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline.config_file import config_dirs
from pipeline.errors import ConfigError
from pipeline.types import VOID


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of configs/mappings."""

    classes: list[str]  # that are compared
    network: dict[str, str]  # a class of the network -> one of `classes`
    dataset: dict[str, str]  # a class of the data set -> one of `classes`


@dataclass(frozen=True, slots=True)
class Mapping:
    """How two sets of classes become one. Ids are into `classes`; VOID for what is in none of them."""

    name: str
    classes: tuple[str, ...]
    network: tuple[int, ...]  # for each class of the network
    dataset: tuple[int, ...]  # for each class of the data set


def find_mapping(name: str | None, network: Sequence[str], dataset: Sequence[str]) -> Mapping:
    """The mapping for a network's and a data set's class names, upper and lower case alike.

    Args:
        name: of a file in configs/mappings, or its path; None: both have the same classes, in whatever order.
        network, dataset: class names in the order of their ids.

    Raises:
        ConfigError: no such file, a broken one, or one for other classes; None, and the classes differ.
    """
    if name is None:
        return _same(network, dataset)
    path = _path(name)
    table = _read(path)
    targets = {target: index for index, target in enumerate(table.classes)}
    sides = []
    for side, names, entries in (("network", network, table.network), ("dataset", dataset, table.dataset)):
        if wrong := [target for target in entries.values() if target not in targets]:
            raise ConfigError(
                f"{path}: {side}: {wrong[0]} is none of its classes", hint=f"they are {', '.join(targets)}"
            )
        by_name = {class_name.lower(): targets[target] for class_name, target in entries.items()}
        own = [class_name.lower() for class_name in names]
        if strange := [class_name for class_name in entries if class_name.lower() not in own]:
            who = "the network" if side == "network" else "the data set"
            raise ConfigError(
                f"{path.name} is not for {who}: it names {strange[0]}, which is none of its classes",
                hint=_advice(network, dataset),
            )
        sides.append(tuple(by_name.get(class_name, VOID) for class_name in own))
    return Mapping(path.stem, tuple(table.classes), *sides)


def network_classes(name: str) -> tuple[str, ...]:
    """The classes of a network that a table names; ConfigError where there is no such file, or a broken one."""
    return tuple(_read(_path(name)).network)


def fitting_mapping(network: Sequence[str], dataset: Sequence[str]) -> Mapping:
    """The mapping where both have the same classes, or the table of configs/mappings for these two that names most.

    Raises:
        ConfigError: the classes differ, and no table fits, or no one names more classes than every other.
    """
    try:
        return _same(network, dataset)
    except ConfigError:
        fitting = {path: _read(path) for path in _files() if _names_only(path, network, dataset)}
        named = {path: len(table.network) + len(table.dataset) for path, table in fitting.items()}
        best = [path for path, count in named.items() if count == max(named.values())]
        if len(best) != 1:
            raise
        return find_mapping(str(best[0]), network, dataset)


def _same(network: Sequence[str], dataset: Sequence[str]) -> Mapping:
    ids = {name.lower(): index for index, name in enumerate(dataset)}
    own = [name.lower() for name in network]
    if sorted(own) != sorted(ids):
        missing = next((name for name in dataset if name.lower() not in own), None)
        extra = next((name for name in network if name.lower() not in ids), None)
        what = f"it has no {missing}" if missing else f"{extra} is not in the data set"
        raise ConfigError(
            f"the network's {len(network)} classes are not the data set's {len(dataset)}: {what}",
            hint=_advice(network, dataset),
        )
    return Mapping("same names", tuple(dataset), tuple(ids[name] for name in own), tuple(range(len(dataset))))


def _advice(network: Sequence[str], dataset: Sequence[str]) -> str:
    fitting = [path.stem for path in _files() if _names_only(path, network, dataset)]
    if fitting:
        return f"for these two there is --mapping {' or '.join(fitting)}"
    return "write a table as those in configs/mappings and give its path with --mapping"


def _names_only(path: Path, network: Iterable[str], dataset: Iterable[str]) -> bool:
    table = _read(path)
    return all(
        {name.lower() for name in entries} <= {name.lower() for name in names}
        for names, entries in ((network, table.network), (dataset, table.dataset))
    )


def _files() -> list[Path]:
    return [path for folder in config_dirs() for path in sorted((folder / "mappings").glob("*.yaml"))]


def _path(name: str) -> Path:
    if Path(name).is_file():
        return Path(name)
    known = {path.stem: path for path in _files()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise ConfigError(f"there is no mapping {name!r}, and no such file", hint=hint)


def _read(path: Path) -> _Table:
    try:
        table = msgspec.yaml.decode(path.read_bytes(), type=_Table)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: no table of classes: {error}", hint="see configs/mappings") from error
    if not 0 < len(table.classes) < VOID:
        raise ConfigError(f"{path}: {len(table.classes)} classes to compare", hint="see configs/mappings")
    return table
