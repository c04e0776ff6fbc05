"""A replay from its inputs to its report."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import msgspec

from pipeline.config import Config
from pipeline.errors import ConfigError, SinkError
from pipeline.replay.dispatch import Counts, Dispatch
from pipeline.replay.engine import Engine, Job
from pipeline.replay.finding import find_clips
from pipeline.replay.identity import FILE as IDENTITY
from pipeline.replay.identity import check_config, claim, stateful
from pipeline.replay.ledger import FILE as MANIFEST
from pipeline.replay.ledger import Ledger
from pipeline.replay.report import FILE as REPORT
from pipeline.replay.report import replay_report
from pipeline.replay.schema import arrow
from pipeline.replay.tasks import Layout, copies
from pipeline.report import write_report
from pipeline.sinks import check_outputs

SEGMENT_S = 60.0


class Watch(Protocol):
    """Who wants to know how a replay goes on; called in the caller's thread."""

    def started(self, identity: Any, clips: int) -> None:
        """The first worker is ready; so many clips are to be done."""

    def went_on(self, counts: Counts) -> None:
        """A piece of work came back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    inputs: Sequence[str]
    out: Path
    config: Config
    masks: bool = False  # also PNG masks
    videos: bool = False  # also drawn videos
    resume: bool = False
    retries: int = 2
    segment_s: float | None = (
        None  # least length of a segment; 0: split nothing; None: SEGMENT_S where that is allowed
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a replay ended."""

    report: dict[str, Any]
    interrupted: bool


def replay(wanted: Wanted, engine_of: Callable[[Job], Engine], watch: Watch) -> Outcome:
    """Run networks over recordings into a data set of Parquet files.

    Args:
        wanted: what is asked for.
        engine_of: makes the engine for a job.
        watch: is told how it goes on.

    Raises:
        UserError: anything a user can mend. Before the first clip: nothing has been written. Later: what is whole
            stays, and a resumed replay goes on from there.
    """
    began_s = time.monotonic()
    arrow()
    check_config(wanted.config)
    config = _with_outputs(wanted)
    whole = stateful(config)
    if whole and wanted.segment_s:
        raise ConfigError(f"clips cannot be split where {whole}", hint="leave --segment out, or give --segment 0")
    wish_s = SEGMENT_S if wanted.segment_s is None else wanted.segment_s
    segment_s = 0.0 if whole or wanted.videos else wish_s  # a video is written in one piece
    check_outputs(None, (), [wanted.out])
    layout = Layout(str(wanted.out.resolve()), uuid.uuid4().hex)
    with ExitStack() as closing:
        ledger = closing.enter_context(_opened(wanted))
        sweep(layout)
        engine = closing.enter_context(engine_of(Job(config, layout, segment_s)))
        mine = engine.identity()
        claim(wanted.out, {**mine, "beside": _beside(wanted)})
        if wanted.resume:
            ledger.add(find_clips(wanted.inputs))
            ledger.try_again(_missing(ledger, layout))
        (left,) = next(ledger.rows("SELECT count(*) FROM clips WHERE state IN ('waiting', 'split')"))
        watch.started(mine, left)
        dispatch = Dispatch(ledger, layout, wanted.retries, segment_s > 0, watch.went_on)
        with _stop_on_signal() as stopping:
            engine.run(dispatch, stopping)
        (left,) = next(ledger.rows("SELECT count(*) FROM clips WHERE state IN ('waiting', 'split')"))
        what = replay_report(ledger, mine, dispatch.counts, time.monotonic() - began_s, left > 0)
        write_report(wanted.out / REPORT, what)
    shutil.rmtree(copies(layout), ignore_errors=True)
    if not left:
        shutil.rmtree(layout.parts, ignore_errors=True)
    return Outcome(what, left > 0)


def _beside(wanted: Wanted) -> dict[str, Any]:
    """What else the data set holds, and how that is drawn."""
    drawn = msgspec.to_builtins(wanted.config.render) if wanted.videos else None
    return {"masks": wanted.config.output.mask_ids if wanted.masks else None, "videos": drawn}


def _with_outputs(wanted: Wanted) -> Config:
    """The configuration, with what else is written under names that only say that it is: see worker.Worker."""
    out = wanted.config.output
    out = msgspec.structs.replace(
        out, masks="masks" if wanted.masks else None, save="video.mp4" if wanted.videos else None
    )
    return msgspec.structs.replace(wanted.config, output=out)


@contextmanager
def _opened(wanted: Wanted) -> Iterator[Ledger]:
    """The ledger; of a new data set with its clips, and without a trace where they cannot be listed."""
    out, file = wanted.out, wanted.out / MANIFEST
    begun = file.exists()
    if begun and not wanted.resume:
        raise SinkError(f"{out} holds a data set already", hint="go on with --resume, or write into a new folder")
    if not begun and not wanted.inputs:
        raise SinkError(f"{out} holds no data set to go on with", hint="name what is to be replayed")
    if not begun and out.is_dir() and any(out.iterdir()):
        raise SinkError(f"{out} holds other things", hint="write into a new folder")
    made = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(file)
    try:
        if not begun:
            ledger.add(find_clips(wanted.inputs))
        yield ledger
    except sqlite3.Error as error:
        raise SinkError(f"{file} cannot be written: {error}", hint="is the disk full, or its drive gone?") from error
    finally:
        ledger.close()
        if not begun and not (out / IDENTITY).exists():  # nothing was begun
            file.unlink(missing_ok=True)
            if made:
                with contextlib.suppress(OSError):  # something is in it, or it is gone
                    out.rmdir()


def _missing(ledger: Ledger, layout: Layout) -> list[int]:
    """Clips that were done and whose rows are gone."""
    done = ledger.rows("SELECT id, name FROM clips WHERE state = 'done'")
    return [clip_id for clip_id, name in done if not Path(layout.records(name)).exists()]


def sweep(layout: Layout) -> None:
    """Remove what an earlier run was writing when it ended, and what it had fetched; whole segments stay."""
    parts = Path(layout.parts)
    for folder in parts.iterdir() if parts.is_dir() else ():
        if not folder.name.isdecimal():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(copies(replace(layout, run=folder.name)), ignore_errors=True)


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Inside this block Ctrl-C, or a polite kill, asks to stop; a second one kills. Main thread only."""
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
