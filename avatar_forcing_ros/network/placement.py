# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the network runs and in which type of number.

A network of the published size goes to a GPU when there is one, in bfloat16; its latents, solver and rotations stay in
float32. The small bundled one stays on the CPU, where its passes are over before a GPU has begun.
"""

from __future__ import annotations

import logging

import torch

from avatar_forcing_ros.network.model import AvatarForcingNetwork, parameter_count

logger = logging.getLogger(__name__)

LARGE = 20_000_000
"""Parameters from which a GPU pays."""
CPU = torch.device("cpu")


def settle(
    network: AvatarForcingNetwork, device: torch.device | None = None, half: bool = False
) -> AvatarForcingNetwork:
    """Move a network to where it runs best and make it ready for streaming, in place.

    Args:
        network: in float32 on the CPU.
        device: None chooses.
        half: on a CPU, round large weights to float16.
    """
    large = parameter_count(network) >= LARGE
    chosen = device or torch.device("cuda" if large and torch.cuda.is_available() else "cpu")
    if chosen.type == "cpu":
        if large:
            logger.warning("no GPU: expect 1 to 3 s on one core for 10 frames of motion (0.4 s), far from real time")
        return network.freeze(half=half)
    try:
        network.to(device=chosen, dtype=torch.bfloat16)
    except torch.OutOfMemoryError:
        return fall_back(network)
    return network.freeze()


def fall_back(network: AvatarForcingNetwork) -> AvatarForcingNetwork:
    """Bring a network that a GPU has no memory for to the CPU, in float32."""
    logger.warning("the GPU is out of memory: motion goes on on the CPU, far from real time")
    return network.to(device=CPU, dtype=torch.float32).freeze()
