"""Archives that were fetched: what cannot be unpacked is named, and nothing is written outside of the folder."""

from __future__ import annotations

import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, DataError
from pipeline.fetch.offers import offers, unpack


def zipped(**content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in content.items():
            made.writestr(name.replace("_", "/", 1) + ".zip", data)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as made:
        entry = tarfile.TarInfo("a")
        entry.size = 1 << 17
        made.addfile(entry, io.BytesIO(random.Random(0).randbytes(entry.size)))
    return file.getvalue()


def damaged(data: bytes, at: int, *values: int) -> bytes:
    return data[:at] + bytes(values) + data[at + len(values) :]


WHOLE = zipped(a_b=b"hello" * 1000)
LISTED = WHOLE.index(b"PK\1\2")  # its entry in the list at the end
BROKEN = {
    "cut off.zip": (WHOLE[:40], "is no archive"),
    "page.tar.gz": (b"<html>", "is no archive"),
    "password.zip": (damaged(damaged(WHOLE, 6, 1), LISTED + 8, 1), "encrypted"),
    "deflate64.zip": (damaged(damaged(WHOLE, 8, 9), LISTED + 10, 9), "compression method"),
    "rubbish.zip": (damaged(WHOLE, 40, *[255] * 12), "cannot be unpacked"),
    "half.tar.gz": (tarred()[:-50_000], "cannot be unpacked"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_archive_that_cannot_be_unpacked_is_named(name: str, tmp_path: Path) -> None:
    content, says = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        unpack(tmp_path / name, tmp_path / "out")
    assert name in str(caught.value)
    assert not (tmp_path / f"{name}.unpacked").exists()


@pytest.mark.parametrize("kind", ["a path", "a link"])
def test_a_tar_that_leads_out_of_its_folder_is_refused(kind: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as made:
        entry = tarfile.TarInfo("../outside" if kind == "a path" else "in")
        if kind == "a link":
            entry.type, entry.linkname = tarfile.SYMTYPE, str(tmp_path)
        made.addfile(entry)
        made.addfile(tarfile.TarInfo("in/outside"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_archives_in_an_archive_are_unpacked_where_they_lie_as_cocos_panoptic_ones_must_be(tmp_path: Path) -> None:
    (tmp_path / "p.zip").write_bytes(zipped(annotations_panoptic=zipped(panoptic_1=b"a PNG")))
    unpack(tmp_path / "p.zip", tmp_path / "out")
    assert (tmp_path / "out/annotations/panoptic/1.zip").read_bytes() == b"a PNG"


def test_a_table_cannot_write_outside_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("files: {../a.zip: {url: 'https://example.org/a.zip'}}")
    with pytest.raises(ConfigError, match=r"'\.\./a\.zip' is no name of a file"):
        offers(tmp_path / "t.yaml")
