"""A float network as int8 with QDQ nodes: which convolutions, over which ranges, and what it costs.

Weights are quantized per channel, activations per tensor and symmetrically, int8 both: the one form that ONNX
Runtime, OpenVINO and TensorRT all take. Only what goes into convolutions is quantized, not what comes out: the
activation functions behind them need the range, and TensorRT and OpenVINO fuse them as they are.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from engines.convolutions import QUANTIZED, prepare_graph
from engines.telemetry import refuse_telemetry
from pipeline.errors import BackendError, ModelError, UserError
from pipeline.types import Card

Method = Literal["minmax", "entropy"]
Frames = Callable[[], Iterator[NDArray[Any]]]  # input tensors from the first on, each time it is called
_MOST_FLOAT = 0.6  # of the convolutions; with more in float there is nothing left to win


@dataclass(frozen=True, slots=True)
class Tried:
    """A set of convolutions left in float, and what was lost."""

    left_float: tuple[str, ...]
    loss: float


class Quantizer:
    """Makes int8 networks of one float network; calibrated once.

    Args:
        card: of the float network.
        frames: to calibrate with; read one by one, none is kept.
        count: how many they are.
        method: minmax takes the whole range that was seen, entropy the one that loses the least information.
        scratch: a folder for what is needed on the way.

    Raises:
        ModelError: the network is not float32, is quantized already, or has no convolution.
        BackendError: onnxruntime is missing or cannot quantize it.
    """

    def __init__(self, card: Card, frames: Frames, count: int, method: Method, scratch: Path) -> None:
        self._card, self._frames, self._count, self._method = card, frames, count, method
        self._float = scratch / "float.onnx"
        self._ranges = scratch / "ranges.json"
        self.convolutions = prepare_graph(card, self._float)

    def write(self, out: Path, left_float: Sequence[str], card_text: str = "") -> None:
        """Write the network with all convolutions but these as int8; calibrates at the first call.

        Args:
            card_text: YAML that goes into the file as its card.
        """
        import onnx

        quantization = _import()
        told: dict[str, Any] = {}
        if "calibration_cache_path" in inspect.signature(quantization.quantize_static).parameters:
            told["calibration_cache_path"] = self._ranges  # older versions calibrate anew each time
        methods = quantization.CalibrationMethod
        try:
            with _quiet():
                quantization.quantize_static(
                    self._float,
                    out,
                    _reader(quantization, self._card.input.name, self._frames(), self._count),
                    quant_format=quantization.QuantFormat.QDQ,
                    op_types_to_quantize=[QUANTIZED],
                    per_channel=True,
                    activation_type=quantization.QuantType.QInt8,
                    weight_type=quantization.QuantType.QInt8,
                    nodes_to_exclude=list(left_float),
                    calibrate_method=methods.Entropy if self._method == "entropy" else methods.MinMax,
                    extra_options={
                        "ActivationSymmetric": True,
                        "WeightSymmetric": True,
                        "QuantizeBias": False,  # TensorRT takes no int32 there
                        "CalibStridedMinMax": 1,  # a frame at a time: else the outputs of all frames lie in memory
                        "OpTypesToExcludeOutputQuantization": [QUANTIZED],
                    },
                    **told,
                )
            model = onnx.load(out)
        except UserError:
            raise
        except Exception as error:  # whatever a foreign graph makes the quantizer raise
            text = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise BackendError(f"{self._card.path.name} cannot be quantized by ONNX Runtime: {text}") from error
        if card_text:
            kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key != "dashmask"]
            del model.metadata_props[:]
            for key, value in [*kept, ("dashmask", card_text)]:
                model.metadata_props.add(key=key, value=value)
        model.producer_name, model.producer_version = "dashmask", ""
        onnx.save(model, out)


def choose(
    quantizer: Quantizer, loss_of: Callable[[Path], float], most: float, scratch: Path, say: Callable[[str], None]
) -> Tried:
    """Which convolutions stay float: as few as keep the loss, as measured.

    The ends are float from the start. Where too much is lost, each of eight groups of the others is put back to float
    by itself; then they are put back together, those that win most first, until little enough is lost or more than
    60 % of the network would be float. The first that keeps the loss is taken.

    Args:
        loss_of: measures a file, 0 where nothing is lost.
        most: the loss that is allowed.
    """
    path, convolutions = scratch / "tried.onnx", quantizer.convolutions

    def attempt(groups: Sequence[int]) -> Tried:
        names = convolutions.ends + tuple(name for at in sorted(groups) for name in convolutions.groups[at])
        quantizer.write(path, names)
        tried = Tried(names, loss_of(path))
        say(f"{len(names)} of {convolutions.count} convolutions in float: loss {tried.loss:.4f}")
        return tried

    best = attempt([])
    if best.loss <= most or not convolutions.groups:
        return best
    alone: list[tuple[Tried, int]] = []
    for at in range(len(convolutions.groups)):
        alone.append((attempt([at]), at))
        if alone[-1][0].loss <= most:
            return alone[-1][0]
    order = [at for _, at in sorted(alone, key=lambda pair: (pair[0].loss, pair[1]))]
    best = min((best, *(tried for tried, _ in alone)), key=lambda tried: tried.loss)
    for many in range(2, len(order)):
        tried_float = len(convolutions.ends) + sum(len(convolutions.groups[at]) for at in order[:many])
        if best.loss <= most or tried_float > _MOST_FLOAT * convolutions.count:
            break
        best = min(best, attempt(order[:many]), key=lambda tried: tried.loss)
    return best


def _reader(quantization: Any, name: str, frames: Iterator[NDArray[Any]], count: int) -> Any:
    """The frames as ONNX Runtime asks for them: one each time that it sets a range of one."""

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._due = 0
            self._last: NDArray[Any] | None = None

        def __len__(self) -> int:
            return count

        def set_range(self, start_index: int, end_index: int) -> None:
            self._due = end_index - start_index

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            if not self._due:
                return None
            self._due -= 1
            tensor = next(frames, self._last)  # a clip that ends before it said: its last frame once more
            if tensor is None:
                raise ModelError("there is not one frame to calibrate with", hint="give a clip with frames")
            self._last = tensor
            return {name: tensor}

    return Reader()


def _import() -> Any:
    refuse_telemetry()
    try:
        from onnxruntime import quantization
    except (ImportError, OSError) as error:
        raise BackendError(f"onnxruntime cannot quantize here: {error}", hint="pip install onnxruntime") from error
    return quantization


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantizer talks on stdout and to the root logger, which it would set up for good; nobody has to hear it."""
    root, silent = logging.getLogger(), logging.NullHandler()
    before = root.manager.disable
    root.addHandler(silent)
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(silent)
