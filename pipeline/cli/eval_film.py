"""What `dashmask eval` says of time: offline accuracy, accuracy when it counts, and what might have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from pipeline.config import Config
    from pipeline.evaluation.film import Film
    from pipeline.evaluation.labelled import Labelled
    from pipeline.evaluation.what_if import WhatIf


def open_film(streaming: bool, what_if: Sequence[str] | None, record: Path | None) -> Film | None:
    """What --streaming, --what-if and --record-times ask for; None: nothing of time."""
    what_ifs = parsed(what_if)  # first: it may be mistyped, and a film takes its time
    if not (streaming or what_ifs or record is not None):
        return None
    from pipeline.evaluation.film import Film

    return Film(what_ifs, record)


def parsed(what_if: Sequence[str] | None) -> list[WhatIf]:
    """Each --what-if."""
    from pipeline.evaluation.what_if import parse_what_if

    return [parse_what_if(text) for text in what_if or ()]


def refuse_with_replay(options: Mapping[str, object]) -> None:
    """A replay runs nothing: ConfigError for an option that would have to be passed over."""
    from pipeline.errors import ConfigError

    for name, value in options.items():
        if value:
            raise ConfigError(f"{name} needs a run, and --replay runs no network", hint="leave one of the two out")


def refuse_over_time(config: Config, options: Mapping[str, object]) -> None:
    """Results that hang on the frames before are others where some were dropped, or seen elsewhere: ConfigError."""
    from pipeline.errors import ConfigError
    from pipeline.track.over_time import wanted

    for name, value in options.items():
        if value and wanted(config.track):
            raise ConfigError(
                f"{name} scores each frame by itself, and `track` makes something of the frames before it",
                hint="leave track.carry, track.objects, track.smooth and track.smooth_masks as they are",
            )


def replayed(
    data: Labelled,
    config: Config,
    replay: str,
    what_if: Sequence[str] | None,
    mappings: Sequence[str],
    boundaries: bool,
    output: Path | None,
) -> None:
    """Score a recorded evaluation: the table, and the JSON."""
    from pathlib import Path

    from rich.console import Console

    from pipeline.cli.eval_table import tables
    from pipeline.evaluation.replaying import replay as score
    from pipeline.report import write_report

    what = score(data, config, Path(replay), parsed(what_if), mappings, boundaries)
    if output is not None:
        write_report(output, what)
    console = Console()
    for table in (*tables(what), film_table(what)):
        if table is not None:
            console.print(table)
    left_out = what["left_out"]["count"]
    told = f"{what['images']} images from {replay}, {left_out} left out; no network ran"
    console.print(told, soft_wrap=True, markup=False)
    if "assumed" in what:
        told = f"{what['assumed']}; workers=N in --what-if says another number"
        console.print(told, soft_wrap=True, markup=False)


def film_table(what: Mapping[str, Any]) -> Table | None:
    """A row for each way in which time may pass; None: nothing was said of time."""
    from pipeline.cli.table import plain_table

    rows: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [("offline", what, {})]
    if "streaming" in what:
        rows.append(("streaming", what["streaming"], what["streaming"]))
    rows += [(one["what_if"].replace(",", " ") or "simulated", one, one) for one in what.get("what_if", ())]
    if len(rows) == 1:
        return None
    measures = [name for name in ("mIoU", "mask.AP", "box.AP") if _figure(what, name) is not None]
    head = ("time", *measures, "done", "dropped", "latency\nms p50", "\np99", "age\nms p50", "\np99")
    table = plain_table(*head, numbers_from=1)
    table.columns[0].min_width = 20
    for column in table.columns[1:]:
        column.no_wrap = True
    for name, scores, times in rows:
        table.add_row(name, *(_percent(_figure(scores, measure)) for measure in measures), *_times(times))
    return table


def film_lines(what: Mapping[str, Any]) -> list[str]:
    """What the table does not say."""
    lines = []
    if (streaming := what.get("streaming")) is not None:
        lag, missed = streaming["mean_lag_frames"], streaming["without_result"]
        behind = "no result came in time" if lag is None else f"results are {lag:.1f} frames behind"
        late_ms = streaming["source_late_ms"]
        dropped = ", ".join(f"{count} {cause}" for cause, count in streaming["frames"]["dropped"].items()) or "none"
        lines.append(
            f"at the film's pace {behind}; {missed} frames were shown before the first result; dropped: {dropped}; "
            f"the source was late by {late_ms:.1f} ms at worst"
        )
        if "box" in what:
            lines.append(f"its times include the masks of all objects from a score of {what['decode']['conf']:g} on")
        if (same := streaming.get("simulation")) is not None:
            count, apart = same["processed"], same["finish_apart_ms"]
            lines.append(
                f"simulated with its own times: {count['simulated']} frames processed, measured {count['measured']}, "
                f"the same {count['the_same_frames']}; finished {_ms(apart['mean'])} ms apart on average, "
                f"{_ms(apart['max'])} at most"
            )
    return lines


def _times(times: Mapping[str, Any]) -> list[str]:
    if not times:
        return [""] * 6
    frames, latency, age = times["frames"], times["latency_ms"], times["shown_age_ms"]
    return [
        str(frames["processed"]),
        str(sum(frames["dropped"].values())),
        *(_ms(distribution[key]) for distribution in (latency, age) for key in ("p50", "p99")),
    ]


def _figure(scores: Mapping[str, Any], name: str) -> float | None:
    whole: Any = scores
    for key in name.split("."):
        whole = whole.get(key) if isinstance(whole, Mapping) else None
    return whole if isinstance(whole, float | int) else None


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f}"


def _ms(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:.1f}"
