"""All vehicles of one picture at once: projected, turned-away faces left out, lit, faded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.sources.demo.camera import NEAR_M, View
from pipeline.sources.demo.canvas import F32, SUBPIXEL_BITS, SUBPIXELS, Canvas
from pipeline.sources.demo.mesh import BODY, GLASS, HEAD, TAIL, Mesh


@dataclass(slots=True)
class Pose:
    """Where a vehicle is: metres along and across, and its direction relative to the road's, radians."""

    s: float
    u: float
    turn_rad: float


@dataclass(frozen=True, slots=True)
class Body:
    """One vehicle to be projected."""

    mesh: Mesh
    pose: Pose
    own_bgr: F32  # (m, 3) the faces' own colours, 0..255
    shine: F32  # (m, 1) how much each face shines by itself, 0..1


@dataclass(frozen=True, slots=True)
class Outline:
    """One vehicle in the picture: its faces back to front."""

    faces: list[np.ndarray[tuple[int, int], np.dtype[np.int32]]]  # corners, 1 / SUBPIXELS pixels
    paint: list[list[float]]  # B, G, R and room for the id
    limits_px: tuple[float, float, float, float]

    def draw(self, canvas: Canvas, class_id: int) -> None:
        """Draw it as one object."""
        ident = canvas.slot(class_id, *self.limits_px)
        pixels = canvas.pixels
        for corners, colour in zip(self.faces, self.paint, strict=True):
            colour[3] = ident
            cv2.fillConvexPoly(pixels, corners, colour, cv2.LINE_8, SUBPIXEL_BITS)


def own_colours(mesh: Mesh, body_bgr: F32, braking: bool, lamps_lit: bool) -> tuple[F32, F32]:
    """The faces' own colours (m, 3) and how much they shine by themselves (m, 1)."""
    kinds = mesh.kinds
    own = np.where((kinds == BODY)[:, None], body_bgr * mesh.paint_bgr, mesh.paint_bgr)
    own[kinds == GLASS] = mesh.paint_bgr[kinds == GLASS] * 22
    shine = np.zeros((len(own), 1), np.float32)
    if braking or lamps_lit:
        own[kinds == TAIL] = (70, 60, 255) if braking else (40, 24, 215)
        shine[kinds == TAIL] = 1.0 if braking else 0.8
    if lamps_lit:
        own[kinds == HEAD] = (225, 250, 255)
        shine[kinds == HEAD] = 1.0
    return own.astype(np.float32), shine


