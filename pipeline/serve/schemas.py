"""What the API sends, as JSON Schemas."""

from __future__ import annotations

from typing import Any

from pipeline.serve.source_state import STATES

Json = dict[str, Any]

_ERROR: Json = {
    "type": "object",
    "required": ["what", "hint"],
    "properties": {
        "what": {"type": "string", "description": "What was wrong, one sentence."},
        "hint": {"type": "string", "description": "What to do about it; may be empty."},
    },
}
_RLE: Json = {
    "type": "object",
    "description": "COCO's compressed run lengths; pycocotools decodes them.",
    "required": ["size", "counts"],
    "properties": {
        "size": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "counts": {"type": "string"},
    },
}
_INSTANCE: Json = {
    "type": "object",
    "required": ["class", "class_id", "score", "box_xyxy", "rle"],
    "properties": {
        "class": {"type": "string"},
        "class_id": {"type": "integer"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "box_xyxy": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        "rle": {"$ref": "#/components/schemas/Rle"},
    },
}
_RECORD: Json = {
    "type": "object",
    "description": "One frame: objects where an instance network ran, labels where a semantic one did.",
    "required": ["index", "pts_s"],
    "properties": {
        "index": {"type": "integer", "minimum": 0},
        "pts_s": {"type": "number"},
        "instances": {"type": "array", "items": {"$ref": "#/components/schemas/Instance"}},
        "labels": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Rle"}},
        "carried": {"type": "integer", "minimum": 1, "description": "The networks looked so many frames before."},
        "dropped": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
_SEGMENTED: Json = {
    "type": "object",
    "required": ["models", "frames"],
    "properties": {
        "models": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "family", "classes"],
                "properties": {
                    "name": {"type": "string"},
                    "family": {"type": "string"},
                    "classes": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
        "frames": {"type": "array", "items": {"$ref": "#/components/schemas/Record"}},
        "left_out": {
            "type": "integer",
            "minimum": 1,
            "description": "Pictures of a clip that are damaged or too large, if there were any.",
        },
    },
}
_CLASS: Json = {
    "type": "object",
    "required": ["name", "colour", "shown"],
    "properties": {
        "name": {"type": "string"},
        "colour": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
        "shown": {"type": "boolean"},
    },
}
_HEALTH: Json = {
    "type": "object",
    "required": ["ok", "sources"],
    "properties": {
        "ok": {"type": "boolean"},
        "sources": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "state", "since_s"],
                "properties": {
                    "name": {"type": "string"},
                    "state": {"enum": list(STATES)},
                    "since_s": {"type": "number"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}

SCHEMAS: Json = {
    "Error": _ERROR,
    "Rle": _RLE,
    "Instance": _INSTANCE,
    "Record": _RECORD,
    "Segmented": _SEGMENTED,
    "Class": _CLASS,
    "Health": _HEALTH,
}
