# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Clips for training: pieces of conversations in which every signal stands where streaming will put it.

As in live use, position i of a clip holds the avatar's own speech of frame i, the user's motion of `motion_delay`
frames before frame i is presented, and the user's audio features of `audio_delay` frames before it; see `alignment`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from torch import Tensor

from avatar_forcing_ros.behaviour.alignment import Alignment
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.scaling import LatentScale

_LAUGHING_SMILE, _LAUGHING_JAW, _HALF_A_SECOND = 0.4, 0.12, 12

BUNDLED_ALIGNMENT = Alignment.of(AvatarConfig(), block_frames=4)
"""Alignment of the bundled network."""


@dataclass(frozen=True)
class ClipConfig:
    """Time alignment of clips.

    Attributes:
        frames: T, length of a clip.
        lookback_frames: l, condition frames before the clip.
        recalled_frames: H, frames of the user before those, for the network's memory.
        motion_delay: frames from the user's motion to the presentation of the avatar's frame.
        audio_delay: the same for the user's audio features.
        jitter: greatest random shift of both, in frames, so that the network does not depend on exact timing.
        audio_absent_share: chance that a clip has no microphone at all.
        laugh_share: chance that a clip is drawn where the user smiles with an open mouth, as in laughter. Without it,
            laughs and the answers to them are too rare to be learnt. The user's face alone decides, so clips show
            unanswered laughs too. Only for named channels.
    """

    frames: int = 48
    lookback_frames: int = 2
    recalled_frames: int = 0
    motion_delay: int = BUNDLED_ALIGNMENT.motion_frames
    audio_delay: int = BUNDLED_ALIGNMENT.audio_frames
    jitter: int = 1
    audio_absent_share: float = 0.05
    laugh_share: float = 0.0

    @property
    def first_start(self) -> int:
        """The earliest frame at which a clip can begin."""
        return self.audio_delay + self.jitter + self.lookback_frames

    @property
    def least_frames(self) -> int:
        """The shortest conversation from which a clip can be drawn."""
        return self.first_start + self.frames


@dataclass(frozen=True)
class ClipBatch:
    """B clips in network units. Conditions have l frames before the clip, those of the user H more.

    Attributes:
        motion: (B, T, M), the avatar's true motion.
        reference: (B, M), its rest pose.
        avatar_features: (B, l+T, F).
        user_features: (B, H+l+T, F).
        user_motion: (B, H+l+T, M); zeros where no face was found.
        microphone: (B,) one where there is one, else zero.
    """

    motion: Tensor
    reference: Tensor
    avatar_features: Tensor
    user_features: Tensor
    user_motion: Tensor
    microphone: Tensor

    def to(self, device: torch.device) -> ClipBatch:
        """Return these clips on another device."""
        return ClipBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


@dataclass(frozen=True)
class Places:
    """Where B clips lie in a corpus.

    Attributes:
        conversations: (B, 1).
        clip: (B, T) frames of the clip itself.
        own: (B, l+T) the same, with the frames before the clip.
        seen: (B, H+l+T) frames of the user's motion that go with `own` and with the frames before it.
        heard: (B, H+l+T) the same for the user's audio.
        microphone: (B,) whether there is one.
    """

    conversations: NDArray[np.int64]
    clip: NDArray[np.int64]
    own: NDArray[np.int64]
    seen: NDArray[np.int64]
    heard: NDArray[np.int64]
    microphone: NDArray[np.bool_]


class ClipSampler:
    """Draws random clips. Its only state is that of its random generator, which a checkpoint saves."""

    def __init__(self, corpus: Corpus, scale: LatentScale, config: ClipConfig, seed: int) -> None:
        if corpus.frames < config.first_start + config.frames:
            raise ValueError(
                f"conversations must have at least {config.first_start + config.frames} frames, got {corpus.frames}"
            )
        self.corpus = corpus
        self.scale = scale
        self.config = config
        self.rng = np.random.default_rng(seed)
        self._laughs = _laughs_in(corpus) if config.laugh_share else np.zeros((0, 2), np.int64)

    def draw(self, batch: int) -> ClipBatch:
        """Draw `batch` clips at random."""
        return self.cut(self.places(batch))

    def places(self, batch: int) -> Places:
        """Draw the places of `batch` clips."""
        config, rng = self.config, self.rng
        which = rng.integers(0, self.corpus.conversations, batch)
        last = self.corpus.frames - config.frames
        starts = rng.integers(config.first_start, last + 1, batch)
        if len(self._laughs):
            laugh = self._laughs[rng.integers(0, len(self._laughs), batch)]
            chosen = rng.random(batch) < config.laugh_share
            near = np.clip(laugh[:, 1] - rng.integers(0, config.frames, batch), config.first_start, last)
            which, starts = np.where(chosen, laugh[:, 0], which), np.where(chosen, near, starts)
        shifts = rng.integers(-config.jitter, config.jitter + 1, batch)
        own = _rows(starts, -config.lookback_frames, config.frames)
        beside = _rows(starts, -config.lookback_frames - config.recalled_frames, config.frames)
        return Places(
            conversations=which[:, None],
            clip=_rows(starts, 0, config.frames),
            own=own,
            seen=beside - (config.motion_delay + shifts)[:, None],
            heard=beside - (config.audio_delay + shifts)[:, None],
            microphone=rng.random(batch) >= config.audio_absent_share,
        )

    def cut(self, places: Places) -> ClipBatch:
        """The clips at these places. Before a conversation, the user is unseen and sounds as in its first frame."""
        corpus, which = self.corpus, places.conversations
        heard, begun = np.maximum(places.heard, 0), places.seen >= 0
        seen = self.scale.normalize(corpus.user_motion[which, np.maximum(places.seen, 0)])
        valid = corpus.user_valid[which, np.maximum(places.seen, 0)] & begun
        return ClipBatch(
            motion=self.motion(corpus.motion, places),
            reference=_tensor(self.scale.normalize(corpus.reference[which[:, 0]])),
            avatar_features=_tensor(corpus.avatar_features[which, places.own]),
            user_features=_tensor(corpus.user_features[which, heard]),
            user_motion=_tensor(seen * valid[..., None]),
            microphone=_tensor(places.microphone),
        )

    def motion(self, motion: NDArray[np.float32], places: Places) -> Tensor:
        """(B, T, M) in network units, from any motion (C, T', M) of the corpus's conversations."""
        return _tensor(self.scale.normalize(motion[places.conversations, places.clip]))


def _laughs_in(corpus: Corpus) -> NDArray[np.int64]:
    """(N, 2) conversation and frame at which users begin to smile with an open mouth for most of half a second."""
    smile, jaw = corpus.user_motion[..., INDEX["smile"]], corpus.user_motion[..., INDEX["jaw_open"]]
    open_smile = ((smile > _LAUGHING_SMILE) & (jaw > _LAUGHING_JAW)).astype(np.float64)
    often = uniform_filter1d(open_smile, _HALF_A_SECOND, axis=1) > 0.6
    begins = often[:, 1:] & ~often[:, :-1]
    return np.argwhere(begins) + np.array([0, 1])


def _tensor(array: NDArray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _rows(starts: NDArray[np.int64], before: int, after: int) -> NDArray[np.int64]:
    """(B, after - before) frame numbers around each start."""
    return starts[:, None] + np.arange(before, after)
