# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Exports a network's passes as ONNX graphs for `onnx_engine`, after training; needs torch, onnx and onnxscript."""

from __future__ import annotations

import inspect
import json
import logging
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.generator.onnx_engine import AFTER, DESCRIPTION, FOLDER, describe
from avatar_forcing_ros.generator.onnx_passes import OnnxPasses, Opened, unpack
from avatar_forcing_ros.generator.poise import MEMORY, poise_from
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.generator.state import GeneratorState
from avatar_forcing_ros.network.cache import KeysValues, KVCache
from avatar_forcing_ros.network.conditions import Conditions, span_shares
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.modulation import Modulation

OPSET = 20
_LARGEST_CONSTANT = 1 << 17
"""Largest constant in a graph, in bytes; a larger one can only be a weight that has lost its name."""
_BRANCHES = 2
"""Guidance branches in the traced example; the graphs take any number."""


def write_graphs(folder: Path, network: AvatarForcingNetwork, sampler: SamplerConfig, weights: str) -> list[Path]:
    """Write the graphs of a network into `folder`/onnx; returns all files.

    Args:
        folder: folder of the bundle.
        network: float32 on the CPU, not frozen, because its weights must be in their plain order.
        sampler: its smoothing, rest and poise are fixed in the graphs.
        weights: name of the safetensors file that the graphs take their weights from.

    Raises:
        ValueError: a weight of the network would be stored in a graph.
    """
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    network = network.eval()
    graphs = [kind(network, sampler).eval() for kind in (_Modulation, _Prime, _Open, _Step, _Finish)]
    # Tracing must not leave its tensors in the cache for real passes, and must find real ones there to make constants.
    span_shares.cache_clear()
    for graph in graphs:
        graph.remember_spans()
    try:
        models = {graph.name: _traced(graph, weights) for graph in graphs}
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
    """A pass to export: its example inputs by name, and the names of its outputs."""

    name: str
    gives: list[str]

    def __init__(self, network: AvatarForcingNetwork, sampler: SamplerConfig) -> None:
        super().__init__()
        self.network = network
        self.sizes = network.config
        self._held = [BlockGenerator(network, sampler)]  # in a list, so that its network is not registered twice
        self.layers = range(network.config.depth)
        self.passes = OnnxPasses(network.transformer)

    @property
    def generator(self) -> BlockGenerator:
        """The generator whose rules the graph contains."""
        return self._held[0]

    def example(self) -> dict[str, Tensor]:
        """Inputs by name, in the order of `forward`."""
        raise NotImplementedError

    def remember_spans(self) -> None:
        """Fill the cache with what depends on the number of sensed frames alone."""
        sensed = [value for name, value in self.example().items() if name in self._sensed(1)]
        if sensed:
            _stacked(self.network, *sensed)

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
        """The cached past; that of the first layer is the same for all branches."""
        sizes = self.sizes
        shape = (sizes.heads, sizes.cache_frames, sizes.head_size)
        cached = {
            f"{kind}_{i}": torch.zeros(_BRANCHES if i else 1, *shape)
            for i in self.layers
            for kind in ("keys", "values")
        }
        return {**cached, "conditions": torch.zeros(_BRANCHES, sizes.condition_radius, sizes.hidden_size)}

    def _opened(self) -> dict[str, Tensor]:
        sizes = self.sizes
        shape = (_BRANCHES, sizes.condition_radius + sizes.window_frames, sizes.hidden_size)
        said = {name: torch.zeros(shape) for names in self.passes.condition_names for name in names}
        return {**said, **{f"past_{name}": x for name, x in self._cached().items() if name.startswith("keys")}}

    def _modulation(self, rows: int) -> Tensor:
        return torch.zeros(rows, 8 * self.sizes.hidden_size)

    def _window(self, opened: Sequence[Tensor], values: Sequence[Tensor]) -> Opened:
        """The outputs of `open`, as the passes take them."""
        given = iter(opened)
        conditions = [[next(given) for _ in names] for names in self.passes.condition_names]
        return Opened(conditions, [KeysValues(*pair) for pair in zip(given, values, strict=True)])


class _Modulation(_Graph):
    name, gives = "modulation", ["modulation"]

    def example(self) -> dict[str, Tensor]:
        return {"times": torch.zeros(3)}

    def forward(self, times: Tensor) -> Tensor:
        made = Modulation.unpack(self.network.transformer.modulation.packed(times))
        return torch.cat(list(vars(made).values()), dim=-1)


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
        rows = unpack(modulation)
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
        c, (*past, conditions) = self.network.encode_conditions(_stacked(self.network, *sensed)), cached
        known = torch.cat((conditions, c), dim=1) if self.sizes.condition_radius else c
        said = [x for layer in self.passes.heard(known) for x in layer]
        return [*said, *self.passes.turned(past[::2]), c]


