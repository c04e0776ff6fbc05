"""Distribute files over folders of a limited size: whole where they fit, else in pieces `NAME.piece000`.

python parts_of.py FROM TO [--mib 55]     writes TO/1, TO/2, ..., each with a SHA256SUMS
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path


def distribute(source: Path, target: Path, limit: int) -> list[Path]:
    """Fill folders one behind the other, largest files first; a file that does not fit is cut where the folder ends.

    Returns:
        The folders.
    """
    for old in target.iterdir():
        if old.name.isdecimal():
            shutil.rmtree(old)
    folders: list[Path] = []
    room = 0
    for file in sorted((file for file in source.iterdir() if file.is_file()), key=lambda file: -file.stat().st_size):
        data = file.read_bytes()
        start = piece = 0
        whole = len(data) <= room or len(data) <= limit // 4  # small files are not cut
        while start < len(data):
            if room <= 0 or (whole and len(data) > room):
                folders.append(target / str(len(folders) + 1))
                folders[-1].mkdir(parents=True)
                room = limit
            part = data[start : start + room]
            name = file.name if len(part) == len(data) else f"{file.name}.piece{piece:03}"
            (folders[-1] / name).write_bytes(part)
            with (folders[-1] / "SHA256SUMS").open("a") as sums:
                sums.write(f"{hashlib.sha256(part).hexdigest()}  {name}\n")
            start, piece, room = start + len(part), piece + 1, room - len(part)
    return folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--mib", type=float, default=55)
    args = parser.parse_args()
    for folder in distribute(args.source, args.target, int(args.mib * 2**20)):
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{folder}: {size / 2**20:.1f} MiB: {', '.join(sorted(file.name for file in folder.iterdir()))}")


if __name__ == "__main__":
    main()
