"""Files of a cache: whole with a digest or passed over, and done without where they cannot be written."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_DIGEST = hashlib.sha256().digest_size


def read_kept(path: Path) -> bytes | None:
    """What was kept; None where it is not there or not whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    kept = content[_DIGEST:]
    return kept if kept and hashlib.sha256(kept).digest() == content[:_DIGEST] else None


def keep(path: Path, kept: bytes) -> None:
    """Whole or not at all, also where two processes write at once; a cache that cannot be written is done without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=path.name, delete=False) as file:
            try:
                file.write(hashlib.sha256(kept).digest() + kept)
                file.flush()
                os.replace(file.name, path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
    except OSError:
        return
