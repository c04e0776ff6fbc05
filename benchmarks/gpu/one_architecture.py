"""Wheels as one small archive; with --sm the CUDA code of every other architecture is left out of the libraries.

python one_architecture.py FOLDER --out ARCHIVE.tar.xz [--sm 90]

A library keeps its layout: what is left out of `.nv_fatbin` becomes zeros, which pack to nothing. `.nv_fatbin` is a
row of containers (magic 0xBA55ED50, u16 header size at 6, u64 size at 8) of entries (u16 kind at 0, 2 is machine
code; u32 header size at 4, u64 payload size at 8, u32 architecture at 28).
"""

from __future__ import annotations

import argparse
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

MAGIC = struct.pack("<I", 0xBA55ED50)
MACHINE_CODE = 2
# Another provider, its headers, Python tools that nothing here calls, and the library for C programs.
LEFT_OUT = (
    "onnxruntime/tools/",
    "onnxruntime/transformers/",
    "onnxruntime/quantization/",
    "onnxruntime/capi/libonnxruntime_providers_tensorrt.so",
    "onnxruntime/capi/libonnxruntime.so",
)


def section(library: bytes | bytearray, name: bytes) -> tuple[int, int] | None:
    """Where a section of a 64-bit ELF file lies: first byte and the byte behind it; None where there is none."""
    if library[:5] != b"\x7fELF\x02":
        return None
    (table,) = struct.unpack_from("<Q", library, 0x28)
    entry, count, names_at = struct.unpack_from("<HHH", library, 0x3A)
    rows = [struct.unpack_from("<IIQQQQ", library, table + number * entry) for number in range(count)]
    for row in rows:
        start = rows[names_at][4] + row[0]
        if library[start : library.index(b"\0", start)] == name:
            return row[4], row[4] + row[5]
    return None


def blank_others(library: bytearray, sm: int) -> int:
    """Write zeros over the CUDA code that is not machine code for `sm` (90 is compute capability 9.0).

    Returns:
        Bytes that became zeros.

    Raises:
        ValueError: the library holds none for `sm`.
    """
    where = section(library, b".nv_fatbin")
    if where is None:
        return 0
    blanked = left = 0
    at, end = where
    while (at := library.find(MAGIC, at, end)) >= 0:
        header, size = struct.unpack_from("<HQ", library, at + 6)
        entry, behind = at + header, at + header + size
        if not header or behind > end:
            raise ValueError(f"a container of {size} bytes at {at} reaches behind its section: another format")
        while entry < behind:
            kind, _, entry_header, payload = struct.unpack_from("<HHIQ", library, entry)
            (architecture,) = struct.unpack_from("<I", library, entry + 28)
            if not entry_header or entry + entry_header + payload > behind:
                raise ValueError(f"an entry of {payload} bytes at {entry} reaches behind its container")
            if (kind, architecture) == (MACHINE_CODE, sm):
                left += payload
            else:
                start = entry + entry_header
                library[start : start + payload] = bytes(payload)
                blanked += payload
            entry += entry_header + payload
        at = behind
    if not left:
        raise ValueError(f"no machine code for sm_{sm}")
    return blanked


def files(wheels: list[Path]) -> Iterator[tuple[str, bytes, bool]]:
    """Path in the site folder, content, whether it may be executed; of all wheels."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if not info.is_dir() and not info.filename.startswith(LEFT_OUT):
                    yield info.filename, archive.read(info), bool(info.external_attr >> 16 & stat.S_IXUSR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of wheels")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sm", type=int, help="compute capability times ten; all are kept where it is not given")
    args = parser.parse_args()
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 20}]
    unfinished = args.out.with_name(f"{args.out.name}.unfinished")
    with lzma.open(unfinished, "wb", filters=filters) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content, executable in files(sorted(args.folder.glob("*.whl"))):
            data = bytearray(content)
            if args.sm and ".so" in Path(name).name:
                print(f"{name}: {blank_others(data, args.sm) / 1e6:.0f} MB of other architectures left out")
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if executable else 0o644
            tar.addfile(entry, io.BytesIO(data))
    unfinished.replace(args.out)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
