"""The description of the API, OpenAPI 3.1."""

from __future__ import annotations

from typing import get_args

from pipeline import __version__
from pipeline.config import ApiConfig
from pipeline.serve.asked import Form
from pipeline.serve.schemas import SCHEMAS, Json

_REFUSALS = {
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site, or asks for a name that is not this machine's.",
    404: "There is no such thing.",
    406: "No answer of the kind that Accept asks for.",
    408: "The upload took too long, or broke off.",
    413: "The upload is larger than allowed.",
    422: "What was sent cannot be used; says why.",
    503: "Not now: too many uploads wait, it took too long, or no frame came.",
}


def description(limits: ApiConfig, page: bool) -> Json:
    """The whole description.

    Args:
        limits: of an upload, told in words.
        page: whether there are sources to watch.
    """
    paths: Json = {
        "/segment": {"post": _segment(limits)},
        "/classes": {"get": _classes(), "put": _put_classes()},
        "/healthz": {"get": _get("Whether frames come.", {"application/json": _ref("Health")}, 401, 403) | _unwell()},
        "/metrics": {"get": _get("Figures for Prometheus.", {"text/plain": {"type": "string"}}, 401, 403)},
    }
    if page:
        paths |= _watching()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dashmask",
            "version": __version__,
            "description": "What is where on the road. Errors are JSON with `what` was wrong and a `hint`.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
        "security": [{}, {"bearer": []}, {"token": []}],
    }


def _segment(limits: ApiConfig) -> Json:
    upload: Json = {"type": "string", "format": "binary"}
    kinds = ["image/jpeg", "image/png", "image/webp", "video/mp4", "application/octet-stream"]
    form: Json = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {"file": upload},
    }
    names = "Classes of a cut-out, with commas between them; none: every object."
    return {
        "operationId": "segment",
        "summary": "Segment a picture or a short clip.",
        "description": f"At most {limits.max_mb:g} MB, {limits.max_megapixels:g} megapixels a picture, "
        f"{limits.max_frames} frames a clip and {limits.timeout_s:g} s. JPEG, PNG, WebP, BMP and TIFF; MP4, MOV, "
        "Matroska and WebM. The records are those of `dashmask run --json`. A mask has 8 bit with class ids and 255 "
        "for none where a semantic network runs, else 16 bit with class id x 1000 + number of the object.",
        "parameters": [
            {
                "name": "as",
                "in": "query",
                "schema": {"enum": list(get_args(Form))},
                "description": "Goes over Accept.",
            },
            {"name": "classes", "in": "query", "schema": {"type": "string"}, "description": names},
        ],
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": upload} for kind in kinds} | {"multipart/form-data": {"schema": form}},
        },
        "responses": {
            "200": {
                "description": "What is where.",
                "content": {
                    "application/json": {"schema": _ref("Segmented")},
                    "application/jsonl": {"schema": {"type": "string", "description": "A Record on each line."}},
                    "image/png": {"schema": upload},
                },
            }
        }
        | _refused(401, 403, 406, 408, 413, 422, 503),
    }


def _classes() -> Json:
    return _get("The classes of the networks.", {"application/json": _list("Class")}, 401, 403)


def _put_classes() -> Json:
    body: Json = {
        "type": "object",
        "required": ["hidden"],
        "additionalProperties": False,
        "properties": {"hidden": {"type": "array", "items": {"type": "string"}}},
    }
    answer = _get("Say which classes are not drawn.", {"application/json": _list("Class")}, 401, 403, 408, 413, 422)
    return answer | {"requestBody": {"required": True, "content": {"application/json": {"schema": body}}}}


def _watching() -> Json:
    number: Json = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
    picture: Json = {"type": "string", "format": "binary"}
    on: Json = {
        "type": "object",
        "required": ["on"],
        "additionalProperties": False,
        "properties": {"on": {"type": "boolean"}},
    }
    one: Json = {"parameters": [number]}
    stream = _get("The live picture, without end.", {"multipart/x-mixed-replace": picture}, 401, 403, 404)
    record = _get("Start or stop recording.", {"application/json": {"type": "object"}}, 401, 403, 404, 408, 413, 422)
    events = _get("The same, once a second: Server-Sent Events.", {"text/event-stream": {"type": "string"}}, 401, 403)
    return {
        "/state": {"get": _get("What the page shows.", {"application/json": {"type": "object"}}, 401, 403)},
        "/events": {"get": events},
        "/sources/{number}/stream.mjpg": one | {"get": stream},
        "/sources/{number}/picture.jpg": one
        | {"get": _get("The next live picture.", {"image/jpeg": picture}, 401, 403, 404, 503)},
        "/sources/{number}/snapshot.png": one
        | {"get": _get("The next picture at full size.", {"image/png": picture}, 401, 403, 404, 503)},
        "/sources/{number}/recording": one
        | {"post": record | {"requestBody": {"required": True, "content": {"application/json": {"schema": on}}}}},
    }


def _get(summary: str, content: Json, *refused: int) -> Json:
    answer = {"description": summary, "content": {kind: {"schema": schema} for kind, schema in content.items()}}
    return {"summary": summary, "responses": {"200": answer} | _refused(*refused)}


def _unwell() -> Json:
    health = {"description": "No source gives frames.", "content": {"application/json": {"schema": _ref("Health")}}}
    answer = {"description": "Frames come.", "content": {"application/json": {"schema": _ref("Health")}}}
    return {"responses": {"200": answer, "503": health} | _refused(401, 403)}


def _refused(*statuses: int) -> Json:
    content = {"application/json": {"schema": _ref("Error")}}
    return {str(status): {"description": _REFUSALS[status], "content": content} for status in statuses}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str) -> Json:
    return {"type": "array", "items": _ref(name)}
