"""Run by an interpreter that has the official tools: read our files and print what they score, as JSON.

python official_formats.py cityscapes|bdd100k|scalabel FOLDER
"""

from __future__ import annotations

import glob
import json
import os
import sys
from pathlib import Path
from typing import Any


def cityscapes(folder: Path) -> dict[str, float]:
    """Mean IoU of label maps and AP of objects; truth in gt/, predictions in out/."""
    import cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling
    import numpy as np

    np.in1d = np.isin  # what NumPy 2.4 no longer has
    pixels = cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling
    instances = cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling
    instances.writeDict2JSON = lambda what, file: Path(file).write_text(json.dumps(what, default=_plain))
    truth = sorted(glob.glob(str(folder / "gt" / "*_labelIds.png")))
    pixels.args.predictionPath, pixels.args.predictionWalk = str(folder / "out" / "labels"), None
    pixels.args.JSONOutput, pixels.args.evalInstLevelScore, pixels.args.quiet = False, False, True
    found = [pixels.getPrediction(pixels.args, file) for file in truth]
    said = pixels.evaluateImgLists(found, truth, pixels.args)
    objects = sorted(glob.glob(str(folder / "gt" / "*_instanceIds.png")))
    instances.args.predictionPath, instances.args.predictionWalk = str(folder / "out" / "instances"), None
    instances.args.JSONOutput, instances.args.quiet = False, True
    instances.args.gtInstancesFile = str(folder / "gtInstances.json")
    lists = [instances.getPrediction(file, instances.args) for file in objects]
    scored = instances.evaluateImgLists(lists, objects, instances.args)
    return {"mean_iou": said["averageScoreClasses"], "AP": scored["averages"]["allAp"]}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value.__dict__


def bdd100k(folder: Path) -> dict[str, float]:
    """AP of bitmasks; truth in gt/, predictions in out/ins_seg."""
    from bdd100k.common.utils import load_bdd100k_config
    from bdd100k.eval.ins_seg import evaluate_ins_seg

    truth, found = (sorted(glob.glob(str(folder / where / "*.png"))) for where in ("gt", "out/ins_seg/bitmasks"))
    config = load_bdd100k_config("ins_seg").scalabel
    result = evaluate_ins_seg(truth, found, str(folder / "out/ins_seg/scores.json"), config, nproc=1)
    return {"AP": result.summary()["AP"]}


def scalabel(folder: Path) -> dict[str, float]:
    """How many frames and labels there are, and the pixels and box widths of all masks."""
    from scalabel.label.io import load
    from scalabel.label.transforms import box2d_to_bbox, rle_to_mask

    data = load(str(folder / "out" / "frames.json"), nprocs=0)
    labels = [label for frame in data.frames for label in frame.labels or []]
    return {
        "frames": len(data.frames),
        "labels": len(labels),
        "pixels": int(sum(rle_to_mask(label.rle).sum() for label in labels)),
        "widths": sum(box2d_to_bbox(label.box2d)[2] for label in labels),
    }


if __name__ == "__main__":
    os.chdir(sys.argv[2])  # the tools leave files where they are
    readers = {"cityscapes": cityscapes, "bdd100k": bdd100k, "scalabel": scalabel}
    print(json.dumps(readers[sys.argv[1]](Path(sys.argv[2]))))
