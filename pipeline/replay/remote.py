"""Files that lie elsewhere: whatever fsspec opens (s3://, gs://, http:// and more), found, read and fetched."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

from pipeline.errors import SourceError, UserError
from pipeline.sources.network import masked

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_BLOCK = 1 << 20


def is_remote(location: str) -> bool:
    """Whether it is an address, not a path."""
    return _ADDRESS.match(location) is not None


@contextmanager
def opened(location: str) -> Iterator[IO[bytes]]:
    """A file that lies elsewhere, to be copied: some protocols give it from its beginning to its end only.

    Raises:
        SourceError: it cannot be opened or read.
    """
    system, path = _system(location)
    with _said(location), system.open(path, "rb") as file:
        yield file


def find_remote(location: str) -> Iterator[str]:
    """The files that an address means: itself, those of a glob, or all below a folder; addresses again."""
    system, path = _system(location)
    with _said(location):
        if location.startswith(("http://", "https://")):  # a `?` belongs to the address, and there are no folders
            found = [path]
        elif any(letter in path for letter in "*?["):
            found = system.glob(path)
        else:
            found = system.find(path) if system.isdir(path) else [path]
    for one in sorted(found):
        yield one if is_remote(one) else system.unstrip_protocol(one)


def fetched(location: str, folder: Path) -> Path:
    """A copy in a folder of this machine, made where there is none yet; several processes may ask at once.

    Raises:
        SourceError: it cannot be read.
    """
    name = PurePosixPath(unquote(location.split("?")[0])).name[-100:] or "clip"
    copy = folder / f"{hashlib.sha256(location.encode()).hexdigest()[:16]}-{name}"
    if copy.exists():
        return copy
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{uuid.uuid4().hex}.part"
    try:
        with part.open("wb") as out, opened(location) as file:
            shutil.copyfileobj(file, out, _BLOCK)
        os.replace(part, copy)
    finally:
        part.unlink(missing_ok=True)
    return copy


def shown(location: str) -> str:
    """A location without what may be secret in it."""
    return masked(location) if is_remote(location) else location


def _system(location: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise UserError(
            f"{shown(location)}: reading from elsewhere needs fsspec", hint="pip install 'dashmask[replay]'"
        ) from None
    scheme = location.partition("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(location)
    except ImportError as error:  # the protocol's own package is missing: fsspec says which
        raise UserError(f"{shown(location)}: {scheme}:// cannot be read here: {error}") from None
    except ValueError:
        raise SourceError(f"{shown(location)}: {scheme}:// is nothing that fsspec reads") from None
    return system, path


@contextmanager
def _said(location: str) -> Iterator[None]:
    """Whatever goes wrong inside is one sentence that names the address, without what is secret in it."""
    try:
        yield
    except FileNotFoundError:
        raise SourceError(f"{shown(location)}: there is no such file") from None
    except UserError:
        raise
    except Exception as error:  # each protocol of fsspec has errors of its own
        raise SourceError(f"{shown(location)} cannot be read: {type(error).__name__}") from error
