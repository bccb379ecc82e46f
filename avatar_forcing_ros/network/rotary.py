"""Rotary position embedding on positions relative to the block being generated.

Attention only feels differences of rotated positions, so keys are kept unrotated and turned when a block begins, to
where they stand as seen from it. Absolute frame numbers appear nowhere, and nothing ends at frame 1024.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BASE = 10_000.0


@dataclass(frozen=True)
class Rotary:
    """Rotation of queries and keys that stand at known positions.

    Attributes:
        cos: (T, D), each angle twice for the two numbers of its pair.
        sin: (T, D), likewise, with the sign of each pair's first number turned.
    """

    cos: Tensor
    sin: Tensor

    @classmethod
    def at(cls, positions: Tensor, head_size: int, dtype: torch.dtype) -> Rotary:
        """Rotation for frames at these positions, (T,) integer; neighbouring numbers (2i, 2i+1) form a pair.

        Source: Su et al. 2021 (arXiv 2104.09864); pairs as in the published code.
        """
        exponents = torch.arange(0, head_size, 2, dtype=torch.float64, device=positions.device) / head_size
        angles = positions.double()[:, None] * _BASE**-exponents  # (T, D/2)
        cos, sin = angles.cos(), angles.sin()
        return cls(cos.repeat_interleave(2, dim=1).to(dtype), torch.stack((-sin, sin), dim=2).flatten(1).to(dtype))

    def turn(self, x: Tensor) -> Tensor:
        """Rotate (..., T, D) queries or keys."""
        swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
        return torch.addcmul(x * self.cos, swapped, self.sin)
