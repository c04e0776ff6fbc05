"""Packs (see pack.sh) to a folder for PYTHONPATH: only the standard library, nothing is fetched.

A pack that is not there or not whole is told and does without; a wheel that the machine has in another version is
left alone, as torch and cupy go with their own.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tarfile
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODULES = {"opencv-python": "cv2", "opencv-python-headless": "cv2"}  # where another distribution may have it
SIZE = 1 << 20


def gather(packs: Path, into: Path) -> list[str]:
    """Copy the files of all packs .gpu/1, .gpu/2, ... to one folder, checked; what is wrong with them."""
    wrong = []
    into.mkdir(parents=True, exist_ok=True)
    for folder in sorted(path for path in packs.glob("*") if path.is_dir() and path.name.isdecimal()):
        try:
            sums = [line.split(maxsplit=1) for line in (folder / "SHA256SUMS").read_text().splitlines() if line]
        except OSError as error:
            wrong.append(f"{folder}: {error.strerror}: SHA256SUMS")
            continue
        for sha256, name in sums:
            if not (folder / name).is_file():
                wrong.append(f"{folder.name}/{name} is not there")
            elif _sha256(folder / name) != sha256:
                wrong.append(f"{folder.name}/{name} is damaged (SHA-256 differs)")
            else:
                shutil.copyfile(folder / name, into / name)
    return wrong


def build(gathered: Path, site: Path, extra: Path) -> dict[str, Any]:
    """Join, unpack: wheels and archives into `site`, everything else into `extra`.

    Returns:
        `installed`, `there` (the machine has them), `extra`, `wrong`: lists of text.
    """
    told: dict[str, Any] = {"installed": [], "there": [], "extra": [], "wrong": []}
    if not gathered.is_dir():
        return told
    _join(gathered, told["wrong"])
    for folder in (site, extra):
        folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(gathered.iterdir()):
        try:
            if file.suffix == ".whl":
                if version := _there(file):
                    told["there"].append(f"{file.name} (the machine has {version})")
                    continue
                _unzip(file, site)
            elif file.name.endswith(".tar.xz"):
                with tarfile.open(file) as archive:
                    archive.extractall(site, filter="data")
            elif ".piece" in file.suffix:
                continue
            else:
                shutil.copyfile(file, extra / file.name)
                told["extra"].append(file.name)
                continue
            told["installed"].append(file.name)
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            told["wrong"].append(f"{file.name}: {error}")
    return told


def _join(folder: Path, wrong: list[str]) -> None:
    pieces: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.piece*")):
        pieces.setdefault(file.name.rpartition(".piece")[0], []).append(file)
    for name, files in pieces.items():
        numbers = [int(file.name.rpartition(".piece")[2]) for file in files]
        if numbers != list(range(len(files))):
            wrong.append(f"{name}: pieces {numbers} of it are there, others are not")
            continue
        with (folder / name).open("wb") as whole:  # a last piece that is missing shows when it is unpacked
            for file in files:
                with file.open("rb") as part:
                    shutil.copyfileobj(part, whole, SIZE)


def _there(wheel: Path) -> str:
    """The version that the machine has itself; empty where it has none."""
    name = re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        module = MODULES.get(name)
        return "another build" if module and find_spec(module) else ""


def _unzip(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for kind in ("purelib", "platlib"):
        for data in site.glob(f"*.data/{kind}"):
            shutil.copytree(data, site, dirs_exist_ok=True)
            shutil.rmtree(data)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
