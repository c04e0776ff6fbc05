"""Downloads: what broke off goes on, what is wrong is said, and nothing that came is lost."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from command import dashmask
from file_server import CONTENT, Server, serving
from typer.testing import CliRunner

from pipeline.cli.data import data
from pipeline.errors import DataError
from pipeline.fetch.download import TRIES, Download, fetch
from pipeline.fetch.offers import offers
from pipeline.fetch.part import opened_part

SHA = hashlib.sha256(CONTENT).hexdigest()


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


OTHER = CONTENT[::-1]


@pytest.mark.parametrize("heeds", [True, False], ids=["If-Range is heeded", "If-Range is not heeded"])
@pytest.mark.parametrize("parts", [True, False], ids=["with parts", "without parts"])
def test_a_file_that_changes_meanwhile_is_brought_anew_though_nobody_vouches(
    parts: bool, heeds: bool, tmp_path: Path
) -> None:
    with serving(Server(etag='"1"', parts=parts, heeds=heeds, breaks_after=[1000, *[0] * TRIES])) as server:
        wanted = Download("file.bin", server.url, None)
        with pytest.raises(DataError, match="broke off"):
            fetch(wanted, tmp_path, pause_s=0.001)
        assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:1000]
        server.content, server.etag = OTHER, '"2"'
        assert fetch(wanted, tmp_path, pause_s=0.001).read_bytes() == OTHER
    assert [file.name for file in tmp_path.iterdir()] == ["file.bin"]


def test_what_nothing_tells_to_be_of_the_same_file_is_not_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(OTHER[:1000])
    with serving(Server()) as server:
        assert fetch(Download("file.bin", server.url, None), tmp_path).read_bytes() == CONTENT
        assert server.ranges == [None]


def test_a_file_that_became_shorter_is_not_taken_for_whole(tmp_path: Path) -> None:
    with serving(Server(etag='"1"', breaks_after=[5000, *[0] * TRIES])) as server:
        wanted = Download("file.bin", server.url, None)
        with pytest.raises(DataError, match="broke off"):
            fetch(wanted, tmp_path, pause_s=0.001)
        server.content = CONTENT[:100]
        assert fetch(wanted, tmp_path, pause_s=0.001).read_bytes() == CONTENT[:100]


def test_a_web_page_or_a_file_of_another_size_is_refused_before_it_comes(tmp_path: Path) -> None:
    with serving(Server(content=b"<!DOCTYPE html><p>log in", kind="text/html; charset=utf-8")) as server:
        with pytest.raises(DataError, match="a web page is sent"):
            fetch(Download("file.bin", server.url, None), tmp_path)
        server.kind = "application/zip"
        with pytest.raises(DataError, match=f"has 24 bytes, {len(CONTENT)} were expected"):
            bring(server, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["file.zip", "gs://bucket/file.zip", "https://example.org/a b.zip"])
def test_what_is_no_address_is_said_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no address of a file"):
        fetch(Download("file.bin", url, None), tmp_path)


def test_a_file_that_another_process_brings_is_left_to_it(tmp_path: Path) -> None:
    with serving(Server()) as server:
        with opened_part(tmp_path / "file.bin") as part:
            part.put(CONTENT[:1000], 0)
            with pytest.raises(DataError, match="is being fetched by another process"):
                bring(server, tmp_path)
        assert bring(server, tmp_path).read_bytes() == CONTENT
        assert server.ranges == ["bytes=1000-"]


def test_a_proxy_that_is_asked_is_named_where_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Server(codes=[407])) as server:
        monkeypatch.setenv("http_proxy", server.url.rpartition("/")[0])
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(DataError, match="407") as caught:
            fetch(Download("file.bin", "http://example.org/file.bin", SHA), tmp_path)
        assert "http_proxy" in caught.value.hint
        path = fetch(Download("file.bin", "http://example.org/file.bin", SHA), tmp_path)  # the proxy sends it
    assert path.read_bytes() == CONTENT


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
        listed = table(tmp_path, server.url, content)
        words = ["fetch", "tiny", "--root", str(tmp_path / "in" / "here"), "--table", listed]
        refused = CliRunner().invoke(data, words)
        assert "be kind" in refused.output
        assert isinstance(refused.exception, DataError)
        assert server.ranges == []
        done = CliRunner().invoke(data, [*words, "--yes"])
        assert done.exit_code == 0, done.output
        again = CliRunner().invoke(data, [*words, "--yes"])
        assert "to unpack it again remove" in again.stderr
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
