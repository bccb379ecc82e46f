# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Published weights as plain tensors by name, checked strictly before anything is built from them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class WeightsError(ValueError):
    """Weights are damaged, incomplete or of another model; the message says in one line what is wrong."""


def check_published(
    tensors: Mapping[str, Tensor],
    shapes: Mapping[str, tuple[int, ...]],
    buffers: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """The parameters among `tensors`, if they are exactly the expected ones.

    Args:
        tensors: the content of a file.
        shapes: name and shape of every parameter; all must be there.
        buffers: constants that may be there, and must then agree.

    Raises:
        WeightsError: a key is missing or unexpected, a shape or type differs, a value is not finite, or a
            constant disagrees.
    """
    constants = buffers or {}
    _check_keys(set(shapes), set(tensors) - set(constants))
    for key, shape in shapes.items():
        _check_tensor(key, tensors[key], shape)
    for key in set(constants) & set(tensors):
        _check_constant(key, tensors[key], constants[key])
    return {key: tensors[key] for key in shapes}


def _check_keys(expected: set[str], found: set[str]) -> None:
    problems = (("missing", expected - found), ("unexpected", found - expected))
    said = [f"{len(keys)} {word}, first {min(keys)}" for word, keys in problems if keys]
    if said:
        raise WeightsError(f"expected exactly the {len(expected)} published keys, got {'; '.join(said)}")


def _check_tensor(key: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise WeightsError(f"{key} must be {shape}, got {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        raise WeightsError(f"{key} must hold floating-point numbers, got {tensor.dtype}")
    if not torch.isfinite(tensor).all():
        raise WeightsError(f"{key} must be finite, got NaN or infinite values")


def _check_constant(key: str, tensor: Tensor, expected: Tensor) -> None:
    if tensor.shape != expected.shape or not torch.allclose(tensor.to(expected.dtype).cpu(), expected):
        raise WeightsError(f"{key} must hold the constant of the published network, got other values")
