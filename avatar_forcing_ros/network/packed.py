# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Weights in the order in which the processor's matrix kernel reads them, for inference only.

A streaming pass has few rows (36 at the published size), so in each pass a plain product spends part of its time
rearranging the weights for the kernel. Here that happens once. Small weights stay as they are: they fit the processor's
cache, and starting the special kernel would cost more than it saves.

There are two forms. `PackedLinear` keeps float32. `HalfLinear` rounds weights to float16 and computes in float32, which
is faster still, because half as much is read, and costs a few parts in ten thousand.

Source: oneDNN, as torch's own compiler uses it, and FBGEMM. Both need float32 and an Intel or AMD processor.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST_WEIGHTS = 1 << 20
"""Smaller layers stay as they are."""

_USUAL_ROWS = 36
"""Twelve frames in three guidance branches of the published network."""

_ONE_PIXEL = ([0, 0], [1, 1], [1, 1], 1)
"""Padding, stride, dilation and groups of a one-pixel convolution."""

_OPERATORS = ("_convolution_pointwise", "_reorder_convolution_weight", "_get_mkldnn_serialized_md")


class PackedLinear(nn.Module):
    """A linear layer that can no longer be trained, moved or sliced. Its parameters keep their names.

    The product is computed as a one-pixel convolution in which each row of the input is a pixel: with few rows,
    oneDNN's routine for this is a fifth faster than the one for linear layers. The order in which it reads weights
    depends on the number of rows. Given any other order, it would rearrange them in every call, at a hundred times the
    cost. So the order is looked up once for each number of rows, and kept; streaming needs one or two.

    Args:
        dense: the original layer.
        gelu: also apply GELU (tanh form) to the result.
    """

    def __init__(self, dense: nn.Linear, gelu: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(_ordered(dense.weight.detach(), _USUAL_ROWS), requires_grad=False)
        self.bias = dense.bias
        self._then: tuple[str, list[float], str] = ("gelu", [], "tanh") if gelu else ("none", [], "")
        self._by_rows: dict[int, Tensor] = {_USUAL_ROWS: self.weight}

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        rows = x.shape[:-1].numel()
        weight = self._by_rows.get(rows)
        if weight is None:
            weight = self._by_rows[rows] = self._weight_for(rows)
        pixels = x.reshape(1, rows, 1, -1).permute(0, 3, 1, 2)
        product = torch.ops.mkldnn._convolution_pointwise(pixels, weight, self.bias, *_ONE_PIXEL, *self._then)
        return product.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)

    def _weight_for(self, rows: int) -> Tensor:
        """The weight in the order for a number of rows, from the cache or new."""
        found = _ordered(self.weight.to_dense()[:, :, 0, 0], rows)
        return next((known for known in self._by_rows.values() if _same_order(known, found)), found)


def _ordered(weight: Tensor, rows: int) -> Tensor:
    """(out, in) -> an opaque (out, in, 1, 1)."""
    kernel = weight[:, :, None, None].contiguous()
    return torch.ops.mkldnn._reorder_convolution_weight(kernel, *_ONE_PIXEL, [1, weight.shape[1], rows, 1])


def _same_order(one: Tensor, other: Tensor) -> bool:
    order_of = torch.ops.mkldnn._get_mkldnn_serialized_md
    return torch.equal(order_of(one), order_of(other))


class HalfLinear(nn.Module):
    """A linear layer with float16 weights and float32 inputs, outputs and sums. It has no parameters."""

    def __init__(self, dense: nn.Linear) -> None:
        super().__init__()
        self._packed = torch.ops.quantized.linear_prepack_fp16(dense.weight.detach().contiguous(), dense.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return torch.ops.quantized.linear_dynamic_fp16(x, self._packed)


def packed(linear: nn.Module, half: bool = False) -> nn.Module:
    """The layer with packed weights if that is possible and pays, else the layer itself."""
    if not isinstance(linear, nn.Linear) or not can_pack(linear):
        return linear
    return (
        HalfLinear(linear) if half and "fbgemm" in torch.backends.quantized.supported_engines else PackedLinear(linear)
    )


def can_pack(linear: nn.Linear) -> bool:
    """Whether a layer is large enough, and this torch has the operators, which are not part of its public API."""
    fits = linear.weight.device.type == "cpu" and linear.weight.dtype == torch.float32
    available = torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)
    return fits and available and linear.weight.numel() >= LEAST_WEIGHTS
