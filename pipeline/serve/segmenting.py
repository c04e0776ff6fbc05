"""`POST /segment`: a picture or a short clip in, what is where in it out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any, TypeVar, cast, get_args

from python_multipart import create_form_parser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pipeline.config import ApiConfig
from pipeline.errors import UserError
from pipeline.serve.answers import RequestError
from pipeline.serve.asked import Asked, Form
from pipeline.serve.work import Work

T = TypeVar("T")
_MEDIA: dict[str, Form] = {  # as Accept asks for it -> form
    "application/json": "json",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "image/png": "mask",
}
_PARAMETERS = ("as", "classes", "token")
_AS_FORM = "for instance curl -F file=@street.jpg"


class SegmentRoute:
    """Answers the request.

    Args:
        work: the line before the networks.
        limits: of an upload.
    """

    def __init__(self, work: Work, limits: ApiConfig) -> None:
        self._work, self._limits = work, limits
        logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # what is wrong with a form is in the answer

    async def answer(self, request: Request) -> Response:
        """Read, wait for the turn, segment, answer.

        Raises:
            RequestError, UserError: see openapi.py for the statuses.
        """
        form = form_of(request)
        classes = classes_of(request, form)
        self._work.enter()
        began_s = time.monotonic()
        try:
            upload = await self._upload(request)
            read_s = time.monotonic()
            answer = await while_there(request, self._work.answer(Asked(upload, form, classes)))
        except (RequestError, UserError):
            self._work.answered["refused"] += 1
            raise
        finally:
            self._work.leave()
        self._work.answered["answered"] += 1
        spans = f"read;dur={(read_s - began_s) * 1e3:.1f}, segment;dur={(time.monotonic() - read_s) * 1e3:.1f}"
        return Response(answer.body, media_type=answer.media_type, headers={"server-timing": spans})

    async def _upload(self, request: Request) -> bytes:
        try:
            body = await asyncio.wait_for(self._body(request), self._limits.timeout_s)
        except TimeoutError:
            raise RequestError(408, f"the upload took longer than {self._limits.timeout_s:g} s") from None
        except ClientDisconnect:
            raise RequestError(408, "the upload broke off") from None
        kind = request.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/form-data"):
            return body
        return await asyncio.get_running_loop().run_in_executor(None, file_in, kind, body)

    async def _body(self, request: Request) -> bytes:
        most = int(self._limits.max_mb * 1e6)
        too_large = RequestError(
            413, f"the upload is larger than {self._limits.max_mb:g} MB", "send less, or raise api.max_mb"
        )
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > most:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
        return bytes(body)


async def while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives; it is cancelled when whoever asked has gone. The body was read before.

    Raises:
        RequestError: they have gone.
    """
    gone, answer = asyncio.ensure_future(request.receive()), asyncio.ensure_future(work)
    try:
        await asyncio.wait((gone, answer), return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        raise RequestError(408, "whoever asked has gone")
    finally:
        for one in (gone, answer):
            one.cancel()
        await asyncio.wait((gone, answer))


def form_of(request: Request) -> Form:
    """The form of the answer: `?as=`, else the first of Accept that there is.

    Raises:
        RequestError: there is no such form.
    """
    wanted = request.query_params.get("as")
    if wanted is not None:
        if wanted not in get_args(Form):
            raise RequestError(
                422, f"as={wanted[:40]!r} is no form of an answer", f"expected {', '.join(get_args(Form))}"
            )
        return cast(Form, wanted)
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    if not any(accepted):
        return "json"
    for kind in accepted:
        if kind in _MEDIA:
            return _MEDIA[kind]
        if kind in ("*/*", "application/*"):
            return "json"
        if kind == "image/*":
            return "mask"
    raise RequestError(406, "there is no answer of that kind", f"accept {', '.join(_MEDIA)}, or use ?as=")


def classes_of(request: Request, form: Form) -> tuple[str, ...]:
    """The classes of a cut-out, `?classes=`; nothing that was asked for is ignored.

    Raises:
        RequestError: a parameter that is none, or classes for another form.
    """
    for name in request.query_params:
        if name not in _PARAMETERS:
            raise RequestError(422, f"there is no parameter {name[:40]!r}", f"known are {', '.join(_PARAMETERS)}")
    wanted = request.query_params.get("classes")
    if wanted is not None and form != "cutout":
        raise RequestError(422, f"classes= is for a cut-out, not for {form}", "ask for ?as=cutout")
    return tuple(filter(None, (name.strip() for name in (wanted or "").split(","))))


def file_in(content_type: str, body: bytes) -> bytes:
    """The one file of a multipart form, or its field called `file`.

    Raises:
        RequestError: it is broken, or holds no file, or several, or something else, which nobody would look at.
    """
    found: list[bytes] = []
    others: list[str] = []

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        found.append(file.file_object.read())  # it lies in memory, and older parsers still use it: not closed here

    def on_field(field: Field) -> None:
        if field.field_name == b"file" and field.value is not None:
            found.append(field.value)
        else:
            others.append((field.field_name or b"").decode("utf-8", "replace")[:40])

    try:
        config = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
        parser = create_form_parser({"Content-Type": content_type.encode()}, on_field, on_file, config=config)
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError, UnicodeError) as error:
        raise RequestError(422, f"the form is broken: {error}"[:200], _AS_FORM) from error
    if others:
        raise RequestError(422, f"the form holds {others[0]!r} beside the file", "ask in the address, as in ?as=mask")
    if len(found) != 1:
        raise RequestError(422, f"the form holds {len(found)} files, expected one", _AS_FORM)
    return found[0]
