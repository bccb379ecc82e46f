# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The device and number format in which the network runs.

A network of the published size goes to a GPU if there is one, in bfloat16; latents, solver and rotations stay in
float32. The small bundled network stays on the CPU, which finishes its passes before a GPU would have started.
"""

from __future__ import annotations

import logging
from weakref import WeakKeyDictionary

import torch

from avatar_forcing_ros.compute.lost import why_none, why_not
from avatar_forcing_ros.network.model import AvatarForcingNetwork, parameter_count

logger = logging.getLogger(__name__)

LARGE = 20_000_000
"""Number of parameters from which a GPU pays."""
CPU = torch.device("cpu")


def settle(
    network: AvatarForcingNetwork, device: torch.device | None = None, half: bool = False
) -> AvatarForcingNetwork:
    """Move a network to the device on which it runs best, and prepare it for streaming, in place.

    Args:
        network: network in float32 on the CPU.
        device: device to use; None chooses.
        half: on a CPU, round large weights to float16.
    """
    large = parameter_count(network) >= LARGE
    chosen = device or torch.device("cuda" if large and torch.cuda.is_available() else "cpu")
    if chosen.type == "cpu":
        if large:
            expect = "expect 1 to 3 s on one core for 10 frames of motion (0.4 s), far from real time"
            logger.warning("no GPU%s: %s", why_none(), expect)
        return network.freeze(half=half)
    kept = {name: tensor.detach().to(torch.bfloat16) for name, tensor in network.state_dict().items()}
    _KEPT[network] = kept
    try:
        network.to(device=chosen, dtype=torch.bfloat16)
    except Exception as error:
        if not (why := why_not(error)):
            raise
        return fall_back(network, why)
    return network.freeze()


def fall_back(network: AvatarForcingNetwork, why: str) -> AvatarForcingNetwork:
    """Move a network from a GPU that failed to the CPU, in float32.

    Args:
        network: network that `settle` moved to the GPU.
        why: why the GPU failed.
    """
    logger.warning("%s: motion continues on the CPU, far from real time", why)
    kept = _KEPT.pop(network, None)
    if kept is not None:  # a lost GPU returns nothing
        network.load_state_dict({name: tensor.float() for name, tensor in kept.items()}, assign=True)
    return network.to(device=CPU, dtype=torch.float32).freeze()


_KEPT: WeakKeyDictionary[AvatarForcingNetwork, dict[str, torch.Tensor]] = WeakKeyDictionary()
"""Weights, in main memory, of networks on a GPU, because the GPU may be lost at any time. 0.3 GB for the published
network."""
