"""The command `dashmask`: a file per subcommand; nothing else prints or exits."""

from __future__ import annotations

import os
import sys
import time


def main() -> None:
    """Entry point. A UserError becomes one sentence and exit code 2."""
    began_s = time.monotonic()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported; the stages are the threads
    from pipeline.cli.app import program
    from pipeline.errors import UserError
    from pipeline.flow import StallError

    try:
        program(sys.argv[1:])(obj=began_s)
    except UserError as error:
        sys.stdout.flush()
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  hint: {error.hint}", file=sys.stderr)
        sys.exit(2)
    except StallError as error:  # nothing that can be mended here: its sentence says all there is to know
        sys.stdout.flush()
        print("\n  ".join([f"error: {error}", *getattr(error, "__notes__", ())]), file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; nobody is left to tell
        sys.exit(1)
