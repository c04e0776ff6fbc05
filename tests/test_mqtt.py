"""Records to a real broker on this machine: Debian's mosquitto."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command import dashmask

from pipeline.errors import SinkError
from pipeline.records import encode_record, is_gap
from pipeline.sinks.broker import parse_broker
from pipeline.sinks.mqtt import FLUSH_S, WAITING, MqttSink
from pipeline.sources import open_source
from pipeline.types import Gap, Picture, Scene

paho = pytest.importorskip("paho.mqtt.client", reason="no paho-mqtt here: install the extra `mqtt`")
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
if MOSQUITTO is None:
    pytest.skip("no broker here: apt-get install mosquitto", allow_module_level=True)
PATIENCE_S = 20


def sink_to(address: str, live: bool = False) -> MqttSink:
    return MqttSink(parse_broker(address), timing=False, live=live)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def broker(port: int, folder: Path, passwords: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """mosquitto, listening on loopback."""
    lines = [f"listener {port} 127.0.0.1", f"allow_anonymous {'false' if passwords else 'true'}"]
    if passwords:
        (folder / "passwords").write_text(passwords)
        assert MOSQUITTO is not None
        subprocess.run([Path(MOSQUITTO).parents[1] / "bin/mosquitto_passwd", "-U", folder / "passwords"], check=True)
        (folder / "passwords").chmod(0o644)
        lines.append(f"password_file {folder / 'passwords'}")
    (folder / "broker.conf").write_text("\n".join([*lines, "user root", ""]))
    child = subprocess.Popen([str(MOSQUITTO), "-c", str(folder / "broker.conf")], stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port))
        yield child
    finally:
        child.kill()
        child.wait()


def answers(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def until(happened: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline_s, "it does not happen"
        time.sleep(0.02)


@contextmanager
def listener(port: int) -> Iterator[list[tuple[str, bytes]]]:
    """Everything that is published, as topic and payload."""
    heard: list[tuple[str, bytes]] = []
    ready: list[Any] = []
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 1)
    client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.append(1)
    client.on_message = lambda client, data, message: heard.append((message.topic, message.payload))
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        until(lambda: ready)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    with open_source("demo:size=160x120,frames=3") as frames:
        return [
            Picture(Scene(frame, frame.truth.instances, frame.truth.labels), None)
            for frame in frames
            if frame.truth is not None
        ]


def test_every_record_of_a_run_arrives_as_it_is_written(
    models: tuple[Path, Path], clip: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason="no ONNX Runtime here: install the extra `cpu`")
    port = free_port()
    with broker(port, tmp_path), listener(port) as heard:
        words = ("--json", tmp_path / "o.jsonl", "--no-timing", "--mqtt", f"mqtt://127.0.0.1:{port}/car/{{source}}")
        said = dashmask("run", clip, "-m", models[1], *words)
        assert said.code == 0, said.err
        until(lambda: ("car/drive/status", b"offline") in heard)
    records = [payload for topic, payload in heard if topic == "car/drive"]
    assert records == (tmp_path / "o.jsonl").read_bytes().splitlines()
    assert [payload for topic, payload in heard if topic.endswith("status")] == [b"online", b"offline"]


def test_a_broker_that_is_restarted_gets_what_comes_next_and_the_run_never_waits(
    pictures: list[Picture], tmp_path: Path
) -> None:
    port = free_port()
    with broker(port, tmp_path):
        sink = sink_to(f"mqtt://127.0.0.1:{port}/car")
        sink.write(pictures[0])
    began_s = time.monotonic()
    for _ in range(10 * WAITING):
        sink.write(pictures[1])
    assert time.monotonic() - began_s < PATIENCE_S  # not a wait for each
    until(lambda: any("is away" in told for told in sink.news()))
    with broker(port, tmp_path), listener(port) as heard:
        until(lambda: len([1 for topic, _ in heard if topic == "car"]) >= 10)
        sink.write(pictures[2])
        last = encode_record(pictures[2].scene, timing=False).rstrip(b"\n")
        until(lambda: ("car", last) in heard)
        (told,) = sink.news()
        assert "takes records" in told
        assert [payload for topic, payload in heard if topic == "car/status"] == [b"online"]  # the line was full
        sink.close(True)
        assert sink.news() == []
    (note,) = sink.notes
    assert "records were dropped" in note


def test_a_broker_that_is_away_when_the_run_ends_costs_the_last_records_and_nothing_else(
    pictures: list[Picture], tmp_path: Path
) -> None:
    port = free_port()
    with broker(port, tmp_path):
        sink = sink_to(f"mqtt://127.0.0.1:{port}/car")
        sink.write(pictures[0])
    sink.write(pictures[1])
    until(lambda: not sink._client.is_connected())
    sink.write(pictures[2])
    began_s = time.monotonic()
    sink.close(True)
    assert time.monotonic() - began_s < PATIENCE_S
    assert any("the last records did not arrive" in note for note in sink.notes)


def test_records_that_waited_for_a_broker_to_come_back_have_arrived(pictures: list[Picture], tmp_path: Path) -> None:
    port = free_port()
    with broker(port, tmp_path):
        sink = sink_to(f"mqtt://127.0.0.1:{port}/car")
    until(lambda: not sink._client.is_connected())
    sink.write(pictures[0])
    with broker(port, tmp_path), listener(port) as heard:
        until(lambda: [1 for topic, _ in heard if topic == "car"])
        sink.close(True)
    assert sink.notes == []


def test_who_is_refused_is_told_so_without_the_password(pictures: list[Picture], tmp_path: Path) -> None:
    port = free_port()
    with broker(port, tmp_path, passwords="driver:right-secret\n"):
        sink_to(f"mqtt://driver:right-secret@127.0.0.1:{port}/car").close(True)
        with pytest.raises(SinkError, match="refuses") as refused:
            sink_to(f"mqtt://driver:wrong-secret@127.0.0.1:{port}/car")
    assert "secret" not in str(refused.value)
    with pytest.raises(SinkError, match="cannot be reached") as gone:
        sink_to(f"mqtt://driver:wrong-secret@127.0.0.1:{port}/car")
    assert "secret" not in str(gone.value)


@pytest.mark.parametrize(
    "address",
    ["broker/t", "http://h/t", "mqtt://h", "mqtt://h/", "mqtt://h:x/t"]
    + [f"mqtt://me:secret@h/a{end}" for end in ("/#", "/+/b", "#b", "?qos=2", "%23")],
)
def test_what_is_no_address_of_a_topic_is_refused_before_anything_runs(clip: Path, address: str) -> None:
    said = dashmask("run", clip, "-m", "/no/such/model.onnx", "--mqtt", address)
    assert said.code == 2
    assert re.search("MQTT|nothing can be published", said.err), said.err
    assert "secret" not in said.err


def test_an_address_says_all_that_is_needed() -> None:
    broker = parse_broker("mqtts://a%40b:p%2Fw@[::1]/car/front%20left/")
    assert (broker.user, broker.password, broker.host, broker.port, broker.tls) == ("a@b", "p/w", "::1", 8883, True)
    assert (broker.topic, broker.name) == ("car/front left", "mqtts://[::1]:8883/car/front left")
    assert "p/w" not in repr(broker)


def test_a_password_is_in_no_error_about_sources_that_share_an_address(clip: Path) -> None:
    said = dashmask("run", clip, "demo", "--mqtt", "mqtt://me:secret@h/car")
    assert said.code == 2
    assert "mqtt://***@h/car is asked for by 2 sources" in " ".join(said.err.split())
    assert "secret" not in said.err


def test_a_live_source_finds_its_broker_once_that_is_there(pictures: list[Picture], tmp_path: Path) -> None:
    port = free_port()
    sink = sink_to(f"mqtt://127.0.0.1:{port}/car", live=True)
    sink.write(pictures[0])
    until(lambda: any("cannot be reached: Connection refused" in told for told in sink.news()))
    with broker(port, tmp_path), listener(port) as heard:
        until(lambda: [1 for topic, _ in heard if topic == "car"])
        sink.write(replace(pictures[1], scene=replace(pictures[1].scene, gaps=(Gap(1.0, 2.5, "it was dark"),))))
        sink.close(True)
        until(lambda: ("car/status", b"offline") in heard)
    assert [payload for topic, payload in heard if topic == "car/status"] == [b"online", b"offline"]
    kinds = [is_gap(payload) for topic, payload in heard if topic == "car"]
    assert kinds == [False, True, False]
    assert sink.notes == []


def test_a_live_source_whose_password_is_wrong_is_told_so_and_does_not_run_for_nobody(
    pictures: list[Picture], tmp_path: Path
) -> None:
    port = free_port()
    with broker(port, tmp_path, passwords="driver:right-secret\n"):
        sink = sink_to(f"mqtt://driver:wrong-secret@127.0.0.1:{port}/car", live=True)
        with pytest.raises(SinkError, match="refuses: Not authorized") as refused:
            until(lambda: sink.write(pictures[0]))
        sink.close(False)
    assert "secret" not in str(refused.value)


def test_a_broker_that_freezes_holds_up_neither_the_run_nor_its_end_and_says_offline_later(
    pictures: list[Picture], tmp_path: Path
) -> None:
    port = free_port()
    with broker(port, tmp_path) as frozen:
        sink = sink_to(f"mqtt://127.0.0.1:{port}/car")
        frozen.send_signal(signal.SIGSTOP)
        for _ in range(20):
            sink._client.publish("car", bytes(1_000_000), qos=1)  # more than the system's buffers hold
        sink.write(pictures[0])
        began_s = time.monotonic()
        sink.close(True)
        assert time.monotonic() - began_s < 3 * FLUSH_S  # and not until paho gives it up, keepalive and more
        assert any("did not arrive" in note for note in sink.notes)
        frozen.send_signal(signal.SIGCONT)
        with listener(port) as heard:
            until(lambda: ("car/status", b"offline") in heard)
    assert [payload for topic, payload in heard if topic == "car/status"][-1] == b"offline"
