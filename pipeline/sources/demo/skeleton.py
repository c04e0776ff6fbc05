"""The limbs of walkers, cyclists and motorcyclists, and the parts of their machines, in three dimensions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

Joint = tuple[float, float, float]  # right, up, forward, metres; the ground is at 0
Paint = tuple[float, float, float]
FigureKind = Literal["walker", "stander", "cyclist", "motorcyclist", "bicycle", "motorcycle"]


class Limb(NamedTuple):
    """A tapered capsule from a to b; half_a and half_b are half its thickness."""

    a: Joint
    b: Joint
    half_a: float
    half_b: float
    paint: Paint


class Wheel(NamedTuple):
    """A wheel in the plane of travel."""

    middle: Joint
    radius: float
    tyre: float
    paint: Paint


@dataclass(frozen=True, slots=True)
class Looks:
    """Colours (B, G, R) and build of one figure."""

    skin: Paint
    hair: Paint
    top: Paint
    legs: Paint
    shoes: Paint
    bag: Paint | None
    coat: bool
    skirt: bool
    stout: float
    machine: Paint


def make_looks(rng: np.random.Generator) -> Looks:
    """A figure's looks; clothes are mostly dark and dull, some are bright."""

    def cloth() -> Paint:
        if rng.random() < 0.55:
            tone = rng.uniform(18, 75)
            blue, green, red = (tone + rng.uniform(-8, 16, 3)).tolist()
        elif rng.random() < 0.5:
            blue, green, red = (rng.uniform(120, 215) + rng.uniform(-12, 12, 3)).tolist()
        else:
            tone = rng.uniform(45, 150)
            blue, green, red = np.clip(tone + rng.normal(0, 38, 3), 12, 215).tolist()
        return blue, green, red

    tan = rng.uniform(0.35, 1.0)
    return Looks(
        skin=(132 * tan, 160 * tan, 208 * tan),
        hair=tuple((np.array((30, 44, 58)) * rng.uniform(0.3, 2.6)).tolist()),  # type: ignore[arg-type]
        top=cloth(),
        legs=(86.0, 60.0, 44.0) if rng.random() < 0.4 else cloth(),
        shoes=cloth(),
        bag=cloth() if rng.random() < 0.35 else None,
        coat=rng.random() < 0.3,
        skirt=rng.random() < 0.15,
        stout=float(rng.uniform(0.9, 1.2)),
        machine=cloth(),
    )


def walker(looks: Looks, phase: float, walking: bool) -> list[Limb]:
    """A person on foot at a phase of the step, radians."""
    limbs: list[Limb] = []
    swing = 1.0 if walking else 0.06
    hip_y = 0.92 + 0.02 * math.cos(2 * phase) * swing
    w = looks.stout
    for side, turn in ((-1.0, phase), (1.0, phase + math.pi)):
        thigh = 0.46 * swing * math.sin(turn)
        knee_bend = 0.1 + 0.85 * swing * max(math.cos(turn), 0.0) ** 1.5
        hip = (side * 0.09, hip_y, 0.0)
        knee = _swung(hip, thigh, 0.43)
        ankle = _swung(knee, thigh - knee_bend, 0.42)
        toe = (ankle[0], max(ankle[1] - 0.05, 0.03), ankle[2] + 0.17)
        limbs.append(Limb((ankle[0], ankle[1] - 0.02, ankle[2] - 0.03), toe, 0.05, 0.038, looks.shoes))
        limbs.append(Limb(knee, ankle, 0.062 * w, 0.045, looks.legs))
        limbs.append(Limb(hip, knee, 0.09 * w, 0.064 * w, looks.legs))
        arm = -0.42 * swing * math.sin(turn)
        shoulder = (side * 0.19 * w, 1.42, 0.0)
        elbow = _swung(shoulder, arm, 0.29)
        hand = _swung(elbow, arm + 0.3, 0.25)
        limbs.append(Limb(elbow, hand, 0.042, 0.036, looks.top))
        limbs.append(Limb(hand, _swung(hand, arm + 0.3, 0.05), 0.036, 0.03, looks.skin))
        limbs.append(Limb(shoulder, elbow, 0.056 * w, 0.044, looks.top))
    limbs += _trunk(looks, (0, hip_y, 0), (0, 1.4, 0.01))
    if looks.skirt or looks.coat:
        hem = 0.55 if looks.skirt else 0.68
        for x in (-0.07, 0.07):
            limbs.append(Limb((x, hip_y + 0.05, 0), (x * 1.4, hem, 0), 0.1 * w, 0.12 * w, looks.legs if looks.skirt else looks.top))
    if looks.bag is not None:
        limbs.append(Limb((0, 1.34, -0.17), (0, 1.08, -0.19), 0.12, 0.13, looks.bag))
    return limbs + _head(looks, (0, 1.6, 0.02), helmet=None)


