# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of a GPU: what many small steps do, recorded once and started as one.

A recording keeps the addresses of what it reads and writes. A program therefore owns its inputs and outputs, and its
user copies in and out. All programs of one owner share a pool of memory, since only one of them runs at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

Outputs = TypeVar("Outputs")

_REHEARSALS = 2
"""Runs before the recording: libraries choose their kernels and allocate in the first."""


@dataclass(frozen=True)
class Program(Generic[Outputs]):
    """A recorded job.

    Attributes:
        graph: the graph to replay on the owner's stream.
        outputs: what the job returned; each replay overwrites them.
    """

    graph: torch.cuda.CUDAGraph
    outputs: Outputs


class Recorder:
    """Records jobs for one owner.

    Attributes:
        device: the device on which they run.
        stream: the stream on which the owner replays them.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, job: Callable[[], Outputs]) -> Program[Outputs]:
        """Record a job. Its inputs must stay where they are, and it must not wait for anything."""
        quickest = torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=False)
        with torch.cuda.stream(self.stream), quickest:
            for _ in range(_REHEARSALS):
                job()
            self.stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, self._pool, self.stream, capture_error_mode="thread_local"):
                outputs = job()
        return Program(graph, outputs)


def pinned(shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    """Empty host memory that a GPU can read and write by itself; ordinary memory if there is no GPU."""
    return torch.empty(tuple(shape), dtype=dtype, pin_memory=torch.cuda.is_available())
