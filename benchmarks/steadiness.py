"""What numbering, steadying and carrying cost and gain, over footage with labels on every frame and a drawn drive.

python benchmarks/steadiness.py --camvid DIR [--objects yolo11n-seg.onnx] --out benchmarks/results/steadiness.json
python benchmarks/steadiness.py --table benchmarks/results/steadiness.json

Each network runs once; what it found then goes through each setting, frame by frame, in the same process; where a
setting carries, it sees only the frames that the network would have looked at. Cost is processor time of the one
thread that does it, a frame, as a share of the network's own: it holds on a busy machine.
Flicker is measured along a flow of its own (640 pixels, there and back), not along the one that steadies.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engines.machine import cpu_name
from pipeline.config import BackendConfig, Config, TrackConfig
from pipeline.evaluation.labelled import Wanted, open_labelled
from pipeline.evaluation.mapping import fitting_mapping
from pipeline.evaluation.scoring.painted import painted
from pipeline.evaluation.scoring.scores import open_scores
from pipeline.metrics.temporal import TemporalConsistency
from pipeline.networks import Network, networks
from pipeline.optical_flow import grey
from pipeline.scenes import Scenes
from pipeline.track import Keys, OverTime
from pipeline.types import Scene


@dataclass(frozen=True, slots=True)
class Hold:
    """What carrying is measured against: so many frames in a row show what was found before them, unmoved."""

    frames: int


Setting = TrackConfig | Hold | None

LABEL_SETTINGS: dict[str, Setting] = {
    "as the network says": None,
    "every 2nd frame, carried": TrackConfig(carry=1),
    "every 2nd frame, held": Hold(1),
    "every 3rd frame, carried": TrackConfig(carry=2),
    "every 3rd frame, held": Hold(2),
    "every 2nd frame, carried, steadied": TrackConfig(carry=1, smooth=True),
    "steadied": TrackConfig(smooth=True),
    "steadied, flow at 160": TrackConfig(smooth=True, flow_px=160),
    "steadied, confirm 3": TrackConfig(smooth=True, confirm=3),
}
OBJECT_SETTINGS: dict[str, Setting] = {
    "as the network says": None,
    "every 2nd frame, carried": TrackConfig(carry=1),
    "every 2nd frame, held": Hold(1),
    "every 3rd frame, carried": TrackConfig(carry=2),
    "every 3rd frame, held": Hold(2),
    "numbered": TrackConfig(objects=True),
    "numbered, masks steadied": TrackConfig(objects=True, smooth_masks=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--camvid", help="the folder that CamVid's layout begins in")
    parser.add_argument("--objects", help="an instance network, for masks and numbers on the same film")
    parser.add_argument("--model", default="roadnet-camvid")
    parser.add_argument("--out", type=Path, help="JSON")
    parser.add_argument("--table", type=Path, help="print the table of such a JSON, measure nothing")
    wanted = parser.parse_args()
    if wanted.table:
        print(table(json.loads(wanted.table.read_text())))
        return
    cv2.setNumThreads(1)
    films = [("a drawn drive, 30 fps", "demo:frames=120,seed=7,fps=30,size=640x360", None)]
    if wanted.camvid:
        films.insert(0, ("CamVid val, 15 fps", "camvid", wanted.camvid))
    found: dict[str, Any] = {"date": date.today().isoformat(), "cpu": cpu_name(), "films": []}
    for name, dataset, root in films:
        found["films"].append({"film": name, **on_film(dataset, root, wanted.model, LABEL_SETTINGS)})
        if wanted.objects and root:
            found["films"].append({"film": name, **on_film(dataset, root, wanted.objects, OBJECT_SETTINGS)})
        print(table(found), flush=True)
    if wanted.out:
        wanted.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def on_film(dataset: str, root: str | None, model: str, settings: dict[str, Setting]) -> dict[str, Any]:
    """One network on one film, under each setting."""
    track = TrackConfig(objects=True) if settings is OBJECT_SETTINGS else TrackConfig()
    config = Config(model=(model,), backend=BackendConfig(name="onnxruntime-cpu", workers=1, threads=1), track=track)
    data = open_labelled(Wanted(dataset, root), config)
    nets = networks(config)
    card, low = nets[0].card, config.decode.conf
    mapping = fitting_mapping(card.classes.names, data.classes.names).name
    scenes: list[Scene] = []
    with Scenes(data.source, nets, _plain(config)) as opened:
        for scene in opened:
            scenes.append(scene)
        network_ms = _alone(nets[0], scenes)
    names = () if mapping == "same names" else (mapping,)
    rows = []
    steps = {name: step_of(one, low) for name, one in settings.items()}
    scores = {name: open_scores([card], data.classes, None, names) for name in settings}
    steadiness = {name: TemporalConsistency(len(card.classes) + 1) for name in settings}
    cost_ms: dict[str, list[float]] = {name: [] for name in settings}
    numbers: dict[str, set[int]] = {name: set() for name in settings}
    for scene in scenes:
        for name, step in steps.items():  # each setting in turn at every frame: what disturbs one disturbs all
            began = time.thread_time()
            shown = step(scene)
            cost_ms[name].append((time.thread_time() - began) * 1e3)
            if not getattr(settings[name], "objects", False):
                shown = _sure(shown, low)
            scores[name].add(scene.frame.truth, shown)
            steadiness[name].add(grey(scene.frame.image), _labels(shown))
            if shown.instances is not None and shown.instances.track_ids is not None:
                numbers[name] |= set(shown.instances.track_ids.tolist()) - {0}
    for name in settings:
        temporal, own_ms = steadiness[name].scores(), statistics.fmean(cost_ms[name])
        row = {
            "setting": name,
            "mean IoU": scores[name].report()["mIoU"],
            "temporal consistency": temporal.mean_iou,
            "flicker": temporal.flicker,
            "blink": temporal.blink,
            "cost": own_ms / network_ms,
        }
        if numbers[name]:
            row["objects numbered"] = len(numbers[name])
        rows.append(row)
    height, width = scenes[0].frame.image.size_hw
    about = {"network": card.name, "frames": len(scenes), "size": f"{width}x{height}"}
    return {**about, "network ms of processor time, machine busy": round(network_ms, 2), "settings": rows}


def step_of(setting: Setting, conf: float) -> Callable[[Scene], Scene]:
    """What a setting makes of the scenes of a film, in their order.

    Args:
        conf: least score of an object that is shown without a number.
    """
    if setting is None:
        return lambda scene: scene
    if isinstance(setting, Hold):
        return _holding(setting.frames)
    over_time, keys = OverTime(setting, lambda: conf), Keys(setting)
    if not setting.carry:
        return over_time

    def carried(scene: Scene) -> Scene:
        frame = keys(scene.frame)
        return over_time(Scene(frame) if frame.carried else replace(scene, frame=frame))

    return carried


def _holding(frames: int) -> Callable[[Scene], Scene]:
    count = itertools.count()
    kept: list[Scene] = []

    def held(scene: Scene) -> Scene:
        if next(count) % (frames + 1) == 0:
            kept[:] = [scene]
        return replace(scene, instances=kept[0].instances, labels=kept[0].labels)

    return held


def _alone(net: Network, scenes: Sequence[Scene]) -> float:
    """Processor time of the network itself, a frame, ms; its one thread is this one."""
    times_ms = []
    for scene in scenes[:20]:
        prepared = net.preprocessor.prepare(scene.frame)
        began = time.thread_time()
        net.selection.backend.submit([prepared]).result()
        times_ms.append((time.thread_time() - began) * 1e3)
        if prepared.lease is not None:
            prepared.lease.release()
    return statistics.median(times_ms)


def _plain(config: Config) -> Config:
    """The same without what is measured here."""
    return Config(model=config.model, backend=config.backend, decode=config.decode)


def _sure(scene: Scene, conf: float) -> Scene:
    """Without the objects that only a number would keep."""
    if scene.instances is None:
        return scene
    return replace(scene, instances=scene.instances.take(np.flatnonzero(scene.instances.scores >= conf)))


def _labels(scene: Scene) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if scene.labels is not None:
        return scene.labels.map
    assert scene.instances is not None
    classes = scene.instances.classes
    return painted(scene.instances, range(len(classes)), scene.frame.image.size_hw, ground=len(classes))


def table(found: dict[str, Any]) -> str:
    """Markdown."""
    heads = ("film", "network", "setting", "mean IoU", "temporal consistency", "flicker", "blink", "cost")
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for film in found["films"]:
        for row in film["settings"]:
            cells: Sequence[str] = (
                f"{film['film']}, {film['size']}",
                f"`{film['network']}`",
                row["setting"],
                f"{row['mean IoU']:.3f}",
                f"{row['temporal consistency']:.3f}",
                f"{100 * row['flicker']:.2f} %",
                f"{100 * row['blink']:.2f} %",
                f"{100 * row['cost']:.1f} %",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
