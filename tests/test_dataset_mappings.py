"""Tables of classes for data sets whose classes are merged, or only partly scored."""

from __future__ import annotations

from pipeline.classes import DRIVING
from pipeline.datasets.bdd100k_labels import PANOPTIC
from pipeline.datasets.camvid import CAMVID
from pipeline.datasets.camvid32 import CAMVID32
from pipeline.evaluation.mapping import find_mapping, fitting_mapping
from pipeline.types import VOID


def test_camvids_32_classes_are_merged_into_11_as_in_segnets_split() -> None:
    for network, name in ((CAMVID, "camvid-on-camvid32"), (DRIVING, "cityscapes-on-camvid32")):
        mapping = find_mapping(name, network.names, CAMVID32.names)
        assert VOID not in (*mapping.network, *mapping.dataset)
        assert mapping.classes == CAMVID.names
        merged = {theirs: mapping.classes[to] for theirs, to in zip(CAMVID32.names, mapping.dataset, strict=True)}
        assert [merged[one] for one in ("Wall", "Child", "SUVPickupTruck", "LaneMkgsDriv", "TrafficLight")] == [
            "Building",
            "Pedestrian",
            "Car",
            "Road",
            "SignSymbol",
        ]


def test_bdd100ks_panoptic_maps_hold_the_19_classes_and_21_that_are_not_scored() -> None:
    mapping = find_mapping("cityscapes-on-bdd100k-panoptic", DRIVING.names, PANOPTIC.names)
    assert (mapping.classes, mapping.dataset.count(VOID)) == (DRIVING.names, 21)
    assert fitting_mapping(DRIVING.names, DRIVING.names).name == "same names"
    named = dict(zip(PANOPTIC.names, PANOPTIC.colours, strict=True))
    assert all(named[name] == colour for name, colour in zip(DRIVING.names, DRIVING.colours, strict=True))
    assert [PANOPTIC.names.index(name) + 1 for name in ("road", "wall", "sky", "person", "truck")] == [
        7,
        15,
        30,
        31,
        40,
    ]