class _Step(_Graph):
    name, gives = "step", ["velocity"]

    def example(self) -> dict[str, Tensor]:
        frames, size = self.sizes.window_frames, self.sizes.motion_size
        noisy = {"x": torch.zeros(1, frames, size), "reference": torch.zeros(1, size)}
        values = {name: value for name, value in self._cached().items() if name.startswith("values")}
        return {**noisy, "modulation": self._modulation(frames), **self._opened(), **values}

    def forward(self, x: Tensor, reference: Tensor, modulation: Tensor, *window: Tensor) -> Tensor:
        layers = len(self.layers)
        return self.passes(x, reference, modulation, self._window(window[:-layers], window[-layers:]))


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
            "poise": torch.zeros(1, size, MEMORY),
            "silent_frames": torch.zeros(1),
            "silent": torch.zeros(1, self.sizes.block_frames, dtype=torch.bool),
        }

    @property
    def gives(self) -> list[str]:  # type: ignore[override]
        state = (*self._cached(), "tail", "running_mean", "poise", "silent_frames")
        return ["shown", *(AFTER + name for name in state)]

    def forward(self, x: Tensor, reference: Tensor, modulation: Tensor, *inputs: Tensor) -> list[Tensor]:
        (c, mean, poise, silent_frames, silent), inputs = inputs[-5:], inputs[:-5]
        at, offset = len(self._opened()), self.sizes.lookahead_frames
        opened, (*past, conditions) = inputs[:at], inputs[at:]
        keys, values = past[::2], past[1::2]
        nothing = KVCache((), conditions)
        state = GeneratorState(reference, x[:, :offset], nothing, mean, poise, silent_frames, torch.zeros(0))
        x, mean, silent_frames = self.generator.settled(x, state, silent)
        shown, poise = self.generator.shown(x[:, offset:], state)
        window, frames = self._window(opened, values), self.sizes.block_frames
        finished = self.passes.remember(x, reference, modulation, window, frames)
        cache = KVCache([KeysValues(*pair) for pair in zip(keys, values, strict=True)], conditions)
        cache.commit(finished, c, frames)
        return [
            shown.clone(),
            *_flat(cache),
            x[:, -offset:].clone(),
            mean.clone(),
            poise.clone(),
            silent_frames.clone(),
        ]


def _stacked(
    network: AvatarForcingNetwork,
    own_voice: Tensor,
    user_voice: Tensor,
    user_heard: Tensor,
    user_motion: Tensor,
    sees_avatar: Tensor,
    sees_user: Tensor,
) -> Conditions:
    """What was sensed, once for each guidance branch, null where the branch does not see it."""
    one = network.sense(own_voice, user_voice, user_heard, user_motion)
    return Conditions(
        one.avatar_audio * sees_avatar[:, None, None],
        one.user_audio * sees_user[:, None, None],
        one.user_motion * sees_user[:, None, None],
    )


def _flat(cache: KVCache) -> list[Tensor]:
    """A cache in the order of `_Graph._cached`."""
    first, *others = cache.layers
    layers = (KeysValues(first.keys[:1], first.values[:1]), *others)
    return [*(x.clone() for layer in layers for x in (layer.keys, layer.values)), cache.conditions]


def _traced(graph: _Graph, weights: str) -> onnx.ModelProto:
    """A pass as a model whose weights are in another file."""
    example = graph.example()
    axes = [_dynamic(name) for name in example]
    shapes: dict[str, Any] = {}
    for parameter in inspect.signature(graph.forward).parameters.values():
        many = parameter.kind == parameter.VAR_POSITIONAL
        shapes[parameter.name] = tuple(axes[len(shapes) :]) if many else axes[len(shapes)]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns about torchvision, which we do not use
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
            optimize=False,  # would fold weights into constants; ONNX Runtime folds when it opens a graph
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    replace_cosines(model)
    _take_weights_out(model, graph.network, weights)
    return model


def replace_cosines(model: onnx.ModelProto) -> None:
    """Write cosines of doubles as sines: ONNX Runtime 1.23, the last one for Python 3.10, has no others."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    doubles = {one.name for one in inferred.value_info if one.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE}
    graph, nodes = model.graph, []
    for node in model.graph.node:
        if node.op_type == "Cos" and node.input[0] in doubles:
            quarter, turned = f"{node.output[0]}_quarter", f"{node.output[0]}_turned"
            graph.initializer.append(onnx.helper.make_tensor(quarter, onnx.TensorProto.DOUBLE, [], [math.pi / 2]))
            nodes.append(onnx.helper.make_node("Add", [node.input[0], quarter], [turned], f"{node.name}_turn"))
            nodes.append(onnx.helper.make_node("Sin", [turned], list(node.output), node.name))
        else:
            nodes.append(node)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _weights_of(model: onnx.ModelProto) -> list[str]:
    return [one.name for one in model.graph.initializer if one.data_location == onnx.TensorProto.EXTERNAL]


def _dynamic(name: str) -> dict[int, Any]:
    """The axes of an input that may have any length."""
    if name == "times":
        return {0: torch.export.Dim("times")}
    branched = name.split("_")[0] in ("sees", "heard", "condition", "past", "keys", "values", "conditions", "encoded")
    shared = name in ("keys_0", "values_0", "past_keys_0")
    return {0: torch.export.Dim("branches")} if branched and not shared else {}


def _take_weights_out(model: onnx.ModelProto, network: AvatarForcingNetwork, weights: str) -> None:
    """Replace weights by references to the tensors in the file of weights."""
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
