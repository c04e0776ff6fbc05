"""CUDA C++ to machine code by NVRTC, which needs no GPU and no CUDA toolkit; kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from engines.kept_file import keep as keep_file
from engines.kept_file import read_kept
from pipeline.errors import BackendError

SOURCES = ("letterbox", "labels", "detections", "instances", "masks")  # .cu files, each a module of its own
HEADERS = ("kernel.cuh", "detections.cuh")
# No fused multiply-add: the same roundings as on the CPU. No fast mathematics: divisions are exact, NaN is NaN.
OPTIONS = ("--std=c++17", "--fmad=false")
OLDEST = 75  # compute capability 7.5, Turing: what CUDA 13 still knows


def compile_kernels(source: str, compute_capability: tuple[int, int], cache: Path | None = None) -> bytes:
    """A .cu file as the GPU takes it; from the cache where it is there.

    Args:
        source: one of SOURCES.
        compute_capability: of the GPU, such as (9, 0).
        cache: where compiled kernels are kept; None: cache_folder().

    Returns:
        A cubin; PTX for a GPU that is newer than the installed NVRTC, compiled by the driver.

    Raises:
        BackendError: NVRTC is not installed, the GPU is too old, or the compiler refuses, with its log.
    """
    nvrtc = _import()
    name, texts, options = _asked(nvrtc, source, compute_capability)
    try:
        path = (cache_folder() if cache is None else cache) / name
    except RuntimeError:  # the user has no home
        return _compile(nvrtc, source, texts, options)
    compiled = read_kept(path)
    if compiled is None:
        compiled = _compile(nvrtc, source, texts, options)
        keep_file(path, compiled)
    return compiled


def keep(source: str, compute_capability: tuple[int, int], compiled: bytes, cache: Path) -> None:
    """Put what a .cu file was compiled to elsewhere where `compile_kernels` finds it; see there."""
    keep_file(cache / _asked(_import(), source, compute_capability)[0], compiled)


def _asked(
    nvrtc: Any, source: str, compute_capability: tuple[int, int]
) -> tuple[str, dict[str, str], tuple[str, ...]]:
    """The name under which it is kept, the sources by name, the compiler's options."""
    version = ".".join(map(str, _checked(nvrtc, nvrtc.nvrtcVersion())))
    (supported,) = _checked(nvrtc, nvrtc.nvrtcGetSupportedArchs())
    target = _target(compute_capability, supported)
    texts = {name: Path(__file__).with_name(name).read_text("utf-8") for name in (f"{source}.cu", *HEADERS)}
    options = (*OPTIONS, f"--gpu-architecture={target}")
    key = hashlib.sha256("\0".join([version, *options, *texts, *texts.values()]).encode()).hexdigest()
    return f"{source}-{target}-{key}.bin", texts, options


def cache_folder() -> Path:
    """Where compiled kernels are kept, by the XDG rules; it need not exist.

    Raises:
        RuntimeError: the user has no home.
    """
    cache = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "dashmask" / "kernels"


def _import() -> Any:
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()  # loads the library
    except (ImportError, OSError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise BackendError(
            f"NVRTC, which compiles the GPU kernels, cannot be loaded: {reason}",
            hint="pip install cuda-python nvidia-cuda-nvrtc (nvidia-cuda-nvrtc-cu12 for CUDA 12)",
        ) from error
    return nvrtc


def _target(compute_capability: tuple[int, int], supported: list[int]) -> str:
    """The nearest architecture that runs there: its own or an older one of its major version, else PTX."""
    wanted = 10 * compute_capability[0] + compute_capability[1]
    able = [number for number in supported if OLDEST <= number <= wanted]
    if not able:
        raise BackendError(
            f"the GPU has compute capability {wanted / 10:.1f}, the kernels need {OLDEST / 10:.1f} or newer"
        )
    best = max(able)
    return f"{'sm' if best // 10 == wanted // 10 else 'compute'}_{best}"


def _compile(nvrtc: Any, source: str, texts: dict[str, str], options: tuple[str, ...]) -> bytes:
    name, headers = f"{source}.cu", [texts[header].encode() for header in HEADERS]
    (program,) = _checked(
        nvrtc,
        nvrtc.nvrtcCreateProgram(
            texts[name].encode(), name.encode(), len(headers), headers, [header.encode() for header in HEADERS]
        ),
    )
    try:
        status = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])[0]
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            log = _text(nvrtc, program, nvrtc.nvrtcGetProgramLogSize, nvrtc.nvrtcGetProgramLog)
            said = log.rstrip(b"\0").decode(errors="replace").strip()
            raise BackendError(f"NVRTC cannot compile {name} ({' '.join(options)}): {status.name}\n{said}")
        if options[-1].split("=")[1].startswith("sm"):
            return _text(nvrtc, program, nvrtc.nvrtcGetCUBINSize, nvrtc.nvrtcGetCUBIN)
        return _text(nvrtc, program, nvrtc.nvrtcGetPTXSize, nvrtc.nvrtcGetPTX)
    finally:
        nvrtc.nvrtcDestroyProgram(program)


def _text(nvrtc: Any, program: Any, size_of: Any, read: Any) -> bytes:
    (size,) = _checked(nvrtc, size_of(program))
    memory = bytearray(size)
    _checked(nvrtc, read(program, memory))
    return bytes(memory)


def _checked(nvrtc: Any, answer: tuple[Any, ...]) -> tuple[Any, ...]:
    """What an NVRTC function gives behind its status."""
    status, *values = answer
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise BackendError(f"NVRTC failed: {status.name}")
    return tuple(values)
