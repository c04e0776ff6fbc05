"""What the things of one world are made from: made once, shared by all of them."""

from __future__ import annotations

from pipeline.sources.demo.barrier import make_barriers
from pipeline.sources.demo.conditions import Conditions
from pipeline.sources.demo.decal import Stencils
from pipeline.sources.demo.plant import Nursery
from pipeline.sources.demo.signs import make_signs
from pipeline.sources.demo.vehicle import Fleet
from pipeline.sources.demo.wardrobe import Wardrobe


class Stock:
    """Trees, barriers, signs, vehicles, figures and stencils under the conditions of a world."""

    def __init__(self, conditions: Conditions, size_hw: tuple[int, int]) -> None:
        self.conditions = conditions
        nursery = Nursery(conditions, min(max(round(0.9 * size_hw[0]), 160), 640))
        self.trees = nursery.trees(8)
        self.bushes = nursery.bushes(4)
        self.barriers = make_barriers(conditions)
        self.signs = make_signs(conditions)
        self.stencils = Stencils(conditions.rng(9))
        self.fleet = Fleet(conditions.rng(10))
        self.wardrobe = Wardrobe(conditions, 14)
