"""Files with flipped bytes: no crash, no hang, and what decodes is processed.

    python benchmarks/soak/corrupt.py CLIP --model MODEL.onnx [--seeds 200]

Each seed flips up to 300 bytes of the clip; every second one leaves the first and last eighth alone, where an MP4 has
its index. What PyAV decodes of the file in a plain loop is what the run must process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the checkout, installed or not

from pipeline.config import BackendConfig, Config
from pipeline.errors import SourceError
from pipeline.media import open_media
from pipeline.run import run


class Silent:
    """A Watch that says nothing."""

    def started(self, *told: object) -> None:
        pass

    def frame(self, *told: object) -> None:
        pass

    def sources(self, *told: object) -> None:
        pass

    def noted(self, notes: Sequence[str]) -> None:
        pass


def flip(data: bytes, seed: int) -> bytes:
    """The same with some bytes of another value."""
    dice = np.random.default_rng(seed)
    first, last = (0, len(data)) if seed % 2 else (len(data) // 8, len(data) - len(data) // 8)
    spoilt = bytearray(data)
    for place in dice.integers(first, last, dice.integers(1, 300)):
        spoilt[place] ^= int(dice.integers(1, 256))
    return bytes(spoilt)


def decodable(path: Path) -> int:
    """How many pictures a plain loop gets out of it."""
    count, broken = 0, 0
    try:
        with open_media(f"file:{path}") as film:
            stream = film.streams.video[0]
            if stream.codec_context is None:  # its name is among what was spoilt
                return 0
            stream.codec_context.thread_count = 1
            while broken < 64:
                try:
                    for packet in film.demux(stream):
                        broken = 0
                        try:
                            count += len(packet.decode())
                        except av.FFmpegError:
                            continue
                    break
                except av.error.InvalidDataError:
                    broken += 1
    except (av.FFmpegError, IndexError):
        pass
    return count


def corrupt_files(clip: Path, model: Path, seeds: int) -> dict[str, Any]:
    """Run them all; the figures."""
    data = clip.read_bytes()
    config = Config(model=(str(model),), backend=BackendConfig(name="null", unverified=True))
    refused, frames, longest_s, wrong = 0, 0, 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"spoilt{clip.suffix}")
        for seed in range(seeds):
            path.write_bytes(flip(data, seed))
            expected, began_s = decodable(path), time.monotonic()
            try:
                processed = run(str(path), config, Silent()).report["frames"]["processed"]
            except SourceError:
                refused, processed = refused + 1, 0
                expected = 0  # it said so in a sentence
            longest_s = max(longest_s, time.monotonic() - began_s)
            frames += processed
            if processed != expected:
                wrong.append({"seed": seed, "processed": processed, "decodable": expected})
    return {
        "files": seeds,
        "refused_with_a_sentence": refused,
        "frames_processed": frames,
        "longest_s": round(longest_s, 2),
        "not_as_decoded": wrong,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=200)
    asked = parser.parse_args()
    print(json.dumps(corrupt_files(asked.clip, asked.model, asked.seeds), indent=2))
