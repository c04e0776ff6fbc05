"""Answers that are errors: JSON with what was wrong and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pipeline.errors import UserError


class RequestError(Exception):
    """A request that is not answered as asked.

    Args:
        status: of HTTP.
        what: was wrong, one sentence.
        hint: what to do about it, or empty.
        headers: of the answer.
    """

    def __init__(self, status: int, what: str, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(what)
        self.status, self.what, self.hint, self.headers = status, what, hint, dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse({"what": self.what, "hint": self.hint}, self.status, self.headers)


def refuse(request: Request, error: Exception) -> Response:
    """The answer to a RequestError; a handler for Starlette."""
    assert isinstance(error, RequestError)
    return error.response()


def refuse_http(request: Request, error: Exception) -> Response:
    """The answer where Starlette itself refuses: no such path, another method."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    told = {
        404: (f"there is nothing at {path}", "GET /docs says what there is"),
        405: (f"{path} does not take {method}", "GET /docs says what it takes"),
    }
    what, hint = told.get(error.status_code, (HTTPStatus(error.status_code).phrase, ""))
    return RequestError(error.status_code, what, hint, error.headers).response()


def refuse_user_error(request: Request, error: Exception) -> Response:
    """The answer to an error that whoever asks can mend."""
    assert isinstance(error, UserError)
    return RequestError(422, error.message, error.hint).response()


def refuse_defect(request: Request, error: Exception) -> Response:
    """The answer to a defect of ours; its traceback is printed where the server runs."""
    return RequestError(
        500, "this is a defect of dashmask, not of the request", "its traceback is in the log"
    ).response()
