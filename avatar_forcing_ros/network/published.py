# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Published parameter names of the generator, and a strict loader for tensors that carry them.

The published file holds `flow_transformer.*`, where the dual motion encoder is called `c_embedder`, and
`audio_encoder.audio_projection.*`. Every parameter has exactly one counterpart here, of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.visibility import aligned, visible

_MODULES = {
    "audio_encoder.audio_projection.0": "audio_projection.linear",
    "audio_encoder.audio_projection.1": "audio_projection.norm",
    "flow_transformer.c_embedder.motion_embedder.0": "condition_encoder.motion_in",
    "flow_transformer.c_embedder.motion_embedder.1": "condition_encoder.motion_in_norm",
    "flow_transformer.c_embedder.motion_embedder.3": "condition_encoder.motion_out",
    "flow_transformer.c_embedder.motion_embedder.4": "condition_encoder.motion_out_norm",
    "flow_transformer.c_embedder.dual_modal_attn.out_proj": "condition_encoder.user_attention.projection",
    "flow_transformer.c_embedder.ln1": "condition_encoder.user_norm",
    "flow_transformer.c_embedder.user_agent_attn.out_proj": "condition_encoder.avatar_attention.projection",
    "flow_transformer.c_embedder.ln2": "condition_encoder.avatar_norm",
    "flow_transformer.c_embedder.to_cond_user": "condition_encoder.output",
    "flow_transformer.x_embedder.proj": "transformer.input",
    "flow_transformer.t_embedder.mlp.0": "transformer.modulation.embedding_in",
    "flow_transformer.t_embedder.mlp.2": "transformer.modulation.embedding_out",
    "flow_transformer.adaLN_modulation.1": "transformer.modulation.layers",
    "flow_transformer.final_layer.adaLN_modulation.1": "transformer.modulation.final",
    "flow_transformer.final_layer.linear": "transformer.output",
}
_LAYER_MODULES = {
    "attn.qkv": "self_attention.qkv",
    "attn.proj": "self_attention.projection",
    "cross_attn.q": "cross_attention.query",
    "cross_attn.kv": "cross_attention.key_value",
    "cross_attn.proj": "cross_attention.projection",
    "mlp.fc1": "feed_forward.widen",
    "mlp.fc2": "feed_forward.narrow",
}
_PACKED = {
    "flow_transformer.c_embedder.dual_modal_attn": "condition_encoder.user_attention.qkv",
    "flow_transformer.c_embedder.user_agent_attn": "condition_encoder.avatar_attention.qkv",
}
_SELF_MASK = "flow_transformer.block_bidir_causal_lookahead_mask"
_CROSS_MASK = "flow_transformer.alignment_mask"


def key_map(config: NetworkConfig) -> dict[str, str]:
    """Published key -> name of the parameter in `AvatarForcingNetwork(config)`, for every parameter."""
    modules = dict(_MODULES)
    for i in range(config.depth):
        prefix = f"flow_transformer.blocks.{i}."
        modules |= {prefix + theirs: f"transformer.layers.{i}.{ours}" for theirs, ours in _LAYER_MODULES.items()}
    names = {f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in modules.items() for kind in ("weight", "bias")}
    return names | {f"{a}.in_proj_{kind}": f"{b}.{kind}" for a, b in _PACKED.items() for kind in ("weight", "bias")}


def published_shapes(network: AvatarForcingNetwork) -> dict[str, tuple[int, ...]]:
    """Shape of every parameter under its published key."""
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    return {theirs: shapes[ours] for theirs, ours in key_map(network.config).items()}


def load_published(network: AvatarForcingNetwork, tensors: Mapping[str, Tensor]) -> None:
    """Fill a network from tensors under their published keys.

    The two mask buffers may be absent. If present, they must agree with our rule.

    Raises:
        ValueError: a key is missing or unexpected, a shape differs, or a mask disagrees.
    """
    shapes = published_shapes(network)
    found = {key: tensor for key, tensor in tensors.items() if key not in (_SELF_MASK, _CROSS_MASK)}
    _check_keys(set(shapes), set(found))
    for key, shape in shapes.items():
        if tuple(found[key].shape) != shape:
            raise ValueError(f"{key} must be {shape}, got {tuple(found[key].shape)}")
    _check_masks(tensors, network.config)
    network.load_state_dict({ours: found[theirs] for theirs, ours in key_map(network.config).items()})


def _check_keys(expected: set[str], found: set[str]) -> None:
    problems = [("missing", expected - found), ("unexpected", found - expected)]
    said = [f"{len(keys)} {word}, first {min(keys)}" for word, keys in problems if keys]
    if said:
        raise ValueError(f"weights must have exactly the {len(expected)} published keys, got {'; '.join(said)}")


def _check_masks(tensors: Mapping[str, Tensor], config: NetworkConfig) -> None:
    frames = torch.arange(config.clip_frames)
    rules = {_SELF_MASK: visible(frames, frames, config), _CROSS_MASK: aligned(frames, frames, config)}
    for key, rule in rules.items():
        if key in tensors and not torch.equal(tensors[key].cpu(), rule):
            raise ValueError(f"{key} must agree with the rule {config.visibility!r}, got another mask")
