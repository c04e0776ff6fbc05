"""Vehicles as flat faces: how they are put together, and how they are projected, lit and drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.sources.demo.camera import NEAR_M, View
from pipeline.sources.demo.canvas import F32, SUBPIXEL_BITS, SUBPIXELS, Canvas

Corner = tuple[float, float, float]  # right, up, forward, metres
FaceKind = Literal["body", "plain", "glass", "tail", "head"]

_KINDS: tuple[FaceKind, ...] = ("body", "plain", "glass", "tail", "head")
_BODY, _PLAIN, _GLASS, _TAIL, _HEAD = range(5)
_SMALLEST_PX = 0.9


@dataclass(frozen=True, slots=True)
class Mesh:
    """Faces in the order they are drawn in; those of one part do not hide each other, once turned away ones are left out."""

    points: F32  # (n, 3) the corners of all faces, one face behind the other
    first: list[int]  # (m + 1,) where each face begins
    centres: F32  # (m, 3)
    normals: F32  # (m, 3) outward
    paint_bgr: F32  # (m, 3) 0..255; of the body's faces a factor instead
    kinds: NDArray[np.int8]  # (m,) into _KINDS
    extent_m: F32  # (m,) the shorter side
    parts: list[tuple[int, int, float]]  # faces from, to, and where it is along the vehicle
    length_m: float
    width_m: float
    height_m: float


class MeshBuilder:
    """Collects faces. A face is turned so that its outer side faces the given direction."""

    def __init__(self) -> None:
        self._faces: list[list[Corner]] = []
        self._normals: list[F32] = []
        self._paint: list[tuple[float, float, float]] = []
        self._kinds: list[int] = []
        self._parts: list[tuple[int, int, float]] = []

    def face(
        self, corners: list[Corner], out: Corner, kind: FaceKind, paint: float | tuple[float, float, float] = 1.0
    ) -> None:
        """Add a convex face; paint is a colour (B, G, R), or a factor on the vehicle's colour or the glass."""
        at = np.array(corners, np.float32)
        normal = np.cross(at[1] - at[0], at[2] - at[0])
        if not normal.any():
            normal = np.cross(at[2] - at[0], at[3] - at[0])
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        self._normals.append(normal if normal @ np.array(out, np.float32) >= 0 else -normal)
        self._faces.append(corners)
        self._paint.append(paint if isinstance(paint, tuple) else (paint, paint, paint))
        self._kinds.append(_KINDS.index(kind))

    def disc(self, x: float, y: float, z: float, radius: float, paint: tuple[float, float, float]) -> None:
        """Add a disc that faces sideways, away from the middle."""
        turns = [2 * math.pi * k / 12 for k in range(12)]
        rim = [(x, y + radius * math.cos(t), z + radius * math.sin(t)) for t in turns]
        self.face(rim, (math.copysign(1, x), 0, 0), "plain", paint)

    def end_part(self) -> None:
        """What was added since the last call is a part of its own."""
        begins = self._parts[-1][1] if self._parts else 0
        middle = float(np.mean([corner[2] for face in self._faces[begins:] for corner in face]))
        self._parts.append((begins, len(self._faces), middle))

    def build(self) -> Mesh:
        """The mesh; ends the last part."""
        if not self._parts or self._parts[-1][1] < len(self._faces):
            self.end_part()
        points = np.array([corner for face in self._faces for corner in face], np.float32)
        sides = [np.ptp(np.array(face), axis=0) for face in self._faces]
        low, high = points.min(0), points.max(0)
        return Mesh(
            points=points,
            first=np.cumsum([0] + [len(face) for face in self._faces]).tolist(),
            centres=np.array([np.mean(face, axis=0) for face in self._faces], np.float32),
            normals=np.array(self._normals, np.float32),
            paint_bgr=np.array(self._paint, np.float32),
            kinds=np.array(self._kinds, np.int8),
            extent_m=np.array([np.sort(side)[1] for side in sides], np.float32),
            parts=self._parts,
            length_m=float(high[2] - low[2]),
            width_m=float(high[0] - low[0]),
            height_m=float(high[1]),
        )


@dataclass(slots=True)
class Pose:
    """Where a vehicle is: metres along and across, and its direction relative to the road's, radians."""

    s: float
    u: float
    turn_rad: float


def colours_of(mesh: Mesh, body_bgr: F32, braking: bool, lamps_lit: bool) -> tuple[F32, F32]:
    """The faces' own colours (m, 3) and how much they shine by themselves (m, 1)."""
    own = np.where((mesh.kinds == _BODY)[:, None], body_bgr * mesh.paint_bgr, mesh.paint_bgr)
    own[mesh.kinds == _GLASS] = mesh.paint_bgr[mesh.kinds == _GLASS] * 34
    shine = np.zeros((len(own), 1), np.float32)
    tail, head = mesh.kinds == _TAIL, mesh.kinds == _HEAD
    if braking or lamps_lit:
        own[tail] = (70, 60, 255) if braking else (40, 24, 215)
        shine[tail] = 1.0 if braking else 0.8
    if lamps_lit:
        own[head] = (225, 250, 255)
        shine[head] = 1.0
    return own.astype(np.float32), shine


