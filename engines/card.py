"""What a model is: its card, from YAML beside it, from the packaged cards or from the file's own metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from engines.model_digest import digests
from engines.model_file import find_model
from engines.onnx_header import OnnxHeader, TensorInfo, read_onnx_header
from engines.probabilities import is_probability
from engines.ultralytics_metadata import ultralytics_card
from pipeline.classes import DRIVING, colours_for
from pipeline.errors import ModelError
from pipeline.types import Card, Classes, InputSpec, OutputSpec

if TYPE_CHECKING:
    from engines.card_yaml import CardYaml

FAMILIES = ("semantic", "yolo-seg")
Layout = Literal["nchw", "nhwc"]
Dtype = Literal["float32", "float16", "uint8"]
_READ = (
    "float16",
    "float32",
    "float64",
    "bool",
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
)
_TRAINING = re.compile(r"^train:", re.MULTILINE)  # of a configuration, which may bear the name of what it trained
METADATA_KEY = "dashmask"  # of an ONNX file: a card as YAML


def find_card(name: str | Path, *, card_dirs: Sequence[Path] = ()) -> Card:
    """The card of the model that a user named; see find_model and read_card."""
    return read_card(find_model(name, card_dirs=card_dirs), card_dirs=card_dirs)


def read_card(path: str | Path, *, card: Path | None = None, card_dirs: Sequence[Path] = ()) -> Card:
    """What a model is.

    The first of these that is there: the YAML given as `card`, `model.yaml` beside `model.onnx`, `model.yaml` in
    one of `card_dirs`, the file's own metadata under the key `dashmask`, Ultralytics' metadata. The configuration of
    a training is no card, whatever it is called.

    Args:
        path: an ONNX file.
        card: YAML that describes it.
        card_dirs: folders with cards of models whose own folder is read-only.

    Raises:
        ModelError: the file is broken, nothing describes it, or the card is wrong or contradicts the file.
    """
    path = Path(path)
    header = read_onnx_header(path)
    sha256, of_file = digests(path, header)
    yamls = [path.with_suffix(".yaml"), *(folder / f"{path.stem}.yaml" for folder in card_dirs)]
    beside = card or next((file for file in yamls if file.is_file() and not _TRAINING.search(_read(file))), None)
    if beside is not None:
        return _from_yaml(_read(beside), str(beside), path, header, (sha256, of_file))
    if METADATA_KEY in header.metadata:
        text = header.metadata[METADATA_KEY]
        return _from_yaml(text, f"{path} (metadata `{METADATA_KEY}`)", path, header, (sha256, of_file))
    if (found := ultralytics_card(path, header)) is not None:
        spec = _input(found.input, header, str(path), stated={})
        return replace(found, input=spec, outputs=_outputs(header, (), str(path)), sha256=sha256)
    raise _unknown(path, header, card_dirs)


def _from_yaml(text: str, where: str, path: Path, header: OnnxHeader, sha256s: tuple[str, str]) -> Card:
    from engines.card_yaml import parse_card  # msgspec and PyYAML: 40 ms that other cards do not need

    card = parse_card(text, where)
    if not (card.name or "").isprintable():
        raise ModelError(f"{where}: name: {card.name!r} holds what cannot be printed")
    if card.family not in FAMILIES:
        raise ModelError(f"{where}: unknown family `{card.family}`, known are {' and '.join(FAMILIES)}")
    sha256, of_file = sha256s
    if card.sha256 not in (None, sha256, of_file):
        raise ModelError(
            f"{where}: describes another file, whose sha256 begins {card.sha256[:8]}; {path.name} has {of_file[:8]}",
            hint="leave `sha256` out where the model was changed on purpose",
        )
    stated = {key: value for key in card.input.__struct_fields__ if (value := getattr(card.input, key)) is not None}
    people = {"source": card.source, "training_data": card.training_data, "accuracy": card.accuracy}
    people |= {"verify": card.verify or None}
    classes, outputs = _classes(card, where), _outputs(header, card.outputs, where)
    return Card(
        name=card.name or path.stem,
        path=path,
        family=card.family,
        classes=classes,
        input=_input(InputSpec(**({"name": ""} | stated)), header, where, stated),
        outputs=_with_probability(outputs, path) if card.family == "semantic" and len(classes) <= 2 else outputs,
        sha256=sha256,
        licence=card.licence or "not stated",
        details={key: value for key, value in people.items() if value is not None} | card.details,
    )


def _classes(card: CardYaml, where: str) -> Classes:
    if isinstance(card.classes, str):
        if card.classes != "cityscapes":
            raise ModelError(
                f"{where}: classes: there is no table `{card.classes}`, expected `cityscapes` or a list of names"
            )
        return DRIVING
    names = tuple(entry if isinstance(entry, str) else entry.name for entry in card.classes)
    if wild := next((name for name in names if not name.isprintable()), None):
        raise ModelError(f"{where}: classes: {wild!r} holds what cannot be printed")
    if not names:
        raise ModelError(f"{where}: classes: the list is empty")
    if twice := {name for name in names if names.count(name) > 1}:
        raise ModelError(f"{where}: classes: `{min(twice)}` is there more than once")
    stated = [None if isinstance(entry, str) else entry.colour for entry in card.classes]
    colours = (given or usual for given, usual in zip(stated, colours_for(names), strict=True))
    return Classes(names, tuple(colours))


def _input(spec: InputSpec, header: OnnxHeader, where: str, stated: dict[str, Any]) -> InputSpec:
    """The input as card and file say together; ModelError where they contradict each other."""
    tensor = _only(header.inputs, spec.name, where)
    shape = tensor.shape
    if shape is None or len(shape) != 4:
        raise ModelError(
            f"{where}: expected an input of rank 4, such as (1, 3, height, width); the model's is {tensor}"
        )
    layout: Layout = stated.get("layout") or ("nhwc" if shape[3] == 3 and shape[1] != 3 else "nchw")
    sides, channels = (shape[2:], shape[1]) if layout == "nchw" else (shape[1:3], shape[3])
    if channels not in (3, None):
        raise ModelError(f"{where}: expected 3 channels in the layout {layout}; the model's input is {tensor}")
    if shape[0] not in (1, None):
        raise ModelError(
            f"{where}: the model takes batches of {shape[0]} only; its input is {tensor}",
            hint="export it with a batch of 1 or a free one",
        )
    if tensor.dtype not in get_args(Dtype):
        raise ModelError(f"{where}: expected float32, float16 or uint8; the model's input is {tensor}")
    if stated.get("dtype", tensor.dtype) != tensor.dtype:
        raise ModelError(f"{where}: input.dtype says {stated['dtype']}, the model's input is {tensor}")
    size = stated.get("size_hw") or (None, None)
    for said, real in zip(size, sides, strict=True):
        if said is not None and real is not None and said != real:
            raise ModelError(f"{where}: input.size_hw says {list(size)}, the model's input is {tensor}")
    together = (size[0] or sides[0], size[1] or sides[1])
    if tensor.dtype == "uint8" and "scale" not in stated:
        spec = replace(spec, scale=1.0)  # bytes hold no fractions: the network scales by itself
    return replace(spec, name=tensor.name, layout=layout, dtype=cast(Dtype, tensor.dtype), size_hw=together)


def _only(inputs: Sequence[TensorInfo], name: str, where: str) -> TensorInfo:
    listed = "; ".join(map(str, inputs)) or "none"
    for tensor in inputs:
        if name in (tensor.name, "") and (name or len(inputs) == 1):
            return tensor
    if name:
        raise ModelError(f"{where}: the model has no input `{name}`; it has {listed}")
    raise ModelError(f"{where}: expected a model with one input; it has {listed}")


def _outputs(header: OnnxHeader, names: Sequence[str], where: str) -> tuple[OutputSpec, ...]:
    have = {tensor.name: tensor for tensor in header.outputs}
    for name in names:
        if name not in have:
            raise ModelError(f"{where}: the model has no output `{name}`; it has {', '.join(have)}")
    chosen = [have[name] for name in names or have]
    for tensor in chosen:
        if tensor.dtype not in _READ:
            raise ModelError(
                f"{where}: expected numbers as NumPy has them; the model gives the output {tensor}",
                hint="export it with a cast to float32 behind that output, or name the outputs to read in its card",
            )
    return tuple(OutputSpec(tensor.name, tensor.shape or (), tensor.dtype) for tensor in chosen)


def _with_probability(outputs: tuple[OutputSpec, ...], path: Path) -> tuple[OutputSpec, ...]:
    """The same, the first of them with what it is where it is one channel of numbers."""
    first = outputs[0]
    return (replace(first, probability=is_probability(path, first.name)), *outputs[1:])


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: the card cannot be read as text: {error}") from error


def _unknown(path: Path, header: OnnxHeader, card_dirs: Sequence[Path]) -> ModelError:
    ranks = sorted(len(tensor.shape or ()) for tensor in header.outputs)
    family = "yolo-seg" if ranks == [3, 4] else "semantic"
    shown = "; ".join(map(str, header.inputs)) + " -> " + "; ".join(map(str, header.outputs))
    scale = 1 if any(tensor.dtype == "uint8" for tensor in header.inputs) else 1 / 255
    minimal = (
        f"family: {family}  # {' or '.join(FAMILIES)}\n"
        "classes: [road, car, person]  # every class, in the network's order; or: cityscapes\n"
        f"input: {{colour: rgb, scale: {scale}}}  # x = (pixel * scale - mean) / std\n"
        "licence: not stated\n"
    )
    looked = ", ".join([path.with_suffix(".yaml").name, *(str(d / f"{path.stem}.yaml") for d in card_dirs)])
    return ModelError(
        f"{path}: nothing says what this model is: there is no {looked}, and its metadata holds neither a card "
        f"(`{METADATA_KEY}`) nor Ultralytics' keys; its tensors are {shown}",
        hint=f"write {path.with_suffix('.yaml')}, for instance:\n{minimal}",
    )
