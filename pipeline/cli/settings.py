"""What a user typed, checked: options of a data set, and the paths of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`a=b` -> {"a": b}, values read as YAML; ConfigError for what is none."""
    import yaml

    from pipeline.errors import ConfigError
    from pipeline.yaml_text import Loader

    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--option {pair}: expected key=value", hint="for instance --option encoding=binary")
        try:
            options[key] = yaml.load(value, Loader)
        except yaml.YAMLError:
            raise ConfigError(f"--option {pair}: the value is not YAML") from None
    return options


def output_path(name: str | None, *read: str) -> Path | None:
    """The path of an output, while it can still be said before long work that nothing can be written there.

    Args:
        name: as it was typed.
        read: files that are read, over which it may not be written.
    """
    from pipeline.sinks import check_outputs

    if name is None:
        return None
    path = Path(name)
    check_outputs(None, [path])
    for source in read:
        if Path(source).is_file():
            check_outputs(source, [path])
    return path


def picture_path(name: str | None) -> Path | None:
    """As output_path, of a picture; SinkError where its ending is that of none."""
    import cv2

    path = output_path(name)
    if path is not None and not cv2.haveImageWriter(str(path)):
        raise _no_picture(path)
    return path


def write_picture(path: Path, picture: Any) -> None:
    """Write a picture (h, w, 3) BGR; SinkError where that is not possible."""
    import cv2

    try:
        written = cv2.imwrite(str(path), picture)
    except cv2.error:
        written = False
    if not written:
        raise _no_picture(path)


def _no_picture(path: Path) -> Exception:
    from pipeline.errors import SinkError

    return SinkError(
        f"{path} cannot be written as a picture", hint="give a name that ends in .png, in a folder of yours"
    )
