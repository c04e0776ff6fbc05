"""The errors a user can mend.

UserError                what was wrong, what was expected, and a hint what to do
├── ConfigError          a configuration file, an option, a card
├── SourceError          a source that cannot be opened or read
│   └── RefusedError     one that will not mend itself: a wrong password, nothing at that path
├── ModelError           a model file or its card
├── DataError            a data set: a missing folder, a label that does not fit its image
├── BackendError         no backend that was asked for can run the model
└── SinkError            an output that cannot be written

The command prints them without a traceback and exits with code 2. Every other
exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations


class UserError(Exception):
    """Something a user can mend.

    Args:
        message: what was wrong and what was expected, one sentence.
        hint: what to do about it, or empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(UserError):
    """A configuration file, an option or a card that cannot be used."""


class SourceError(UserError):
    """A source of frames that cannot be opened or read."""


class RefusedError(SourceError):
    """A source that does not come however often it is asked: a wrong password, nothing at that path."""


class ModelError(UserError):
    """A model file that is missing, broken, or of no family we know."""


class DataError(UserError):
    """A data set, or a file of one, that is not what its layout says."""


class BackendError(UserError):
    """A backend that was asked for and cannot run the model."""


class SinkError(UserError):
    """An output that cannot be written."""
