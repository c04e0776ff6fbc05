"""Put a trained network into the package: its ONNX file, its card with accuracy and speed, and a checkpoint.

python benchmarks/embed_weights.py runs/roadnet-camvid/roadnet-camvid.safetensors --camvid DIR
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import yaml
from accuracy import score

from engines.card import METADATA_KEY
from engines.embedded import FOLDER
from engines.export import export_net
from engines.machine import cpu_name
from engines.onnx_header import read_onnx_header
from engines.training.checkpoint import load_checkpoint, save_checkpoint

SPEED_HW = (368, 480)
MOST_BYTES = 3_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", help="default: the checkpoint's")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument(
        "--camvid", help="its folder: the card then tells what the stages reach on val, not the training"
    )
    wanted = parser.parse_args()
    net, about = load_checkpoint(wanted.checkpoint)
    name = wanted.name or about["name"]
    file = export_net(net, {**about, "name": name}, wanted.folder / f"{name}.onnx")
    if (size := file.stat().st_size) > MOST_BYTES:
        raise SystemExit(f"{file} has {size:,} bytes; at most {MOST_BYTES:,} go into the package")
    card: dict[str, Any] = yaml.safe_load(read_onnx_header(file).metadata[METADATA_KEY])
    height, width = SPEED_HW
    card["details"] |= {
        "speed": f"{milliseconds(file):.1f} ms at {width}x{height}, ONNX Runtime {ort.__version__} f32, "
        f"one thread of {cpu_name()}",
        "made": date.today().isoformat(),
    }
    card["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    text = write(card, file.with_suffix(".yaml"))
    if wanted.camvid and card.get("accuracy"):
        found = score(name, {"camvid": wanted.camvid})["sets"]["CamVid val"]
        card["accuracy"] |= {
            "mean_iou": round(found["mIoU"], 4),
            "iou": {key: round(value, 4) for key, value in found["IoU"].items()},
        }
        text = write(card, file.with_suffix(".yaml"))
    # To begin training from: half precision is enough for that, but not for variances, which may be over 65504.
    for weight in net.parameters():
        weight.data = weight.data.half()
    save_checkpoint(file.with_suffix(".safetensors"), net, {**about, "name": name})
    print(f"{file}: {size:,} bytes\n{text}")


def write(card: dict[str, Any], path: Path) -> str:
    """The card as YAML, as it is in the file now."""
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    path.write_text(text, encoding="utf-8")
    return text


def milliseconds(file: Path, runs: int = 30) -> float:
    """Median time of the network on one thread."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    session = ort.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, *SPEED_HW)).astype(np.float32)
    times = []
    for _ in range(runs):
        began_s = time.perf_counter()
        session.run(None, {"image": image})
        times.append(time.perf_counter() - began_s)
    return statistics.median(times) * 1e3


if __name__ == "__main__":
    main()
