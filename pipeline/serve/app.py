"""The application: which address is answered by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from pipeline.config import ApiConfig
from pipeline.errors import UserError
from pipeline.serve.answers import RequestError, refuse, refuse_defect, refuse_http, refuse_user_error
from pipeline.serve.board import Board
from pipeline.serve.guard import Guard
from pipeline.serve.health import HealthRoute
from pipeline.serve.metrics import MetricsRoute
from pipeline.serve.openapi import description
from pipeline.serve.segmenting import SegmentRoute
from pipeline.serve.watching import WatchRoutes
from pipeline.serve.work import Work

_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def application(board: Board, work: Work, limits: ApiConfig, token: str | None, port: int) -> ASGIApp:
    """Everything that is answered, behind the guard.

    Args:
        board: what the page shows; without sources there is no page.
        work: what segments uploads.
        limits: of an upload.
        token: that whoever asks must know; None: this machine alone may ask.
        port: of the server.
    """
    watch, page = WatchRoutes(board), _page()
    front = page["index.html"] if board.stations else _to("docs")
    routes = [
        Route("/", front),
        *(Route(f"/page/{name}", answer) for name, answer in page.items() if not name.endswith(".html")),
        Route("/favicon.ico", page["icon.svg"]),
        Route("/docs", page["docs.html"]),
        Route("/openapi.json", _json(description(limits, bool(board.stations)))),
        Route("/healthz", HealthRoute(board).answer),
        Route("/metrics", MetricsRoute(board, work).answer),
        Route("/segment", SegmentRoute(work, limits).answer, methods=["POST"]),
        Route("/classes", watch.classes, methods=["GET", "PUT"]),
    ]
    if board.stations:
        routes += [
            Route("/state", watch.state),
            Route("/events", watch.events),
            Route("/sources/{number:int}/stream.mjpg", watch.stream),
            Route("/sources/{number:int}/picture.jpg", watch.picture),
            Route("/sources/{number:int}/snapshot.png", watch.snapshot),
            Route("/sources/{number:int}/recording", watch.recording, methods=["POST"]),
        ]
    handlers = {
        RequestError: refuse,
        UserError: refuse_user_error,
        HTTPException: refuse_http,
        Exception: refuse_defect,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token, port)


Endpoint = Callable[[Request], Awaitable[Response]]


def _page() -> dict[str, Endpoint]:
    """The files of the page, read once; browsers ask again with what they have."""
    return {
        file.name: _file(file.read_bytes(), _MEDIA[file.name[file.name.rindex(".") :]])
        for file in files("pipeline.serve").joinpath("page").iterdir()
        if file.name.endswith(tuple(_MEDIA))
    }


def _file(content: bytes, media_type: str) -> Endpoint:
    headers = {"etag": f'"{sha256(content).hexdigest()[:16]}"', "cache-control": "no-cache"}

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return answer


def _json(content: object) -> Endpoint:
    async def answer(request: Request) -> Response:
        return JSONResponse(content)

    return answer


def _to(path: str) -> Endpoint:
    async def answer(request: Request) -> Response:
        return RedirectResponse(path, 307)

    return answer
