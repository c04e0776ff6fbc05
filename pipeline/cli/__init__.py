"""The command `dashmask`: a file per subcommand; nothing else prints or exits."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from typing import NoReturn

from pipeline.cli.plain import plain


def main() -> None:
    """Entry point. A UserError becomes one sentence and exit code 2."""
    try:
        _main()
    except KeyboardInterrupt:  # where no command has taken it: while the first modules are loaded
        sys.exit(130)


def _main() -> None:
    began_s = time.monotonic()
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.platform == "win32":
        _refuse("dashmask runs on Linux, not on Windows", "try it in WSL 2, which is Linux")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported; the stages are the threads
    from pipeline.cli.app import program
    from pipeline.errors import UserError
    from pipeline.flow import Interrupted, StallError

    try:
        program(sys.argv[1:])(obj=began_s)
    except Interrupted as stop:
        sys.stdout.flush()
        signal.raise_signal(stop.number)  # so that a loop of the shell ends with it
        raise
    except UserError as error:
        _refuse(error.message, error.hint)
    except ImportError as error:
        from engines.packages import lacking

        missing = lacking(error.name or "a package", str(error))
        if missing is None:
            raise
        _refuse(*missing)
    except StallError as error:  # nothing that can be mended here: its sentence says all there is to know
        sys.stdout.flush()
        print("\n  ".join([f"error: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:  # as NumPy and ONNX Runtime say it: how much, and for what
        _refuse(f"not enough memory: {error}", "take smaller inputs (--imgsz), fewer workers, or smaller frames")
    except RuntimeError as error:
        if str(error) != "can't start new thread":  # Python's own words
            raise
        _refuse(
            "the system starts no further thread",
            "is its memory used up, or are threads limited (ulimit -u, a container's pids.max)?",
        )
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nobody is left to tell
        sys.exit(1)


def _refuse(message: str, hint: str) -> NoReturn:
    sys.stdout.flush()
    print(f"error: {plain(message)}", file=sys.stderr)
    if hint:
        print(f"  hint: {plain(hint)}", file=sys.stderr)
    sys.exit(2)


def _open_closed_streams() -> None:
    """Put the null device where a standard stream was closed (`2>&-`): else the first file that is opened gets its
    number, and what a library of C says lands in it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
