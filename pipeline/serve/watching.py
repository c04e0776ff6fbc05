"""The routes of the page: what is watched and what is switched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from pipeline.serve.answers import RequestError
from pipeline.serve.board import Board
from pipeline.serve.station import Station
from pipeline.serve.tap import EndedError, Tap

B = TypeVar("B")
BOUNDARY = "frame"
PATIENCE_S = 5.0  # for one picture
MOST_BODY = 65_536  # bytes


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /sources/N/recording`."""

    on: bool


class Hidden(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PUT /classes`."""

    hidden: list[str]


class WatchRoutes:
    """Answers what the page asks for.

    Args:
        board: what it shows.
    """

    def __init__(self, board: Board) -> None:
        self._board = board

    async def state(self, request: Request) -> Response:
        """Everything, once."""
        return JSONResponse(self._board.describe())

    async def events(self, request: Request) -> Response:
        """Everything, again with every sample and every switch: Server-Sent Events."""

        async def lines() -> AsyncIterator[bytes]:
            number, first = 0, True
            try:
                while True:
                    told = self._board.describe(after=number)
                    number = told["number"]
                    yield b"retry: 2000\n" * first + b"data: " + msgspec.json.encode(told) + b"\n\n"
                    first = False
                    await self._board.news()
            except EndedError:
                yield b"event: end\ndata: {}\n\n"

        return _without_end(request, lines(), "text/event-stream")

    async def stream(self, request: Request) -> Response:
        """The live picture: JPEGs one after the other. A viewer gets the newest when it has taken the last."""
        station = self._station(request)
        return _without_end(request, _parts(station), f"multipart/x-mixed-replace; boundary={BOUNDARY}")

    async def picture(self, request: Request) -> Response:
        """The next live picture, once."""
        return Response(await _next(self._station(request).live), media_type="image/jpeg")

    async def snapshot(self, request: Request) -> Response:
        """The next picture at its full size, as a file to keep."""
        station = self._station(request)
        picture = await _next(station.still)
        name = f"snapshot-{station.number}-{station.meter.totals().frames}.png"
        return Response(
            picture, media_type="image/png", headers={"content-disposition": f'attachment; filename="{name}"'}
        )

    async def recording(self, request: Request) -> Response:
        """Start or stop recording."""
        recorder = self._station(request).recorder
        if (await _read(request, Recording)).on:
            recorder.start()
        else:
            recorder.stop()
        self._board.changed()
        return JSONResponse(recorder.state())

    async def classes(self, request: Request) -> Response:
        """Which classes there are; PUT: which of them are not drawn from the next frame on."""
        if request.method == "PUT":
            self._board.classes.hide((await _read(request, Hidden)).hidden)
            self._board.changed()
        return JSONResponse(self._board.classes.describe())

    def _station(self, request: Request) -> Station:
        number: int = request.path_params["number"]
        if number >= len(self._board.stations):
            count = len(self._board.stations)
            raise RequestError(404, f"there is no source {number}", f"there are {count}, counted from 0")
        return self._board.stations[number]


def _without_end(request: Request, body: AsyncIterator[bytes], media_type: str) -> Response:
    """The answer to GET; HEAD has its head alone, as nobody would ever read the rest."""
    if request.method == "HEAD":
        return Response(media_type=media_type)
    unheld = {"x-accel-buffering": "no"}  # nginx keeps none back
    return StreamingResponse(body, media_type=media_type, headers=unheld)


async def _parts(station: Station) -> AsyncIterator[bytes]:
    number = station.live.last
    station.viewers += 1
    try:
        yield b"--" + BOUNDARY.encode() + b"\r\n"
        while True:
            number, jpeg = await station.live.after(number)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            # With the boundary behind it: browsers show a picture only when they have seen its end.
            yield head.encode() + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
    except EndedError:
        return
    finally:
        station.viewers -= 1


async def _next(tap: Tap) -> bytes:
    try:
        _, picture = await asyncio.wait_for(tap.after(tap.last), PATIENCE_S)
    except TimeoutError:
        raise RequestError(503, f"no picture came for {PATIENCE_S:g} s", "look at the state of the source") from None
    except EndedError:
        raise RequestError(503, "the run has ended") from None
    return picture


async def _read(request: Request, kind: type[B]) -> B:
    """The body of a request, of that kind.

    Raises:
        RequestError: it is not, or too large.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MOST_BODY:
                    raise RequestError(413, f"more than {MOST_BODY} bytes were sent", "send less")
    except TimeoutError:
        raise RequestError(408, f"the body took longer than {PATIENCE_S:g} s") from None
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        fields = ", ".join(getattr(kind, "__struct_fields__", ()))
        raise RequestError(422, f"the body does not fit: {error}"[:300], f"expected JSON with {fields}") from error
