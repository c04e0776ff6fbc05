"""Ultralytics to find, supervision to draw and to write: how supervision's own guides put a video together.

Prints one JSON line.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from side import MPEG4, NO_THREADS, NO_TIMES, Clock, arguments, input_hw, say

LOST = (NO_THREADS, NO_TIMES, "writes no records", MPEG4)


def main() -> None:
    given = arguments(__doc__.splitlines()[0]).parse_args()

    import numpy as np
    import supervision as sv
    import torch
    import ultralytics
    from ultralytics import YOLO

    torch.set_num_threads(given.threads)
    options = {"imgsz": input_hw(given), "conf": given.conf, "iou": given.iou, "verbose": False}
    model = YOLO(str(given.model), task="segment")
    model.predict(np.zeros((720, 1280, 3), np.uint8), **options)
    preprocess = model.predictor.preprocess
    shapes: set[tuple[int, ...]] = set()

    def watched(pictures: object) -> object:
        tensor = preprocess(pictures)
        shapes.add(tuple(tensor.shape[2:]))
        return tensor

    model.predictor.preprocess = watched
    painters = sv.MaskAnnotator(), sv.BoxAnnotator(), sv.LabelAnnotator()
    found: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.mp4")
        with Clock() as clock:
            info = sv.VideoInfo.from_video_path(str(given.clip))
            with sv.VideoSink(str(out), info) as sink:
                for frame in sv.get_video_frames_generator(str(given.clip), end=given.frames):
                    detections = sv.Detections.from_ultralytics(model.predict(frame, **options)[0])
                    picture = frame.copy()
                    for painter in painters:
                        picture = painter.annotate(picture, detections)
                    sink.write_frame(picture)
                    found.append(len(detections))
        name = f"Ultralytics {ultralytics.__version__} + supervision {sv.__version__}"
        say(name, clock, found=found, shapes=shapes, written=out, does_not=LOST)


if __name__ == "__main__":
    main()
