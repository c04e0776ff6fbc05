"""The driver as cuda-python has it, every status checked, and what a device makes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from engines.device.base import Event, Stream
from engines.device.errors import device_error
from engines.device.ledger import Ledger, Owned
from pipeline.errors import BackendError

NOT_READY = 600


class Driver:
    """The functions of `cuda.bindings.driver`, whose errors are ours."""

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda

    def call(self, name: str, *args: Any) -> Any:
        """What a function answers: nothing, one value, or a tuple of several.

        Raises:
            BackendError: it failed; in CUDA's own words.
        """
        status, *values = self.ask(name, *args)
        if status:
            raise self.error(name, status)
        return values[0] if len(values) == 1 else tuple(values)

    def ask(self, name: str, *args: Any) -> Any:
        """The status of a function, which may be an error, and what it answers.

        Raises:
            BackendError: it was not called, or the bindings do not know what it says.
        """
        try:
            return getattr(self.cuda, name)(*args)
        except RuntimeError as error:  # the bindings do not find libcuda, or this function in it
            raise BackendError(f"{name}: {error}") from error
        except (KeyError, ValueError) as error:
            # `12345` or `12345 is not a valid CUresult`, as the bindings are older or newer.
            if (status := re.match(r"(\d+)(?: is not a valid CUresult)?$", str(error))) is None:
                raise
            meaning = "an error that cuda-python, older than the driver, has no name for"
            raise device_error(name, int(status[1]), meaning) from error

    def error(self, name: str, status: Any) -> BackendError:
        """The error for a status."""
        failed, text = self.cuda.cuGetErrorString(status)
        return device_error(name, int(status), str(status) if failed or not text else text.decode(errors="replace"))


class _Handle(Owned):
    """Something that the driver knows by a handle."""

    __slots__ = ("_driver", "_of")

    def __init__(self, driver: Driver, ledger: Ledger, make: str, args: Sequence[Any], free: str) -> None:
        self._driver = driver
        self._of: Any = driver.call(make, *args)
        super().__init__(ledger, lambda: driver.call(free, self._of))


class Pinned(_Handle):
    """Page-locked host memory."""

    __slots__ = ("address",)

    def __init__(self, driver: Driver, ledger: Ledger, nbytes: int) -> None:
        super().__init__(driver, ledger, "cuMemHostAlloc", (max(1, nbytes), 0), "cuMemFreeHost")
        self.address = int(self._of)


class CudaBuffer(_Handle):
    """See base.DeviceBuffer."""

    __slots__ = ("nbytes", "ptr")

    def __init__(self, driver: Driver, ledger: Ledger, nbytes: int) -> None:
        super().__init__(driver, ledger, "cuMemAlloc", (nbytes,), "cuMemFree")
        self.ptr, self.nbytes = int(self._of), nbytes


class CudaStream(_Handle):
    """See base.Stream."""

    __slots__ = ("handle",)

    def __init__(self, driver: Driver, ledger: Ledger) -> None:
        flags = driver.cuda.CUstream_flags.CU_STREAM_NON_BLOCKING
        super().__init__(driver, ledger, "cuStreamCreate", (flags,), "cuStreamDestroy")
        self.handle = int(self._of)

    def synchronize(self) -> None:
        """Wait for all of it."""
        self._driver.call("cuStreamSynchronize", self._of)

    def wait(self, event: Event) -> None:
        """Let what comes later wait for an event."""
        assert isinstance(event, CudaEvent)
        self._driver.call("cuStreamWaitEvent", self._of, event.handle, 0)


class CudaEvent(_Handle):
    """See base.Event."""

    __slots__ = ("handle",)

    def __init__(self, driver: Driver, ledger: Ledger, timed: bool) -> None:
        kinds = driver.cuda.CUevent_flags
        flags = int(kinds.CU_EVENT_BLOCKING_SYNC) | (0 if timed else int(kinds.CU_EVENT_DISABLE_TIMING))
        super().__init__(driver, ledger, "cuEventCreate", (flags,), "cuEventDestroy")
        self.handle = self._of

    def record(self, stream: Stream) -> None:
        """Put the mark behind what is in the stream now."""
        self._driver.call("cuEventRecord", self._of, stream.handle)

    def synchronize(self) -> None:
        """Wait for the mark."""
        self._driver.call("cuEventSynchronize", self._of)

    def done(self) -> bool:
        """Whether the mark was reached."""
        (status,) = self._driver.ask("cuEventQuery", self._of)
        if status and int(status) != NOT_READY:
            raise self._driver.error("cuEventQuery", status)
        return not status

    def elapsed_ms(self, since: Event) -> float:
        """Milliseconds from one mark to this."""
        assert isinstance(since, CudaEvent)
        return float(self._driver.call("cuEventElapsedTime", since.handle, self._of))


class CudaFunction:
    """See base.Function."""

    __slots__ = ("loaded", "name")

    def __init__(self, name: str, loaded: Any) -> None:
        self.name, self.loaded = name, loaded


class CudaModule(_Handle):
    """See base.Module."""

    __slots__ = ()

    def __init__(self, driver: Driver, ledger: Ledger, cubin: bytes) -> None:
        super().__init__(driver, ledger, "cuModuleLoadData", (cubin,), "cuModuleUnload")

    def function(self, name: str) -> CudaFunction:
        """The kernel of that name."""
        try:
            return CudaFunction(name, self._driver.call("cuModuleGetFunction", self._of, name.encode()))
        except BackendError as error:
            raise type(error)(f"kernel {name}: {error.message}", error.hint) from error


class CudaGraph(_Handle):
    """See base.Graph."""

    __slots__ = ()

    def __init__(self, driver: Driver, ledger: Ledger, captured: Any) -> None:
        try:
            super().__init__(driver, ledger, "cuGraphInstantiate", (captured, 0), "cuGraphExecDestroy")
        finally:
            with suppress(BackendError):
                driver.ask("cuGraphDestroy", captured)  # the executable one is a copy

    def launch(self, stream: Stream) -> None:
        """Put all of it into a stream."""
        self._driver.call("cuGraphLaunch", self._of, stream.handle)
