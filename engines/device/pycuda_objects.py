"""pycuda's functions, whose errors are ours, and what a device makes of it."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from engines.device.base import Argument, Event, Stream
from engines.device.errors import LOST, OUT_OF_MEMORY, device_error
from engines.device.ledger import Ledger, Owned
from pipeline.errors import BackendError


class PycudaDriver:
    """The module `pycuda.driver`."""

    def __init__(self, cuda: Any) -> None:
        self.cuda = cuda
        self._libcuda = ctypes.CDLL("libcuda.so.1")

    def call(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """What a function of pycuda answers; its errors become ours."""
        try:
            return function(*args, **named)
        except self.cuda.Error as error:
            del function, args, named  # the error keeps this frame, which must not keep pycuda's objects
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        # pycuda keeps the status to itself; its message is `cuMemAlloc failed: out of memory`.
        match = re.match(r"(\w+) failed: (.*?)(?: - .*)?$", str(error))
        call, meaning = (match[1], match[2]) if match else ("pycuda", str(error))
        numbers = (status for status in (OUT_OF_MEMORY, *LOST) if self._meaning(status) == meaning)
        if (status := next(numbers, None)) is None:
            raise BackendError(f"{call}: {meaning}") from error
        raise device_error(call, status, meaning) from error

    def _meaning(self, status: int) -> str:
        text = ctypes.c_char_p()
        self._libcuda.cuGetErrorString(ctypes.c_int(status), ctypes.byref(text))
        return (text.value or b"").decode(errors="replace")

    def pop_context(self) -> None:
        """What pycuda forgets when it lets go of the primary context."""
        if status := self._libcuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p())):
            raise device_error("cuCtxPopCurrent", status, self._meaning(status))


class Made(Owned):
    """Something of pycuda's, which lives as long as we hold it."""

    __slots__ = ("_driver", "made")

    def __init__(self, driver: PycudaDriver, ledger: Ledger, made: Any) -> None:
        self._driver, self.made = driver, made
        super().__init__(ledger, self._let_go)

    def _let_go(self) -> None:
        self.made = None


class PycudaBuffer(Made):
    """See base.DeviceBuffer."""

    __slots__ = ("nbytes", "ptr")

    def __init__(self, driver: PycudaDriver, ledger: Ledger, made: Any, nbytes: int) -> None:
        self.ptr, self.nbytes = int(made), nbytes
        super().__init__(driver, ledger, made)

    def _let_go(self) -> None:
        self._driver.call(self.made.free)


class PycudaStream(Made):
    """See base.Stream."""

    __slots__ = ()

    @property
    def handle(self) -> int:
        """CUstream."""
        return int(self.made.handle)

    def synchronize(self) -> None:
        """Wait for it."""
        self._driver.call(self.made.synchronize)

    def wait(self, event: Event) -> None:
        """Let what comes later wait for an event."""
        assert isinstance(event, PycudaEvent)
        self._driver.call(self.made.wait_for_event, event.made)


class PycudaEvent(Made):
    """See base.Event."""

    __slots__ = ()

    def record(self, stream: Stream) -> None:
        """Put the mark behind what is in the stream now."""
        self._driver.call(self.made.record, made_stream(stream))

    def synchronize(self) -> None:
        """Wait for it."""
        self._driver.call(self.made.synchronize)

    def done(self) -> bool:
        """Whether the mark was reached."""
        return bool(self._driver.call(self.made.query))

    def elapsed_ms(self, since: Event) -> float:
        """Milliseconds from one mark to this."""
        assert isinstance(since, PycudaEvent)
        return float(self._driver.call(self.made.time_since, since.made))


class PycudaFunction:
    """See base.Function."""

    __slots__ = ("made", "name")

    def __init__(self, name: str, made: Any) -> None:
        self.name, self.made = name, made


class PycudaModule(Made):
    """See base.Module."""

    __slots__ = ("_functions",)

    def __init__(self, driver: PycudaDriver, ledger: Ledger, made: Any) -> None:
        self._functions: list[PycudaFunction] = []
        super().__init__(driver, ledger, made)

    def function(self, name: str) -> PycudaFunction:
        """The kernel of that name."""
        try:
            self._functions.append(PycudaFunction(name, self._driver.call(self.made.get_function, name)))
        except BackendError as error:
            raise type(error)(f"kernel {name}: {error.message}", error.hint) from error
        return self._functions[-1]

    def _let_go(self) -> None:
        for function in self._functions:
            function.made = None  # which keeps the module alive
        self.made = None


def made_stream(stream: Stream) -> Any:
    """The stream as pycuda has it."""
    assert isinstance(stream, PycudaStream)
    return stream.made


def packed(args: Sequence[Argument]) -> bytes:
    """A kernel's arguments as the driver wants them in one piece: each at a multiple of its alignment."""
    buffer = bytearray()
    for value in args:
        buffer += bytes(-len(buffer) % ctypes.alignment(type(value)))
        buffer += bytes(value)
    return bytes(buffer)
