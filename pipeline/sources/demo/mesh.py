"""Vehicles as flat faces: how they are put together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.demo.canvas import F32

Corner = tuple[float, float, float]  # right, up, forward, metres
Paint = tuple[float, float, float]  # B, G, R, 0..255
FaceKind = Literal["body", "plain", "glass", "tail", "head"]

KINDS: tuple[FaceKind, ...] = ("body", "plain", "glass", "tail", "head")
BODY, PLAIN, GLASS, TAIL, HEAD = range(5)


@dataclass(frozen=True, slots=True)
class Mesh:
    """Faces in the order they are drawn in.

    Those of one part do not hide each other, once those are left out that are turned away.
    """

    points: F32  # (n, 3) the corners of all faces, one face behind the other
    first: list[int]  # (m + 1,) where each face begins
    centres: F32  # (m, 3)
    normals: F32  # (m, 3) outward
    paint_bgr: F32  # (m, 3) 0..255; of body and glass a factor instead
    kinds: NDArray[np.int8]  # (m,) into KINDS
    parts: list[tuple[int, int, float]]  # faces from, to, and where the part is along the vehicle
    length_m: float
    width_m: float
    height_m: float


class MeshBuilder:
    """Collects faces. A face is turned so that its outer side faces the given direction."""

    def __init__(self) -> None:
        self._faces: list[list[Corner]] = []
        self._normals: list[F32] = []
        self._paint: list[Paint] = []
        self._kinds: list[int] = []
        self._parts: list[tuple[int, int]] = []

    def face(self, corners: list[Corner], out: Corner, kind: FaceKind, paint: float | Paint = 1.0) -> None:
        """Add a convex face; paint is a colour, or a factor on the vehicle's colour or the glass."""
        at = np.array(corners, np.float32)
        normal = np.cross(at[1] - at[0], at[2] - at[0])
        if not normal.any():
            normal = np.cross(at[2] - at[0], at[3] - at[0])
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        self._normals.append(normal if normal @ np.array(out, np.float32) >= 0 else -normal)
        self._faces.append(corners)
        self._paint.append(paint if isinstance(paint, tuple) else (paint, paint, paint))
        self._kinds.append(KINDS.index(kind))

    def disc(self, x: float, y: float, z: float, radius: float, paint: Paint) -> None:
        """Add a disc that faces sideways, away from the middle."""
        turns = [2 * math.pi * k / 12 for k in range(12)]
        rim = [(x, y + radius * math.cos(t), z + radius * math.sin(t)) for t in turns]
        self.face(rim, (math.copysign(1, x), 0, 0), "plain", paint)

    def end_part(self) -> None:
        """What was added since the last call is a part of its own."""
        self._parts.append((self._parts[-1][1] if self._parts else 0, len(self._faces)))

    def build(self, least_m: float = 0.0) -> Mesh:
        """The mesh of the faces whose second longest extent is least_m or more, and of all rear lamps."""
        if not self._parts or self._parts[-1][1] < len(self._faces):
            self.end_part()
        extents = [float(np.sort(np.ptp(np.array(face), axis=0))[1]) for face in self._faces]
        kept = [index for index, extent in enumerate(extents) if extent >= least_m or self._kinds[index] == TAIL]
        faces = [self._faces[index] for index in kept]
        parts = []
        for begins, ends in self._parts:
            inside = [place for place, index in enumerate(kept) if begins <= index < ends]
            if inside:
                middle = float(np.mean([corner[2] for place in inside for corner in faces[place]]))
                parts.append((inside[0], inside[-1] + 1, middle))
        points = np.array([corner for face in faces for corner in face], np.float32)
        low, high = points.min(0), points.max(0)
        return Mesh(
            points=points,
            first=np.cumsum([0] + [len(face) for face in faces]).tolist(),
            centres=np.array([np.mean(face, axis=0) for face in faces], np.float32),
            normals=np.array(self._normals, np.float32)[kept],
            paint_bgr=np.array(self._paint, np.float32)[kept],
            kinds=np.array(self._kinds, np.int8)[kept],
            parts=parts,
            length_m=float(high[2] - low[2]),
            width_m=float(high[0] - low[0]),
            height_m=float(high[1]),
        )
