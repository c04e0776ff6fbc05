"""`dashmask serve`: pictures and clips of other programs, over real connections."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.parse import urljoin

import av
import cv2
import numpy as np
import pytest
from clips import scene, write_clip
from command import dashmask
from web_server import Answered, Running, served

for needed in ("onnxruntime", "starlette", "uvicorn", "prometheus_client"):
    pytest.importorskip(needed, reason="not installed: the extras `cpu` and `web`")


@pytest.fixture(scope="module")
def api(models: tuple[Path, Path]) -> Iterator[Running]:
    words = ("--set", "api.max_mb=1", "--set", "api.max_megapixels=0.2", "--set", "api.max_frames=30")
    with served("serve", "127.0.0.1:0", "-m", models[0], "-m", models[1], *words) as running:
        yield running


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("street") / "street.png"
    cv2.imwrite(str(path), scene(3, (96, 128)))
    return path


def segment(api: Running, body: bytes, query: str = "", **headers: str) -> Answered:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.ask(f"/segment{query}", "POST", body, named)


def form(*files: bytes) -> tuple[bytes, str]:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + data + b"\r\n" for data in files
    )
    return parts + b"--b--\r\n", "multipart/form-data; boundary=b"


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED))


def black_png(width: int, height: int) -> bytes:
    """Small as a file, large as a picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes((width + 1) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_gives_the_record_of_a_run_over_it(
    api: Running, models: tuple[Path, Path], street: Path, tmp_path: Path
) -> None:
    words = ("-m", models[0], "-m", models[1], "--json", tmp_path / "o.jsonl", "--masks", tmp_path, "--no-timing")
    assert dashmask("run", street, *words).code == 0
    answer = segment(api, street.read_bytes())
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["frames"] == [json.loads((tmp_path / "o.jsonl").read_text())]
    assert [model["family"] for model in answer.json["models"]] == ["semantic", "yolo-seg"]
    mask = segment(api, street.read_bytes(), Accept="image/png")
    assert np.array_equal(decoded(mask.body), decoded((tmp_path / "labels" / "000000.png").read_bytes()))


def test_a_clip_gives_the_lines_of_a_run_over_it(
    api: Running, models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    words = ("-m", models[0], "-m", models[1], "--json", tmp_path / "o.jsonl", "--no-timing")
    assert dashmask("run", clip, *words).code == 0
    answer = segment(api, clip.read_bytes(), "?as=jsonl")
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.body == (tmp_path / "o.jsonl").read_bytes()


def test_a_form_is_the_same_as_the_body_itself(api: Running, street: Path) -> None:
    body, kind = form(street.read_bytes())
    assert segment(api, body, Content_Type=kind).body == segment(api, street.read_bytes()).body
    for broken in (form(), form(b"a", b"b"), (b"--b\r\n", kind), (b"", "multipart/form-data")):
        assert segment(api, broken[0], Content_Type=broken[1]).status == 422
    wish = b'--b\r\nContent-Disposition: form-data; name="as"\r\n\r\nmask\r\n'  # curl -F as=mask
    refused = segment(api, wish + body, Content_Type=kind)
    assert (refused.status, "'as' beside the file" in refused.json["what"]) == (422, True)


def test_a_cut_out_keeps_what_was_asked_for_and_nothing_else(api: Running, street: Path) -> None:
    objects = decoded(segment(api, street.read_bytes(), "?as=cutout").body)
    assert objects.shape == (96, 128, 4)
    alpha = objects[..., 3]
    assert 0 < (alpha > 0).mean() < 1
    assert not objects[alpha == 0].any()
    person = decoded(segment(api, street.read_bytes(), "?as=cutout&classes=person").body)
    assert 0 < (person[..., 3] > 0).sum() < (alpha > 0).sum()
    refused = segment(api, street.read_bytes(), "?as=cutout&classes=persn")
    assert refused.status == 422
    assert "person" in refused.json["hint"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 422, "empty"),
        (b"no picture", 422, "neither a picture nor a clip"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", 422, "neither"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", 422, "neither"),
        (black_png(1000, 1000), 422, "megapixels"),
        (black_png(20_000, 600), 422, "megapixels"),
        (bytes(1_000_001), 413, "1 MB"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(api: Running, body: bytes, status: int, said: str) -> None:
    answer = segment(api, body)
    assert answer.status == status
    assert said in answer.json["what"]


def test_a_damaged_picture_is_told_without_a_path_of_this_machine(api: Running, street: Path) -> None:
    jpeg = cv2.imencode(".jpg", cv2.imread(str(street)))[1]
    answer = segment(api, jpeg.tobytes()[:600])
    assert answer.status == 422
    assert "the upload" in answer.json["what"]
    assert "/tmp" not in answer.body.decode()


def test_a_body_that_does_not_say_how_long_it_is_is_cut_off_at_the_limit(api: Running) -> None:
    with socket.create_connection((api.host, api.port), timeout=20) as connection:
        connection.sendall(b"POST /segment HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_clip_that_is_too_long_or_asked_for_as_one_png_is_refused(api: Running, tmp_path: Path) -> None:
    long = write_clip(tmp_path / "long.mp4", "libx264", frames=31).read_bytes()
    assert "more than 30 frames" in segment(api, long).json["what"]
    for form_of_one in ("mask", "cutout"):
        refused = segment(api, long, f"?as={form_of_one}")
        assert (refused.status, "a clip" in refused.json["what"]) == (422, True)


def test_a_clip_that_grows_behind_its_head_is_not_decoded_beyond_the_limit(api: Running, tmp_path: Path) -> None:
    path = tmp_path / "grows.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number, side in enumerate((48, 1000, 48)):
            packet = av.Packet(cv2.imencode(".jpg", np.zeros((side, 64 * side // 48), np.uint8))[1].tobytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            container.mux(packet)
    answer = segment(api, path.read_bytes())
    assert answer.status == 200, answer.body
    assert (len(answer.json["frames"]), answer.json["left_out"]) == (2, 1)


def test_a_clip_of_a_codec_that_nobody_knows_is_refused(api: Running, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", "libx264").read_bytes()
    refused = segment(api, clip.replace(b"avc1", b"nobo"))
    assert (refused.status, "nothing here decodes" in refused.json["what"]) == (422, True)


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/json"),
        ("", "text/html, application/x-ndjson;q=0.9", "application/jsonl"),
        ("", "image/*", "image/png"),
        ("?as=json", "image/png", "application/json"),
        ("", "text/html", None),
        ("?as=tiff", "*/*", None),
    ],
)
def test_accept_and_as_choose_the_form(api: Running, street: Path, query: str, accept: str, kind: str | None) -> None:
    answer = segment(api, street.read_bytes(), query, Accept=accept)
    if kind is None:
        assert answer.status == (422 if query else 406)
    else:
        assert answer.headers["content-type"] == kind


@pytest.mark.parametrize(
    ("query", "says", "hint"),
    [
        ("?conf=0.9", "no parameter 'conf'", "as, classes"),
        ("?classes=person", "for a cut-out, not for json", "as=cutout"),
    ],
)
def test_nothing_that_is_asked_for_is_ignored(api: Running, street: Path, query: str, says: str, hint: str) -> None:
    refused = segment(api, street.read_bytes(), query)
    assert refused.status == 422
    assert says in refused.json["what"]
    assert hint in refused.json["hint"]


def test_many_at_once_are_answered_or_sent_away_but_never_lost(api: Running, street: Path) -> None:
    answers: list[Answered] = []
    threads = [threading.Thread(target=lambda: answers.append(segment(api, street.read_bytes()))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {answer.status for answer in answers} <= {200, 503}
    assert sum(answer.status == 200 for answer in answers) >= 5
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
    assert segment(api, street.read_bytes()).status == 200


def test_what_takes_too_long_ends_with_503_and_the_next_one_is_answered(
    models: tuple[Path, Path], clip: Path, street: Path
) -> None:
    words = ("-m", models[1], "--set", "api.timeout_s=0.0005")
    with served("serve", "127.0.0.1:0", *words) as hasty:
        began_s = time.monotonic()
        answer = segment(hasty, clip.read_bytes())
        assert answer.status in (408, 503)
        assert "longer than" in answer.json["what"]
        assert segment(hasty, street.read_bytes()).status in (200, 408, 503)
        assert time.monotonic() - began_s < 30


def test_work_for_who_has_gone_is_broken_off(models: tuple[Path, Path], tmp_path: Path, street: Path) -> None:
    clip = write_clip(tmp_path / "long.mp4", "mpeg4", frames=1500, size_hw=(32, 32)).read_bytes()
    words = ("-m", models[1], "--set", "api.max_frames=2000", "--set", "api.timeout_s=100")
    with served("serve", "127.0.0.1:0", *words) as patient:
        with socket.create_connection((patient.host, patient.port)) as asking:
            asking.sendall(
                f"POST /segment HTTP/1.1\r\nHost: {patient.host}\r\nContent-Length: {len(clip)}\r\n\r\n".encode()
            )
            asking.sendall(clip)
            while b"segment_in_line 1.0" not in patient.ask("/metrics").body:
                time.sleep(0.01)
        assert segment(patient, street.read_bytes()).status == 200
        metrics = patient.ask("/metrics").body
        assert b'segment_requests_total{end="answered"} 1.0' in metrics
        assert b'segment_requests_total{end="refused"} 1.0' in metrics


def test_an_api_alone_has_metrics_health_and_a_description(api: Running) -> None:
    assert api.ask("/healthz").json == {"ok": True, "sources": []}
    assert b'dashmask_segment_requests_total{end="answered"}' in api.ask("/metrics").body
    assert urljoin(api.url, api.ask("/").headers["location"]) == urljoin(api.url, "/docs")
    assert api.ask("/openapi.json").json["paths"].keys() >= {"/segment", "/metrics", "/healthz"}
    assert api.ask("/docs").body.startswith(b"<!doctype html>")


@pytest.mark.timeout(240)
def test_no_request_that_its_description_allows_or_forbids_breaks_it(api: Running, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis", reason="not installed: the extra `dev`")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    words = ["run", f"{api.url}openapi.json", "--max-examples", "6", "--seed", "1", "--checks", checks, "--no-color"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words], cwd=tmp_path, capture_output=True, text=True, timeout=230,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout
