"""Roboflow's InferencePipeline with custom logic: its threads read, ours run the ONNX file, supervision draws.

Its own models come from its host, so the network is the same ONNX file through ONNX Runtime and the tutorial's
decoding. Needs `pip install inference-cpu` in an environment of its own. Prints one JSON line.
"""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from plain_loop import session
from side import MPEG4, NO_TIMES, Clock, arguments, input_hw, say
from tutorial_yolo import TutorialYolo

LOST = (NO_TIMES, "writes no records", MPEG4)


def main() -> None:
    given = arguments(__doc__.splitlines()[0]).parse_args()
    os.environ.setdefault("METRICS_ENABLED", "False")
    os.environ.setdefault("TELEMETRY_OPT_OUT", "True")

    import cv2
    import numpy as np
    import supervision as sv
    from inference import InferencePipeline

    cv2.setNumThreads(given.threads)
    around = TutorialYolo(input_hw(given), given.conf, given.iou)
    runtime, run = session("onnxruntime", given.model, given.threads)
    for _ in range(3):
        run(around.prepare(np.zeros((720, 1280, 3), np.uint8)))
    painters = sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator()
    shapes: set[tuple[int, ...]] = set()
    found: list[int] = []

    def see(frames: list[Any]) -> list[Any]:
        seen = []
        for frame in frames:
            tensor = around.prepare(frame.image)
            shapes.add(tuple(tensor.shape[2:]))
            boxes, scores, class_ids, masks = around.decode(run(tensor))
            seen.append(sv.Detections(xyxy=boxes, confidence=scores, class_id=class_ids, mask=masks))
        return seen

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.mp4")
        with Clock() as clock, sv.VideoSink(str(out), sv.VideoInfo.from_video_path(str(given.clip))) as sink:

            def drawn(detections: Any, frame: Any) -> None:
                if given.frames is not None and len(found) >= given.frames:
                    pipeline.terminate()
                    return
                picture = frame.image.copy()
                for painter in painters:
                    picture = painter.annotate(picture, detections)
                sink.write_frame(picture)
                found.append(len(detections))

            pipeline = InferencePipeline.init_with_custom_logic(
                video_reference=str(given.clip), on_video_frame=see, on_prediction=drawn
            )
            pipeline.start()
            pipeline.join()
        installed = next(v for v in (found_version("inference-cpu"), found_version("inference")) if v)
        name = f"Roboflow inference {installed}, custom logic, {runtime}"
        say(name, clock, found=found, shapes=shapes, written=out, does_not=LOST)


def found_version(package: str) -> str | None:
    """Its version; None where it is not installed."""
    try:
        return version(package)
    except ImportError:
        return None


if __name__ == "__main__":
    main()
