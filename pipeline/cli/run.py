"""`dashmask run`: segment a source into a video, records, masks, a window."""

from __future__ import annotations

import signal
import sys
from contextlib import nullcontext
from functools import partial
from typing import Annotated

import typer

from pipeline.cli.options import Given, configured, listed, milliseconds
from pipeline.cli.web_option import Recordings, Web
from pipeline.errors import ConfigError

OUTPUTS, FRAMES, OBJECTS, DRAWING, LIVE = "Outputs", "Frames", "Objects and labels", "Drawing", "Live"
Sources = Annotated[
    list[str],
    typer.Argument(
        help="A video, an image, a folder or glob of images, a KITTI raw drive, a camera (0, /dev/video0), "
        "an address (rtsp://, http://) or `demo`, a drawn drive; or several of them, with `{source}` in the names "
        "of the outputs.",
        metavar="SOURCE...",
    ),
]
Source = Annotated[
    str,
    typer.Argument(
        help="A video, an image, a folder or glob of images, a KITTI raw drive, a camera (0, /dev/video0), "
        "an address (rtsp://, http://) or `demo`, a drawn drive.",
        metavar="SOURCE",
    ),
]


@configured("model", "backend", "require", "unverified", "imgsz", "start", "frames", "fps")
def run(
    context: typer.Context,
    sources: Sources,
    given: Given,
    save: Annotated[
        str | None, typer.Option(metavar="OUT.mp4", help="Write the picture as video.", rich_help_panel=OUTPUTS)
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="OUT.jsonl",
            help="Write one record a frame, masks as COCO RLE; - is the standard output.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    masks: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write PNG masks and classes.json.", rich_help_panel=OUTPUTS)
    ] = None,
    mask_ids: Annotated[
        str | None,
        typer.Option(
            metavar="class|trainId|labelId", help="The numbers in the masks. Default: class.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    pictures: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write every picture as PNG.", rich_help_panel=OUTPUTS)
    ] = None,
    mqtt: Annotated[
        str | None,
        typer.Option(
            metavar="mqtt://HOST/TOPIC", help="Publish one record a frame to an MQTT broker.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Send the picture as a live stream: rtsp://, rtmp://, udp:// or srt://HOST:PORT.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    summary: Annotated[
        str | None,
        typer.Option(
            metavar="OUT.json", help="Write counts, rates and percentiles of the run.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="OUT.json",
            help="Write each frame's way through the threads, for Perfetto.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    evidence: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Keep the seconds around each --on, and at SIGUSR1, in here.", rich_help_panel=LIVE
        ),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help='What is evidence: "age>200ms", "person area>2%", "truck score>0.8", "person count>=3", error; '
            "may be repeated.",
            rich_help_panel=LIVE,
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show a window; q or Esc ends the run.", rich_help_panel=DRAWING)
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Keep 95 of 100 frames younger than this (50ms, 0.1s), at smaller inputs where that is needed.",
            rich_help_panel=LIVE,
        ),
    ] = None,
    every: Annotated[
        int | None, typer.Option(metavar="K", help="Take every K-th frame. Default: 1.", rich_help_panel=FRAMES)
    ] = None,
    conf: Annotated[
        float | None,
        typer.Option(metavar="0..1", help="Least score of an object. Default: 0.25.", rich_help_panel=OBJECTS),
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            help="IoU above which the weaker of two boxes is dropped. Default: 0.7.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Only these classes; where objects are looked for, only of objects.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    track: Annotated[
        bool, typer.Option("--track", help="Number objects over time: `car 7`.", rich_help_panel=OBJECTS)
    ] = False,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Hold labels steady along optical flow.", rich_help_panel=OBJECTS)
    ] = False,
    carry: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Let the networks leave out K frames in a row, and carry what they found along optical flow. "
            "Default: 0.",
            rich_help_panel=OBJECTS,
        ),
    ] = None,
    colour_by: Annotated[
        str | None,
        typer.Option(metavar="class|track", help="Colour of objects. Default: class.", rich_help_panel=DRAWING),
    ] = None,
    view: Annotated[
        str | None,
        typer.Option(
            metavar="overlay|side-by-side|masks", help="What is drawn. Default: overlay.", rich_help_panel=DRAWING
        ),
    ] = None,
    blur: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Make these classes unrecognisable.", rich_help_panel=DRAWING),
    ] = None,
    cutout: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Keep these classes on a plain ground.", rich_help_panel=DRAWING),
    ] = None,
    ground: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR",
            help="Behind a cut-out: white, black, grey, green, blue, #rrggbb or transparent. Default: white.",
            rich_help_panel=DRAWING,
        ),
    ] = None,
    web: Web = None,
    recordings: Recordings = None,
    log: Annotated[
        str, typer.Option(metavar="text|json", help="How the run talks, on stderr.", rich_help_panel=LIVE)
    ] = "text",
    no_timing: Annotated[
        bool, typer.Option("--no-timing", help="Leave measured times out of the records.", rich_help_panel=OUTPUTS)
    ] = False,
) -> None:
    """Segment every frame of a source, or of several at once: exit code 1 where some of them failed.

    Ctrl-C ends it in order; a second one at once: what was written is kept, as OUT.partial.mp4.

    Example: [bold]dashmask run drive.mp4 --model yolo11n-seg.onnx --save out.mp4 --json out.jsonl[/bold]
    """
    from pipeline.cli.json_log import JsonLog
    from pipeline.cli.progress import Progress
    from pipeline.flow import held_back

    read = partial(
        given.config,
        keys={
            "budget.ms": milliseconds("--budget", budget),
            "evidence.folder": evidence,
            "evidence.when": tuple(on) if on else None,
            "track.objects": track or None,
            "track.smooth": smooth or None,
            "track.carry": carry,
            "render.colour_by": colour_by,
            "source.every": every,
            "decode.conf": conf,
            "decode.iou": iou,
            "decode.classes": listed(classes),
            "render.view": view,
            "render.blur": listed(blur),
            "render.cutout": listed(cutout),
            "render.ground": ground,
            "output.save": save,
            "output.json": json,
            "output.masks": masks,
            "output.mask_ids": mask_ids,
            "output.pictures": pictures,
            "output.mqtt": mqtt,
            "output.stream": stream,
            "output.summary": summary,
            "output.trace": trace,
            "output.show": show or None,
            "web.address": web,
            "web.recordings": recordings,
            "output.timing": False if no_timing else None,
        },
    )
    # A terminal that closes sends SIGHUP, too: there it keeps its meaning.
    signals = (signal.SIGUSR1,) if sys.stderr.isatty() else (signal.SIGUSR1, signal.SIGHUP)
    with held_back(*signals), JsonLog() if _wants_json(log) else nullcontext() as lines:
        whole = read()
        from pipeline.running.loading import Loading

        with Loading(whole) as loading:  # begins before the imports below
            import cv2

            from pipeline.run import run as execute
            from pipeline.sinks.stdout import any_is_stdout

            cv2.setNumThreads(1)  # the stages are the threads; more inside them would fight over the same cores
            reload = read if signal.SIGHUP in signals else None
            if lines is not None:
                outcome = execute(sources, whole, lines, context.obj, reload, loading)
                finish = lines.finish
            else:
                out, read_as = whole.output, whole.source
                with Progress(read_as, table_on_stderr=any_is_stdout(out.json, out.summary, out.trace)) as progress:
                    outcome = execute(sources, whole, progress, context.obj, reload, loading)
                finish = progress.finish
        finish(outcome)
    if any(one["error"] for one in outcome.report.get("sources", ())):
        raise typer.Exit(1)


def _wants_json(log: str) -> bool:
    if log not in ("text", "json"):
        raise ConfigError(f"--log is {log!r}, expected text or json")
    return log == "json"
