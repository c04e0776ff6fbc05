"""`dashmask replay`: the records of a run as Parquet, the same bytes whoever wrote them, through every death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from clips import write_clip
from command import Said, dashmask

pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
pq = pytest.importorskip("pyarrow.parquet", reason="no pyarrow here: install the extra `replay`")

pytestmark = pytest.mark.timeout(900)  # deadlines are for what hangs; a busy machine is slow
CPU = ("--backend", "onnxruntime-cpu")


@pytest.fixture(scope="module")
def drives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long clip, a short one in a folder of its own, a folder of images, a broken clip, and a pipe, which keeps who
    reads it waiting."""
    import cv2
    from clips import scene

    folder = tmp_path_factory.mktemp("drives")
    (folder / "monday").mkdir()
    (folder / "stills").mkdir()
    write_clip(folder / "long.mp4", "libx264", frames=60, options={"g": "15", "bf": "2"})
    write_clip(folder / "monday" / "short.mp4", "mpeg4", frames=7)
    for index in range(3):
        cv2.imwrite(str(folder / "stills" / f"{index}.png"), scene(index))
    (folder / "broken.mp4").write_bytes((folder / "long.mp4").read_bytes()[:300])
    os.mkfifo(folder / "pipe.mp4")
    return folder


def replayed(drives: Path, out: Path, model: Path, *words: object) -> tuple[Said, dict[str, Any]]:
    said = dashmask("replay", drives, "--out", out, "-m", model, *CPU, *words)
    assert said.code == 1, said.err + said.out  # a clip is broken
    return said, json.loads((out / "report.json").read_text())


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


def written(out: Path) -> int:
    """Tables there by now, of a replay that runs: a folder may go while it is read, which `os.walk` bears."""
    return sum(file.endswith(".parquet") for _, _, files in os.walk(out) for file in files)


