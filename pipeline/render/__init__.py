"""From a scene to a picture: overlays, privacy, cut-outs, legend and status line.

Everything is drawn in the planes that the frame came in (planar YUV, which is also
what a video encoder takes), so a saved video never passes through RGB.
"""

from __future__ import annotations

from pipeline.render.check import check_config, check_names
from pipeline.render.renderer import Renderer

__all__ = ["Renderer", "check_config", "check_names"]
