"""Mean IoU is that of cityscapesScripts, on files written here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from references import run_reference

from pipeline.classes import DRIVING, LABEL_IDS
from pipeline.datasets.label_ids import TRAIN_ID_OF
from pipeline.metrics.semantic import ConfusionMatrix
from pipeline.types import VOID

OFFICIAL = """
import contextlib, glob, io, json, sys
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official
official.args.quiet, official.args.JSONOutput, official.args.evalInstLevelScore = True, False, False
found, truth = (sorted(glob.glob(folder + "/*.png")) for folder in sys.argv[1:3])
with contextlib.redirect_stdout(io.StringIO()):
    said = official.evaluateImgLists(found, truth, official.args)
print(json.dumps({"classes": said["classScores"], "mean": said["averageScoreClasses"]}))
"""


@pytest.mark.parametrize("seed", [0, 1])
def test_iou_is_that_of_cityscapes_own_evaluation(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed)
    matrix = ConfusionMatrix(len(DRIVING))
    to_train = np.array([TRAIN_ID_OF.get(number, VOID) for number in range(256)], np.uint8)
    for name in ("truth", "found"):
        (tmp_path / name).mkdir()
    for index in range(4):
        # All 34 label ids: those without a trainId are not scored, and cost the class that is there where found.
        truth = np.kron(random.integers(0, 34, (12, 20)), np.ones((9, 9))).astype(np.uint8)
        found = np.roll(truth, random.integers(-5, 5, 2), (0, 1))
        wrong = random.random(truth.shape) < 0.2
        known = [number for number in LABEL_IDS if seed == 0 or number != 31]  # once a class that is never found
        found[wrong] = random.choice([0, *known], int(wrong.sum()))
        cv2.imwrite(str(tmp_path / f"truth/{index}.png"), truth)
        cv2.imwrite(str(tmp_path / f"found/{index}.png"), found)
        matrix.add(to_train[truth], to_train[found])
    said = run_reference("cityscapes", OFFICIAL, tmp_path / "found", tmp_path / "truth")
    scores = matrix.scores()
    ours = dict(zip(DRIVING.names, scores.iou.tolist(), strict=True))
    theirs = {name: said["classes"][name] for name in DRIVING.names}
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert scores.mean_iou == pytest.approx(said["mean"], abs=1e-12)
