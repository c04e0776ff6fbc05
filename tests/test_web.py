"""The page of a run, asked over real connections while a real run goes on."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from command import dashmask
from numpy.typing import NDArray
from web_server import Running, served

for needed in ("onnxruntime", "starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="not installed: the extras `cpu` and `web`")

PATIENCE_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings") / "new"


@pytest.fixture(scope="module")
def run(models: tuple[Path, Path], folder: Path) -> Iterator[Running]:
    """A drive without end: class colours on black, so that a picture says which classes are drawn."""
    words = ("-m", models[0], "-m", models[1], "--view", "masks", "--set", "render.status=false")
    with served(
        "run", "demo:size=160x120,frames=100000", *words, "--web", "127.0.0.1:0", "--recordings", folder
    ) as running:
        until(lambda: frames(running) > 0)
        yield running


def until(happened: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline_s, "it does not happen"
        time.sleep(0.05)


def frames(run: Running) -> int:
    return int(run.ask("/state").json["sources"][0]["frames"])


def picture(data: bytes) -> NDArray[np.uint8]:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def parts(run: Running, count: int) -> list[bytes]:
    """The first pictures of the live stream."""
    connection = HTTPConnection(run.host, run.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/sources/0/stream.mjpg")
        answer = connection.getresponse()
        kind = answer.getheader("content-type") or ""
        assert kind == "multipart/x-mixed-replace; boundary=frame"
        found = []
        assert answer.readline() == b"--frame\r\n"
        for _ in range(count):
            head = {}
            while (line := answer.readline()) != b"\r\n":
                name, _, value = line.decode().partition(":")
                head[name.lower()] = value.strip()
            found.append(answer.read(int(head["content-length"])))
            assert (answer.readline(), answer.readline()) == (b"\r\n", b"--frame\r\n")
        return found
    finally:
        connection.close()


def test_the_live_picture_is_one_jpeg_after_another(run: Running) -> None:
    seen = [picture(part) for part in parts(run, 4)]
    assert [one.shape for one in seen] == [(120, 160, 3)] * 4
    assert not np.array_equal(seen[0], seen[3])


def test_a_viewer_that_stops_reading_holds_up_nobody(run: Running) -> None:
    deaf = socket.create_connection((run.host, run.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /sources/0/stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        until(lambda: run.ask("/state").json["sources"][0]["viewers"] == 1)
        before = frames(run)
        until(lambda: frames(run) > before + 40)
        assert len(parts(run, 3)) == 3
    finally:
        deaf.close()
    until(lambda: run.ask("/state").json["sources"][0]["viewers"] == 0)


@pytest.mark.parametrize("path", ["/sources/0/stream.mjpg", "/events"])
def test_head_of_what_has_no_end_ends(run: Running, path: str) -> None:
    connection = HTTPConnection(run.host, run.port, timeout=10)
    try:
        connection.request("HEAD", path)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        assert "html" not in (answer.getheader("content-type") or "html")
        connection.request("GET", "/state")
        assert json.loads(connection.getresponse().read())["sources"][0]["viewers"] == 0
    finally:
        connection.close()


def test_a_snapshot_is_a_png_of_the_picture_at_its_full_size(run: Running) -> None:
    answer = run.ask("/sources/0/snapshot.png")
    assert answer.status == 200
    assert answer.headers["content-disposition"].startswith('attachment; filename="snapshot-0-')
    assert picture(answer.body).shape == (120, 160, 3)


def test_a_class_that_is_switched_off_is_not_drawn_from_the_next_picture_on(run: Running) -> None:
    names = [one["name"] for one in run.ask("/classes").json]
    assert {"red", "green", "blue", "person", "car"} <= set(names)
    try:
        assert run.ask("/classes", "PUT", {"hidden": names}).status == 200
        for _ in range(2):  # the first may have been drawn before
            black = picture(run.ask("/sources/0/snapshot.png").body)
        assert black.max() <= 2
        told = run.ask("/classes", "PUT", {"hidden": [name for name in names if name != "person"]}).json
        assert [one["name"] for one in told if one["shown"]] == ["person"]
        for _ in range(2):
            person = picture(run.ask("/sources/0/snapshot.png").body)
        assert person.max() > 50
        assert (person.max(axis=2) < 3).mean() > 0.3
    finally:
        run.ask("/classes", "PUT", {"hidden": []})
    refused = run.ask("/classes", "PUT", {"hidden": ["persn"]})
    assert refused.status == 422
    assert "persn" in refused.json["what"]
    assert "person" in refused.json["hint"]


def test_a_recording_is_a_video_and_its_records_while_the_run_goes_on(run: Running, folder: Path) -> None:
    started = run.ask("/sources/0/recording", "POST", {"on": True})
    assert started.json["active"] is True
    until(lambda: run.ask("/state").json["sources"][0]["recording"]["frames"] >= 8)
    run.ask("/sources/0/recording", "POST", {"on": False})
    until(lambda: list(folder.glob("*.mp4")) and not list(folder.glob("*.part.*")))
    (video,) = folder.glob("demo-*.mp4")
    records = [json.loads(line) for line in video.with_suffix(".jsonl").read_text().splitlines()]
    with av.open(str(video)) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert len(times) == len(records) >= 8
    first = records[0]["pts_s"]
    assert times == pytest.approx([record["pts_s"] - first for record in records], abs=0.002)
    assert {"person", "car"} == {found["class"] for found in records[0]["instances"]}


def test_events_tell_everything_at_once_and_then_each_second(run: Running) -> None:
    connection = HTTPConnection(run.host, run.port, timeout=PATIENCE_S)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    told = []
    while len(told) < 2:
        line = answer.readline()
        if line.startswith(b"data: "):
            told.append(json.loads(line[6:]))
    connection.close()
    assert told[0]["sources"][0]["state"] == "live"
    assert told[0]["models"][0]["backend"]
    assert told[1]["number"] == told[0]["number"] + 1
    sample = told[1]["samples"][-1]["sources"]["0"]
    assert sample["fps"] > 0
    assert {"capture", "infer", "postprocess"} <= set(sample["stages_ms"])
    assert sample["age_ms"] <= sample["age_p95_ms"]


def test_metrics_are_read_by_prometheus(run: Running) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    answer = run.ask("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in parser.text_string_to_metric_families(answer.body.decode())}
    (processed,) = families["dashmask_frames_processed"].samples
    assert processed.labels == {"source": "demo"}
    ages = [s for s in families["dashmask_frame_age_seconds"].samples if s.name.endswith("_bucket")]
    counts = [sample.value for sample in ages]
    assert counts == sorted(counts)
    assert ages[-1].labels["le"] == "+Inf"
    assert counts[-1] > 0
    stages = {sample.labels["stage"] for sample in families["dashmask_stage_seconds"].samples}
    assert {"preprocess", "infer", "render"} <= stages
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    states = {sample.labels["state"]: sample.value for sample in families["dashmask_source_state"].samples}
    assert states == {"connecting": 0, "live": 1, "stalled": 0, "lost": 0, "ended": 0}


def test_healthz_is_well_while_frames_come(run: Running) -> None:
    answer = run.ask("/healthz")
    assert answer.status == 200
    assert answer.json["sources"][0]["state"] == "live"


@pytest.mark.parametrize(
    ("path", "method", "body", "status"),
    [
        ("/nothing", "GET", None, 404),
        ("/sources/7/stream.mjpg", "GET", None, 404),
        ("/sources/0/recording", "GET", None, 405),
        ("/sources/0/recording", "POST", {"on": "yes"}, 422),
        ("/sources/0/recording", "POST", b"{", 422),
        ("/classes", "PUT", b"x" * 70_000, 413),
        ("/classes", "PUT", {"hidden": [], "more": 1}, 422),
    ],
)
def test_every_error_says_what_and_what_to_do(
    run: Running, path: str, method: str, body: object, status: int
) -> None:
    answer = run.ask(path, method, body)
    assert answer.status == status
    assert set(answer.json) == {"what", "hint"}
    assert answer.json["what"]


@pytest.mark.parametrize(
    ("headers", "method", "status"),
    [
        ({"Host": "evil.example"}, "GET", 403),  # a name of somebody else that leads to 127.0.0.1
        ({"Host": "localhost:1"}, "GET", 200),
        ({"Origin": "https://evil.example"}, "PUT", 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, "PUT", 403),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, "PUT", 403),  # of another port
        ({"Origin": "https://cam.example", "Sec-Fetch-Site": "same-origin"}, "PUT", 200),  # a proxy changed Host
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, "GET", 403),  # an <img> of another site
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, "GET", 200),  # a link
    ],
)
def test_pages_of_other_sites_can_neither_look_nor_switch(
    run: Running, headers: dict[str, str], method: str, status: int
) -> None:
    body = {"hidden": []} if method == "PUT" else None
    assert run.ask("/classes", method, body, headers).status == status


def test_the_page_needs_no_other_server(run: Running) -> None:
    page = run.ask("/")
    assert page.status == 200
    for path in (
        "/",
        "/docs",
        "/page/page.css",
        "/page/docs.css",
        "/page/page.js",
        "/page/cards.js",
        "/page/plots.js",
    ):
        answer = run.ask(path)
        assert answer.status == 200, path
        assert b"https://" not in answer.body, path
        assert run.ask(path, headers={"If-None-Match": answer.headers["etag"]}).status == 304
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_networks_of_a_run_segment_uploads_beside_it(run: Running) -> None:
    png = cv2.imencode(".png", np.full((60, 80, 3), 90, np.uint8))[1]
    answer = run.ask("/segment", "POST", png.tobytes())
    assert answer.status == 200
    assert [one["class"] for one in answer.json["frames"][0]["instances"]] == ["person", "car"]


def test_a_port_that_is_taken_is_one_sentence(models: tuple[Path, Path], run: Running) -> None:
    backend = ("--backend", "onnxruntime-cpu")
    said = dashmask("run", "demo:frames=1,size=64x64", "-m", models[1], *backend, "--web", f":{run.port}")
    assert said.code == 2
    assert f"port {run.port} of 127.0.0.1 is taken" in said.err


def test_a_run_ends_in_the_middle_of_everything(models: tuple[Path, Path]) -> None:
    with served("run", "demo:size=160x120,frames=100000", "-m", models[1], "--web", "127.0.0.1:0") as running:
        sockets = []
        for path in ("/sources/0/stream.mjpg", "/events", "/sources/0/stream.mjpg"):
            sockets.append(socket.create_connection((running.host, running.port)))
            sockets[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        until(lambda: running.ask("/state").json["sources"][0]["viewers"] == 2)
        until(lambda: running.ask("/state").json["sources"][0]["frames"])  # from then on Ctrl-C is heard
    for one in sockets:
        one.close()


def test_several_sources_are_each_watched_by_themselves(models: tuple[Path, Path]) -> None:
    drives = "demo:size=160x120,frames=100000", "demo:size=80x64,seed=2,frames=100000"
    with served("run", *drives, "-m", models[1], "--web", "127.0.0.1:0") as both:
        until(lambda: all(source["frames"] for source in both.ask("/state").json["sources"]))
        sources = both.ask("/state").json["sources"]
        assert [source["name"] for source in sources] == ["demo", "demo-2"]
        sizes = [picture(both.ask(f"/sources/{number}/picture.jpg").body).shape for number in (0, 1)]
        assert sizes == [(120, 160, 3), (64, 80, 3)]


def test_the_live_picture_is_a_stream_that_other_programs_play_with_the_token(models: tuple[Path, Path]) -> None:
    token = "a-token-that-is-long-enough"
    words = ("-m", models[0], "--backend", "null", "--unverified", "--web", "127.0.0.1:0")
    with served("run", "demo:size=160x120,frames=100000", *words, "--set", f"web.token={token}") as running:
        address = f"http://{running.host}:{running.port}/sources/0/stream.mjpg"
        with pytest.raises(av.error.HTTPUnauthorizedError):
            av.open(address, timeout=10)
        with av.open(f"{address}?token={token}", timeout=10) as container:
            shown = [(frame.width, frame.height) for frame in islice(container.decode(video=0), 5)]
    assert shown == [(160, 120)] * 5
    assert token not in "".join(running.said)  # who has set it knows it, and logs are read by others
