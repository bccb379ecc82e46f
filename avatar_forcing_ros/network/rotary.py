# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Rotary position embedding on positions relative to the block being generated.

Attention depends only on differences between rotated positions. Keys are therefore stored unrotated, and rotated at the
start of each block to their positions relative to it. No absolute frame numbers appear, so nothing ends at frame 1024.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BASE = 10_000.0


@dataclass(frozen=True)
class Rotary:
    """Rotation of queries and keys at given positions.

    Attributes:
        phases: cosine and sine of each pair's angle, (T, D/2, 2).
    """

    phases: Tensor

    @classmethod
    def at(cls, positions: Tensor, head_size: int, dtype: torch.dtype) -> Rotary:
        """Rotation for frames at integer positions (T,), for queries and keys of this type.

        Neighbouring numbers (2i, 2i+1) form a pair, as in the published code.

        Source: Su et al. 2021 (arXiv 2104.09864).
        """
        exponents = torch.arange(0, head_size, 2, dtype=torch.float64, device=positions.device) / head_size
        angles = positions.double()[:, None] * _BASE**-exponents
        phases = torch.stack((angles.cos(), angles.sin()), -1)
        return cls(phases if dtype == torch.float64 else phases.float())

    def turn(self, x: Tensor) -> Tensor:
        """Rotate queries or keys (..., T, D); half precision is rotated in single precision."""
        pairs = x.to(self.phases.dtype).unflatten(-1, (-1, 2))
        if x.device.type == "cpu" and not torch.compiler.is_compiling():  # one call; compilers have no complex numbers
            turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(self.phases))
        else:
            (even, odd), (cosine, sine) = pairs.unbind(-1), self.phases.unbind(-1)
            turned = torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1)
        return turned.flatten(-2).to(x.dtype)
