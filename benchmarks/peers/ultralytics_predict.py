"""The peer: `ultralytics predict(save=True)` over a clip, timed after its model is loaded and warm.

    python ultralytics_predict.py CLIP MODEL.onnx [--runtime onnxruntime|openvino]

Prints one JSON line. Runs in a process of its own, so that neither side pays for the other's imports or threads. For
OpenVINO the same ONNX bytes are read by OpenVINO and saved in the layout that Ultralytics takes.
"""

from __future__ import annotations

import ast
import tempfile
from pathlib import Path
from typing import Any

from side import MPEG4, NO_TIMES, Clock, arguments, input_hw, say

LOST = (NO_TIMES, "masks at the network's size, not the source's", "writes no records", MPEG4)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--runtime", choices=("onnxruntime", "openvino"), default="onnxruntime")
    given = parser.parse_args()

    import numpy as np
    import torch
    import ultralytics
    from ultralytics import YOLO

    torch.set_num_threads(given.threads)
    shapes: set[tuple[int, ...]] = set()
    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"imgsz": max(input_hw(given)), "conf": given.conf, "iou": given.iou}
        options |= {"verbose": False, "project": folder, "exist_ok": True}
        file = as_openvino(given.model, Path(folder)) if given.runtime == "openvino" else given.model
        model = YOLO(str(file), task="segment")
        model.predict(np.zeros((720, 1280, 3), np.uint8), **options)
        model.predictor.run_callbacks = lambda event: None
        preprocess = model.predictor.preprocess

        def watched(pictures: object) -> object:
            tensor = preprocess(pictures)
            shapes.add(tuple(tensor.shape[2:]))
            return tensor

        model.predictor.preprocess = watched
        found: list[int] = []
        with Clock() as clock:
            results = model.predict(str(given.clip), save=True, stream=True, **options)
            for result in results:
                found.append(len(result))
                if len(found) == given.frames:
                    break
            results.close()
            for writer in model.predictor.vid_writer.values():
                writer.release()  # again is the same as once; a run that was cut short leaves it open
        (written,) = (p for p in Path(folder).rglob("*") if p.suffix in (".avi", ".mp4"))
        precision = openvino_precision(model) if given.runtime == "openvino" else "f32"
        name = f"Ultralytics {ultralytics.__version__}, {given.runtime} {precision}"
        say(name, clock, found=found, shapes=shapes, written=written, does_not=LOST, precision=precision)


def as_openvino(model: Path, folder: Path) -> Path:
    """The ONNX file as the folder that Ultralytics takes for an OpenVINO export: IR of the same numbers, metadata."""
    import onnx
    import openvino as ov
    import yaml

    out = folder / f"{model.stem}_openvino_model"
    out.mkdir()
    ov.save_model(ov.Core().read_model(str(model)), str(out / f"{model.stem}.xml"), compress_to_fp16=False)
    said = onnx.load(str(model), load_external_data=False).metadata_props
    (out / "metadata.yaml").write_text(yaml.safe_dump({entry.key: as_python(entry.value) for entry in said}))
    return out


def as_python(text: str) -> Any:
    """ONNX keeps text alone: what is a literal of Python becomes it, as Ultralytics' own export writes it."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def openvino_precision(model: Any) -> str:
    """What OpenVINO computes in, read back."""
    backend = getattr(model.predictor.model, "backend", model.predictor.model)
    return str(backend.ov_compiled_model.get_property("INFERENCE_PRECISION_HINT").get_type_name())


if __name__ == "__main__":
    main()
