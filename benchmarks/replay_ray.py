"""A replay on two Ray nodes that loses a worker, a node and its driver, beside the plain pipeline, byte for byte.

    python benchmarks/replay_ray.py ../shared/data/video MODEL.onnx --out benchmarks/results/replay-ray.json

Sixty clips are made from the footage: many short ones, three long ones with many key frames, a long one whose only
key frame is its first, a broken one. The plain side is `pipeline.open`, one clip after the other, in this process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil

import pipeline
from pipeline.config import BackendConfig, Config, InputConfig
from pipeline.replay.identity import identity
from pipeline.replay.parquet import ClipWriter, file_digest
from pipeline.replay.rows import rows_of

COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()")
SOURCES = (
    "camvid_val_0016E5_15fps_h264.mp4",
    "kitti_2011_09_26_10fps_h264_bframes.mp4",
    "udacity_test_video.mp4",
    "paroque_road.avi",
)
ALL, LONG = 60, 3


def make_clips(video: Path, folder: Path, long: int) -> None:
    """The sixty clips; each source is decoded once."""
    footage = {}
    for name in SOURCES:
        with av.open(str(video / name)) as container:
            footage[name] = [f.reformat(width=320, height=180, format="yuv420p") for f in container.decode(video=0)]
    for index in range(ALL - LONG - 2):
        frames = footage[SOURCES[index % len(SOURCES)]]
        begin = index * 3 % (len(frames) - 24)
        write(folder / f"short-{index:02}.mp4", frames[begin : begin + 6 + index % 12], 6)
    for index in range(LONG):
        frames = footage[SOURCES[index]]
        write(folder / f"long-{index}.mp4", (frames * 20)[:long], 25)
    write(folder / "one-key-frame.mp4", (footage[SOURCES[1]] * 20)[:long], 9999)
    whole = (folder / "long-0.mp4").read_bytes()
    (folder / "broken.mp4").write_bytes(whole[: len(whole) // 3])


def write(path: Path, frames: list[av.VideoFrame], group: int) -> None:
    """H.264 with B-frames, 10 frames a second, a key frame every `group` frames."""
    options = {"g": str(group), "bf": "2", "preset": "veryfast", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index, Fraction(1, 10)
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def plain(clips: Path, out: Path, config: Config) -> dict[str, str]:
    """The sha256 of each clip's rows, straight from the pipeline."""
    digests = {}
    for clip in sorted(clips.iterdir()):
        path = out / f"{clip.name}.parquet"
        try:
            with pipeline.open(clip, config=config) as scenes:
                writer = ClipWriter(path, clip.name, identity(config, scenes.networks))
                for scene in scenes:
                    writer.add(rows_of(scene))
                writer.close()
        except pipeline.UserError:
            continue
        digests[clip.name] = file_digest(path)
    return digests


def until(what: Callable[[], bool], driver: subprocess.Popen[bytes]) -> None:
    while not what():
        if driver.poll() is not None:
            raise SystemExit("the driver ended too early: make the clips longer")
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, help="the folder of the footage")
    parser.add_argument("model")
    parser.add_argument("--imgsz", type=int, default=160)
    parser.add_argument("--long", type=int, default=450, help="frames of a long clip")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    from ray.cluster_utils import Cluster

    # Ray's workers would give way to everything else on this machine.
    os.environ.update(RAY_AUTH_MODE="disabled", RAY_worker_niceness="0")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips, out = folder / "clips", folder / "set"
        clips.mkdir()
        (folder / "plain").mkdir()
        make_clips(given.video, clips, given.long)
        config = Config(
            model=(given.model,),
            input=InputConfig(long_side=given.imgsz),
            backend=BackendConfig(name="onnxruntime-cpu", workers=1, threads=1),
        )
        began_s = time.monotonic()
        digests = plain(clips, folder / "plain", config)
        plain_s = time.monotonic() - began_s
        print(f"plain: {len(digests)} clips in {plain_s:.0f} s", flush=True)
        small = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=small)
        second = cluster.add_node(num_cpus=1, object_store_memory=100 << 20)
        words = ["replay", clips, "-m", given.model, "--imgsz", given.imgsz, "--backend", "onnxruntime-cpu"]
        words += ["--out", out, "--engine", "ray", "--ray-address", cluster.address, "--cpus", 1, "--segment", 10]
        killed: list[str] = []

        def start(*more: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen([*COMMAND, *map(str, words), *more], stdout=subprocess.DEVNULL)

        def done() -> int:
            return sum(file.endswith(".parquet") for _, _, files in os.walk(out) for file in files)

        began_s = time.monotonic()
        driver = start()
        until(lambda: done() >= 5, driver)
        workers = [p for p in psutil.process_iter(["cmdline"]) if "ray::_Remote" in " ".join(p.info["cmdline"] or ())]
        workers[0].send_signal(signal.SIGKILL)
        killed.append("worker")
        so_far = done()
        until(lambda: done() >= so_far + 5, driver)
        driver.kill()
        driver.wait()
        killed.append("driver")
        so_far = done()
        driver = start("--resume")
        until(lambda: done() >= so_far + 5, driver)
        cluster.remove_node(second, allow_graceful=False)
        killed.append("node")
        code = driver.wait()
        ray_s = time.monotonic() - began_s
        cluster.shutdown()
        report: dict[str, Any] = json.loads((out / "report.json").read_text())
        mine = {path.name.removesuffix(".parquet"): file_digest(path) for path in (out / "records").iterdir()}
        result = {
            "clips": report["clips"],
            "frames": report["frames"],
            "killed": killed,
            "exit_code": code,
            "equal_to_plain": mine == digests,
            "unlike": sorted(name for name in digests | mine if digests.get(name) != mine.get(name)),
            "split": report["split"],
            "not_split": report["not_split"],
            "failed": report["failures"]["clips"] and [one["name"] for one in report["failures"]["clips"]],
            "retries_of_the_last_run": report["this_run"]["retries"],
            "plain_s": round(plain_s, 1),
            "ray_s_all_runs": round(ray_s, 1),
        }
    print(json.dumps(result, indent=1))
    if given.out:
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": {"cores": os.cpu_count(), "system": platform.platform(), "load": round(os.getloadavg()[0], 1)},
            "model": Path(given.model).name,
            "imgsz": given.imgsz,
            "frames_of_a_long_clip": given.long,
        }
        given.out.write_text(json.dumps({**about, **result}, indent=1) + "\n")
    if not result["equal_to_plain"]:
        raise SystemExit("the rows are not those of the plain pipeline")


if __name__ == "__main__":
    main()
