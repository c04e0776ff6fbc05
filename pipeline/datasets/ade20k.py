"""ADE20K scene parsing (ADEChallengeData2016): 20210 training and 2000 validation images, 150 classes.

Layout: `{root}/images/{split}/ADE_train_00000001.jpg`, `{root}/annotations/{split}/ADE_train_00000001.png`,
numbers 1..150, 0 is not scored. Zhou et al., CVPR 2017; the order of objectInfo150.txt, its first words.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.classes import spread_colours
from pipeline.datasets.listing import IMAGE_SUFFIXES, around, files
from pipeline.datasets.pairs import Pairs, chosen_split, id_reader, pair
from pipeline.types import VOID, Classes

SPLITS = ("training", "validation")
TERMS = "non-commercial research and teaching; annotations BSD"
NAMES = (
    *("wall", "building", "sky", "floor", "tree", "ceiling", "road", "bed", "windowpane", "grass", "cabinet"),
    *("sidewalk", "person", "earth", "door", "table", "mountain", "plant", "curtain", "chair", "car", "water"),
    *("painting", "sofa", "shelf", "house", "sea", "mirror", "rug", "field", "armchair", "seat", "fence"),
    *("desk", "rock", "wardrobe", "lamp", "bathtub", "railing", "cushion", "base", "box", "column"),
    *("signboard", "chest of drawers", "counter", "sand", "sink", "skyscraper", "fireplace", "refrigerator"),
    *("grandstand", "path", "stairs", "runway", "case", "pool table", "pillow", "screen door", "stairway"),
    *("river", "bridge", "bookcase", "blind", "coffee table", "toilet", "flower", "book", "hill", "bench"),
    *("countertop", "stove", "palm", "kitchen island", "computer", "swivel chair", "boat", "bar"),
    *("arcade machine", "hovel", "bus", "towel", "light", "truck", "tower", "chandelier", "awning"),
    *("streetlight", "booth", "television receiver", "airplane", "dirt track", "apparel", "pole", "land"),
    *("bannister", "escalator", "ottoman", "bottle", "buffet", "poster", "stage", "van", "ship", "fountain"),
    *("conveyor belt", "canopy", "washer", "plaything", "swimming pool", "stool", "barrel", "basket"),
    *("waterfall", "tent", "bag", "minibike", "cradle", "oven", "ball", "food", "step", "tank", "trade name"),
    *("microwave", "pot", "animal", "bicycle", "lake", "dishwasher", "screen", "blanket", "sculpture", "hood"),
    *("sconce", "vase", "traffic light", "tray", "ashcan", "fan", "pier", "crt screen", "plate", "monitor"),
    *("bulletin board", "shower", "radiator", "glass", "clock", "flag"),
)
ADE20K = Classes(NAMES, spread_colours(len(NAMES)))


class Ade20k(Pairs):
    """ADE20K, 150 classes.

    Args:
        root: the folder with `images/` and `annotations/`, or the one around it.
        split: training or validation.
        strict: see open_dataset.

    Raises:
        DataError: see open_dataset.
    """

    def __init__(self, root: Path, split: str, strict: bool = True) -> None:
        root = around(root, "images", "ADEChallengeData2016")
        pairs, left_out = [], []
        for part in chosen_split(split, SPLITS, "ade20k"):
            images = files(root / "images" / part, IMAGE_SUFFIXES)
            found, lone = pair(images, files(root / "annotations" / part, (".png",)), strict)
            pairs += found
            left_out += lone
        ids = {0: VOID} | {number + 1: number for number in range(len(ADE20K))}
        super().__init__("ade20k", ADE20K, TERMS, pairs, left_out, id_reader(ids))
