"""The ceiling: the network alone, one ONNX Runtime session, the same tensor again and again. Prints one JSON line."""

from __future__ import annotations

import argparse
import json
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--input", default="384x640", help="height x width")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()

    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = given.threads
    session = ort.InferenceSession(given.model, options, providers=["CPUExecutionProvider"])
    height, width = map(int, given.input.split("x"))
    name = session.get_inputs()[0].name
    tensor = np.random.default_rng(0).random((1, 3, height, width), np.float32)
    for _ in range(5):
        session.run(None, {name: tensor})
    runs, cpu, began = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - began < given.seconds:
        session.run(None, {name: tensor})
        runs += 1
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(
        json.dumps(
            {
                "name": f"model only, {given.threads} threads",
                "fps": runs / took,
                "cpu_ms": cpu / runs * 1e3,
                "input_hw": [[height, width]],
            }
        )
    )


if __name__ == "__main__":
    main()
