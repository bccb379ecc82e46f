# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the networks of a model are computed; one setting for nodes, commands and benches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ComputeConfig:
    """How the networks of a model are computed. No setting changes what a network is, only how it is rounded.

    Attributes:
        runtime: what computes motion on a CPU: "auto" takes ONNX Runtime, which is faster, if the model's folder has
            graphs for it, else torch; "torch" always takes torch.
        threads: threads for a network's arithmetic; 0 leaves torch's setting. More than one takes cores from other
            processes.
        captured: on a GPU, run each job as one recorded program of few kernels; false runs it step by step, several
            times slower. Recording takes some seconds at the start. Ignored without a GPU.
        half: on a CPU, round large weights to float16: the published motion network is then twice as fast, for an
            error of 1.6e-4.
    """

    runtime: Literal["auto", "torch"] = "auto"
    threads: int = field(default=0, metadata={"range": (0, 64)})
    captured: bool = True
    half: bool = False

    def __post_init__(self) -> None:
        if self.runtime not in ("auto", "torch"):
            raise ValueError(f"runtime must be auto or torch, got {self.runtime!r}")
