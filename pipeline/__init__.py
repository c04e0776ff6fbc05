"""dashmask: what is where on the road, in every frame, in time.

import pipeline

for scene in pipeline.open("clip.mp4", model="yolo11n-seg.onnx"):
    print(scene.frame.index, [scene.instances.classes.names[i] for i in scene.instances.class_ids])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.errors import UserError
    from pipeline.scenes import open
    from pipeline.types import Frame, Instances, Labels, Scene

__version__ = "0.1.0"
__all__ = ["Frame", "Instances", "Labels", "Scene", "UserError", "open"]

_HOME = {
    "open": "pipeline.scenes",
    "UserError": "pipeline.errors",
    "Frame": "pipeline.types",
    "Instances": "pipeline.types",
    "Labels": "pipeline.types",
    "Scene": "pipeline.types",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
