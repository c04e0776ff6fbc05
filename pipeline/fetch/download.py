"""Bring a file from a public address, go on where it broke off, and believe it only with its sha256."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.fetch.part import Part, opened_part

TRIES = 5  # in a row without a byte that is new
PAUSE_S = 1.0  # before the second try, doubled before each further one
_TIMEOUT_S = 30.0
_BLOCK = 1 << 20
_PASSING = (408, 425, 429)  # of the codes under 500: asked again, it may be sent
_CHANGED = "the file has changed there"

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

    What came is kept in `{name}.part` until it is whole and right; a second call goes on behind it, where the server
    says that its file is still the same, or a sha256 will tell. A server that does not send parts sends all again, of
    which what is there is skipped. A whole file with a wrong sha256 is put aside as `{name}.wrong`.

    Args:
        download: what.
        folder: where to; made if it is not there.
        watch: is told how far it is.
        pause_s: before the second try.

    Returns:
        The file's path.

    Raises:
        DataError: the address is none or not there, a web page or a file of another size is sent, it breaks off too
            often, another process brings it, the disk is full, the sha256 is wrong.
    """
    path = folder / download.name
    if path.exists():
        if path.is_file() and download.sha256 in (None, file_sha256(path)):
            return path
        raise DataError(f"{path} is there and is not what {download.url} was", hint="move it away, then fetch again")
    address = urllib.parse.urlsplit(download.url)
    if address.scheme not in ("http", "https", "ftp", "file") or not download.url.isascii() or " " in download.url:
        raise DataError(f"{download.url} is no address of a file", hint="such as https://example.org/file.zip")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror}", hint="give another --root") from error
    with opened_part(path) as part:
        if download.sha256 is None and part.mark is None:
            part.begin(None)  # nothing would tell whether what is there belongs to what comes
        to_come = (download.size or 0) - part.size
        if (free := shutil.disk_usage(folder).free) < to_come:
            raise DataError(
                f"{download.name} has {to_come >> 20} MB to come, {folder} has {free >> 20} MB free",
                hint="make room, or give another --root",
            )
        _bring(download, part, watch, pause_s)
        return _accepted(download, part, path)


def _bring(download: Download, part: Part, watch: Watch | None, pause_s: float) -> None:
    """Ask until all is there."""
    failed = 0
    while part.size != download.size:
        before = part.size
        try:
            if (reason := _receive(download, part, watch)) is None:
                return
        except urllib.error.HTTPError as error:
            reason = f"{error.code} {error.reason.splitlines()[0] if error.reason else ''}".strip()
            if error.code < 500 and error.code not in _PASSING:
                raise DataError(f"{download.url}: {reason}", hint=_hint("it has moved or is closed")) from error
        except (OSError, http.client.HTTPException) as error:  # URLError, TLS and timeouts are OSErrors
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        failed = 0 if part.size > before else failed + 1
        if failed >= TRIES:
            raise DataError(
                f"{download.url} broke off {TRIES} times: {reason}",
                hint=_hint(f"run the command again; {part.size} bytes are kept"),
            )
        time.sleep(pause_s * 2 ** max(failed - 1, 0))


def _hint(said: str) -> str:
    proxied = any(scheme in urllib.request.getproxies() for scheme in ("http", "https"))
    return f"{said}; it was asked for through a proxy: see http_proxy, https_proxy, no_proxy" if proxied else said


def _receive(download: Download, part: Part, watch: Watch | None) -> str | None:
    """Append what comes; why it did not come to its end, None where it did."""
    there = part.size
    request = urllib.request.Request(download.url, headers={"User-Agent": "dashmask"})
    if there:
        request.add_header("Range", f"bytes={there}-")
        if part.mark is not None:
            request.add_header("If-Range", part.mark)
    try:
        answer = urllib.request.build_opener().open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416 or not there:
            raise
        total = str(error.headers.get("Content-Range", "")).rpartition("/")[2]
        if total == str(there) or (not total.isdecimal() and download.sha256 is not None):
            return None  # nothing behind what is there
        part.begin(None)
        return _CHANGED
    with answer:
        begins, length = _begins(answer, there), getattr(answer, "length", None)
        ends = None if length is None else begins + length
        mark = _mark(answer)
        if begins and mark is not None and part.mark is not None and mark != part.mark:
            part.begin(None)
            return _CHANGED
        block = answer.read(_BLOCK)
        _refuse(download, answer, block, ends)
        if not there:
            part.begin(mark)
        at = begins
        while block:
            if not part.put(block, at):
                part.begin(None)
                return _CHANGED
            at += len(block)
            if watch is not None and at > there:
                watch(part.size, download.size or ends)
            block = answer.read(_BLOCK)
        return None if ends is None or at >= ends else "the connection ended early"


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


def _mark(answer: Any) -> str | None:
    """What changes with the file, where the server says such a thing: RFC 9110, 13.1.5."""
    tag: str | None = answer.headers.get("ETag")
    date: str | None = answer.headers.get("Last-Modified")
    return tag if tag is not None and tag.startswith('"') else date


def _refuse(download: Download, answer: Any, block: bytes, ends: int | None) -> None:
    """DataError where something else than the file is sent, before any of it is kept."""
    page = block[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if page and answer.headers.get_content_type() == "text/html" and not download.name.endswith((".html", ".htm")):
        raise DataError(
            f"{download.url}: a web page is sent, not the file",
            hint="open it in a browser: it may want a login, or a click; then put the file where it was meant to go",
        )
    if download.size is not None and ends is not None and ends != download.size:
        raise DataError(
            f"{download.url} has {ends} bytes, {download.size} were expected",
            hint=f"{_CHANGED}, or something else is sent",
        )


def _accepted(download: Download, part: Part, path: Path) -> Path:
    found = file_sha256(part.path)
    if download.sha256 not in (None, found):
        aside = path.with_name(f"{path.name}.wrong")
        part.become(aside)
        raise DataError(
            f"{download.url}: sha256 is {found}, expected {download.sha256}",
            hint=f"it is kept as {aside.name}; {_CHANGED}, or was changed on its way",
        )
    part.become(path)
    return path


def file_sha256(path: Path) -> str:
    """Of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
