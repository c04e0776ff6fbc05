"""What passes between the stages, and what describes a model. Standard library and NumPy only.

content.py    what is in a picture: instances, labels, truth
messages.py   a frame on its way from source to sink
model.py      a network's card
"""

from __future__ import annotations

from pipeline.types.content import VOID, Classes, Instances, Labels, Panoptic, TrueObjects, Truth
from pipeline.types.messages import (
    Decoded,
    Frame,
    Gap,
    Inferred,
    Lease,
    Picture,
    Prepared,
    Scene,
    Sink,
    Source,
    SourceInfo,
    Stamps,
)
from pipeline.types.model import Card, InputSpec, OutputSpec

__all__ = [
    "VOID",
    "Card",
    "Classes",
    "Decoded",
    "Frame",
    "Gap",
    "Inferred",
    "InputSpec",
    "Instances",
    "Labels",
    "Lease",
    "OutputSpec",
    "Panoptic",
    "Picture",
    "Prepared",
    "Scene",
    "Sink",
    "Source",
    "SourceInfo",
    "Stamps",
    "TrueObjects",
    "Truth",
]
