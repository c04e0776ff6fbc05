"""Bring a file from a public address, go on where it broke off, and believe it only with its sha256."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.errors import DataError

TRIES = 5  # in a row without a byte that is new
PAUSE_S = 1.0  # before the second try, doubled before each further one
_TIMEOUT_S = 30.0
_BLOCK = 1 << 20
_GONE = (400, 401, 403, 404, 410)

Watch = Callable[[int, int | None], None]  # bytes there, bytes in all


@dataclass(frozen=True, slots=True)
class Download:
    """A file at a public address."""

    name: str  # of the file here
    url: str
    sha256: str | None  # None: nobody vouches for it
    size: int | None = None  # bytes, where known


def fetch(download: Download, folder: Path, watch: Watch | None = None, pause_s: float = PAUSE_S) -> Path:
    """Bring a file, unless it is there.

    What came is kept in `{name}.part` until it is whole and right; a second call goes on behind it. A server that
    does not send parts sends all again, of which what is there is skipped. A whole file with a wrong sha256 is put
    aside as `{name}.wrong`.

    Args:
        download: what.
        folder: where to; made if it is not there.
        watch: is told how far it is.
        pause_s: before the second try.

    Returns:
        The file's path.

    Raises:
        DataError: the address is not there, it breaks off too often, the disk is full, the sha256 is wrong.
    """
    path, part = folder / download.name, folder / f"{download.name}.part"
    if path.is_file():
        if download.sha256 in (None, file_sha256(path)):
            return path
        raise DataError(f"{path} is there and is not what {download.url} was", hint="move it away, then fetch again")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}", hint="give another --root") from error
    there = part.stat().st_size if part.is_file() else 0
    if download.size is not None and (free := shutil.disk_usage(folder).free) < download.size - there:
        raise DataError(
            f"{download.name} has {download.size - there >> 20} MB to come, {folder} has {free >> 20} MB free",
            hint="make room, or give another --root",
        )
    failed = 0
    while not _whole(part, download):
        before = part.stat().st_size if part.is_file() else 0
        try:
            if _receive(download, part, watch):
                break
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            if error.code in _GONE:
                raise DataError(
                    f"{download.url}: {error.code} {error.reason}", hint="it has moved or is closed"
                ) from error
            reason = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:  # URLError, TLS and timeouts are OSErrors
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failed = 0 if part.is_file() and part.stat().st_size > before else failed + 1
        if failed >= TRIES:
            raise DataError(
                f"{download.url} broke off {TRIES} times: {reason}",
                hint=f"run the command again; {part.stat().st_size if part.is_file() else 0} bytes are kept",
            )
        time.sleep(pause_s * 2 ** max(failed - 1, 0))
    return _accepted(download, part, path)


def _whole(part: Path, download: Download) -> bool:
    return part.is_file() and download.size is not None and part.stat().st_size == download.size


def _receive(download: Download, part: Path, watch: Watch | None) -> bool:
    """Append what comes; whether it came to its end."""
    there = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(download.url, headers={"User-Agent": "dashmask"})
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and there:  # nothing behind what is there
            return True
        raise
    with answer, _opened(part) as out:
        begins = _begins(answer, there)
        length = answer.headers.get("Content-Length")
        ends = None if length is None else begins + int(length)
        skip = there - begins
        while block := answer.read(_BLOCK):
            fresh, skip = block[skip:], max(skip - len(block), 0)
            with _disk(part):
                out.write(fresh)
            if watch is not None and fresh:
                watch(out.tell(), download.size or ends)
        return ends is None or out.tell() >= ends


def _begins(answer: Any, there: int) -> int:
    """At which byte of the file an answer begins: 0 where the server does not send parts."""
    if answer.status != 206:
        return 0
    said = str(answer.headers.get("Content-Range", ""))
    first = said.removeprefix("bytes ").partition("-")[0]
    begins = int(first) if first.isdecimal() else there
    if begins > there:
        raise http.client.HTTPException(f"asked for bytes from {there}, got them from {begins}")
    return begins


def _opened(part: Path) -> BinaryIO:
    with _disk(part):
        return part.open("ab", buffering=0)  # what came is on the disk, whatever happens next


@contextmanager
def _disk(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"{part} cannot be written: {error.strerror or error}", hint="what came is kept") from error


def _accepted(download: Download, part: Path, path: Path) -> Path:
    found = file_sha256(part)
    if download.sha256 not in (None, found):
        aside = path.with_name(f"{path.name}.wrong")
        part.replace(aside)
        raise DataError(
            f"{download.url}: sha256 is {found}, expected {download.sha256}",
            hint=f"it is kept as {aside.name}; the file has changed there, or was changed on its way",
        )
    part.replace(path)
    return path


def file_sha256(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
