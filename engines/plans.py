"""Where TensorRT plans lie, how one is written whole or not at all, and which may be loaded here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engines.manifest import Machine, Manifest, ManifestError, from_json, mismatch, to_json
from engines.tune_store import store_path
from pipeline.errors import BackendError

_LARGEST_MANIFEST = 1 << 20  # bytes; more is none of ours
_REBUILD = "build it again with `dashmask build`"


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that fits here, as far as its manifest tells."""

    path: Path
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Found:
    """The plans of one network."""

    plans: tuple[Plan, ...]  # that fit here; the newest first
    passed_over: tuple[str, ...]  # a sentence for each of the others


def plans_dir() -> Path:
    """The folder of all plans, in the user's cache; it need not exist.

    Raises:
        BackendError: the user has no home.
    """
    try:
        return store_path().parent / "plans"
    except RuntimeError as error:
        raise BackendError(f"there is no place for plans: {error}", hint="set XDG_CACHE_HOME") from error


def manifest_path(plan: Path) -> Path:
    """`model.plan` -> `model.plan.json`."""
    return plan.with_name(f"{plan.name}.json")


def compiled_path(plan: Path, machine: Machine) -> Path:
    """Where that lies which RTX compiled of a plan for a machine: beside the plan."""
    digest = hashlib.sha256(repr(machine).encode()).hexdigest()[:12]
    return plan.with_name(f"{plan.name}.{digest}.compiled")


def plan_path(manifest: Manifest) -> Path:
    """Where a plan goes that was given no place: the name holds the network and a digest of all that matters."""
    digest = hashlib.sha256(repr(manifest.key).encode()).hexdigest()[:16]
    return plans_dir() / f"{manifest.onnx_sha256[:12]}-{manifest.product}-{manifest.options.precision}-{digest}.plan"


def store_plan(data: bytes, manifest: Manifest, path: Path | None = None) -> Plan:
    """Write a plan and its manifest. A reader sees the old pair, the new pair, or a plan that is passed over.

    Args:
        data: the plan.
        manifest: of it; its sha256 and size are set here.
        path: where to; None: among the others.

    Raises:
        BackendError: it cannot be written.
    """
    manifest = replace(manifest, plan_sha256=hashlib.sha256(data).hexdigest(), plan_bytes=len(data))
    path = path or plan_path(manifest)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _unfinished(path) as plan, _unfinished(manifest_path(path)) as about:
            _write(plan, data)
            _write(about, to_json(manifest).encode())
            os.replace(plan, path)  # until the next line it is not what its manifest says, and is not loaded
            os.replace(about, manifest_path(path))
        _sync_folder(path.parent)
    except OSError as error:
        raise BackendError(f"{path}: the plan cannot be written: {error.strerror or error}") from error
    return Plan(path, manifest)


def store_verification(path: Path, verification: Mapping[str, Any] | None) -> None:
    """Put the record of a verification into a plan's manifest.

    Raises:
        BackendError: the manifest cannot be read or written.
    """
    manifest = replace(read_manifest(path), verification=None if verification is None else dict(verification))
    try:
        with _unfinished(manifest_path(path)) as about:
            _write(about, to_json(manifest).encode())
            os.replace(about, manifest_path(path))
    except (OSError, ValueError, TypeError) as error:  # the last two: what JSON has not
        raise BackendError(f"{manifest_path(path)}: cannot be written: {error}") from error


def read_manifest(path: Path) -> Manifest:
    """The manifest of a plan.

    Raises:
        BackendError: there is none, or it is no manifest.
    """
    about = manifest_path(path)
    try:
        with about.open("rb") as file:
            text = file.read(_LARGEST_MANIFEST + 1)
        if len(text) > _LARGEST_MANIFEST:
            raise ManifestError("it is longer than any manifest")
        return from_json(text)
    except FileNotFoundError as error:
        raise BackendError(
            f"{path}: there is no {about.name} that says what this plan is", hint="only plans with one are loaded"
        ) from error
    except OSError as error:
        raise BackendError(f"{about}: cannot be read: {error.strerror or error}") from error
    except ManifestError as error:
        raise BackendError(f"{about}: not a plan's manifest: {error}", hint=_REBUILD) from error


def load_plan(path: Path, machine: Machine, *, onnx_sha256: str | None = None) -> tuple[bytes, Manifest]:
    """A plan's bytes, if it fits here and is what its manifest says.

    Args:
        path: of the plan.
        machine: that shall run it.
        onnx_sha256: of the network that is wanted; None: any.

    Raises:
        BackendError: why it is not loaded.
    """
    manifest = read_manifest(path)
    if reason := mismatch(manifest, machine):
        raise BackendError(f"{path}: {reason}", hint=_REBUILD)
    if onnx_sha256 not in (None, manifest.onnx_sha256):
        raise BackendError(f"{path}: it was built of another network, {manifest.model}", hint=_REBUILD)
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size == manifest.plan_bytes else b""
    except OSError as error:
        raise BackendError(f"{path}: the plan cannot be read: {error.strerror or error}") from error
    if not data:
        raise BackendError(
            f"{path}: has {size} bytes, its manifest says {manifest.plan_bytes}: it is damaged", hint=_REBUILD
        )
    if hashlib.sha256(data).hexdigest() != manifest.plan_sha256:
        raise BackendError(f"{path}: is not the plan that its manifest describes (SHA-256 differs)", hint=_REBUILD)
    return data, manifest


def find_plans(onnx_sha256: str, machine: Machine) -> Found:
    """The plans of a network among those built here; only manifests are read.

    Args:
        onnx_sha256: of the network's file.
        machine: that shall run one.
    """
    fit: list[Plan] = []
    passed_over = []
    for path in sorted(plans_dir().glob(f"{onnx_sha256[:12]}-*.plan")):
        try:
            manifest = read_manifest(path)
        except BackendError as error:
            passed_over.append(str(error))
            continue
        if manifest.onnx_sha256 != onnx_sha256:
            continue
        if reason := mismatch(manifest, machine):
            passed_over.append(f"{path.name}: {reason}")
        else:
            fit.append(Plan(path, manifest))
    fit.sort(key=lambda plan: plan.manifest.built, reverse=True)
    return Found(tuple(fit), tuple(passed_over))


@contextlib.contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """A file of its own beside `path`, gone at the end unless it was renamed."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
