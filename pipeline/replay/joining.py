"""What was written in pieces becomes one, and what is whole gets its name."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import DataError
from pipeline.replay.parquet import ClipWriter
from pipeline.replay.schema import KINDS, arrow
from pipeline.replay.tasks import Layout, Task
from pipeline.sinks.outputs import keep, make_folder, unwritable


def join(task: Task, layout: Layout, provenance: Mapping[str, Any], masks: bool) -> tuple[int, int]:
    """One clip out of its segments: the same bytes as if it had never been cut.

    Args:
        task: its number is that of the segments.
        layout: of the data set.
        provenance: of its rows.
        masks: whether there are mask PNGs too.

    Returns:
        Frames, rows.

    Raises:
        DataError: a segment is missing or damaged.
        SinkError: the disk refuses.
    """
    pa, parquet = arrow()
    scratch = Path(layout.scratch) / uuid.uuid4().hex
    make_folder(scratch)
    frames = 0
    try:
        writer = ClipWriter(scratch / "rows.parquet", task.clip.name, provenance)
        for number in range(task.number):
            part = Path(layout.part(task.id, number))
            try:
                for batch in parquet.ParquetFile(part).iter_batches(8192):
                    table = pa.Table.from_batches([batch])
                    frames += sum(kind == KINDS[0] for kind in table["kind"].to_pylist())
                    writer.add_table(table)
            except (OSError, pa.ArrowException) as error:
                writer.abandon()
                raise DataError(f"{part}: a segment is missing or damaged: {error}") from error
        writer.close()
        if masks:
            join_masks(task, layout, scratch / "masks")
        publish(scratch / "rows.parquet", Path(layout.records(task.clip.name)))
        return frames, writer.rows
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def join_masks(task: Task, layout: Layout, whole: Path) -> None:
    """Out of copies: a join that is cut off leaves the segments as they were."""
    for number in range(task.number):
        folder = Path(layout.part_masks(task.id, number))
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            target = whole / file.relative_to(folder)
            make_folder(target.parent)
            if not target.exists():  # classes.json is in every segment, and the same
                _copy(file, target)
    if whole.exists():
        publish_folder(whole, Path(layout.masks(task.clip.name)))


def _copy(file: Path, target: Path) -> None:
    try:
        os.link(file, target)  # which costs nothing
    except OSError:  # a file system without links: exFAT, as on drives out of cars
        try:
            shutil.copyfile(file, target)
        except OSError as error:
            raise unwritable(target, error) from error


def publish(part: Path, final: Path) -> None:
    """Give a whole file its name, once it is on the disk: the manifest, which says so, is as well.

    Raises:
        SinkError: the disk refuses.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        keep(part)
        part.replace(final)
    except OSError as error:
        raise unwritable(final, error) from error


def publish_folder(part: Path, final: Path) -> None:
    """Give a whole folder its name; what an earlier try left there goes.

    Raises:
        SinkError: the disk refuses.
    """
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            shutil.rmtree(final)
        part.replace(final)
    except OSError as error:
        raise unwritable(final, error) from error
