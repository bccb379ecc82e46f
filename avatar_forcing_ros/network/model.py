# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The whole network: audio projection, dual motion encoder and motion generator, at any size.

One implementation serves the published weights and the small bundled ones; `NetworkConfig` tells them apart. A network
holds nothing but weights: what a conversation remembers is a `KVCache`, passed in.

Training and offline use call `velocity` on whole clips. Streaming, in `generator.block_generator`, opens a window on
`transformer` for each block.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from avatar_forcing_ros.network.cache import KVCache
from avatar_forcing_ros.network.condition_encoder import AudioProjection, DualMotionEncoder, block_windows
from avatar_forcing_ros.network.conditions import Conditions, recalled
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.modulation import Modulation
from avatar_forcing_ros.network.transformer import MotionTransformer


class AvatarForcingNetwork(nn.Module):
    """Velocity of the avatar's motion, given its speech, the user's voice and face, and the portrait's own motion."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config or NetworkConfig()
        self.audio_projection = AudioProjection(self.config)
        self.condition_encoder = DualMotionEncoder(self.config)
        self.transformer = MotionTransformer(self.config)
        self._initialize()

    def project_audio(self, features: Tensor) -> Tensor:
        """Audio features (B, T, F) -> projected audio (B, T, A), for the avatar's and the user's audio alike.

        Raises:
            ValueError: the features have another width.
        """
        self._check("audio features", features, ("B", "T", self.config.audio_feature_size))
        return self.audio_projection(features.to(self.audio_projection.linear.weight))

    def sense(self, own_voice: Tensor, user_voice: Tensor, user_heard: Tensor, user_motion: Tensor) -> Conditions:
        """What was heard and seen, with the memory of the user, as conditions of T frames.

        Args:
            own_voice: audio features of the avatar's speech, (B, T, F).
            user_voice: audio features of the user's voice, (B, H + T, F) with H = `NetworkConfig.recalled_frames`.
            user_heard: 1 if there is a microphone, 0 if the user's voice is null, (B,).
            user_motion: the user's motion latents, (B, H + T, M), null where nobody was seen.

        Raises:
            ValueError: the features have another width.
        """
        spans, heard = self.config.memory_frames, user_heard[:, None, None]
        return Conditions(
            avatar_audio=self.project_audio(own_voice),
            user_audio=recalled(self.project_audio(user_voice) * heard, spans),
            user_motion=recalled(user_motion, spans),
        )

    def encode_conditions(self, conditions: Conditions) -> Tensor:
        """Conditions of one window -> c, (B, T, hidden). Every frame attends to the whole window.

        Raises:
            ValueError: the inputs have another width.
        """
        self._check("avatar_audio", conditions.avatar_audio, ("B", "T", self.config.condition_size))
        self._check("user_audio", conditions.user_audio, ("B", "T", self.config.user_audio_size))
        self._check("user_motion", conditions.user_motion, ("B", "T", self.config.user_motion_size))
        return self.condition_encoder(conditions)

    def encode_conditions_blockwise(self, conditions: Conditions, lookback: Conditions | None = None) -> Tensor:
        """Conditions of a clip as streaming computes them, all blocks in one call -> c, (B, T, hidden).

        Each block is encoded from its own window of W frames: the l frames before it, and the block. Only the block's
        frames are kept. In streaming, the l offset frames of a window have conditions computed from that window; here
        they have those of the block that they belong to. A clip and a stream differ only in this.

        Args:
            conditions: T frames, a multiple of the block.
            lookback: the l frames before the clip; None means null conditions.

        Raises:
            ValueError: T is not a multiple of the block, or `lookback` does not have l frames.
        """
        block, past = self.config.block_frames, self.config.lookahead_frames
        if conditions.frames % block:
            raise ValueError(f"frames must be a multiple of the block of {block}, got {conditions.frames}")
        if lookback is None:
            lookback = conditions.map(lambda x: x.new_zeros(x.shape[0], past, x.shape[2]))
        if lookback.frames != past:
            raise ValueError(f"lookback must have {past} frames, got {lookback.frames}")
        windows = Conditions(
            block_windows(conditions.avatar_audio, lookback.avatar_audio, block),
            block_windows(conditions.user_audio, lookback.user_audio, block),
            block_windows(conditions.user_motion, lookback.user_motion, block),
        )
        return self.encode_conditions(windows)[:, past:].unflatten(0, (conditions.batch, -1)).flatten(1, 2)

    def velocity(
        self,
        x_t: Tensor,
        t: Tensor,
        c: Tensor,
        reference: Tensor,
        cache: KVCache | None = None,
        frames_per_time: int = 1,
    ) -> Tensor:
        """Predicted velocity, noise minus clean motion.

        Args:
            x_t: noisy motion latents, (B, T, M). Without a cache, the first frame begins a block.
            t: flow time of every `frames_per_time` frames, (B, T / frames_per_time); 1000 is noise.
            c: encoded conditions, (B, T, hidden).
            reference: the portrait's own motion latent, (B, M); zeros are null.
            cache: past of a stream, which is only read. With it, T must be W: the l offset frames and the new block.
            frames_per_time: frames on end that share a flow time, as those of a block do in training.

        Returns:
            (B, T, M).

        Raises:
            ValueError: shapes disagree.
        """
        batch, frames = x_t.shape[:2]
        self._check("x_t", x_t, ("B", "T", self.config.motion_size))
        self._check("t", t, (batch, frames // frames_per_time))
        self._check("c", c, (batch, frames, self.config.hidden_size))
        self._check("reference", reference, (batch, self.config.motion_size))
        if cache is not None and frames != self.config.window_frames:
            raise ValueError(f"with a cache a pass takes {self.config.window_frames} frames, got {frames}")
        window = self.transformer.open_window(c, cache)
        rows = self.transformer.modulation.packed(t).repeat_interleave(frames_per_time, dim=-2)
        return self.transformer(x_t, reference, Modulation.unpack(rows), window)

    @torch.no_grad()
    def freeze(self, half: bool = False) -> AvatarForcingNetwork:
        """Prepare for streaming, in place: evaluation mode, no gradients, weights in the order that is fastest to read.

        A pass over a few frames spends its time reading weights. Large ones are packed for the processor's kernel
        (`packed`); small ones are stored column by column, which saves a tenth of a block's time at the bundled size.
        Values, names and shapes do not change. Move the network to its device and type first: packed weights cannot be
        moved.

        Args:
            half: round large weights to float16, which does change values and names; see `packed.HalfLinear`.

        Returns:
            The network itself.
        """
        self.transformer.pack(half)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.data = module.weight.t().contiguous().t()
        return self.eval().requires_grad_(requires_grad=False)

    def _check(self, name: str, tensor: Tensor, expected: tuple[int | str, ...]) -> None:
        got = tuple(tensor.shape)
        if len(got) != len(expected) or any(isinstance(e, int) and e != g for e, g in zip(expected, got, strict=True)):
            raise ValueError(f"{name} must be ({', '.join(map(str, expected))}), got {got}")

    def _initialize(self) -> None:
        """Set Xavier weights. Modulation and output start at zero, so that training starts from the identity.

        Source: DiT (arXiv 2212.09748), as in the published code.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        modulation = self.transformer.modulation
        for linear in (modulation.embedding_in, modulation.embedding_out):
            nn.init.normal_(linear.weight, std=0.02)
        for linear in (modulation.layers, modulation.final, self.transformer.output):
            nn.init.zeros_(linear.weight)


def parameter_count(module: nn.Module) -> int:
    """Number of parameters in a module."""
    return sum(parameter.numel() for parameter in module.parameters())
