"""The first error of many threads."""

from __future__ import annotations

import threading


class Failure:
    """Keeps the first error and raises it once; those that follow are its consequences."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._raised = False

    def set(self, error: BaseException, note: str = "") -> bool:
        """Keep this error, with a note where it was raised. False: there was one before it."""
        with self._lock:
            if self._error is not None:
                return False
            if note:
                error.add_note(note)
            self._error = error
            return True

    def pending(self) -> BaseException | None:
        """The error, as long as nobody has seen it."""
        return None if self._raised else self._error

    def raise_once(self) -> None:
        """Raise the error, if there is one that nobody has seen."""
        error = self.pending()
        self._raised = error is not None or self._raised
        if isinstance(error, StopIteration):  # would end the caller's loop as if all were well
            raise RuntimeError("a stage raised StopIteration") from error
        if error is not None:
            raise error
