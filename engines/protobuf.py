"""Protobuf's wire format, read field by field without a schema: an ONNX file is one such message."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

Data = mmap.mmap | bytes
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class BrokenError(Exception):
    """The bytes are no protobuf message; never leaves the modules that read them."""


def fields(data: Data, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message: number, value, begin of its bytes.

    Of a number the value is the number and the begin -1; of bytes the value is their end. Anything else has both -1.
    """
    at = begin
    while at < end:
        key = data[at]
        at += 1
        if key > 127:
            key, at = varint(data, at - 1, end)
        number, wire = key >> 3, key & 7
        if not number:
            raise BrokenError(f"no field at byte {at}")
        if wire == _LENGTH:
            length = data[at] if at < end else 128
            at += 1
            if length > 127:
                length, at = varint(data, at - 1, end)
            if length > end - at:
                raise BrokenError(f"it ends {length - (end - at)} bytes too early")
            yield number, at + length, at
            at += length
        elif wire == _VARINT:
            value, at = varint(data, at, end)
            yield number, value, -1
        elif wire in (_FIXED32, _FIXED64):
            at += 4 if wire == _FIXED32 else 8
            if at > end:
                raise BrokenError("it ends inside a number")
            yield number, -1, -1
        else:
            raise BrokenError(f"an unknown kind of field at byte {at}")


def varint(data: Data, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, least first, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (1 << 64) - 1, at
        shift += 7
    raise BrokenError("it ends inside a number")


def span(end: int, begin: int) -> tuple[int, int]:
    """Begin and end of the bytes of a field, from its value and begin; BrokenError where it is a number."""
    if begin < 0:
        raise BrokenError("a number where a message should be")
    return begin, end


def text(data: Data, end: int, begin: int) -> str:
    """A field as text; BrokenError where it is none."""
    begin, end = span(end, begin)
    try:
        return data[begin:end].decode()
    except UnicodeDecodeError as error:
        raise BrokenError("a name that is no text") from error


def whole(value: int, begin: int) -> int:
    """A field as a number of 0 or more; BrokenError where it is none."""
    if begin >= 0 or value < 0:
        raise BrokenError("a message where a number should be")
    return value


def number(field: int, content: int) -> bytes:
    """A field that is a number, 0 or more."""
    return _written(field << 3 | _VARINT) + _written(content)


def message(field: int, content: bytes) -> bytes:
    """A field that is a message, text or bytes."""
    return heading(field, len(content)) + content


def heading(field: int, length: int) -> bytes:
    """What comes before the bytes of such a field."""
    return _written(field << 3 | _LENGTH) + _written(length)


def _written(content: int) -> bytes:
    made = bytearray()
    while content > 127:
        made.append(content & 127 | 128)
        content >>= 7
    made.append(content)
    return bytes(made)
