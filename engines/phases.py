"""Max-pooling and unpooling of 2x2 by what each of the four pixels of a block is, its phase; no indices.

TensorRT refuses unpooling and pooling with indices, and ONNX Runtime lacks it on CUDA; this runs everywhere and gives
the same numbers, of equal pixels the first, as torch does. Comparing with the pooled value instead would give two
largest where two are equal.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn


class _SpaceToDepth(torch.autograd.Function):
    """ONNX's operator: (n, c, h, w) -> (n, 4c, h/2, w/2); channel = (row * 2 + column) * c + c."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        cells = x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 3, 5, 1, 2, 4)
        return cells.reshape(n, 4 * c, h // 2, w // 2)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("SpaceToDepth", x, blocksize_i=2)


class _DepthToSpace(torch.autograd.Function):
    """ONNX's operator in its mode DCR, the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        cells = x.reshape(n, 2, 2, c // 4, h, w).permute(0, 3, 4, 1, 5, 2)
        return cells.reshape(n, c // 4, 2 * h, 2 * w)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        return g.op("DepthToSpace", x, blocksize_i=2, mode_s="DCR")


class PhasePool(nn.Module):
    """MaxPool that remembers by three comparisons, not by indices, which of four pixels is the first largest."""

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """(n, c, h, w) -> the largest of 2x2, and: pixel 0 it is; 1 of 1, 2, 3 it is; 2 of 2, 3 it is."""
        x0, x1, x2, x3 = cast(Any, torch).split(_space_to_depth(x), [int(x.shape[1])] * 4, 1)
        m23 = torch.maximum(x2, x3)
        m123 = torch.maximum(x1, m23)
        return torch.maximum(x0, m123), (x0 >= m123, x1 >= m23, x2 >= x3)


class PhaseUnpool(nn.Module):
    """MaxUnpool by what PhasePool remembers, for finite numbers."""

    def forward(self, x: Tensor, where: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """(n, c, h, w) -> (n, c, 2h, 2w)."""
        # Products with 0 and 1 and differences to 0 are exact, and ONNX Runtime multiplies faster than it chooses.
        first, second, third = (chosen.to(x.dtype) for chosen in where)
        phase0 = x * first
        rest = x - phase0
        phase1 = rest * second
        last = rest - phase1
        phase2 = last * third
        phases = (phase0, phase1, phase2, last - phase2)
        return _depth_to_space(torch.cat(phases, 1))


def _space_to_depth(x: Tensor) -> Tensor:
    return cast(Tensor, _SpaceToDepth.apply(x))  # type: ignore[no-untyped-call]


def _depth_to_space(x: Tensor) -> Tensor:
    return cast(Tensor, _DepthToSpace.apply(x))  # type: ignore[no-untyped-call]
