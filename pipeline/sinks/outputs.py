"""Names of outputs: what may be written where, and names for what is not whole yet."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pipeline.errors import SinkError
from pipeline.sinks.stdout import STDOUT, is_stdout

Name = str | os.PathLike[str]


def check_outputs(source: Name | None, files: Iterable[Name], folders: Iterable[Name] = ()) -> None:
    """Refuse outputs that could not be written, or would destroy what is read, before any work is done.

    Args:
        source: what the frames come from: a file, a folder, a glob, or no path at all (a camera, an address).
        files: each is written as a whole; its folder must be there.
        folders: filled with files; made where they are missing.

    Raises:
        SinkError: names the output and what is wrong with it.
    """
    taken: dict[Path, Name] = {}
    files, folders = list(files), list(folders)
    if not all(map(str, [*files, *folders])):
        raise SinkError("the name of an output is empty", hint="is a variable of the shell empty?")
    for name in files:
        path = Path(name)
        _check_file(path)
        _check_source(source, path)
        _check_once(taken, path)
    for name in folders:
        path = Path(name)
        _check_folder(path)
        _check_source(source, path)
        if source is not None and (read := Path(source)).suffix.lower() == ".png" and read.is_file():
            _check_source(read.parent, path)  # 000000.png would be written over the one that is read
        _check_once(taken, path)


class PartFile:
    """An output under a temporary name beside it, until it is whole.

    OUT.mp4 is written as OUT.part.mp4 and renamed at the end; an older OUT.mp4 stays until then. After an
    error it becomes OUT.partial.mp4. A link is followed. What is no ordinary file (a pipe, /dev/null) is
    written to as it is. Until it has its name no other run can write it. What a run that was killed left under the
    temporary name becomes OUT.partial.mp4, too.

    Raises:
        SinkError: the path is a folder, its folder is not there or cannot be written to, or another run writes it.
    """

    def __init__(self, path: Path) -> None:
        _check_file(path)
        self.name = path  # as it was given
        self.special = path.exists() and not path.is_file()
        self._final = path if self.special else path.resolve()
        self.path = path if self.special else self._beside("part")  # where to write
        self.notes: list[str] = []  # what a user should know
        self._held = None if self.special else self._hold()

    def publish(self, whole: bool) -> Path:
        """Give the file the name it now deserves, and say which.

        Raises:
            SinkError: it cannot be renamed.
        """
        if self.special:
            return self.name
        target = self._final if whole else self.partial
        try:
            self.path.replace(target)
        except OSError as error:
            raise unwritable(self.name, error, kept=self.path) from error
        finally:
            self._let_go()
        return target

    def discard(self) -> None:
        """Remove it; legal where there is none."""
        if not self.special:
            self.path.unlink(missing_ok=True)
            self._let_go()

    @property
    def partial(self) -> Path:
        """Its name when it did not become whole."""
        return self._beside("partial")

    def _hold(self) -> int:
        """A descriptor that holds the file until it has its own name; the system lets go of it with the process."""
        while True:
            try:
                held = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                raise unwritable(self.name, error) from error
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(held)
                raise SinkError(
                    f"{self.name} is being written by another run",
                    hint="give each run an output of its own, or wait for it",
                ) from None
            except OSError:
                return held  # a file system without locks: who wrote it may still do so
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(held), os.stat(self.path)):  # else it got its own name meanwhile
                    if not os.fstat(held).st_size:
                        return held
                    self._save_older()
            os.close(held)

    def _save_older(self) -> None:
        """Whoever wrote it was killed."""
        try:
            self.path.replace(self.partial)
        except OSError as error:
            raise unwritable(self.name, error) from error
        self.notes.append(f"what an earlier run that was killed wrote is in {self.partial}")

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _beside(self, word: str) -> Path:
        return self._final.with_name(f"{self._final.stem}.{word}{self._final.suffix}")


def make_folder(path: Path) -> None:
    """Make a folder and those above it; SinkError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a small file so that there is either all of it under its name or what was there before.

    A link is followed; what is no ordinary file (a pipe, /dev/null), and the standard output, is written to as it is.

    Raises:
        SinkError: it cannot be written; nothing of it is left.
    """
    name = path
    try:
        if path.is_symlink() and is_stdout(path):
            with open(os.dup(1), "wb") as file:  # behind what is there, also where the shell put it into a file
                file.write(data)
            return
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        path = path.resolve() if path.is_symlink() else path
        part = path.with_name(path.name + ".part")
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(name, error) from error


def keep(path: Path) -> None:
    """Wait until a file is on the disk itself, where a power cut does not reach it; OSError where that fails."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


class SystemRefusal(Protocol):
    """An OSError, or FFmpeg's own kind of it."""

    errno: int | None
    strerror: str | None


def unwritable(path: Path, error: SystemRefusal, kept: Path | None = None) -> SinkError:
    """The error for a path that the system refused to write.

    Args:
        path: as the user gave it.
        error: what the system said.
        kept: where that which was written before is to be found.
    """
    hint = "free some space, or write somewhere else" if error.errno in _FULL else "write somewhere else"
    so_far = f"; what was written before is kept in {kept}" if kept else ""
    return SinkError(f"{path} cannot be written: {error.strerror or error}{so_far}", hint=hint)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _check_file(path: Path) -> None:
    if path == STDOUT:
        raise SinkError("only records (--json) go to the standard output as -", hint="give a name, or /dev/stdout")
    try:
        if path.is_dir():
            raise SinkError(f"{path} is a folder, expected a file", hint=f"try {path / 'out'}{path.suffix}")
        folder = path.resolve().parent
        if not folder.is_dir():
            raise SinkError(f"{path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
        with suppress(FileNotFoundError):
            path.stat()  # says what is_dir and exists keep to themselves: a name that is too long
        if not os.access(path if path.exists() and not path.is_file() else folder, os.W_OK):
            raise SinkError(f"{path}: nothing can be written in {path.parent}", hint="write somewhere else")
    except OSError as error:
        raise unwritable(path, error) from error


def _check_folder(path: Path) -> None:
    try:
        above = path.resolve()
        while not above.exists():
            above = above.parent
        if not above.is_dir():
            raise SinkError(f"{path}: {above} is a file, expected a folder", hint="give the name of a folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise SinkError(f"{path}: nothing can be written in {above}", hint="write somewhere else")
    except OSError as error:
        raise unwritable(path, error) from error


def _check_source(source: Name | None, path: Path) -> None:
    if source is None:
        return
    read = Path(source)
    if any(letter in str(source) for letter in "*?[") and not os.path.exists(read):
        read = read.parent  # a glob: its folder must not be filled with pictures
    if os.path.exists(read) and path.resolve() == read.resolve():  # os.path: pathlib raises where a name is too long
        raise SinkError(f"{path} is what is read: it would be overwritten", hint="give the output another name")


def _check_once(taken: dict[Path, Name], path: Path) -> None:
    first = taken.setdefault(path.resolve(), path)
    if first is not path:
        raise SinkError(f"{path} is asked for twice", hint="give each output a name of its own")
