"""A Ray cluster, or Ray on this machine alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import BackendError, UserError


def ray_module() -> Any:
    """The module ray.

    Raises:
        UserError: not installed.
    """
    try:
        import ray
    except ImportError:
        raise UserError("a cluster needs Ray", hint="pip install 'dashmask[ray]'") from None
    return ray


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module ray, connected inside this block; a connection that is there already is used and stays.

    Args:
        address: of a cluster, or auto; None: Ray is started on this machine alone, and ends with the block.

    Raises:
        BackendError: there is no cluster at that address.
    """
    ray = ray_module()
    if ray.is_initialized():
        yield ray
        return
    _look(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as it will be; without it Ray warns
    told: dict[str, Any] = {"include_dashboard": False} if address is None else {"address": address}
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **told)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BackendError(
            f"there is no Ray cluster at {address}: {what}", hint="start one with `ray start --head`"
        ) from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _look(address: str | None) -> None:
    """BackendError where nothing listens at host:port: Ray itself would try for a minute."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host, int(port)), 5).close()
        except OSError as error:
            raise BackendError(
                f"there is no Ray cluster at {address}: {error.strerror or error}",
                hint="start one with `ray start --head`",
            ) from None


def room(ray: Any, cpus: float, gpus: float) -> int:
    """How many workers that take so many cores and GPUs find room on the nodes that are alive now."""
    count = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            fits = [has.get(name, 0.0) / wanted for name, wanted in (("CPU", cpus), ("GPU", gpus)) if wanted]
            count += int(min(fits) + 1e-9)
    return count
