"""The bindings of TensorRT 10, TensorRT 11 or TensorRT for RTX, imported, and what they say.

With engines.tensorrt_builder, engines.tensorrt_engine and the table engines.tensorrt_names this is all that knows
what things are called there. Nothing of TensorRT is imported before `open_api`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from pipeline.errors import BackendError

PRODUCTS: Mapping[str, str] = MappingProxyType({"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"})  # its module
_OLDEST: Mapping[str, tuple[str, str]] = MappingProxyType(
    {  # that of JetPack 6, on which nothing of this was executed yet; the first that tells what can be captured
        "tensorrt": ("TensorRT", "10.3"),
        "tensorrt-rtx": ("TensorRT for RTX", "1.2"),
    }
)
_MESSAGES = 400  # that are kept


@dataclass(frozen=True, slots=True)
class Api:
    """The bindings of one product."""

    product: str
    version: str
    trt: Any  # the module
    logger: Any  # of TensorRT's kind; what it says goes into `messages`
    messages: deque[tuple[str, str]]  # severity (a member of ILogger.Severity), text; newest last
    kept: list[Any] = field(default_factory=list)  # objects that may crash a process without a driver when they go

    def checked(self, made: Any, what: str) -> Any:
        """What TensorRT made, which is None where it failed.

        Raises:
            BackendError: it is None; with the last error in the log.
        """
        if made is None:
            raise BackendError(f"{self.product} {self.version} gave no {what}: {self.last_error()}")
        return made

    def made(self, what: str, make: Callable[[], Any]) -> Any:
        """What a constructor of TensorRT makes.

        Raises:
            BackendError: it makes nothing; with the last error in the log, or the last warning: that CUDA cannot be
                used is one.
        """
        try:
            return self.checked(make(), what)
        except TypeError as error:  # pybind11's answer where TensorRT returns no object
            why = self.last_error(("ERROR", "INTERNAL_ERROR"), ("WARNING",))
            raise BackendError(f"{self.product} {self.version} gave no {what}: {why}") from error

    def last_error(self, *kinds: Sequence[str]) -> str:
        """The newest error in the log.

        Args:
            kinds: severities; where nothing was said with one of the first, the next are looked for.
        """
        for kind in kinds or (("ERROR", "INTERNAL_ERROR"),):
            if said := [text for severity, text in self.messages if severity in kind]:
                return said[-1]
        return "it does not say why"


def open_api(product: str, module: str = "", heard: Callable[[str, str], None] | None = None) -> Api:
    """Import the bindings of a product; without `heard` the same ones for a whole process.

    TensorRT speaks to the logger of its first object that is alive, even where that logger has gone since: so all
    engines of a process share one, which stays.

    Args:
        product: a key of PRODUCTS.
        module: to import instead of the product's own.
        heard: told everything that TensorRT says, as it says it: severity and text.

    Raises:
        BackendError: they are not installed, do not load, or are too old.
    """
    return _shared(product, module) if heard is None else _opened(product, module, heard)


@cache
def _shared(product: str, module: str) -> Api:
    return _opened(product, module, lambda severity, text: None)


def _opened(product: str, module: str, heard: Callable[[str, str], None]) -> Api:
    name = module or PRODUCTS[product]
    try:
        trt = import_module(name)
        version = str(trt.__version__)
    except (ImportError, OSError, AttributeError) as error:
        raise BackendError(
            f"{product} cannot be imported: {error}", hint=f"pip install {product}, and the driver that it needs"
        ) from error
    people, oldest = _OLDEST[product]
    if _numbers(version) < _numbers(oldest):
        raise BackendError(
            f"{people} {version} is too old, {oldest} or newer is needed", hint=f"pip install -U {product}"
        )
    messages: deque[tuple[str, str]] = deque(maxlen=_MESSAGES)
    return Api(product, version, trt, _logger(trt, messages, heard), messages)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def _logger(trt: Any, messages: deque[tuple[str, str]], heard: Callable[[str, str], None]) -> Any:
    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)  # pybind11 wants it by name

        def log(self, severity: Any, msg: str) -> None:
            if severity != trt.ILogger.Severity.VERBOSE:
                messages.append((severity.name, msg))
                heard(*messages[-1])

    return Logger()
