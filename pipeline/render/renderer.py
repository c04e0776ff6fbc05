"""Scene -> picture."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.config import RenderConfig
from pipeline.image import Image, Matrix, PixelFormat
from pipeline.render.canvas import Canvas, Palette
from pipeline.render.check import check_config, ground_colour
from pipeline.render.chosen import without
from pipeline.render.cutout import kept_alpha, put_ground
from pipeline.render.labels import LabelPainter
from pipeline.render.masks import MaskPainter
from pipeline.render.panels import Entry, Legend, Panels
from pipeline.render.planar import Planar, buffer_of, split
from pipeline.render.privacy import blur_classes
from pipeline.render.tags import TagPainter
from pipeline.render.text import Font
from pipeline.types import Picture, Scene

U8 = NDArray[np.uint8]
_BLACK = (0, 0, 0)


class BufferLease(Protocol):
    """A borrowed buffer."""

    @property
    def value(self) -> U8: ...

    def release(self) -> None: ...


class BufferPool(Protocol):
    """Where buffers of one size are borrowed, for instance pipeline.flow.Pool."""

    def acquire(self) -> BufferLease: ...


PoolFactory = Callable[[Callable[[], U8]], BufferPool]  # from what makes a buffer


class Renderer:
    """Draws scenes. One thread at a time.

    A picture has the format yuv420p (yuv444p for odd sizes and for yuv444p frames), in the frame's own matrix and
    range; a cut-out on a transparent ground is bgra32. Its planes are borrowed from a pool: who is done with the
    picture releases its lease. Frames may change their size; each size gets a pool of its own.

    Views: `overlay` draws on the picture, `side-by-side` puts the picture (blurred where asked) to the left of it,
    `masks` draws class colours on black. A cut-out shows the picture itself, so nothing is drawn over it.

    Args:
        config: the render section.
        pool_factory: makes a pool from a function that makes a buffer.

    Raises:
        ConfigError: see check_config. Names of classes are checked by check_names, once the models are known.
    """

    def __init__(self, config: RenderConfig, pool_factory: PoolFactory) -> None:
        check_config(config)
        self._config = self._next = config
        self._pool_factory = pool_factory
        self._planar = Planar()
        self._legend = Legend(config.colour_by == "track")
        self._look: _Look | None = None

    def use(self, config: RenderConfig) -> None:
        """Draw as this says from the next scene on; legal from any thread. ConfigError: see check_config."""
        check_config(config)
        self._next = config

    def render(self, scene: Scene, status: str | None = None, hidden: Collection[str] = ()) -> Picture:
        """Draw a scene.

        Args:
            scene: its frame's planes are read only.
            status: the line at the lower left; None: none.
            hidden: classes that are not drawn. What is blurred or cut out stays so.
        """
        if self._next is not self._config:
            if self._next.colour_by != self._config.colour_by:
                self._legend = Legend(self._next.colour_by == "track")
            self._config, self._look = self._next, None
        config = self._config
        if config.cutout and ground_colour(config.ground) is None:
            return self._transparent(scene)
        source = self._planar(scene.frame.image)
        look = self._look_for(source)
        height, width = look.frame_hw
        lease = look.pool.acquire()
        planes = split(lease.value, source.format, look.picture_hw)
        whole = Canvas(planes, [plane.shape != planes[0].shape for plane in planes], look.palette)
        beside = look.picture_hw[1] > width
        canvas = whole.part((0, 0, width, height)) if beside else whole
        if config.view == "masks":
            canvas.clear(_BLACK)
        else:
            canvas.load(source.planes)
            if config.blur:
                blur_classes(canvas, scene, config.blur)
        if beside:
            left, canvas = canvas, whole.part((width, 0, 2 * width, height))
            canvas.load(left.planes)
        if config.cutout:
            put_ground(canvas, kept_alpha(scene, config.cutout), ground_colour(config.ground) or _BLACK)
        else:
            shown = without(scene, hidden) if hidden else scene
            look.draw(canvas, shown, self._legend.update(shown, hidden) if config.legend else [], status)
        return Picture(scene, Image(planes, source.format, source.matrix, source.full_range), lease)

    def _look_for(self, source: Image) -> _Look:
        if self._look is None or not self._look.fits(source):
            self._look = _Look(self._config, source, self._pool_factory)
        return self._look

    def _transparent(self, scene: Scene) -> Picture:
        image = scene.frame.image
        look = self._look_for(Image(image.planes[:1], "bgra32"))
        lease = look.pool.acquire()
        (bgra,) = split(lease.value, "bgra32", look.frame_hw)
        colours = [np.asarray(plane, np.uint8) for plane in cv2.split(image.bgr())]
        if self._config.blur:
            blur_classes(Canvas(colours, [False] * 3, look.palette), scene, self._config.blur)
        alpha = kept_alpha(scene, self._config.cutout)
        # Nothing of the picture may be left under alpha 0.
        shown = np.multiply(alpha != 0, 255, dtype=np.uint8)
        cv2.merge([*(cv2.bitwise_and(plane, shown) for plane in colours), alpha], bgra)
        return Picture(scene, Image((bgra,), "bgra32"), lease)


class _Look:
    """What drawing needs for frames of one size and format; made anew when they change."""

    def __init__(self, config: RenderConfig, source: Image, pool_factory: PoolFactory) -> None:
        form, size_hw = source.format, source.size_hw
        self._config = config
        self._key = _key(source)
        self.frame_hw = size_hw
        self.picture_hw = (size_hw[0], size_hw[1] * (2 if config.view == "side-by-side" else 1))
        picture_hw = self.picture_hw
        self.pool = pool_factory(lambda: buffer_of(form, picture_hw))
        self.palette = Palette(source.matrix, source.full_range)
        masks = config.view == "masks"
        line_px = max(1, min(8, round(min(size_hw) / 360)))
        font = Font(max(11, round(3.5 + min(size_hw) / 64)))
        alpha = 1.0 if masks else config.alpha
        self._labels = LabelPainter(alpha)
        by_track = config.colour_by == "track"
        self._masks = MaskPainter(alpha, line_px if config.outlines else 0, by_track)
        self._tags = TagPainter(font, line_px if config.boxes else 0, config.names, config.scores, by_track)
        self._panels = Panels(font, size_hw)

    def fits(self, source: Image) -> bool:
        """Whether this look is for such a picture."""
        return self._key == _key(source)

    def draw(self, canvas: Canvas, scene: Scene, entries: list[Entry], status: str | None) -> None:
        """Draw labels, instances, names, legend and status line, in this order."""
        config, panels = self._config, self._panels
        masks = config.view == "masks"
        if scene.labels is not None:
            self._labels.paint(canvas, scene.labels)
        columns = panels.legend_columns(entries)
        if scene.instances is not None:
            self._masks.paint(canvas, scene.instances)
            if not masks:
                reserved = [box for box, _, _ in columns]
                if config.status and status:
                    reserved.append(panels.status_box(status))
                self._tags.paint(canvas, scene.instances, reserved)
        panels.draw_legend(canvas, columns)
        if config.status and status:
            panels.draw_status(canvas, status)


def _key(image: Image) -> tuple[PixelFormat, tuple[int, int], Matrix, bool]:
    return image.format, image.size_hw, image.matrix, image.full_range
