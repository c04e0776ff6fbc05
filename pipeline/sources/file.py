"""Video files."""

from __future__ import annotations

import errno
import os
import stat
from fractions import Fraction
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.sources import SourceOptions
from pipeline.sources.container import ContainerSource, Request

HEAD_BYTES = 4096
IN_ONE_GO = "an MP4 can be read in one go if its index is in front (-movflags +faststart); or save it as a file"
LISTS = (".ffconcat", ".ffcat")  # of files, one behind the other: FFmpeg's concat script
TEXT_THAT_IS_VIDEO = (b"#EXTM3U", b"ffconcat", b"v=0", b"YUV4MPEG2")  # playlists, SDP, raw video


class File(ContainerSource):
    """A video file in any container and codec FFmpeg has.

    Frames come with their exact presentation times, variable frame rate and B-frames included. `start_s`
    counts from the beginning of the stream and gives the first frame at or behind it. A list of files (.ffconcat) may
    name them anywhere; one under another ending, which somebody else may have made, only by plain relative names.

    Args:
        spec: path.
        options: how it is read.
    """

    def __init__(self, spec: str, options: SourceOptions) -> None:
        self._path = Path(spec)
        trusted = {"safe": "0"} if self._path.suffix.lower() in LISTS else {}
        request = Request(f"file:{spec}", options=trusted)  # file: or FFmpeg takes "a:b.mp4" for a protocol
        super().__init__(spec, request, options)

    def _check(self) -> None:
        again = "check the path"
        try:
            mode = self._path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise SourceError(f"{self._name} is a directory, a video file was expected")
            if not stat.S_ISREG(mode):
                self._in_one_go = IN_ONE_GO
                return
            with self._path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except FileNotFoundError:
            hint = "the standard input is /dev/stdin" if self._name == "-" else again
            raise SourceError(f"{self._name}: there is no such file", hint=hint) from None
        except PermissionError:
            raise SourceError(
                f"{self._name} may not be read by this user", hint="change its permissions, or those of its folder"
            ) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SourceError(f"{self._name} cannot be opened: {reason}", hint=again) from None
        if not head:
            raise SourceError(f"{self._name} is empty (0 bytes)", hint="copy or record it again")
        if _is_text(head):
            raise SourceError(f"{self._name} holds text, a video was expected", hint=again)

    def _not_opened(self, error: Exception) -> SourceError:
        number = getattr(error, "errno", None)
        if number in (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO):
            return SourceError(f"{self._name} cannot be read: {os.strerror(number)}")
        if not self._path.is_file():  # opened again, a pipe would wait for ever for another writer
            return SourceError(
                f"{self._name} is no ordinary file, and what came out of it is no video that can be read in one go",
                hint=IN_ONE_GO,
            )
        if number == errno.EPERM:
            return SourceError(
                f"{self._name} is a list of files that names some by more than plain relative names",
                hint=f"is it yours? then let its own name end in {LISTS[0]}",
            )
        if number in (errno.ENOENT, errno.EACCES):  # it is there and may be read, see _check
            return SourceError(f"{self._name} names a file that cannot be read: {os.strerror(number)}")
        with self._path.open("rb") as file:
            movie = file.read(12)[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        if movie:
            return SourceError(
                f"{self._name} is cut off: the index that an MP4 needs is missing",
                hint="copy, download or record it again",
            )
        return SourceError(f"{self._name} is damaged, or not a video", hint="try to play it, or copy it again")

    def _lost(
        self, failure: Exception | None, last_s: Fraction | None, length_s: Fraction | None
    ) -> SourceError | None:
        if failure is None:
            return None
        number = getattr(failure, "errno", None) or 0
        reason = os.strerror(number) if number in errno.errorcode else "it is damaged"
        return SourceError(f"{self._name} cannot be read further than {float(last_s or 0):.2f} s: {reason}")


def _is_text(head: bytes) -> bool:
    if head.startswith(TEXT_THAT_IS_VIDEO):
        return False
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else a character was cut at the end of what was read
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\t\n\r\f\ufeff" for character in text)
