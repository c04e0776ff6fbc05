"""Kernels compile for every GPU that dashmask names, are kept, and are made anew where what is kept is not whole."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engines.kernels import compile as module
from engines.kernels.compile import HEADERS, SOURCES, cache_folder, compile_kernels
from engines.kernels.launch import KERNELS
from pipeline.errors import BackendError

CAPABILITIES = [(7, 5), (8, 6), (8, 9), (9, 0)]
ELF_CUDA = 190  # e_machine of a cubin


@pytest.fixture(scope="module")
def nvrtc() -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="no cuda-bindings here: pip install cuda-bindings")
    try:
        compile_kernels("labels", (9, 0), Path("/nonexistent/cache"))  # a cache that cannot be written is no error
    except BackendError as error:
        if "cannot be loaded" in error.message:
            pytest.skip(str(error))
        raise


@pytest.mark.usefixtures("nvrtc")
@pytest.mark.parametrize("capability", CAPABILITIES, ids=str)
@pytest.mark.parametrize("source", SOURCES)
def test_every_file_compiles_to_a_cubin_of_that_gpu(source: str, capability: tuple[int, int], tmp_path: Path) -> None:
    cubin = compile_kernels(source, capability, tmp_path)
    assert cubin[:4] == b"\x7fELF"
    assert int.from_bytes(cubin[18:20], "little") == ELF_CUDA
    for name in KERNELS[source]:
        assert b".text." + name.encode() + b"\0" in cubin
    (kept,) = tmp_path.iterdir()
    assert f"sm_{capability[0]}{capability[1]}" in kept.name


@pytest.mark.usefixtures("nvrtc")
def test_what_is_kept_is_used_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    first = compile_kernels("labels", (9, 0), tmp_path)
    (kept,) = tmp_path.iterdir()
    written = kept.stat().st_mtime_ns
    assert compile_kernels("labels", (9, 0), tmp_path) == first
    assert kept.stat().st_mtime_ns == written
    compile_kernels("labels", (8, 6), tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("nvrtc")
@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-7], lambda b: b[:40] + b"\0" + b[41:], lambda b: b"", lambda b: b[:32]]
)
def test_a_kept_file_that_is_not_whole_is_made_anew(tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
    first = compile_kernels("labels", (9, 0), tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(spoil(whole))
    assert compile_kernels("labels", (9, 0), tmp_path) == first
    assert len(kept.read_bytes()) == len(whole)


@pytest.mark.usefixtures("nvrtc")
def test_another_source_is_another_key_and_an_error_shows_the_compilers_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    for name in ("labels.cu", *HEADERS):
        shutil.copy(Path(module.__file__).with_name(name), sources)
    monkeypatch.setattr(module, "__file__", str(sources / "compile.py"))
    cache = tmp_path / "cache"
    first = compile_kernels("labels", (9, 0), cache)
    header = sources / "kernel.cuh"
    header.write_text(header.read_text().replace("VOID_LABEL = 255", "VOID_LABEL = 254"))
    assert compile_kernels("labels", (9, 0), cache) != first
    header.write_text(header.read_text() + "\nwrong words;\n")
    with pytest.raises(BackendError, match=r"(?s)labels\.cu .*--fmad=false.*kernel\.cuh\(\d+\): error"):
        compile_kernels("labels", (9, 0), cache)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.usefixtures("nvrtc")
def test_a_gpu_that_nvrtc_does_not_know_gets_an_older_one_of_its_kind_or_ptx(tmp_path: Path) -> None:
    assert compile_kernels("labels", (8, 5), tmp_path)[:4] == b"\x7fELF"
    ptx = compile_kernels("labels", (99, 0), tmp_path)
    assert b".version" in ptx[:600]
    assert ptx.endswith(b"\0")  # cuModuleLoadData takes PTX as text that ends so
    with pytest.raises(BackendError, match=r"6\.1, the kernels need 7\.5"):
        compile_kernels("labels", (6, 1), tmp_path)


def test_the_cache_lies_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "dashmask" / "kernels"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "dashmask" / "kernels"


def test_without_nvrtc_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings", None)
    with pytest.raises(BackendError, match="NVRTC, which compiles the GPU kernels, cannot be loaded"):
        compile_kernels("labels", (9, 0), tmp_path)
