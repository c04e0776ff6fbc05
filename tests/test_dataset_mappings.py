"""Tables of classes: each fits what its name says, and one is found where none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.classes import DRIVING
from pipeline.datasets.bdd100k_labels import PANOPTIC
from pipeline.datasets.camvid import CAMVID
from pipeline.datasets.camvid32 import CAMVID32
from pipeline.datasets.idd_lite import IDD_LITE
from pipeline.errors import ConfigError
from pipeline.evaluation.mapping import find_mapping, fitting_mapping
from pipeline.types import VOID


@pytest.mark.parametrize(
    ("name", "network", "dataset"),
    [
        ("cityscapes-on-camvid", DRIVING, CAMVID),
        ("camvid-on-cityscapes", CAMVID, DRIVING),
        ("cityscapes-on-idd-lite", DRIVING, IDD_LITE),
        ("camvid-on-idd-lite", CAMVID, IDD_LITE),
    ],
)
def test_every_table_fits_what_its_name_says(name: str, network: Any, dataset: Any) -> None:
    mapping = find_mapping(name, network.names, [n.upper() for n in dataset.names])
    assert VOID not in mapping.dataset
    assert set(mapping.dataset) == set(range(len(mapping.classes)))
    with pytest.raises(ConfigError, match="is not for"):
        find_mapping(name, dataset.names, network.names)
    with pytest.raises(ConfigError, match=name):
        find_mapping(None, network.names, dataset.names)


def test_every_table_for_label_maps_is_in_the_test_above() -> None:
    tables = {path.stem for path in (Path(__file__).parents[1] / "configs/mappings").glob("*.yaml")}
    tables = {name for name in tables if not name.startswith("coco-on-")}  # tests/test_evaluate_objects.py has those
    tables -= {"cityscapes-on-bdd100k-panoptic", "camvid-on-camvid32", "cityscapes-on-camvid32"}  # tested below
    assert tables == {"cityscapes-on-camvid", "camvid-on-cityscapes", "cityscapes-on-idd-lite", "camvid-on-idd-lite"}


@pytest.mark.parametrize(
    "text", ["", "classes: [a]", "classes: [a]\nnetwork: {x: b}\ndataset: {}\n", "classes: {", "- a"]
)
def test_a_broken_table_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"t\.yaml"):
        find_mapping(str(tmp_path / "t.yaml"), ["x"], ["y"])


def test_the_table_that_names_most_classes_fits_best() -> None:
    assert fitting_mapping(CAMVID.names, DRIVING.names).name == "camvid-on-cityscapes"
    assert fitting_mapping(DRIVING.names, CAMVID.names).name == "cityscapes-on-camvid"  # coco-on-camvid names fewer
    assert fitting_mapping(CAMVID.names, CAMVID.names).name == "same names"
    with pytest.raises(ConfigError, match="are not the data set's"):
        fitting_mapping(("cat", "dog"), CAMVID.names)


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
