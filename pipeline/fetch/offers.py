"""What can be fetched, on which terms, and where to ask for the rest: the tables of configs/fetch."""

from __future__ import annotations

import difflib
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from pipeline.config_file import config_dirs
from pipeline.errors import ConfigError, DataError
from pipeline.fetch.download import Download

Kind = Literal["data", "models"]
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
_BROKEN = (  # what Python's zipfile and tarfile raise; RuntimeError: with a password, or packed in an unknown way
    *(OSError, EOFError, RuntimeError, ValueError, struct.error, zlib.error, lzma.LZMAError),
    *(zipfile.BadZipFile, tarfile.TarError),
)


class _Offer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    what: str
    terms: str
    files: list[str] = []
    register: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    sha256: str | None = None  # nobody vouches for it
    bytes: int | None = None


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    files: dict[str, _File]
    data: dict[str, _Offer] = {}
    models: dict[str, _Offer] = {}


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that can be fetched, or asked for."""

    name: str
    what: str
    terms: str
    downloads: tuple[Download, ...]
    register: str  # where to ask for it, if there are no downloads

    @property
    def size(self) -> int:
        """Bytes of all downloads, as far as known."""
        return sum(download.size or 0 for download in self.downloads)


def offers(path: Path | None = None, kind: Kind = "data") -> Mapping[str, Offer]:
    """All offers by name.

    Args:
        path: another table than that of configs/fetch.
        kind: data or models.

    Raises:
        ConfigError: the table is broken.
    """
    found = [path] if path else [folder / "fetch" / f"{kind}.yaml" for folder in config_dirs()]
    path = next((file for file in found if file.is_file()), found[0])
    try:
        table = msgspec.yaml.decode(path.read_bytes(), type=_Table)
        if outside := [name for name in table.files if Path(name).name != name]:
            raise ValueError(f"{outside[0]!r} is no name of a file")
        files = {name: Download(name, file.url, file.sha256, file.bytes) for name, file in table.files.items()}
        return {
            name: Offer(name, one.what, one.terms, tuple(files[file] for file in one.files), one.register)
            for name, one in (table.data if kind == "data" else table.models).items()
        }
    except (OSError, msgspec.MsgspecError, KeyError, ValueError) as error:
        raise ConfigError(f"{path}: no table of what can be fetched: {error}", hint="see configs/fetch") from error


def offered(name: str, among: Mapping[str, Offer]) -> Offer:
    """The offer of that name; DataError with the nearest one, or where to register for it."""
    if name not in among:
        near = difflib.get_close_matches(name, among, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(among) or 'none'}"
        raise DataError(f"nothing is known of {name!r}", hint=hint)
    offer = among[name]
    if not offer.downloads:
        raise DataError(f"{name} ({offer.terms}) has no public address", hint=f"ask for it: {offer.register}")
    return offer


def unpack(archive: Path, folder: Path) -> Path | None:
    """Put what a .zip or .tar holds into a folder, once; nothing is written outside of it. Others stay as they are.

    An archive inside it, as COCO's panoptic annotations have them, is unpacked where it comes to lie.

    Returns:
        The file that says so, where it was unpacked before; else None.

    Raises:
        DataError: the archive is broken or locked, or the disk is full.
    """
    done = archive.with_name(f"{archive.name}.unpacked")
    if done.exists():
        return done
    if not _is_archive(archive):
        return None
    for name in _extracted(archive, folder):
        inner = folder / name
        if inner.suffix.lower() == ".zip" and inner.is_file() and _is_archive(inner):
            _extracted(inner, inner.parent)
    done.touch()
    return None


def _is_archive(path: Path) -> bool:
    if zipfile.is_zipfile(path) or tarfile.is_tarfile(path):
        return True
    if path.name.lower().endswith(_ARCHIVES):
        raise DataError(f"{path} is no archive: it is cut off, damaged, or something else", hint="fetch it again")
    return False


def _extracted(archive: Path, folder: Path) -> list[str]:
    """The names of what an archive held."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(folder)
                return packed.namelist()
        with tarfile.open(archive) as bundle:
            bundle.extractall(folder, filter="data")
            return bundle.getnames()
    except _BROKEN as error:
        free = shutil.disk_usage(archive.parent).free >> 20
        raise DataError(f"{archive} cannot be unpacked: {error}", hint=f"{free} MB are free in {folder}") from error
