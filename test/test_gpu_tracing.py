# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading and drawing can be captured whole: no step looks at a value or makes a tensor on another device."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, published_shapes
from avatar_forcing_ros.motion.autoencoder.warping import feature_tables

TINY = AutoencoderConfig(image_size=16, latent_size=8, coefficients=3, widest=8)


@pytest.fixture
def model() -> MotionAutoencoder:
    torch.manual_seed(0)
    return build_autoencoder({key: torch.randn(shape) for key, shape in published_shapes(TINY).items()}, TINY)


@torch.inference_mode()
def test_reading_and_drawing_are_traced_without_a_break(model: MotionAutoencoder) -> None:
    image = torch.rand(2, 3, 16, 16)
    wanted = model.encode(image)
    encode = torch.compile(model.encoder, backend="eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(encode(image).coefficients, wanted.coefficients)
    tables = feature_tables([feature[:1] for feature in wanted.features])
    latent = wanted.identity + 0.1 * torch.randn(2, 8)
    decode = torch.compile(model.decoder, backend="eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(decode(latent, tables), model.decoder(latent, tables))


class NothingOnTheHost(TorchDispatchMode):
    """Refuses every step that gives a tensor in memory: on a GPU each would be a copy from there."""

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        assert not any(isinstance(x, torch.Tensor) and x.device.type == "cpu" for x in tree_leaves(made)), str(func)
        return made


@torch.inference_mode()
def test_no_step_makes_a_tensor_on_the_host(model: MotionAutoencoder) -> None:
    there, image = model.to("meta"), torch.empty(1, 3, 16, 16, device="meta")
    with NothingOnTheHost():
        encoding = there.encode(image)
        drawn = there.decode(encoding.identity, feature_tables(encoding.features), there.motion(encoding.coefficients))
    assert drawn.device.type == "meta" and drawn.shape == (1, 3, 16, 16)
