"""One worker: networks loaded once, and one piece of work after the other through the stages of a run."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.config import Config, OutputConfig
from pipeline.errors import SinkError, SourceError, UserError
from pipeline.flow import Flow, Pool
from pipeline.networks import networks
from pipeline.replay.cuts import cut
from pipeline.replay.identity import identity
from pipeline.replay.joining import join, publish, publish_folder
from pipeline.replay.parquet import RowSink, file_digest
from pipeline.replay.remote import fetched, is_remote, shown
from pipeline.replay.schema import arrow
from pipeline.replay.tasks import Done, Failed, Layout, Result, Split, Task, copies
from pipeline.running.assemble import build
from pipeline.running.capture import open_configured
from pipeline.running.outputs import all_names, looked_for, sinks
from pipeline.sinks.outputs import make_folder
from pipeline.sources import SourceOptions, notes_of
from pipeline.sources.segment import SegmentError, SegmentFile
from pipeline.types import Picture, Sink, Source


class Worker:
    """Does tasks; one at a time.

    Args:
        config: of the run; output.save and output.masks only say whether videos and masks are wanted.
        layout: of the data set.
        segment_s: least length of a segment, seconds; 0: no clip is split.

    Raises:
        UserError: the networks cannot be run here.
    """

    def __init__(self, config: Config, layout: Layout, segment_s: float) -> None:
        self._config, self._layout, self._segment_s = config, layout, segment_s
        arrow()  # here, not in the first clip's time
        self._nets = networks(config)
        self.identity: Mapping[str, Any] = identity(config, self._nets)
        self._fetched: tuple[str, Path] | None = None
        self._copies = copies(layout)

    def close(self) -> None:
        """Let go of the networks and of what was fetched."""
        self._forget("")
        with contextlib.suppress(OSError):  # others of this machine may still need it
            self._copies.rmdir()
        for net in self._nets:
            net.selection.backend.close()

    def do(self, task: Task) -> Result:
        """Do one piece of work; whatever goes wrong is in the result."""
        began_s, path = time.monotonic(), ""
        try:
            if task.kind == "join":
                frames, rows = join(task, self._layout, self.identity, self._config.output.masks is not None)
                sha256 = file_digest(Path(self._layout.records(task.clip.name)))
                return Done(frames, rows, sha256, time.monotonic() - began_s)
            path = self._path(task.clip.location)
            why = ""
            if task.kind == "clip" and task.may_split and Path(path).is_file():
                spans = cut(Path(path), self._segment_s)
                if not isinstance(spans, str):
                    return Split(spans)
                why = spans
            return self._run(task, path, why, began_s)
        except SegmentError as error:
            return Failed(error.message, again=False, in_one_piece=True)
        except SourceError as error:
            # A file here is as it is; one that comes over a network may come better the next time.
            return Failed(_said(error, path, task), again=is_remote(task.clip.location))
        except SinkError as error:
            return Failed(str(error), again=False, stop=True)
        except UserError as error:
            return Failed(_said(error, path, task), again=True)
        except Exception as error:  # a defect costs this clip its tries, not the others their run
            notes = "; ".join(getattr(error, "__notes__", ()))
            return Failed(f"{type(error).__name__}: {error}" + (f" ({notes})" if notes else ""), True, replace=True)

    def _path(self, location: str) -> str:
        """Where the clip lies on this machine; fetched where it lies elsewhere."""
        self._forget(location)
        if not is_remote(location):
            path = Path(location)
            if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe may keep its reader waiting for ever
                raise SourceError(f"{location} is no ordinary file", hint="save it as one")
            return location
        if self._fetched is None or not self._fetched[1].exists():
            self._fetched = location, fetched(location, self._copies)
        return str(self._fetched[1])

    def _forget(self, location: str) -> None:
        """Remove the copy of another clip; whoever still reads it keeps it until it is done."""
        if self._fetched is not None and self._fetched[0] != location:
            self._fetched[1].unlink(missing_ok=True)
            self._fetched = None

    def _run(self, task: Task, path: str, not_split: str, began_s: float) -> Done:
        config, layout = self._config, self._layout
        scratch = Path(layout.scratch) / uuid.uuid4().hex
        make_folder(scratch)
        try:
            source: Source
            if task.span is not None:
                source = SegmentFile(path, SourceOptions(), task.span)
            else:
                source = open_configured(path, config)
            out = self._outputs(scratch)
            row_sink = RowSink(scratch / "rows.parquet", task.clip.name, self.identity)
            opened: list[Sink] = []
            others = sinks(out, path, source, config.source.start_s, opened)
            try:
                frames = self._through(source, [("rows", lambda: row_sink), *others], drawn=out.save is not None)
                row_sink.close(True)  # a segment of which no frame was asked for has never opened it
            finally:
                row_sink.close(False)
            name = task.clip.name
            if out.masks is not None and Path(out.masks).exists():
                folder = layout.masks(name) if task.span is None else layout.part_masks(task.id, task.number)
                publish_folder(Path(out.masks), Path(folder))
            if out.save is not None:
                publish(Path(out.save), Path(layout.video(name)))
            records = layout.records(name) if task.span is None else layout.part(task.id, task.number)
            sha256 = file_digest(scratch / "rows.parquet") if task.span is None else ""
            publish(scratch / "rows.parquet", Path(records))  # last: where this is, all of it is
            told = [note.replace(path, shown(task.clip.location)) for note in notes_of(source)]
            notes = (*told, *(note for sink in opened for note in getattr(sink, "notes", ())))
            return Done(frames, row_sink.rows, sha256, time.monotonic() - began_s, not_split, notes)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _outputs(self, scratch: Path) -> OutputConfig:
        """The outputs besides the rows, under temporary names."""
        out = self._config.output
        return msgspec.structs.replace(
            out,
            save=str(scratch / "video.mp4") if out.save is not None else None,
            masks=str(scratch / "masks") if out.masks is not None else None,
        )

    def _through(self, source: Source, wanted: Sequence[tuple[str, Callable[[], Sink]]], drawn: bool) -> int:
        """Run it to the end; how many frames there were."""
        render = None
        if drawn:
            from pipeline.render import Renderer, check_names

            cards = [net.card for net in self._nets]
            only = looked_for(cards, self._config.decode.classes)
            check_names(self._config.render, all_names([card.classes for card in cards]), only)
            render = Renderer(self._config.render, Pool).render
        frames = 0
        flow: Flow[Picture]
        flow = build(self._config, source, self._nets, dropped=lambda: flow.drops, render=render, sinks=wanted)
        with flow:
            for _ in flow:
                frames += 1
        return frames


def _said(error: UserError, path: str, task: Task) -> str:
    """The sentence of an error; a copy that was fetched is called by where it comes from."""
    return error.message.replace(path, shown(task.clip.location)) if path else error.message


def quiet_threads() -> None:
    """Once in each process: the stages are the threads; more inside them would fight over the same cores."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import cv2

    cv2.setNumThreads(1)
