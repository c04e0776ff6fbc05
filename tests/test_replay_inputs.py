"""What `dashmask replay` takes: files, folders, globs and manifests, here and elsewhere; and what it refuses."""

from __future__ import annotations

import functools
import http.server
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clips import write_clip
from command import dashmask

from pipeline.config import Config
from pipeline.config_file import load
from pipeline.errors import UserError
from pipeline.replay.finding import find_clips
from pipeline.replay.identity import stateful
from pipeline.replay.ledger import Ledger

pa = pytest.importorskip("pyarrow", reason="no pyarrow here: install the extra `replay`")
pq = pytest.importorskip("pyarrow.parquet", reason="no pyarrow here: install the extra `replay`")


def found(*words: object) -> dict[str, str]:
    return {clip.name: clip.location for clip in find_clips(map(str, words))}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Videos in two folders, images in a third, and what is neither."""
    for name in ("a.mp4", "monday/a.mp4", "monday/b.MKV", "stills/1.png", "stills/2.png", "notes.doc", ".hidden.mp4"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path / "in"


def test_folders_files_and_globs(tree: Path) -> None:
    assert list(found(tree)) == ["a.mp4", "monday/a.mp4", "monday/b.MKV", "stills"]
    assert found(tree / "monday" / "b.MKV", tree / "a.mp4") == {
        "b.MKV": str(tree / "monday" / "b.MKV"),
        "a.mp4": str(tree / "a.mp4"),
    }
    assert list(found(tree / "*" / "*.MKV")) == ["b.MKV"]
    assert found(tree / "stills") == {"stills": str(tree / "stills")}


def test_links_are_followed_but_not_round_and_round(tree: Path) -> None:
    whole = list(found(tree))
    (tree / "monday" / "up").symlink_to(tree)
    (tree / "monday" / "out").symlink_to("/")
    (tree / "stills" / "across").symlink_to(tree / "monday")
    (tree / "monday" / "across").symlink_to(tree / "stills")
    twice = ["stills/across/a.mp4", "stills/across/b.MKV", "monday/across"]
    assert sorted(found(tree)) == sorted(whole + twice)


def test_manifests_of_text_and_of_parquet(tree: Path) -> None:
    text = tree / "list.txt"
    text.write_text(f"# drives\na.mp4\n\n{tree}/monday/a.mp4\tmonday-a.mp4\ns3://bucket/far/c.mp4\n")
    wanted = {"a.mp4": f"{tree}/a.mp4", "monday-a.mp4": f"{tree}/monday/a.mp4", "c.mp4": "s3://bucket/far/c.mp4"}
    assert found(text) == wanted
    table = {"location": list(wanted.values()), "name": list(wanted), "length": [1, 2, 3]}
    pq.write_table(pa.table(table), tree / "list.parquet")
    assert found(tree / "list.parquet") == wanted


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a.mp4\n\xff\xfe\n", "line 2: not text in UTF-8"),
        (b"a.mp4\tone\ttwo\n", "line 1: expected a location"),
        (b"a.mp4\t\n", "line 1: expected a location"),
        (b"a.mp4\t../../etc\n", "cannot name a clip"),
        (b"a.mp4\t" + 83 * "字".encode() + b"\n", "cannot name a clip"),  # 249 bytes, and `.parquet` comes behind
        (b"x" * 70_000, "line 1: expected a location"),
    ],
)
def test_an_unreadable_line_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "m.txt").write_bytes(content)
    with pytest.raises(UserError, match=says):
        found(tmp_path / "m.txt")


def test_an_unreadable_row_is_named(tmp_path: Path) -> None:
    file = tmp_path / "m.parquet"
    for table, says in (
        ({"location": ["a.mp4", None]}, "row 2: None is no location"),
        ({"path": ["a.mp4"]}, "no column `location`, only path"),
    ):
        pq.write_table(pa.table(table), file)
        with pytest.raises(UserError, match=says):
            found(file)
    file.write_bytes(b"no parquet at all")
    with pytest.raises(UserError, match="no Parquet file"):
        found(file)


def test_what_is_not_there_or_live_is_refused(tree: Path) -> None:
    (tree / "empty").mkdir()
    for word, says in (
        (tree / "no.mp4", "no such file"),
        (tree / "*.avi", "matches nothing"),
        (tree / "empty", "neither videos nor images"),
        ("rtsp://camera/1", "live"),
        ("nothing://bucket/a.mp4", "nothing that fsspec reads"),
    ):
        with pytest.raises(UserError, match=says):
            found(word)


@pytest.mark.parametrize("kind", ["txt", "parquet"])
def test_a_hundred_thousand_lines_take_no_more_memory_than_five_thousand(tmp_path: Path, kind: str) -> None:
    def peak(count: int) -> int:
        lines = [f"drives/{index:06}/camera-front.mp4" for index in range(count)]
        names = [f"{index:06}.mp4" for index in range(count)]
        manifest = tmp_path / f"{count}.{kind}"
        if kind == "txt":
            manifest.write_text("".join(f"{line}\t{name}\n" for line, name in zip(lines, names, strict=True)))
        else:
            pq.write_table(pa.table({"location": lines, "name": names}), manifest, row_group_size=4096)
        del lines, names
        ledger = Ledger(tmp_path / f"{count}.sqlite")
        tracemalloc.start()
        assert ledger.add(find_clips([str(manifest)])) == count
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(ledger.waiting(count - 3)) == 3
        ledger.close()
        return most

    few, many = peak(5_000), peak(100_000)
    assert many < few + 2_000_000  # a batch more or less; kept, the lines would take ten times that


CASES: dict[str, tuple[Callable[[Path, Path], list[object]], list[str]]] = {
    "two clips of one name": (
        lambda t, c: [c, _copy(c, t / "other")],
        ["two clips are called drive.mp4", "other", "manifest"],
    ),
    "two lines of one name": (
        lambda t, c: [_lines(t, f"{c}\tone.mp4\n{c}x\tone.mp4\n")],
        ["two clips are called one.mp4"],
    ),
    "an unreadable line": (lambda t, c: [_lines(t, f"{c}\n\0\n")], ["list.txt line 2"]),
    "a name that is no text": (
        lambda t, c: [_renamed(_copy(c, t / "in"), b"\xff.mp4")],
        ["\\udcff.mp4", "rename it"],
    ),
    "no input": (lambda t, c: [], ["holds no data set to go on with"]),
    "an output of run": (lambda t, c: [c, "--set", "output.json=o.jsonl"], ["output.json", "--out"]),
    "a folder of other things": (lambda t, c: [c, "--out", c.parent], ["holds other things"]),
    "workers below one": (lambda t, c: [c, "--workers", 0], ["0 workers"]),
    "options of Ray": (lambda t, c: [c, "--gpus", 1], ["--engine ray"]),
    "an unknown engine": (lambda t, c: [c, "--engine", "spark"], ["spark", "local and ray"]),
    "objects followed, cut": (
        lambda t, c: [c, "--set", "track.objects=true", "--segment", 5],
        ["from frame to frame"],
    ),
    "a part of each clip, cut": (
        lambda t, c: [c, "--set", "source.frames=5", "--segment", 5],
        ["only a part of each clip"],
    ),
}


def _copy(clip: Path, folder: Path) -> Path:
    folder.mkdir()
    (folder / clip.name).write_bytes(clip.read_bytes())
    return folder / clip.name


def _renamed(file: Path, name: bytes) -> Path:
    return file.rename(file.parent / os.fsdecode(name))


def _lines(folder: Path, text: str) -> Path:
    (folder / "list.txt").write_text(text)
    return folder / "list.txt"


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    case: str, models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    words, says = CASES[case]
    out = tmp_path / "out"
    given = words(tmp_path, clip)
    before = {path: path.stat().st_mtime_ns for path in clip.parent.iterdir()}
    said = dashmask("replay", "-m", models[0], *(() if "--out" in given else ("--out", out)), *given)
    assert said.code == 2, said.out
    assert len(said.err.splitlines()) <= 2
    for part in says:
        assert part in said.err
    assert not out.exists()
    assert {path: path.stat().st_mtime_ns for path in clip.parent.iterdir()} == before


def test_what_depends_on_the_frames_before_is_not_cut() -> None:
    assert stateful(Config()) == ""
    assert "from frame to frame" in stateful(load(sets=["track.objects=true"]))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server over a folder; without ranges, as the simplest are."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server of moto with one bucket."""
    pytest.importorskip("s3fs", reason="no s3fs here: pip install s3fs")
    server_of = pytest.importorskip(
        "moto.server", reason="no moto here: pip install 'moto[server]'"
    ).ThreadedMotoServer
    server = server_of(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in (("ENDPOINT_URL", f"http://{host}:{port}"), ("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(f"AWS_{key}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield "s3://drives"
    server.stop()


@pytest.mark.filterwarnings("ignore")  # of the S3 client and its server
def test_clips_come_from_a_web_server_and_a_bucket(
    web: tuple[str, Path], bucket: str, models: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    import fsspec

    address, folder = web
    write_clip(folder / "a b.mp4", "mpeg4", frames=4)
    (folder / "list.txt").write_text(f"{address}/a%20b.mp4?token=secret\n{address}/gone.mp4?token=secret\n")
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    store.mkdir("drives")
    store.put(str(folder / "a b.mp4"), "drives/monday/c.mp4")
    out = tmp_path / "out"
    words = ("--workers", 1, "--retries", 1, "--backend", "onnxruntime-cpu", "-m", models[0])
    said = dashmask("replay", f"{address}/list.txt", bucket, "--out", out, *words)
    assert said.code == 1, said.err
    assert sorted(str(path.relative_to(out / "records")) for path in out.rglob("*.parquet")) == [
        "a%20b.mp4.parquet",
        "monday/c.mp4.parquet",
    ]
    what = json.loads((out / "report.json").read_text())
    assert what["frames"] == 8
    (failure,) = what["failures"]["clips"]
    assert (failure["name"], failure["tries"]) == ("gone.mp4", 2)
    assert "no such file" in failure["reason"]
    assert "secret" not in (out / "report.json").read_text() + said.out + said.err
