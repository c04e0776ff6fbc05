"""From a trained network of ours to an ONNX file that runs anywhere, with its card inside."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from engines.card import METADATA_KEY
from engines.model_file import write_model
from pipeline.errors import ModelError

Precision = Literal["fp32", "fp16"]
OPSET = 17
TRACED_HW = 3  # strides; odd, so that nothing depends on a size that divides well


def export_net(
    net: Any,
    about: Mapping[str, Any],
    out: Path,
    *,
    size_hw: tuple[int, int] | None = None,
    precision: Precision = "fp32",
    logits: bool = False,
) -> Path:
    """Write a network as ONNX, rewritten as engines.graph says, with its card in the metadata.

    Input `image` (n, 3, h, w) float32 RGB, pixels 0..255: scale, mean and standard deviation are in the graph.
    Output `labels` (n, h, w) uint8, or `logits` (n, classes, h, w) float32.

    Args:
        net: an engines.nets.base.Net; it is copied.
        about: what its checkpoint says: `classes` (`names`, perhaps `colours`) must be there; `input` (`mean`, `std`,
            `scale`, `colour`, `size_hw`, `long_side`), `data`, `terms`, `mean_iou`, `iou`, `val`, `epoch` go into
            the card.
        out: the file; written whole or not at all.
        size_hw: fixed height and width, multiples of net.stride, with n = 1; None: n, h and w are free.
        precision: fp16 has half weights and computes in half; input and logits stay float32.
        logits: give these instead of labels.

    Returns:
        out

    Raises:
        ModelError: a size that the network does not take, classes that do not fit it, `about` is not whole, or `out`
            cannot be written.
    """
    import onnx
    import torch

    from engines.graph import Deployed

    names = _class_names(net, about)
    stride = int(net.stride)
    if precision not in get_args(Precision):
        raise ModelError(f"precision {precision}: expected {' or '.join(get_args(Precision))}")
    if size_hw is not None and any(side < 1 or side % stride for side in size_hw):
        raise ModelError(
            f"the network {net.name} cannot have an input of {size_hw[1]}x{size_hw[0]}: sides must be multiples of "
            f"{stride}",
            hint=f"for instance {_up(size_hw[1], stride)}x{_up(size_hw[0], stride)}",
        )
    spec = _input(about)
    scaling = spec["scale"], spec["mean"], spec["std"]
    module = Deployed(net, scaling, half=precision == "fp16", logits=logits, size_hw=size_hw).eval()
    output = "logits" if logits else "labels"
    free = {0: "n", 2: "height", 3: "width"}
    height, width = size_hw or (TRACED_HW * stride, TRACED_HW * stride)
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own: deprecated, traced sizes, constants left unfolded
        torch.onnx.export(
            module,
            (torch.zeros(1, 3, height, width),),
            cast(Any, file),
            input_names=["image"],
            output_names=[output],
            dynamic_axes=None if size_hw else {"image": free},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_model_from_string(file.getvalue())
    _declare_output(model, size_hw, net.classes if logits else None)
    model.producer_name, model.producer_version = "dashmask", ""
    card = _card(net, about, names, spec, size_hw, precision)
    model.metadata_props.add(key=METADATA_KEY, value=card)
    onnx.checker.check_model(model, full_check=True)
    out = Path(out)
    write_model(model.SerializeToString(), out)
    return out


def _card(
    net: Any,
    about: Mapping[str, Any],
    names: Sequence[str],
    spec: Mapping[str, Any],
    size_hw: tuple[int, int] | None,
    precision: Precision,
) -> str:
    """The card of an exported network as YAML, in the keys of engines.card_yaml."""
    import yaml

    from engines.nets.cost import cost

    colours = about["classes"].get("colours")
    listed: list[Any] = list(names)
    if colours is not None:
        listed = [{"name": name, "colour": list(c)} for name, c in zip(names, colours, strict=True)]
    told: dict[str, Any] = {"scale": 1.0, "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
    if size_hw is None:
        told["long_side"] = spec["long_side"]
    price = cost(net)
    accuracy = {key: about[key] for key in ("val", "mean_iou", "iou", "other_mean_iou") if about.get(key)}
    if "iou" in accuracy:
        accuracy["iou"] = {name: _rounded(value) for name, value in accuracy["iou"].items()}
    if "mean_iou" in accuracy:
        accuracy["mean_iou"] = _rounded(accuracy["mean_iou"])
    card: dict[str, Any] = {
        "name": str(about.get("name") or net.name),
        "family": "semantic",
        "classes": listed,
        "input": {"stride": int(net.stride), "colour": "rgb", **told},
        "licence": str(about.get("terms") or "not stated"),
        "training_data": about.get("data"),
        "accuracy": accuracy or None,
        "details": {
            "net": net.name,
            "options": dict(net.options),
            "precision": precision,
            "parameters": price.parameters,
            "gflop_640x360": round(price.gflop, 3),
            "trained_at_hw": list(spec["size_hw"]),
            "epoch": about.get("epoch"),
        },
    }
    for part in (card, card["details"]):
        for key in [key for key, value in part.items() if value is None]:
            del part[key]
    return yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)


def _class_names(net: Any, about: Mapping[str, Any]) -> list[str]:
    classes = about.get("classes")
    names = classes.get("names") if isinstance(classes, Mapping) else None
    if not isinstance(names, Sequence) or isinstance(names, str) or len(names) != net.classes:
        said = len(names) if isinstance(names, Sequence) else "no"
        raise ModelError(f"the checkpoint names {said} classes, its network has {net.classes}")
    return [str(name) for name in names]


def _input(about: Mapping[str, Any]) -> dict[str, Any]:
    """How the network was trained to see pixels: scale, mean, std, size_hw."""
    said = about.get("input") or {}
    spec: dict[str, Any] = {
        "scale": float(said.get("scale", 1 / 255)),
        "mean": tuple(float(number) for number in said.get("mean", (0.0, 0.0, 0.0))),
        "std": tuple(float(number) for number in said.get("std", (1.0, 1.0, 1.0))),
        "size_hw": tuple(int(side) for side in said.get("size_hw") or said.get("size") or (360, 640)),
    }
    spec["long_side"] = int(said.get("long_side") or max(spec["size_hw"]))
    if len(spec["mean"]) != 3 or len(spec["std"]) != 3 or min(spec["std"]) <= 0 or len(spec["size_hw"]) != 2:
        raise ModelError(f"the checkpoint's `input` cannot be used: {dict(said)}")
    if said.get("colour", "rgb") != "rgb":
        raise ModelError(f"the checkpoint wants its colours as {said['colour']}, networks of ours take rgb")
    return spec


def _declare_output(model: Any, size_hw: tuple[int, int] | None, classes: int | None) -> None:
    """The output's shape in the input's own words: the exporter makes up names for sides that it lost sight of."""
    shape = model.graph.output[0].type.tensor_type.shape
    del shape.dim[:]
    sides: tuple[int | str, ...] = size_hw or ("height", "width")
    for side in (1 if size_hw else "n", *([] if classes is None else [classes]), *sides):
        if isinstance(side, int):
            shape.dim.add(dim_value=side)
        else:
            shape.dim.add(dim_param=side)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _up(side: int, stride: int) -> int:
    return max(stride, -(-side // stride) * stride)
