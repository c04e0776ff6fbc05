"""Downloads: what broke off goes on, what is wrong is said, and nothing that came is lost."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from command import dashmask
from typer.testing import CliRunner

from pipeline.cli.data import data
from pipeline.errors import DataError
from pipeline.fetch.download import TRIES, Download, fetch
from pipeline.fetch.offers import offers

CONTENT = bytes(range(256)) * 2000
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """How the server behaves, and what it was asked for."""

    content: bytes = CONTENT
    parts: bool = True  # sends from the middle of a file
    breaks_after: list[int] = field(default_factory=list)  # bytes of each answer, then the connection ends
    codes: list[int] = field(default_factory=list)  # of the next answers
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            server.ranges.append(asked)
            if server.codes:
                self.send_error(server.codes.pop(0))
                return
            first = int(asked[6:].rstrip("-")) if asked and server.parts else 0
            if first >= len(server.content):
                self.send_error(416)
                return
            body = server.content[first:]
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: server.breaks_after.pop(0)] if server.breaks_after else body)

        def log_message(self, *said: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        server.url = f"http://127.0.0.1:{http.server_address[1]}/file.bin"
        yield server
        http.shutdown()


def bring(server: Server, folder: Path, sha: str = SHA, size: int | None = len(CONTENT)) -> Path:
    return fetch(Download("file.bin", server.url, sha, size), folder, pause_s=0.001)


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_file_comes_whole_and_is_not_asked_for_again(size: int | None, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    with serving(Server()) as server:
        download = Download("file.bin", server.url, SHA, size)
        path = fetch(download, tmp_path / "new", lambda there, total: told.append((there, total)))
        assert path.read_bytes() == CONTENT
        assert told[-1] == (len(CONTENT), len(CONTENT))
        assert bring(server, tmp_path / "new") == path
        assert server.ranges == [None]
    assert [file.name for file in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_an_interrupted_download_goes_on_where_it_was(size: int | None, tmp_path: Path) -> None:
    with serving(Server(breaks_after=[100_000, 200_000])) as server:
        assert bring(server, tmp_path, size=size).read_bytes() == CONTENT
        assert server.ranges == [None, "bytes=100000-", "bytes=300000-"]


def test_a_server_without_parts_sends_all_again_and_nothing_is_lost_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:300_000])
    with serving(Server(parts=False, breaks_after=[100_000, 0, 400_000])) as server:
        sizes: list[int] = []
        fetch(Download("file.bin", server.url, SHA), tmp_path, lambda there, _: sizes.append(there), pause_s=0.001)
        assert min(sizes) > 300_000  # what was there was kept through answers that ended before it
        assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_of_an_earlier_run_is_used(tmp_path: Path) -> None:
    with serving(Server()) as server:
        (tmp_path / "file.bin.part").write_bytes(CONTENT[:1234])
        bring(server, tmp_path)
        assert server.ranges == ["bytes=1234-"]
        (tmp_path / "file.bin").rename(tmp_path / "file.bin.part")
        bring(server, tmp_path, size=None)  # whole already: the server has nothing behind it
        assert server.ranges[1:] == [f"bytes={len(CONTENT)}-"]


def test_a_wrong_sha256_is_said_and_the_file_is_put_aside(tmp_path: Path) -> None:
    with serving(Server(content=CONTENT[::-1])) as server:
        with pytest.raises(DataError, match=rf"sha256 is \w+, expected {SHA}") as caught:
            bring(server, tmp_path)
        assert "file.bin.wrong" in caught.value.hint
        assert (tmp_path / "file.bin.wrong").read_bytes() == CONTENT[::-1]
        assert not (tmp_path / "file.bin").exists()
        (tmp_path / "file.bin").write_bytes(b"mine")
        with pytest.raises(DataError, match="is there and is not what"):
            bring(server, tmp_path)
        assert (tmp_path / "file.bin").read_bytes() == b"mine"


def test_what_is_not_there_is_said_at_once_and_a_busy_server_is_asked_again(tmp_path: Path) -> None:
    with serving(Server(codes=[404])) as server:
        with pytest.raises(DataError, match="404"):
            bring(server, tmp_path)
        assert len(server.ranges) == 1
        server.codes = [503, 500]
        bring(server, tmp_path)
        assert len(server.ranges) == 4


def test_a_server_that_never_goes_on_is_given_up_and_what_came_is_kept(tmp_path: Path) -> None:
    server = Server(breaks_after=[500, *[0] * TRIES])
    with serving(server), pytest.raises(DataError, match=f"broke off {TRIES} times") as caught:
        bring(server, tmp_path)
    assert caught.value.hint.endswith("500 bytes are kept")
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:500]
    with pytest.raises(DataError, match=f"broke off {TRIES} times"):  # nobody listens there any more
        bring(server, tmp_path)


def test_no_room_is_said_before_anything_comes(tmp_path: Path) -> None:
    with serving(Server()) as server:
        with pytest.raises(DataError, match="MB free"):
            bring(server, tmp_path, size=1 << 60)
        assert server.ranges == []


def table(folder: Path, url: str, content: bytes) -> str:
    path = folder / "table.yaml"
    files = (
        f"files: {{a.zip: {{url: '{url}', sha256: {hashlib.sha256(content).hexdigest()}, bytes: {len(content)}}}}}"
    )
    asked = "asked: {what: data, terms: none, register: 'https://example.org/register'}"
    path.write_text(f"data: {{tiny: {{what: two files, terms: be kind, files: [a.zip]}}, {asked}}}\n{files}\n")
    return str(path)


def test_the_command_shows_the_terms_wants_a_yes_and_unpacks(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as made:
        made.writestr("images/a.txt", "a")
        made.writestr("../../outside.txt", "b")
    content = (tmp_path / "made.zip").read_bytes()
    with serving(Server(content=content)) as server:
        words = [
            "fetch",
            "tiny",
            "--root",
            str(tmp_path / "in" / "here"),
            "--table",
            table(tmp_path, server.url, content),
        ]
        refused = CliRunner().invoke(data, words)
        assert "be kind" in refused.output
        assert isinstance(refused.exception, DataError)
        assert server.ranges == []
        done = CliRunner().invoke(data, [*words, "--yes"])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "in/here/images/a.txt").read_text() == "a"
    assert not (tmp_path / "outside.txt").exists()
    unknown = CliRunner().invoke(data, ["fetch", "tny", *words[2:]])
    assert "did you mean tiny?" in str(unknown.exception)
    asked = CliRunner().invoke(data, ["fetch", "asked", *words[2:], "--yes"])
    assert "https://example.org/register" in str(asked.exception)


def test_a_network_that_nobody_vouches_for_needs_a_sha256_or_a_word(tmp_path: Path) -> None:
    lines = "models: {tiny: {what: a network, terms: be kind, files: [tiny.pt]}}\nfiles: {tiny.pt: {url: '%s'}}\n"
    with serving(Server()) as server:
        (tmp_path / "table.yaml").write_text(lines % server.url)
        words = ("models", "fetch", "tiny", "--table", tmp_path / "table.yaml", "--yes", "--root")
        refused = dashmask(*words, tmp_path / "a")
        assert (refused.code, server.ranges) == (2, [])
        assert "nobody vouches" in refused.err
        assert "be kind" in refused.out
        taken = dashmask(*words, tmp_path / "a", "--unchecked")
        assert taken.code == 0, taken.err
        assert f"nobody vouches for it; its sha256 is {SHA}" in taken.err
        assert (tmp_path / "a/tiny.pt").read_bytes() == CONTENT
        checked = dashmask(*words, tmp_path / "b", "--sha256", SHA.upper())
        assert checked.code == 0, checked.err
        assert "sha256 is right" in checked.err
        wrong = dashmask(*words, tmp_path / "c", "--sha256", "0" * 64)
        assert (wrong.code, f"sha256 is {SHA}" in wrong.err) == (2, True)
        assert not (tmp_path / "c/tiny.pt").exists()
        assert dashmask(*words, tmp_path / "c", "--sha256", "12").code == 2


def test_networks_that_can_be_fetched_are_listed_with_terms_and_models_still_shows() -> None:
    said = dashmask("models", "fetch")
    assert said.code == 0
    assert all(name in said.out for name in offers(kind="models"))
    assert all(offer.terms and offer.downloads for offer in offers(kind="models").values())
    assert "roadnet-camvid" in dashmask("models", "roadnet-camvid").out


def test_everything_that_can_be_fetched_is_listed_with_terms_and_a_checksum() -> None:
    known = offers()
    for offer in known.values():
        assert offer.terms
        assert bool(offer.downloads) != bool(offer.register)
        assert all(len(bytes.fromhex(one.sha256 or "")) == 32 and one.size for one in offer.downloads)
    listed = CliRunner().invoke(data, ["fetch"], terminal_width=200)
    assert all(name in listed.output for name in known)
