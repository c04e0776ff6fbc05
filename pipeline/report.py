"""What is said of a run when it is over: the summary, as a dictionary for JSON and for the table."""

from __future__ import annotations

import json
import os
import platform
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.networks import Network
from pipeline.sinks.outputs import write_whole
from pipeline.timing import Summary
from pipeline.types import SourceInfo


def report(
    info: SourceInfo,
    nets: Sequence[Network],
    summary: Summary,
    dropped: Mapping[str, int],
    *,
    undecodable: int,
    first_frame_s: float | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    """Everything that a reader of the figures should know.

    Args:
        info: of the source.
        nets: that ran.
        summary: of the frames that came out.
        dropped: frames that did not, by cause.
        undecodable: frames of the source that could not be decoded.
        first_frame_s: seconds from the start of the command's work to the first result.
        notes: of the sinks; those of the backends are added.
    """
    return {
        "dashmask": __version__,
        "source": source_report(info, undecodable),
        "models": [model_report(net) for net in nets],
        **summary.as_dict(dropped),
        "first_frame_s": first_frame_s,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "notes": [*notes, *backend_notes(nets)],
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()},
    }


def source_report(info: SourceInfo, undecodable: int) -> dict[str, Any]:
    """What is said of a source."""
    return {
        "name": info.name,
        "size_hw": info.size_hw,
        "fps": info.fps,
        "live": info.live,
        "codec": info.codec,
        "undecodable": undecodable,
    }


def backend_notes(nets: Sequence[Network]) -> list[str]:
    """What happened to the backends of a run: one that stopped and another that went on."""
    return [note for net in nets for note in getattr(net.selection.backend, "notes", ())]


def model_report(net: Network) -> dict[str, Any]:
    """What a network is, and what runs it."""
    backend = net.selection.backend
    return {
        "name": net.card.name,
        "sha256": net.card.sha256,
        "licence": net.card.licence,
        "backend": backend.name,
        "backend_detail": backend.detail,
        "workers": backend.workers,
        "way": backend.way,
        "tried": [{"name": t.name, "ok": t.ok, "reason": t.reason} for t in net.selection.tried],
        "input_hw": net.network_sizes,
    }


def write_report(path: Path, what: Mapping[str, Any]) -> None:
    """Write it as JSON, whole or not at all; SinkError where that is not possible."""
    write_whole(path, (json.dumps(what, indent=2) + "\n").encode())
