# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Training by several processes, on several GPUs or machines, started by torch's own launcher `torchrun`.

Every rank draws the same clips and noise, runs its share of them through the network and adds up gradients with the
others. Apart from the order of sums, a step equals that of a single process with the same batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

_PATIENCE = timedelta(hours=24)
"""The first rank simulates or reads a corpus while the others wait."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: its number; the first one, 0, writes what is written.
        count: number of processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which clips of a batch this process computes."""
        return slice(self.rank, None, self.count)

    def check_batch(self, batch: int) -> None:
        """Check that every rank has something to do.

        Raises:
            ValueError: there are fewer clips in a batch than processes.
        """
        if batch < self.count:
            raise ValueError(f"--batch must be at least the number of processes, got {batch} clips for {self.count}")

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors of one type and device by their sums over all ranks."""
        several = list(tensors)
        if self.count == 1 or not several:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in several])
        distributed.all_reduce(flat)
        start = 0
        for tensor in several:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()

    def wait(self) -> None:
        """Wait until all ranks have come here."""
        self.add_up([torch.zeros(1), torch.zeros(1)])


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, str]]:
    """Join the processes that `torchrun` started, if it did.

    Args:
        device: "cpu" or "cuda".

    Returns:
        This process among them, and its own device.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(), device
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(torch.device(device))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), count), device
        distributed.barrier()  # a rank that leaves early ends the others, which still need it
    finally:
        distributed.destroy_process_group()
