"""What is asked of the API, and who answers it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

Form = Literal["json", "jsonl", "mask", "cutout"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to segment something."""

    upload: bytes  # a whole file
    form: Form = "json"
    classes: tuple[str, ...] = ()  # of a cut-out; empty: every object


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    body: bytes
    media_type: str = "application/json"


class Segmenting(Protocol):
    """Who segments uploads. One at a time; `begin`, then `answer`, in one thread."""

    def begin(self) -> None:
        """Before `answer`: what was cancelled before does not count."""
        ...

    def answer(self, asked: Asked) -> Answer:
        """Work on one upload.

        Raises:
            UserError: what was sent cannot be answered as asked.
            TimeoutError: it was cancelled.
        """
        ...

    def cancel(self) -> None:
        """Stop what is being worked on; from any thread."""
        ...

    def close(self) -> None:
        """Let go of everything; nothing is being worked on."""
        ...