@pytest.fixture(scope="module")
def plain(drives: Path, models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set as one worker writes it, nothing cut."""
    out = tmp_path_factory.mktemp("plain") / "out"
    said, what = replayed(drives, out, models[1], "-m", models[0], "--workers", 1, "--segment", 0)
    assert what["split"] == 0
    assert "broken.mp4" in said.out
    return out


def test_rows_are_the_records_of_a_run(drives: Path, models: tuple[Path, Path], plain: Path, tmp_path: Path) -> None:
    words = ("-m", models[1], "-m", models[0], "--json", tmp_path / "o.jsonl", "--no-timing", *CPU)
    assert dashmask("run", drives / "long.mp4", *words).code == 0
    rows = pq.read_table(plain / "records" / "long.mp4.parquet").to_pylist()
    assert [row["frame"] for row in rows if row["kind"] == "frame"] == list(range(60))
    assert rows == sorted(rows, key=lambda row: (row["frame"], row["kind"], row["number"]))
    names = ("red", "green", "blue")
    for line in (tmp_path / "o.jsonl").read_text().splitlines():
        record = json.loads(line)
        mine = [row for row in rows if row["frame"] == record["index"]]
        assert {row["pts_s"] for row in mine} == {record["pts_s"]}
        found = [row for row in mine if row["kind"] == "instance"]
        assert [
            {
                "class": row["class"],
                "class_id": row["class_id"],
                "score": row["score"],
                "box_xyxy": [row[side] for side in ("x0", "y0", "x1", "y1")],
                "rle": {"size": [row["height"], row["width"]], "counts": row["rle"]},
            }
            for row in found
        ] == record["instances"]
        labels = {row["class"]: row["rle"] for row in mine if row["kind"] == "label"}
        assert labels == {name: rle["counts"] for name, rle in record["labels"].items()}
        assert all(names[row["class_id"]] == row["class"] for row in mine if row["kind"] == "label")


def test_the_row_of_a_frame_says_when_the_networks_looked(
    drives: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ("--workers", 1, "--segment", 0, "--set", "track.carry=2")
    replayed(drives, tmp_path / "o", models[1], *words)
    words = ("-m", models[1], "--carry", 2, "--json", tmp_path / "o.jsonl", "--no-timing", *CPU)
    assert dashmask("run", drives / "long.mp4", *words).code == 0
    carried = [json.loads(line).get("carried", 0) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    rows = pq.read_table(tmp_path / "o/records/long.mp4.parquet").to_pylist()
    assert [row["number"] for row in rows if row["kind"] == "frame"] == carried
    assert set(carried) == {0, 1, 2}


def test_bytes_do_not_depend_on_workers_or_cuts(
    drives: Path, models: tuple[Path, Path], plain: Path, tmp_path: Path
) -> None:
    _, cut = replayed(drives, tmp_path / "o", models[1], "-m", models[0], "--workers", 2, "--segment", 1.5)
    assert cut["split"] == 1
    assert contents(tmp_path / "o") == contents(plain)
    assert list(contents(plain)) == [f"records/{name}.parquet" for name in ("long.mp4", "monday/short.mp4", "stills")]
    before = json.loads((plain / "report.json").read_text())
    for key in ("digest", "frames", "rows", "clips", "failures"):
        assert cut[key] == before[key]
    assert not (tmp_path / "o" / "parts").exists()


def test_the_report_and_the_files_say_what_they_are(plain: Path, models: tuple[Path, Path]) -> None:
    what = json.loads((plain / "report.json").read_text())
    assert what["clips"] == {"all": 5, "done": 3, "failed": 2, "waiting": 0}
    assert what["frames"] == 70
    failures = what["failures"]["clips"]  # they do not become whole by trying
    assert [(failure["name"], failure["tries"]) for failure in failures] == [("broken.mp4", 1), ("pipe.mp4", 1)]
    assert "cut off" in failures[0]["reason"]
    assert "no ordinary file" in failures[1]["reason"]
    assert list(what["failures"]["by_reason"].values()) == [1, 1]
    (worker,) = what["this_run"]["workers"].values()
    assert (worker["frames"], worker["fps"] > 0) == (70, True)
    told = json.loads(pq.read_schema(plain / "records" / "stills.parquet").metadata[b"dashmask"])
    assert (told["schema"], told["clip"]) == (1, "stills")
    assert [model["sha256"] for model in told["models"]] == [model["sha256"] for model in what["models"]]
    assert told["options"]["decode"]["conf"] == 0.25
    assert told["options"]["backend"] == [{"name": "onnxruntime-cpu", "precision": "f32", "way": "tensors"}] * 2
    assert {"dashmask", "pyarrow", "onnxruntime", "av"} <= set(told["versions"])


def test_masks_and_videos_are_written_too(models: tuple[Path, Path], tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.mp4", "mpeg4", frames=30, options={"g": "10"})
    words = ("-m", models[0], *CPU, "--workers", 1, "--masks")
    assert dashmask("replay", clip, "--out", tmp_path / "a", *words, "--segment", 1).code == 0
    assert dashmask("replay", clip, "--out", tmp_path / "b", *words, "--segment", 1, "--videos").code == 0
    masks = [sorted(path.name for path in (tmp_path / out / "masks" / "c.mp4" / "labels").iterdir()) for out in "ab"]
    assert masks[0] == masks[1] == [f"{index:06d}.png" for index in range(30)]
    assert (tmp_path / "a" / "masks" / "c.mp4" / "classes.json").is_file()
    assert (tmp_path / "b" / "videos" / "c.mp4.mp4").stat().st_size > 1000
    split = [json.loads((tmp_path / out / "report.json").read_text())["split"] for out in "ab"]
    assert split == [1, 0]


def start(out: Path, drives: Path, model: Path, *words: object) -> subprocess.Popen[str]:
    given = ["replay", drives, "--out", out, "-m", model, *CPU, "--workers", 1, "--segment", 1.5, *words]
    return subprocess.Popen(
        [sys.executable, "-c", "from pipeline.cli import main; main()", *map(str, given)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(what: Any, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 400
    while not what():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def many(folder: Path, count: int) -> Path:
    """As many clips as take a while."""
    folder.mkdir()
    one = write_clip(folder / "0.mp4", "libx264", frames=60, options={"g": "15"})
    for index in range(1, count):
        os.link(one, folder / f"{index}.mp4")
    return folder


def test_ctrl_c_and_a_killed_driver_leave_what_resume_goes_on_from(models: tuple[Path, Path], tmp_path: Path) -> None:
    drives, out = many(tmp_path / "in", 12), tmp_path / "o"
    child = start(out, drives, models[1])
    wait_for(lambda: written(out) >= 2, child)
    os.kill(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=400)
    assert child.returncode == 130, err
    assert "--resume goes on" in err
    assert "Traceback" not in err
    report = json.loads((out / "report.json").read_text())
    assert report["interrupted"]
    assert report["clips"]["waiting"] > 0
    whole = contents(out / "records")
    child = start(out, drives, models[1], "--resume")
    wait_for(lambda: written(out / "records") > len(whole) + 2, child)
    child.kill()
    child.communicate()
    kept = {path: path.stat().st_mtime_ns for path in (out / "records").iterdir()}
    said = dashmask("replay", "--resume", "--out", out, "-m", models[1], *CPU, "--workers", 2, "--segment", 1.5)
    assert said.code == 0, said.err
    report = json.loads((out / "report.json").read_text())
    assert (report["clips"]["done"], report["frames"]) == (12, 12 * 60)
    again = [path for path, before in kept.items() if path.stat().st_mtime_ns != before]
    assert len(again) <= 1  # what the worker had in hand when the driver died; nothing else is done twice
    tables = [pq.read_table(path, columns=["frame", "kind"]).to_pylist() for path in (out / "records").iterdir()]
    assert len(tables) == 12
    for table in tables:  # nothing lost, nothing doubled
        assert [row["frame"] for row in table if row["kind"] == "frame"] == list(range(60))


def test_a_killed_worker_is_replaced(models: tuple[Path, Path], tmp_path: Path) -> None:
    import psutil

    out = tmp_path / "o"
    child = start(out, many(tmp_path / "in", 8), models[1])
    wait_for(lambda: written(out) >= 3, child)  # its first ones are counted by then
    workers = [p for p in psutil.Process(child.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    assert workers
    workers[0].kill()
    said, err = child.communicate(timeout=400)
    assert child.returncode == 0, err + said
    report = json.loads((out / "report.json").read_text())
    assert (report["clips"]["done"], report["frames"]) == (8, 8 * 60)
    assert report["this_run"]["retries"] <= 1  # none, where it died between two
    assert len(report["this_run"]["workers"]) == 2


def test_another_model_or_option_is_refused_and_touches_nothing(
    drives: Path, models: tuple[Path, Path], plain: Path
) -> None:
    before = {path: path.stat().st_mtime_ns for path in plain.rglob("*")}
    both = ("-m", models[1], "-m", models[0])
    for words, said in (
        (both, "holds a data set already"),
        (("-m", models[1], "--resume"), "models"),
        ((*both, "--resume", "--conf", 0.5), "options.decode.conf is 0.25, here it is 0.5"),
        ((*both, "--resume", "--every", 2), "options.source.every"),
    ):
        done = dashmask("replay", drives, "--out", plain, *CPU, *words)
        assert done.code == 2
        assert said in done.err
    data = json.loads((plain / "dataset.json").read_text())
    (plain / "dataset.json").write_text(json.dumps(data | {"schema": 0}))
    done = dashmask("replay", drives, "--out", plain, *CPU, *both, "--resume")
    assert (done.code, "schema is 0, here it is 1" in done.err) == (2, True)
    (plain / "dataset.json").write_text(json.dumps(data))
    same = {path for path in before if path.name != "dataset.json"}
    assert {path: path.stat().st_mtime_ns for path in same} == {path: before[path] for path in same}
