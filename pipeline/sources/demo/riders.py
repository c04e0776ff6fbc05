"""The limbs of cyclists and motorcyclists, and the parts of their machines."""

from __future__ import annotations

import math

from pipeline.sources.demo.skeleton import Joint, Limb, Looks, Wheel, head, trunk


def cyclist(looks: Looks, phase: float) -> tuple[list[Limb], list[Limb | Wheel]]:
    """A rider and the bicycle at a phase of the pedals."""
    crank = (0.0, 0.29, -0.06)
    limbs: list[Limb] = []
    hip = (0.0, 0.98, -0.2)
    for side, turn in ((-1.0, phase), (1.0, phase + math.pi)):
        foot = (side * 0.11, crank[1] + 0.17 * math.cos(turn) + 0.04, crank[2] + 0.17 * math.sin(turn))
        knee = _knee((side * 0.09, hip[1], hip[2]), foot, 0.46, 0.46)
        limbs.append(
            Limb(
                (foot[0], foot[1], foot[2] - 0.06),
                (foot[0], foot[1] - 0.02, foot[2] + 0.13),
                0.045,
                0.035,
                looks.shoes,
            )
        )
        limbs.append(Limb(knee, foot, 0.062, 0.046, looks.legs))
        limbs.append(Limb((side * 0.08, hip[1], hip[2]), knee, 0.09, 0.066, looks.legs))
        shoulder, hand = (side * 0.18, 1.43, 0.14), (side * 0.24, 1.04, 0.42)
        elbow = (side * 0.26, 1.2, 0.24)
        limbs.append(Limb(elbow, hand, 0.042, 0.034, looks.top))
        limbs.append(Limb(hand, hand, 0.04, 0.04, looks.skin))
        limbs.append(Limb(shoulder, elbow, 0.054, 0.044, looks.top))
    limbs += trunk(looks, hip, (0, 1.42, 0.13))
    if looks.bag is not None:
        limbs.append(Limb((0, 1.42, -0.05), (0, 1.16, -0.2), 0.12, 0.13, looks.bag))
    helmet = looks.machine if looks.coat else None
    return limbs + head(looks, (0, 1.62, 0.24), helmet), bicycle(looks)


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
    limbs += trunk(looks, hip, (0, 1.36, -0.02))
    return limbs + head(looks, (0, 1.56, 0.06), helmet=looks.machine), motorcycle(looks)


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


def _knee(hip: Joint, foot: Joint, thigh: float, shin: float) -> Joint:
    """Where the knee is, bent forward, between hip and foot."""
    down, ahead = foot[1] - hip[1], foot[2] - hip[2]
    apart = min(math.hypot(down, ahead), thigh + shin - 0.01)
    bend = math.acos((apart**2 + thigh**2 - shin**2) / (2 * apart * thigh))
    turn = math.atan2(ahead, -down) + bend
    return (hip[0] + foot[0]) / 2, hip[1] - thigh * math.cos(turn), hip[2] + thigh * math.sin(turn)