def cyclist(looks: Looks, phase: float) -> tuple[list[Limb], list[Limb | Wheel]]:
    """A rider and the bicycle at a phase of the pedals."""
    crank = (0.0, 0.29, -0.06)
    limbs: list[Limb] = []
    hip = (0.0, 0.98, -0.2)
    for side, turn in ((-1.0, phase), (1.0, phase + math.pi)):
        foot = (side * 0.11, crank[1] + 0.17 * math.cos(turn) + 0.04, crank[2] + 0.17 * math.sin(turn))
        knee = _knee((side * 0.09, hip[1], hip[2]), foot, 0.46, 0.46)
        limbs.append(Limb((foot[0], foot[1], foot[2] - 0.06), (foot[0], foot[1] - 0.02, foot[2] + 0.13), 0.045, 0.035, looks.shoes))
        limbs.append(Limb(knee, foot, 0.062, 0.046, looks.legs))
        limbs.append(Limb((side * 0.08, hip[1], hip[2]), knee, 0.09, 0.066, looks.legs))
        shoulder, hand = (side * 0.18, 1.43, 0.14), (side * 0.24, 1.04, 0.42)
        elbow = (side * 0.26, 1.2, 0.24)
        limbs.append(Limb(elbow, hand, 0.042, 0.034, looks.top))
        limbs.append(Limb(hand, hand, 0.04, 0.04, looks.skin))
        limbs.append(Limb(shoulder, elbow, 0.054, 0.044, looks.top))
    limbs += _trunk(looks, hip, (0, 1.42, 0.13))
    if looks.bag is not None:
        limbs.append(Limb((0, 1.42, -0.05), (0, 1.16, -0.2), 0.12, 0.13, looks.bag))
    helmet = looks.machine if looks.coat else None
    return limbs + _head(looks, (0, 1.62, 0.24), helmet), bicycle(looks)


def bicycle(looks: Looks) -> list[Limb | Wheel]:
    """A bicycle."""
    paint, black = looks.machine, (24.0, 24.0, 24.0)
    seat, bars, crank = (0.0, 0.92, -0.22), (0.0, 0.98, 0.36), (0.0, 0.29, -0.06)
    rear, front = (0.0, 0.34, -0.52), (0.0, 0.34, 0.54)
    tubes = ((seat, crank), (crank, (0.0, 0.8, 0.33)), ((0.0, 0.82, -0.19), (0.0, 0.86, 0.32)), (crank, rear),
             ((0.0, 0.8, -0.18), rear), (bars, front))  # fmt: skip
    parts: list[Limb | Wheel] = [Wheel(rear, 0.34, 0.022, black), Wheel(front, 0.34, 0.022, black)]
    parts += [Limb(a, b, 0.021, 0.019, paint) for a, b in tubes]
    parts.append(Limb((-0.27, 1.03, 0.38), (0.27, 1.03, 0.38), 0.018, 0.018, black))
    parts.append(Limb((0, 0.95, -0.34), (0, 0.96, -0.12), 0.05, 0.03, black))
    parts.append(Limb((-0.11, 0.29, -0.06), (0.11, 0.29, -0.06), 0.03, 0.03, (90.0, 92.0, 94.0)))
    parts.append(Limb((0, 0.72, -0.55), (0, 0.69, -0.85), 0.02, 0.02, (36.0, 30.0, 190.0)))
    return parts


def motorcyclist(looks: Looks) -> tuple[list[Limb], list[Limb | Wheel]]:
    """A rider and the motorcycle."""
    limbs: list[Limb] = []
    hip = (0.0, 0.84, -0.2)
    for side in (-1.0, 1.0):
        foot = (side * 0.2, 0.32, -0.1)
        knee = (side * 0.24, 0.68, 0.2)
        limbs.append(Limb((foot[0], 0.3, -0.14), (foot[0], 0.29, 0.06), 0.05, 0.045, looks.shoes))
        limbs.append(Limb(knee, foot, 0.07, 0.055, looks.legs))
        limbs.append(Limb((side * 0.12, hip[1], hip[2]), knee, 0.1, 0.075, looks.legs))
        shoulder, elbow, hand = (side * 0.2, 1.36, -0.02), (side * 0.34, 1.12, 0.14), (side * 0.32, 1.02, 0.42)
        limbs.append(Limb(elbow, hand, 0.055, 0.045, looks.top))
        limbs.append(Limb(shoulder, elbow, 0.068, 0.055, looks.top))
    limbs += _trunk(looks, hip, (0, 1.36, -0.02))
    return limbs + _head(looks, (0, 1.56, 0.06), helmet=looks.machine), motorcycle(looks)


