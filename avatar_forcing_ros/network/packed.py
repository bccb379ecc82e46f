"""Weights in the order in which the processor's matrix kernel reads them, for a network that only runs.

A streaming pass has few rows (36 at the published size), so a plain product spends a part of its time rearranging the
weights for the kernel, pass after pass. Here that is done once. Small weights stay as they are: they fit the cache of
the processor, and what the kernel needs to begin would cost more.

Two forms: `PackedLinear` keeps float32; `HalfLinear` rounds weights to float16 and computes in float32, which is yet
quicker, because half as much is read, and costs a few parts in ten thousand.

Source: oneDNN, as torch's own compiler uses it, and FBGEMM; an Intel or AMD processor and float32 are needed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEAST_WEIGHTS = 1 << 20


class PackedLinear(nn.Module):
    """A linear layer that cannot be trained, moved or sliced any more; parameters keep names and shapes.

    Args:
        dense: the layer as it was.
        gelu: apply GELU (tanh form) to the result while it is at hand.
    """

    def __init__(self, dense: nn.Linear, gelu: bool = False) -> None:
        super().__init__()
        weight = torch.ops.mkldnn._reorder_linear_weight(dense.weight.detach().contiguous())
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = dense.bias
        self._then: tuple[str, list[float], str] = ("gelu", [], "tanh") if gelu else ("none", [], "")

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, *self._then)


class HalfLinear(nn.Module):
    """A linear layer with weights in float16, inputs, outputs and sums in float32. It has no parameters any more."""

    def __init__(self, dense: nn.Linear) -> None:
        super().__init__()
        self._packed = torch.ops.quantized.linear_prepack_fp16(dense.weight.detach().contiguous(), dense.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return torch.ops.quantized.linear_dynamic_fp16(x, self._packed)


def packed(linear: nn.Module, half: bool = False) -> nn.Module:
    """The same layer with packed weights where that is possible and pays, otherwise the layer itself."""
    if not isinstance(linear, nn.Linear) or not can_pack(linear):
        return linear
    return (
        HalfLinear(linear) if half and "fbgemm" in torch.backends.quantized.supported_engines else PackedLinear(linear)
    )


def can_pack(linear: nn.Linear) -> bool:
    """Whether a layer is large, and this torch has the two operators, which only its compiler is promised."""
    fits = linear.weight.device.type == "cpu" and linear.weight.dtype == torch.float32
    available = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    return fits and available and linear.weight.numel() >= LEAST_WEIGHTS
