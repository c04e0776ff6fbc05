"""What can be saved of an mp4 that a full disk broke off."""

from __future__ import annotations

import os
from pathlib import Path


def cut_torn_fragment(path: Path) -> None:
    """Cut an mp4 or mov behind its last whole fragment, so that it plays to its end without an error.

    Fragments are a `moof` box and an `mdat` box each (ISO/IEC 14496-12, 4.2 and 8.8). A file that ends with
    a whole box is left as it is.
    """
    length = path.stat().st_size
    whole = at = 0
    with path.open("rb") as file:
        while at + 8 <= length:
            file.seek(at)
            header = file.read(16)
            size, kind = int.from_bytes(header[:4], "big"), header[4:8]
            if size == 1:  # a size of 64 bits follows
                size = int.from_bytes(header[8:16], "big")
            if size < 8 or at + size > length:
                break
            at += size
            if kind != b"moof":  # a moof without its mdat is of no use
                whole = at
    if whole < length:
        os.truncate(path, whole)