def draw_mesh(
    canvas: Canvas, view: View, mesh: Mesh, pose: Pose, colours: tuple[F32, F32], class_id: int
) -> None:
    """Draw a vehicle as one object."""
    z0 = pose.s - view.s_m
    reach = 0.5 * mesh.length_m + 0.5
    if z0 < -reach + NEAR_M:
        return
    heading = pose.turn_rad + view.heading(z0)
    cos, sin = math.cos(heading), math.sin(heading)
    x0 = view.offset(z0) + pose.u
    turn = np.array(((cos, 0, -sin), (0, 1, 0), (sin, 0, cos)), np.float32)
    middle = np.array((x0, -view.height_m, z0), np.float32)
    centres, normals = mesh.centres @ turn + middle, mesh.normals @ turn
    towards = np.einsum("ij,ij->i", centres, normals)
    far = max(z0, 1.0)
    large = mesh.extent_m * (view.focal_px / far) > _SMALLEST_PX
    shown = (towards < 0) & (large | (mesh.kinds == _TAIL))
    points = mesh.points @ turn + middle
    depth = np.maximum(points[:, 2], NEAR_M)
    scale = view.focal_px / depth
    across, down = view.middle_px + points[:, 0] * scale, view.horizon_px - points[:, 1] * scale
    fixed = np.empty((len(points), 2), np.int32)
    fixed[:, 0] = np.clip(across * SUBPIXELS, -200_000, 200_000)
    fixed[:, 1] = np.clip(down * SUBPIXELS, -200_000, 200_000)
    ident = canvas.slot(class_id, float(across.min()), float(down.min()), float(across.max()), float(down.max()))
    paint = _lit(view, mesh, normals, colours, far, ident)
    first, pixels, flags = mesh.first, canvas.pixels, shown.tolist()
    parts = mesh.parts
    if len(parts) > 1:
        parts = sorted(parts, key=lambda part: -part[2] * cos)
    for begins, ends, _ in parts:
        for face in range(begins, ends):
            if flags[face]:
                cv2.fillConvexPoly(
                    pixels, fixed[first[face] : first[face + 1]], paint[face], cv2.LINE_8, SUBPIXEL_BITS
                )


def _lit(
    view: View, mesh: Mesh, normals: F32, colours: tuple[F32, F32], z: float, ident: int
) -> list[list[float]]:
    """The faces' colours as seen, with the id behind: (m, 4)."""
    conditions = view.conditions
    own, shine = colours
    # Paint and glass also mirror: the sky where they face up, and the sun where the angle is right.
    gloss = np.where(mesh.kinds == _BODY, 0.16, np.where(mesh.kinds == _GLASS, 0.62, 0.0))[:, None]
    mirrored = np.clip(normals[:, 1:2], 0, 1) * conditions.haze_bgr * gloss
    half_way = conditions.to_sun + np.array((0, 0.1, -1), np.float32)
    half_way /= np.linalg.norm(half_way)
    glint = np.clip(normals @ half_way, 0, 1) ** 24 * 300 * float(conditions.sun_bgr.mean())
    lit = own * conditions.light(normals) + mirrored + glint[:, None] * gloss * 2
    lit = lit + (own - lit) * shine
    haze = view.haze(z)
    paint = np.empty((len(own), 4), np.float32)
    paint[:, :3] = np.clip(lit * (1 - haze) + view.haze_bgr * haze, 0, 255)
    paint[:, 3] = ident
    painted: list[list[float]] = paint.tolist()
    return painted


def shadow_of(view: View, mesh: Mesh, pose: Pose) -> tuple[F32, float] | None:
    """The outline (n, 2) of a vehicle's shadow on the ground, pixels, and its opacity; None out of sight."""
    z0 = pose.s - view.s_m
    if z0 < 0.6 * mesh.length_m + NEAR_M or z0 > 90:
        return None
    heading = pose.turn_rad + view.heading(z0)
    cos, sin = math.cos(heading), math.sin(heading)
    x0 = view.offset(z0) + pose.u
    half_w, half_l = 0.48 * mesh.width_m, 0.48 * mesh.length_m
    foot = [(a * cos + b * sin, b * cos - a * sin) for a in (-half_w, half_w) for b in (-half_l, half_l)]
    conditions = view.conditions
    opacity = 0.62
    if conditions.weather == "sunny":
        long = 0.8 * mesh.height_m / float(conditions.to_sun[1])
        shift = (-long * float(conditions.to_sun[0]), -long * float(conditions.to_sun[2]))
        foot += [(a + shift[0], b + shift[1]) for a, b in foot]
        opacity = min(conditions.shade + 0.12, 0.8)
    corners = np.array(foot, np.float32) + (x0, z0)
    depth = np.maximum(corners[:, 1], NEAR_M)
    outline = np.stack(
        [
            view.middle_px + view.focal_px * corners[:, 0] / depth,
            view.horizon_px + view.focal_px * view.height_m / depth,
        ],
        1,
    ).astype(np.float32)
    return np.asarray(cv2.convexHull(outline)[:, 0], np.float32), opacity
