"""Whether a network runs by TensorRT for RTX here, in a process that may crash.

python try_rtx.py ONNX HEIGHT WIDTH FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from networks import ROOT, Net, sized
from steps import RtxMaker

from engines.card import read_card
from engines.device import open_device


def main(path: str, height: str, width: str, folder: str) -> None:
    card = read_card(path, card_dirs=[ROOT / "configs/cards"])
    net = Net(card.name, sized(card, (int(height), int(width))))
    device = open_device()
    try:
        with device.current():
            maker = RtxMaker(device, net, 1, half=True, work=Path(folder))
            network, stream = maker.network(), device.stream()
            outputs = [device.alloc(int(np.prod(shape)) * dtype.itemsize) for shape, dtype in network.outputs]
            tensor = device.alloc(int(np.prod(net.shape(1))) * np.dtype(card.input.dtype).itemsize)
            step = network.step(tensor, outputs)
            for _ in range(3):
                step.enqueue(stream)
                stream.synchronize()
            maker.close()
    finally:
        device.close()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
        os._exit(1)  # nothing is torn down, which may crash and hide the reason
    os._exit(0)