def motorcycle(looks: Looks) -> list[Limb | Wheel]:
    """A motorcycle."""
    paint, black, steel = looks.machine, (22.0, 22.0, 23.0), (120.0, 122.0, 124.0)
    rear, front = (0.0, 0.31, -0.66), (0.0, 0.31, 0.72)
    return [
        Wheel(rear, 0.31, 0.065, black),
        Wheel(front, 0.31, 0.055, black),
        Limb(rear, (0, 0.45, -0.1), 0.05, 0.07, steel),
        Limb(front, (0, 0.95, 0.48), 0.045, 0.05, steel),
        Limb((0, 0.42, -0.15), (0, 0.45, 0.22), 0.17, 0.17, (62.0, 62.0, 64.0)),
        Limb((0.16, 0.3, -0.1), (0.18, 0.36, -0.75), 0.045, 0.06, steel),
        Limb((0, 0.74, -0.02), (0, 0.78, 0.3), 0.15, 0.16, paint),
        Limb((0, 0.74, -0.62), (0, 0.76, -0.1), 0.1, 0.13, black),
        Limb((0, 0.66, -0.6), (0, 0.66, -0.78), 0.09, 0.07, paint),
        Limb((0, 0.66, -0.84), (0, 0.67, -0.86), 0.05, 0.05, (40.0, 34.0, 205.0)),
        Limb((-0.34, 1.02, 0.4), (0.34, 1.02, 0.4), 0.025, 0.025, black),
        Limb((-0.3, 1.16, 0.42), (-0.36, 1.18, 0.42), 0.05, 0.05, black),
        Limb((0.3, 1.16, 0.42), (0.36, 1.18, 0.42), 0.05, 0.05, black),
        Limb((0, 0.9, 0.55), (0, 0.86, 0.62), 0.12, 0.11, paint),
        Limb((0, 0.87, 0.68), (0, 0.87, 0.7), 0.07, 0.07, (215.0, 220.0, 220.0)),
    ]


def _trunk(looks: Looks, hip: Joint, neck: Joint) -> list[Limb]:
    w = looks.stout
    low = [Limb((x, hip[1] + 0.02, hip[2]), (x * 0.8, hip[1] + 0.2, hip[2] + 0.02), 0.105 * w, 0.1 * w, looks.legs) for x in (-0.06, 0.06)]
    body = [
        Limb((x * 0.9, hip[1] + 0.12, hip[2]), (x * 1.35, neck[1] - 0.03, neck[2]), 0.105 * w, 0.085, looks.top)
        for x in (-0.075, 0.075)
    ]
    return [*low, *body, Limb((0, neck[1] - 0.05, neck[2]), (0, neck[1] + 0.13, neck[2] + 0.02), 0.06, 0.05, looks.skin)]


def _head(looks: Looks, middle: Joint, helmet: Paint | None) -> list[Limb]:
    x, y, z = middle
    face = Limb((x, y - 0.04, z + 0.025), (x, y + 0.03, z + 0.02), 0.08, 0.088, looks.skin)
    crown = Limb((x, y + 0.06, z + 0.01), (x, y - 0.01, z - 0.045), 0.095, 0.088, helmet or looks.hair)
    if helmet is not None:
        return [face, crown, Limb((x, y + 0.05, z - 0.06), (x, y + 0.07, z + 0.08), 0.1, 0.08, helmet)]
    return [face, crown]


def _swung(origin: Joint, turn: float, length: float) -> Joint:
    return origin[0], origin[1] - length * math.cos(turn), origin[2] + length * math.sin(turn)


def _knee(hip: Joint, foot: Joint, thigh: float, shin: float) -> Joint:
    """Where the knee is, bent forward, between hip and foot."""
    down, ahead = foot[1] - hip[1], foot[2] - hip[2]
    apart = min(math.hypot(down, ahead), thigh + shin - 0.01)
    bend = math.acos((apart**2 + thigh**2 - shin**2) / (2 * apart * thigh))
    turn = math.atan2(ahead, -down) + bend
    return (hip[0] + foot[0]) / 2, hip[1] - thigh * math.cos(turn), hip[2] + thigh * math.sin(turn)
