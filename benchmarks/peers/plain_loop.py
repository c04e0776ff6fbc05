"""The loop that tutorials show: VideoCapture, a runtime's session, NumPy, OpenCV's drawing, VideoWriter.

    python plain_loop.py CLIP MODEL.onnx [--runtime onnxruntime|opencv-dnn] [--family yolo-seg|semantic] [--in-bytes]

Prints one JSON line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from side import MPEG4, NO_THREADS, NO_TIMES, Clock, arguments, input_hw, say

LOST = (NO_THREADS, NO_TIMES, "writes no class names but numbers, no records", MPEG4)
LOST_SEMANTIC = (NO_THREADS, NO_TIMES, "writes no legend, no records", MPEG4)


def session(runtime: str, model: Path, threads: int) -> tuple[str, Callable[[Any], Any]]:
    """Name of the runtime and what runs the network on one tensor."""
    if runtime == "onnxruntime":
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        opened = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        name = opened.get_inputs()[0].name
        return f"ONNX Runtime {ort.__version__}", lambda tensor: opened.run(None, {name: tensor})
    import cv2

    net = cv2.dnn.readNetFromONNX(str(model))
    outputs = net.getUnconnectedOutLayersNames()

    def run(tensor: Any) -> Any:
        net.setInput(tensor)
        found = list(net.forward(outputs))
        return sorted(found, key=lambda output: output.ndim) if len(found) > 1 else found

    return f"OpenCV DNN {cv2.__version__}", run


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--runtime", choices=("onnxruntime", "opencv-dnn"), default="onnxruntime")
    parser.add_argument("--family", choices=("yolo-seg", "semantic"), default="yolo-seg")
    parser.add_argument("--in-bytes", action="store_true", help="semantic: weight colours and frame by addWeighted")
    given = parser.parse_args()

    import cv2
    import numpy as np
    from tutorial_semantic import TutorialSemantic
    from tutorial_yolo import TutorialYolo

    cv2.setNumThreads(given.threads)
    size = input_hw(given)
    around: Any = TutorialYolo(size, given.conf, given.iou)
    if given.family == "semantic":
        around = TutorialSemantic(size, in_bytes=given.in_bytes)
    name, run = session(given.runtime, given.model, given.threads)
    for _ in range(3):
        run(around.prepare(np.zeros((720, 1280, 3), np.uint8)))
    shapes, found = set(), []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.mp4")
        with Clock() as clock:
            capture = cv2.VideoCapture(str(given.clip))
            rate = capture.get(cv2.CAP_PROP_FPS)
            wide, high = (int(capture.get(key)) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
            writer = cv2.VideoWriter(str(out), cv2.VideoWriter_fourcc(*"mp4v"), rate, (wide, high))
            while given.frames is None or len(found) < given.frames:
                whole, frame = capture.read()
                if not whole:
                    break
                tensor = around.prepare(frame)
                shapes.add(tuple(tensor.shape[2:]))
                seen = around.decode(run(tensor))
                writer.write(around.draw(frame, seen))
                found.append(0 if given.family == "semantic" else len(seen[0]))
            capture.release()
            writer.release()
        lost = LOST_SEMANTIC if given.family == "semantic" else LOST
        say(f"plain loop, {name}", clock, found=found, shapes=shapes, written=out, does_not=lost)


if __name__ == "__main__":
    main()
