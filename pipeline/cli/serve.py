"""`dashmask serve`: networks as a service, for programs that know HTTP and not Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from pipeline.cli.options import Given, configured


@configured("model", "backend", "require", "unverified", "imgsz", "conf")
def serve(
    given: Given,
    address: Annotated[
        str,
        typer.Argument(
            metavar="[HOST:PORT]",
            help="Where it answers. Outside this machine who asks needs a token: the one that is printed, or yours, "
            "by --set web.token=TOKEN.",
        ),
    ] = "127.0.0.1:8765",
) -> None:
    """Answer POST /segment: a picture or a short clip in, records, a mask or a cut-out out.

    Example: [bold]dashmask serve --model yolo11n-seg.onnx[/bold], then
    [bold]curl --data-binary @street.jpg http://127.0.0.1:8765/segment[/bold]
    """
    from pipeline.cli.progress import say, say_networks

    whole = given.config(keys={"web.address": address})
    import signal
    import threading

    import cv2

    from pipeline.networks import Network
    from pipeline.running.page import serve_api

    cv2.setNumThreads(1)  # as in a run
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())

    def told(url: str, nets: Sequence[Network]) -> None:
        say_networks(nets)
        say(f"answers at {url} until Ctrl-C")

    serve_api(whole, told, done.wait)
