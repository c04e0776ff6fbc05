"""Containers of pictures and sound, opened for reading in the same way by every version of PyAV."""

from __future__ import annotations

from typing import Any

import av
from av.container import InputContainer

# Tags that are no UTF-8 are no error; from PyAV 19 on they never are.
_TAGS: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}


def open_media(file: Any, **how: Any) -> InputContainer:
    """`av.open` for reading, with its arguments and errors: an address, `file:PATH`, or an open binary file."""
    container: InputContainer = av.open(file, **_TAGS, **how)
    return container
