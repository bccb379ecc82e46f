# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Record a network's passes as ONNX graphs for `onnx_engine`, after training; needs torch, onnx and onnxscript."""

from __future__ import annotations

import inspect
import json
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.conditions import Conditions, span_shares
from avatar_forcing_ros.network.layers import FoldedConditions
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.transformer import Window
from avatar_forcing_ros.stream.block_generator import BlockGenerator
from avatar_forcing_ros.stream.onnx_engine import AFTER, DESCRIPTION, FOLDER, describe
from avatar_forcing_ros.stream.poise import poise_from
from avatar_forcing_ros.stream.sampler import SamplerConfig
from avatar_forcing_ros.stream.state import GeneratorState

OPSET = 20
_LARGEST_CONSTANT = 1 << 17
"""Bytes that a constant of a graph may have; a larger one can only be a weight that lost its name."""
_BRANCHES = 2
"""Guidance branches of the example that is traced; the graphs take any number."""


def write_graphs(folder: Path, network: AvatarForcingNetwork, sampler: SamplerConfig, weights: str) -> list[Path]:
    """Write the graphs of a network into `folder`/onnx; returns all files.

    Args:
        folder: of the bundle.
        network: float32 on the CPU, not frozen: its weights must have their plain order.
        sampler: whose smoothing, rest and poise are fixed in the graphs.
        weights: name of the safetensors file whose tensors the graphs shall be given.

    Raises:
        ValueError: a weight of the network would be stored in a graph.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    network = network.eval()
    # What tracing computes must not stay where real passes look for it.
    span_shares.cache_clear()
    try:
        models = {graph.name: _traced(graph, weights) for graph in _graphs(network, sampler)}
    finally:
        span_shares.cache_clear()
    taken = {name: _weights_of(model) for name, model in models.items()}
    description = folder / FOLDER / DESCRIPTION
    description.write_text(json.dumps(describe(network.config, sampler) | {"weights": taken}, indent=1) + "\n")
    files = [folder / FOLDER / f"{name}.onnx" for name in models]
    for path, model in zip(files, models.values(), strict=True):
        path.write_bytes(model.SerializeToString())
    return [*files, description]


class _Graph(nn.Module):
    """A pass to record: its example inputs by name, and the names of what it gives."""

    name: str
    gives: list[str]

    def __init__(self, network: AvatarForcingNetwork, sampler: SamplerConfig) -> None:
        super().__init__()
        self.network = network
        self.sizes = network.config
        self._held = [BlockGenerator(network, sampler)]  # in a list, so that its network is not registered twice
        self.layers = range(network.config.depth)
        like = network.transformer.input.weight.detach()
        places = network.transformer.places(
            self.sizes.window_frames, self.sizes.cache_frames, self.sizes.condition_radius, like
        )
        self.view, self.past_rotary = places

    @property
    def generator(self) -> BlockGenerator:
        """Whose rules the graph records."""
        return self._held[0]

    def example(self) -> dict[str, Tensor]:
        """Inputs by name, in the order of `forward`."""
        raise NotImplementedError

    def _sensed(self, frames: int) -> dict[str, Tensor]:
        sizes, before = self.sizes, self.sizes.recalled_frames
        return {
            "own_voice": torch.zeros(1, frames, sizes.audio_feature_size),
            "user_voice": torch.zeros(1, before + frames, sizes.audio_feature_size),
            "user_heard": torch.ones(1),
            "user_motion": torch.zeros(1, before + frames, sizes.motion_size),
            "sees_avatar": torch.ones(_BRANCHES),
            "sees_user": torch.ones(_BRANCHES),
        }

    def _cached(self) -> dict[str, Tensor]:
        sizes = self.sizes
        shape = (_BRANCHES, sizes.heads, sizes.cache_frames, sizes.head_size)
        kinds = [f"{kind}_{i}" for i in self.layers for kind in ("keys", "values")]
        conditions = torch.zeros(_BRANCHES, sizes.condition_radius, sizes.hidden_size)
        return {**{name: torch.zeros(shape) for name in kinds}, "conditions": conditions}

    def _opened(self) -> dict[str, Tensor]:
        sizes = self.sizes
        known = sizes.heads * (sizes.condition_radius + sizes.window_frames)
        opened: dict[str, Tensor] = {}
        for i in self.layers:
            opened |= {
                f"folded_keys_{i}": torch.zeros(_BRANCHES, sizes.hidden_size, known),
                f"folded_offset_{i}": torch.zeros(_BRANCHES, 1, known),
                f"folded_values_{i}": torch.zeros(_BRANCHES, known, sizes.hidden_size),
                f"past_keys_{i}": torch.zeros(_BRANCHES, sizes.heads, sizes.cache_frames, sizes.head_size),
            }
        return opened

    def _modulation(self, rows: int) -> Tensor:
        return torch.zeros(rows, 8 * self.sizes.hidden_size)

    def _window(self, opened: Sequence[Tensor], values: Sequence[Tensor]) -> Window:
        """What `open` gave, as the steps take it."""
        sizes = self.sizes
        past = [KeysValues(opened[4 * i + 3], values[i]) for i in self.layers]
        folded = [
            FoldedConditions(*opened[4 * i : 4 * i + 3], sizes.heads)  # type: ignore[arg-type, call-arg]
            for i in self.layers
        ]
        return Window(self.view, tuple(folded), tuple(past))


class _Modulation(_Graph):
    name, gives = "modulation", ["modulation"]

    def example(self) -> dict[str, Tensor]:
        return {"times": torch.zeros(3)}

    def forward(self, times: Tensor) -> Tensor:
        return self.network.transformer.modulation.packed(times)


class _Prime(_Graph):
    name = "prime"

    def example(self) -> dict[str, Tensor]:
        frames, size = self.sizes.history_frames, self.sizes.motion_size
        past = {"history": torch.zeros(1, frames, size), "reference": torch.zeros(1, size)}
        return {**past, "modulation": self._modulation(1), **self._sensed(frames)}

    @property
    def gives(self) -> list[str]:  # type: ignore[override]
        return [*self._cached(), "tail", "running_mean", "poise", "silent_frames"]

    def forward(self, history: Tensor, reference: Tensor, modulation: Tensor, *sensed: Tensor) -> list[Tensor]:
        conditions = _stacked(self.network, *sensed)
        c = self.network.encode_conditions_blockwise(conditions)
        transformer, spread = self.network.transformer, c.shape[0]
        window = transformer.open_window(c)
        rows = Modulation.unpack(modulation)
        finished = transformer.remember(history.expand(spread, -1, -1), reference.expand(spread, -1), rows, window)
        cache = KVCache.from_clip(finished, c, self.sizes)
        tail = history[:, -self.sizes.lookahead_frames :]
        poise, silent = poise_from(history[:, -1], reference), torch.zeros_like(history[:, 0, 0])
        return [*_flat(cache), tail.clone(), reference.clone(), poise, silent]


class _Open(_Graph):
    name = "open"

    def example(self) -> dict[str, Tensor]:
        return {**self._sensed(self.sizes.window_frames), **self._cached()}

    @property
    def gives(self) -> list[str]:  # type: ignore[override]
        return [*self._opened(), "encoded"]

    def forward(self, *inputs: Tensor) -> list[Tensor]:
        sensed, cached = inputs[:6], inputs[6:]
        c, cache = self.network.encode_conditions(_stacked(self.network, *sensed)), _cache(cached)
        known = torch.cat((cache.conditions, c), dim=1) if self.sizes.condition_radius else c
        made: list[Tensor] = []
        for layer, past in zip(self.network.transformer.layers, cache.view(self.past_rotary), strict=True):
            folded = layer.condition_keys(known, fold=True)  # type: ignore[operator]
            made += [folded.keys, folded.offset, folded.values, past.keys]
        return [*made, c]


class _Step(_Graph):
    name, gives = "step", ["velocity"]

    def example(self) -> dict[str, Tensor]:
        frames, size = self.sizes.window_frames, self.sizes.motion_size
        noisy = {"x": torch.zeros(1, frames, size), "reference": torch.zeros(1, size)}
        values = {name: value for name, value in self._cached().items() if name.startswith("values")}
        return {**noisy, "modulation": self._modulation(frames), **self._opened(), **values}

    def forward(self, x: Tensor, reference: Tensor, modulation: Tensor, *window: Tensor) -> Tensor:
        opened = self._window(window[: 4 * len(self.layers)], window[4 * len(self.layers) :])
        spread = opened.conditions[0].keys.shape[0]
        rows = Modulation.unpack(modulation)
        return self.network.transformer(x.expand(spread, -1, -1), reference.expand(spread, -1), rows, opened)


class _Finish(_Graph):
    name = "finish"

    def example(self) -> dict[str, Tensor]:
        frames, size = self.sizes.window_frames, self.sizes.motion_size
        return {
            "x": torch.zeros(1, frames, size),
            "reference": torch.zeros(1, size),
            "modulation": self._modulation(1),
            **self._opened(),
            **self._cached(),
            "encoded": torch.zeros(_BRANCHES, frames, self.sizes.hidden_size),
            "running_mean": torch.zeros(1, size),
            "poise": torch.zeros(1, size, 3),
            "silent_frames": torch.zeros(1),
            "silent": torch.zeros(1, self.sizes.block_frames, dtype=torch.bool),
        }

    @property
    def gives(self) -> list[str]:  # type: ignore[override]
        state = (*self._cached(), "tail", "running_mean", "poise", "silent_frames")
        return ["shown", *(AFTER + name for name in state)]

    def forward(self, x: Tensor, reference: Tensor, modulation: Tensor, *inputs: Tensor) -> list[Tensor]:
        opened, layers = inputs[: 4 * len(self.layers)], len(self.layers)
        cached, (c, mean, poise, silent_frames, silent) = inputs[4 * layers : -5], inputs[-5:]
        offset, cache = self.sizes.lookahead_frames, _cache(cached)
        state = GeneratorState(reference, x[:, :offset], cache, mean, poise, silent_frames)
        x, mean, silent_frames = self.generator.settled(x, state, silent)
        shown, poise = self.generator.shown(x[:, offset:], state)
        spread, rows = c.shape[0], Modulation.unpack(modulation)
        window = self._window(opened, [layer.values for layer in cache.layers])
        finished = self.network.transformer.remember(
            x.expand(spread, -1, -1), reference.expand(spread, -1), rows, window
        )
        cache.commit(finished, c, self.sizes.block_frames)
        return [
            shown.clone(),
            *_flat(cache),
            x[:, -offset:].clone(),
            mean.clone(),
            poise.clone(),
            silent_frames.clone(),
        ]


def _graphs(network: AvatarForcingNetwork, sampler: SamplerConfig) -> list[_Graph]:
    return [kind(network, sampler).eval() for kind in (_Modulation, _Prime, _Open, _Step, _Finish)]


def _stacked(
    network: AvatarForcingNetwork,
    own_voice: Tensor,
    user_voice: Tensor,
    user_heard: Tensor,
    user_motion: Tensor,
    sees_avatar: Tensor,
    sees_user: Tensor,
) -> Conditions:
    """What was sensed, once for each branch of guidance, null where the branch does not see it."""
    one = network.sense(own_voice, user_voice, user_heard, user_motion)
    return Conditions(
        one.avatar_audio * sees_avatar[:, None, None],
        one.user_audio * sees_user[:, None, None],
        one.user_motion * sees_user[:, None, None],
    )


def _flat(cache: KVCache) -> list[Tensor]:
    """A cache in the order of `_Graph._cached`."""
    return [*(x.clone() for layer in cache.layers for x in (layer.keys, layer.values)), cache.conditions]


def _cache(flat: Sequence[Tensor]) -> KVCache:
    *layers, conditions = flat
    pairs = zip(layers[::2], layers[1::2], strict=True)
    return KVCache(tuple(KeysValues(keys, values) for keys, values in pairs), conditions)


def _traced(graph: _Graph, weights: str) -> onnx.ModelProto:
    """A pass as a model whose weights are to be found in another file."""
    example = graph.example()
    axes = [_dynamic(name) for name in example]
    shapes: dict[str, Any] = {}
    for parameter in inspect.signature(graph.forward).parameters.values():
        many = parameter.kind == parameter.VAR_POSITIONAL
        shapes[parameter.name] = tuple(axes[len(shapes) :]) if many else axes[len(shapes)]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, which has nothing to do with us
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            graph,
            tuple(example.values()),
            input_names=list(example),
            output_names=graph.gives,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # it would fold weights into constants; ONNX Runtime does that when it opens a graph
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    _take_weights_out(model, graph.network, weights)
    return model


def _weights_of(model: onnx.ModelProto) -> list[str]:
    return [one.name for one in model.graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]


def _dynamic(name: str) -> dict[int, Any]:
    """Which axes of an input may have any length."""
    if name == "times":
        return {0: torch.export.Dim("times")}
    branched = name.split("_")[0] in ("sees", "folded", "past", "keys", "values", "conditions", "encoded")
    return {0: torch.export.Dim("branches")} if branched else {}


def _take_weights_out(model: onnx.ModelProto, network: AvatarForcingNetwork, weights: str) -> None:
    """Name the weights as the file of weights does, and leave only these names."""
    known = network.state_dict()
    new_names = {}
    for one in model.graph.initializer:
        name = one.name.removeprefix("network.")
        if name in known:
            new_names[one.name] = name
            one.ClearField("raw_data")
            one.data_location = onnx.TensorProto.EXTERNAL
            one.external_data.add(key="location", value=weights)
            one.name = name
        elif one.ByteSize() > _LARGEST_CONSTANT:
            raise ValueError(f"{name}, {list(one.dims)}, would be stored in a graph, expected under its own name")
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = new_names.get(name, name)
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    del model.metadata_props[:], model.graph.metadata_props[:], model.graph.value_info[:]
