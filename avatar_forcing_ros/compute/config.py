# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the networks of a model are computed; one setting for nodes, commands and benches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ComputeConfig:
    """How the networks of a model are computed. Neither setting changes what a network is, only how it is rounded.

    Attributes:
        captured: on a GPU, run each job as one recorded program of few kernels; false runs it step by step, several
            times slower. Recording takes some seconds at the start. Elsewhere nothing is recorded.
        half: on a CPU, round large weights to float16: the published motion network is then twice as fast, for an
            error of 1.6e-4.
    """

    captured: bool = True
    half: bool = False
