"""What became of a replay: totals, failures by reason, how fast each worker was."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from pipeline.replay.dispatch import Counts
from pipeline.replay.ledger import Ledger
from pipeline.replay.remote import shown

FILE = "report.json"


def replay_report(
    ledger: Ledger, identity: Mapping[str, Any], counts: Counts, wall_s: float, interrupted: bool
) -> dict[str, Any]:
    """All of it, for JSON.

    `clips`, `frames`, `rows`, `failures` and `digest` are of the whole data set; `this_run` is of this run alone. The
    digest is the sha256 over the names and sha256 of the clips' files, in the order of the names: two data sets with
    the same digest are the same, byte for byte.
    """
    states = dict.fromkeys(("done", "failed", "waiting"), 0)
    for state, count in ledger.rows("SELECT state, count(*) FROM clips GROUP BY state"):
        states["waiting" if state == "split" else state] += count
    frames, rows = next(ledger.rows("SELECT coalesce(sum(frames), 0), coalesce(sum(rows), 0) FROM clips"))
    whole = hashlib.sha256()
    for name, sha256 in ledger.rows("SELECT name, sha256 FROM clips WHERE state = 'done' ORDER BY name"):
        whole.update(f"{name}\\0{sha256}\\n".encode())
    failures = [
        {"name": name, "location": shown(location), "reason": reason, "tries": tries}
        for name, location, reason, tries in ledger.rows(
            "SELECT name, location, reason, tries FROM clips WHERE state = 'failed' ORDER BY name"
        )
    ]
    reasons = Counter(_kind(one["reason"], one["location"]) for one in failures)
    return {
        **{name: identity[name] for name in ("schema", "models", "versions")},
        "clips": {"all": sum(states.values()), **states},
        "frames": frames,
        "rows": rows,
        "digest": whole.hexdigest(),
        "split": next(ledger.rows("SELECT count(*) FROM clips WHERE segments > 0"))[0],
        "not_split": dict(ledger.rows("SELECT whole, count(*) FROM clips WHERE whole != '' GROUP BY whole")),
        "failures": {"by_reason": dict(reasons.most_common()), "clips": failures},
        "interrupted": interrupted,
        "this_run": {
            "clips": counts.clips,
            "frames": counts.frames,
            "retries": counts.retries,
            "wall_s": round(wall_s, 3),
            "fps": round(counts.frames / wall_s, 3) if wall_s else None,
            "workers": {
                name: {
                    "frames": one.frames,
                    "busy_s": round(one.busy_s, 3),
                    "fps": round(one.frames / one.busy_s, 3) if one.busy_s else None,
                }
                for name, one in sorted(counts.workers.items())
            },
            "notes": list(counts.notes),
        },
    }


def _kind(reason: str, location: str) -> str:
    """A reason without the clip that it is about."""
    return reason.replace(location, "").strip(" :")
