"""The limbs of a person in three dimensions, standing or walking."""

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
    leather = float(rng.uniform(20, 90))
    return Looks(
        skin=(132 * tan, 160 * tan, 208 * tan),
        hair=tuple((np.array((30, 44, 58)) * rng.uniform(0.3, 2.6)).tolist()),
        top=cloth(),
        legs=(86.0, 60.0, 44.0) if rng.random() < 0.4 else cloth(),
        shoes=(leather, 1.05 * leather, 1.15 * leather) if rng.random() < 0.8 else cloth(),
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
    limbs += trunk(looks, (0, hip_y, 0), (0, 1.4, 0.01))
    if looks.skirt or looks.coat:
        hem = 0.55 if looks.skirt else 0.68
        for x in (-0.07, 0.07):
            limbs.append(
                Limb(
                    (x, hip_y + 0.05, 0),
                    (x * 1.4, hem, 0),
                    0.1 * w,
                    0.12 * w,
                    looks.legs if looks.skirt else looks.top,
                )
            )
    if looks.bag is not None:
        limbs.append(Limb((0, 1.34, -0.17), (0, 1.08, -0.19), 0.12, 0.13, looks.bag))
    return limbs + head(looks, (0, 1.6, 0.02), helmet=None)


def trunk(looks: Looks, hip: Joint, neck: Joint) -> list[Limb]:
    """Hips, body and neck."""
    w = looks.stout
    low = [
        Limb((x, hip[1] + 0.02, hip[2]), (x * 0.8, hip[1] + 0.2, hip[2] + 0.02), 0.105 * w, 0.1 * w, looks.legs)
        for x in (-0.06, 0.06)
    ]
    body = [
        Limb((x * 0.9, hip[1] + 0.12, hip[2]), (x * 1.35, neck[1] - 0.03, neck[2]), 0.105 * w, 0.085, looks.top)
        for x in (-0.075, 0.075)
    ]
    return [
        *low,
        *body,
        Limb((0, neck[1] - 0.05, neck[2]), (0, neck[1] + 0.13, neck[2] + 0.02), 0.06, 0.05, looks.skin),
    ]


def head(looks: Looks, middle: Joint, helmet: Paint | None) -> list[Limb]:
    """Face and hair, or a helmet."""
    x, y, z = middle
    face = Limb((x, y - 0.04, z + 0.025), (x, y + 0.03, z + 0.02), 0.08, 0.088, looks.skin)
    crown = Limb((x, y + 0.06, z + 0.01), (x, y - 0.01, z - 0.045), 0.095, 0.088, helmet or looks.hair)
    if helmet is not None:
        return [face, crown, Limb((x, y + 0.05, z - 0.06), (x, y + 0.07, z + 0.08), 0.1, 0.08, helmet)]
    return [face, crown]


def _swung(origin: Joint, turn: float, length: float) -> Joint:
    return origin[0], origin[1] - length * math.cos(turn), origin[2] + length * math.sin(turn)
