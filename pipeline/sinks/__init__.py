"""Where pictures and scenes go, one file each. Nothing heavy is imported before it is used."""

from __future__ import annotations

from typing import Any

from pipeline.sinks.outputs import check_outputs

__all__ = ["SINKS", "check_outputs", "sink_class"]

SINKS = {  # name -> module:class; a new sink is one file and one line
    "video": "pipeline.sinks.video:VideoSink",
    "json": "pipeline.sinks.jsonl:JsonlSink",
    "mqtt": "pipeline.sinks.mqtt:MqttSink",
    "stream": "pipeline.sinks.stream.sink:StreamSink",
    "masks": "pipeline.sinks.masks:MaskSink",
    "pictures": "pipeline.sinks.pictures:PictureSink",
    "window": "pipeline.sinks.window:Window",
}


def sink_class(name: str) -> Any:
    """The class behind a name of SINKS; KeyError where there is none."""
    import importlib

    module, _, attribute = SINKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
