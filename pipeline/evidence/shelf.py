"""The folder of folders that evidence is kept in, and how much of it."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import suppress
from pathlib import Path

from pipeline.sinks.outputs import make_folder

WHY = "why.json"  # what makes a folder one of ours


class Shelf:
    """Makes a folder for each event, and removes the oldest where all together take too much room.

    Only folders that hold a why.json are counted and removed, never anything else that lies there. Events are
    numbered as they happen: a machine whose clock is set back, or begins in 1970 with each start, keeps its
    newest ones.

    Args:
        folder: made where it is missing.
        most_bytes: of all of them together.

    Raises:
        SinkError: it cannot be made.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        make_folder(folder)
        self.folder, self._most_bytes = folder, most_bytes
        self._removed = 0
        self._last = max((number for number, _ in self._kept()), default=0)

    @property
    def notes(self) -> list[str]:
        """What a user should know."""
        if not self._removed:
            return []
        return [f"{self._removed} older pieces of evidence removed: more than {self._most_bytes // 1_000_000} MB"]

    def new(self, name: str) -> tuple[Path, int]:
        """An empty folder whose name begins with the time of day, UTC, and the event's number.

        Raises:
            OSError: it cannot be made.
        """
        now_s = time.time()
        self.folder.mkdir(parents=True, exist_ok=True)  # whoever took the evidence away may have taken it, too
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_s)) + f".{int(now_s * 1000) % 1000:03}Z"
        for number in range(1, 1000):
            folder = self.folder / (f"{stamp}-{name}" if number == 1 else f"{stamp}-{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            self._last += 1
            return folder, self._last
        raise FileExistsError(17, "a thousand events in a millisecond", str(self.folder))

    def tidy(self, keep: Path) -> None:
        """Remove the oldest until the rest fits; `keep` stays, however large it is."""
        kept = [folder for _, folder in self._kept()]
        sizes = {folder: _size(folder) for folder in kept}
        total = sum(sizes.values())
        for folder in kept:
            if total <= self._most_bytes:
                return
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)
                self._removed += 1
                total -= sizes[folder]

    def _kept(self) -> list[tuple[int, Path]]:
        """Number and folder of each event, the oldest first; those without a number by their names."""
        return sorted((_number(path), path.parent) for path in self.folder.glob(f"*/{WHY}"))


def _number(why: Path) -> int:
    """Of the event that a why.json is about; 0 where it does not say."""
    with suppress(OSError, ValueError, AttributeError):
        number = json.loads(why.read_bytes()).get("number", 0)
        return number if isinstance(number, int) else 0
    return 0


def _size(folder: Path) -> int:
    """Bytes of the files in it; 0 where somebody else removes it just now."""
    try:
        return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    except OSError:
        return 0
