"""Who may ask: addresses, tokens and cookies."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urljoin

import pytest
from web_server import PATIENCE_S, Running, served

from pipeline.cli.web_option import with_address
from pipeline.config import Config, WebConfig
from pipeline.errors import ConfigError
from pipeline.running.page import RunPage
from pipeline.serve.address import Address, listen, parse_address, token_for

connection = pytest.importorskip("pipeline.serve.connection", reason="not installed: the extra `web`")
for needed in ("starlette", "uvicorn", "prometheus_client", "python_multipart"):
    pytest.importorskip(needed, reason="not installed: the extra `web`")

TOKEN = "open-sesame-42"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Running]:
    """The API of no model at all, behind a token."""
    page = RunPage(Config(web=WebConfig(address="127.0.0.1:0", token=TOKEN)), [])
    with page:
        page.start([])
        yield Running(None, page.url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/metrics", {}, 401),
        ("/metrics?token=wrong", {}, 401),
        ("/metrics", {"Authorization": "Bearer wrong"}, 401),
        ("/metrics", {"Authorization": f"Basic {TOKEN}"}, 401),
        ("/metrics", {"Authorization": f"Bearer {TOKEN}"}, 200),
        (f"/metrics?token={TOKEN}", {}, 200),
        (f"/metrics?token={TOKEN}", {"Sec-Fetch-Site": "cross-site"}, 200),  # a picture on a page of one's own
        ("/metrics", {"Cookie": f"dashmask-{{port}}={TOKEN}"}, 200),
        ("/metrics", {"Cookie": f"dashmask-{{port}}={TOKEN}", "Sec-Fetch-Site": "cross-site"}, 403),
        ("/metrics", {"Authorization": f"Bearer {TOKEN}", "Host": "camera.example"}, 200),
        ("/docs", {"Accept": "text/html"}, 401),
        ("/page/page.css", {}, 200),
    ],
)
def test_who_knows_the_token_may_ask(guarded: Running, path: str, headers: dict[str, str], status: int) -> None:
    answer = guarded.ask(path, headers={k: v.replace("{port}", str(guarded.port)) for k, v in headers.items()})
    assert answer.status == status
    if status == 401 and "Accept" in headers:
        assert b'<input name="token"' in answer.body
    elif status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "token" in answer.json["what"]


def test_a_browser_keeps_the_token_as_a_cookie_and_out_of_the_address(guarded: Running) -> None:
    opened = guarded.ask(f"/?token={TOKEN}")
    assert opened.status == 303
    assert urljoin(guarded.url, opened.headers["location"]) == urljoin(guarded.url, "/")
    assert urljoin("http://proxy/cam/?token=T", opened.headers["location"]) == "http://proxy/cam/"
    cookie, _, rules = opened.headers["set-cookie"].partition(";")
    assert "HttpOnly" in rules
    assert "SameSite=strict" in rules
    assert not re.search("Path=|Secure", rules)  # of the path that a proxy gives it, and of no other behind that
    assert "Secure" in guarded.ask(f"/?token={TOKEN}", headers={"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    assert guarded.ask("/metrics", headers={"Cookie": cookie}).status == 200
    assert guarded.ask("/metrics", headers={"Cookie": cookie[:-1]}).status == 401
    for foreign in ("https://evil.example", "null", "http://["):
        asked = {"Cookie": cookie, "Origin": foreign}
        assert guarded.ask("/classes", "PUT", {"hidden": []}, asked).status == 403


@pytest.mark.parametrize("path", ["/", "/docs", "/sources/0/snapshot.png", "/nothing/of/the/kind"])
def test_the_question_for_the_token_finds_its_style_and_the_page_from_everywhere(guarded: Running, path: str) -> None:
    for whole in (f"http://host{path}", f"https://proxy/cam{path}"):
        asked = guarded.ask(path, headers={"Accept": "text/html"}).body.decode()
        found = [urljoin(whole, place) for place in re.findall(r'(?:href|action)="(.*?)"', asked)]
        page = whole.removesuffix(path) + "/"
        assert found == [page + name for name in ("page/icon.svg", "page/page.css", "page/docs.css", "")]


def test_who_is_slow_to_say_what_is_wanted_shuts_nobody_out(
    guarded: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 1.0)
    with ExitStack() as held:
        slow = [held.enter_context(socket.create_connection((guarded.host, guarded.port))) for _ in range(260)]
        for number, one in enumerate(slow):
            one.settimeout(PATIENCE_S)
            one.sendall((b"", b"GET /met")[number % 2])
        assert {one.recv(99) for one in slow} == {b""}  # each is ended
        assert guarded.ask(f"/metrics?token={TOKEN}").status == 200


def test_who_may_not_ask_cannot_go_on_sending(guarded: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_S", 0.2)
    with socket.create_connection((guarded.host, guarded.port), timeout=PATIENCE_S) as endless:
        endless.sendall(b"POST /segment HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n")
        assert endless.recv(4096).startswith(b"HTTP/1.1 401 ")
        began_s = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - began_s < PATIENCE_S:
                endless.sendall(b"x")
                time.sleep(0.05)
            pytest.fail("it is read for ever")


def test_an_address_that_others_reach_has_a_token_and_says_it_once(models: tuple[Path, Path]) -> None:
    pytest.importorskip("onnxruntime", reason="not installed: the extra `cpu`")
    with served("serve", "0.0.0.0:0", "-m", models[1]) as running:
        token = running.url.partition("?token=")[2]
        assert len(token) >= 20
        local = Running(running.child, f"http://127.0.0.1:{running.port}/")
        assert local.ask("/healthz").status == 401
        assert local.ask("/healthz", headers={"Authorization": f"Bearer {token}"}).status == 200
    assert sum(line.count(token) for line in running.said) == 1


def test_a_token_is_made_only_where_others_can_ask() -> None:
    assert token_for(Address("127.0.0.1", 1), None) is None
    assert token_for(Address("::1", 1), None) is None
    assert token_for(Address("0.0.0.0", 1), None) != token_for(Address("0.0.0.0", 1), None)
    assert token_for(Address("127.0.0.1", 1), TOKEN) == TOKEN
    for weak in ("", "short", "has some spaces in it", "übergroße-geheimnisse"):
        with pytest.raises(ConfigError, match="at least 12"):
            token_for(Address("0.0.0.0", 1), weak)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "127.0.0.1", 8765),
        (":80", "127.0.0.1", 80),
        ("cam:8080", "cam", 8080),
        ("[::1]:0", "::1", 0),
        ("0.0.0.0", "0.0.0.0", 8765),
        ("[::]", "::", 8765),
        ("localhost", "localhost", 8765),
    ],
)
def test_an_address_may_leave_out_what_is_usual(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize("text", ["8080", "cam", "0.0", "a:b", "host:99999", "http://x:1", "a b:1", ":"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_address(text)


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no address of this machine"):
        listen(Address("192.0.2.1", 0))


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("run demo --web", "run demo --web :8765"),
        ("run --web demo", "run --web :8765 demo"),
        ("run --web demo:seed=3 --show", "run --web :8765 demo:seed=3 --show"),
        ("run --web rtsp://cam:554/a", "run --web :8765 rtsp://cam:554/a"),
        ("run --web 0.0.0.0:80 demo", "run --web 0.0.0.0:80 demo"),
        ("run 0 --web :9000", "run 0 --web :9000"),
        ("run --web 0.0.0.0 demo", "run --web 0.0.0.0 demo"),  # not at 127.0.0.1, with a file of that name
        ("run --web [::] demo", "run --web [::] demo"),
        ("run --web 0", "run --web :8765 0"),  # a camera
        ("run -- --web", "run -- --web"),
    ],
)
def test_web_stands_alone_or_with_an_address(line: str, whole: str) -> None:
    assert with_address(line.split()) == whole.split()