def project(view: View, bodies: list[Body]) -> list[Outline]:
    """The vehicles as they are seen; computed together, because each alone is too small for NumPy."""
    if not bodies:
        return []
    places = np.empty((len(bodies), 4), np.float32)  # x, z, cosine and sine of the direction
    for index, body in enumerate(bodies):
        z = body.pose.s - view.s_m
        heading = body.pose.turn_rad + view.heading(z)
        places[index] = view.offset(z) + body.pose.u, z, math.cos(heading), math.sin(heading)
    meshes = [body.mesh for body in bodies]
    point_of = np.repeat(places, [len(mesh.points) for mesh in meshes], axis=0)
    points = _place(np.concatenate([mesh.points for mesh in meshes]), point_of, view.height_m)
    scale = view.focal_px / np.maximum(points[:, 2], NEAR_M)
    across = view.middle_px + points[:, 0] * scale
    down = view.horizon_px - points[:, 1] * scale
    fixed = np.clip(np.stack([across, down], 1) * SUBPIXELS, -200_000, 200_000).astype(np.int32)
    face_of = np.repeat(places, [len(mesh.normals) for mesh in meshes], axis=0)
    centres = _place(np.concatenate([mesh.centres for mesh in meshes]), face_of, view.height_m)
    normals = _turn(np.concatenate([mesh.normals for mesh in meshes]), face_of)
    shown = np.flatnonzero(np.einsum("ij,ij->i", centres, normals) < 0)
    paint = _light(view, bodies, shown, normals[shown], centres[shown, 2])
    outlines = []
    first_point = first_face = 0
    for body, cosine in zip(bodies, places[:, 2].tolist(), strict=True):
        mesh = body.mesh
        last_point, last_face = first_point + len(mesh.points), first_face + len(mesh.normals)
        parts = mesh.parts if len(mesh.parts) == 1 else sorted(mesh.parts, key=lambda part: -part[2] * cosine)
        edges = np.searchsorted(shown, [[first_face + part[0], first_face + part[1]] for part in parts]).tolist()
        faces, colours = [], []
        for a, b in edges:
            for face in (shown[a:b] - first_face).tolist():
                faces.append(fixed[first_point + mesh.first[face] : first_point + mesh.first[face + 1]])
            colours += paint[a:b]
        xs, ys = across[first_point:last_point], down[first_point:last_point]
        limits = (float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
        outlines.append(Outline(faces, colours, limits))
        first_point, first_face = last_point, last_face
    return outlines


def _turn(points: F32, places: F32) -> F32:
    turned = np.empty_like(points)
    turned[:, 0] = points[:, 0] * places[:, 2] + points[:, 2] * places[:, 3]
    turned[:, 1] = points[:, 1]
    turned[:, 2] = points[:, 2] * places[:, 2] - points[:, 0] * places[:, 3]
    return turned


def _place(points: F32, places: F32, eye_m: float) -> F32:
    placed = _turn(points, places)
    placed[:, 0] += places[:, 0]
    placed[:, 1] -= eye_m
    placed[:, 2] += places[:, 1]
    return placed


def _light(
    view: View, bodies: list[Body], shown: np.ndarray[tuple[int], np.dtype[np.intp]], normals: F32, z: F32
) -> list[list[float]]:
    """The colours of the faces shown as they are seen: (k, 4), the last for the id."""
    conditions = view.conditions
    own = np.concatenate([body.own_bgr for body in bodies])[shown]
    shine = np.concatenate([body.shine for body in bodies])[shown]
    kinds = np.concatenate([body.mesh.kinds for body in bodies])[shown]
    # Paint and glass also mirror: the sky where they face up, and the sun where the angle is right.
    gloss = np.array((0.14, 0.0, 0.29, 0.1, 0.1), np.float32)[kinds][:, None]
    mirrored = np.clip(normals[:, 1:2], 0.06, 1) * conditions.haze_bgr * gloss
    half_way = conditions.to_sun + np.array((0, 0.1, -1), np.float32)
    half_way /= np.linalg.norm(half_way)
    glint = np.clip(normals @ half_way, 0, 1) ** 24 * (300 * float(conditions.sun_bgr.mean()))
    lit = own * conditions.light(normals) + mirrored + glint[:, None] * gloss * 2
    lit += (own - lit) * shine
    haze = (1 - np.exp(np.minimum(-z, 0) / conditions.haze_m))[:, None]
    paint = np.zeros((len(own), 4), np.float32)
    paint[:, :3] = np.clip(lit * (1 - haze) + view.haze_bgr * haze, 0, 255)
    painted: list[list[float]] = paint.tolist()
    return painted


def shadow_of(view: View, mesh: Mesh, pose: Pose) -> tuple[F32, float] | None:
    """The outline (n, 2) of a vehicle's shadow on the ground, pixels, and its opacity; None out of sight."""
    z0 = pose.s - view.s_m
    if z0 < 0.6 * mesh.length_m + NEAR_M or z0 > 60:
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
    corners = np.array(foot, np.float32) + np.array((x0, z0), np.float32)
    depth = np.maximum(corners[:, 1], NEAR_M)
    across = view.middle_px + view.focal_px * corners[:, 0] / depth
    down = view.horizon_px + view.focal_px * view.height_m / depth
    hull = cv2.convexHull(np.stack([across, down], 1).astype(np.float32))
    return np.asarray(hull[:, 0], np.float32), opacity
