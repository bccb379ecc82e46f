# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Trains the detector of p, b and m (`audio/bilabials`) on simulated talks, whose phoneme times are known.

Nobody moves in them: what is heard of both voices of a talk is what an avatar hears of itself, and the truth is the
frame in which the lips of the simulation meet. A step takes pieces of some frames, most of them with a closure, in
changed voices. Nothing is known after a piece, so its last frames are learnt as those at the end of a block.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from avatar_forcing_ros.audio.bilabials import AHEAD_FRAMES, PAST_FRAMES, STRIDES
from avatar_forcing_ros.audio.log_mel import SILENT_MEAN, LogMel, LogMelConfig
from avatar_forcing_ros.audio.spoken import spoken_frames
from avatar_forcing_ros.files.outputs import replacing
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.acoustics import record
from avatar_forcing_ros.simulation.conversation import ConversationConfig
from avatar_forcing_ros.simulation.espeak import Espeak
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS, lip_curves
from avatar_forcing_ros.simulation.turns import random_style, simulate_turns
from avatar_forcing_ros.simulation.voices import Speaker, random_voice
from avatar_forcing_ros.train.objective import ObjectiveConfig, with_another_voice

_log = logging.getLogger(__name__)
_KERNEL = 5
_PRESS = LIP_CHANNELS.index("press")


@dataclass(frozen=True)
class BilabialConfig:
    """How much is simulated, and how the detector learns.

    Attributes:
        talks: of 40 s, each with two voices.
        talks_per_process: espeak-ng repeats itself exactly in fresh processes only.
        seed: of the talks, the weights and the pieces.
        conversation: how voices are drawn and what the avatar's sound goes through.
        channels: of both convolutions; as many numbers are in the hidden layer.
        steps: of the optimiser.
        learning_rate: at its highest; it falls along a half cosine.
        piece_frames: length of a piece.
        pieces: of a step: with a closure, other speech, silence.
        shut: pressed lips, in the simulation, from which a frame counts as shut.
        voices: how voices are changed.
    """

    talks: int = 140
    talks_per_process: int = 20
    seed: int = 2
    conversation: ConversationConfig = field(default_factory=ConversationConfig)
    channels: int = 32
    steps: int = 4000
    learning_rate: float = 4e-3
    piece_frames: int = 8
    pieces: tuple[int, int, int] = (44, 16, 4)
    shut: float = 0.5
    voices: ObjectiveConfig = field(default_factory=lambda: ObjectiveConfig(voice_noise_share=0.1))


@dataclass(frozen=True)
class Heard:
    """One voice: log-mel `features` (T, F) float16, and whether its lips are `shut`, (T,)."""

    features: NDArray[np.float16]
    shut: NDArray[np.bool_]


class _Network(nn.Module):
    """The layers that `BilabialDetector` computes, for training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        mel = LogMelConfig()
        seen = (PAST_FRAMES + 1 + AHEAD_FRAMES) * mel.hops_per_frame
        places = ((seen - _KERNEL + 1) - _KERNEL) // STRIDES[1] + 1
        self.first = nn.Conv1d(mel.bands + 1, channels, _KERNEL, STRIDES[0])
        self.second = nn.Conv1d(channels, channels, _KERNEL, STRIDES[1])
        self.hidden = nn.Conv1d(channels, channels, places, STRIDES[2])
        self.last = nn.Conv1d(channels, 1, 1)

    def forward(self, rows: Tensor) -> Tensor:
        """(B, PAST_FRAMES + T, F) -> (B, T) logits."""
        mel = LogMelConfig()
        windows = rows.unflatten(-1, (mel.hops_per_frame, mel.bands)).flatten(1, 2)
        marked = nn.functional.pad(windows, (0, 1), value=1.0)
        x = nn.functional.pad(marked, (0, 0, 0, AHEAD_FRAMES * mel.hops_per_frame)).transpose(1, 2)
        for layer in (self.first, self.second, self.hidden):
            x = torch.relu(layer(x))
        return self.last(x)[:, 0]


def simulate(config: BilabialConfig, first: int, count: int) -> list[Heard]:
    """Both voices of some talks."""
    espeak, conversation, made = Espeak(), config.conversation, []
    for index in range(first, first + count):
        rng = np.random.default_rng([config.seed, index])
        avatar, user = (Speaker(random_voice(rng, conversation.flite_share), espeak) for _ in range(2))
        style = random_style(rng)
        talks = simulate_turns(rng, conversation.duration_s, avatar, user, style, conversation.turns)
        for talk in talks:
            features = spoken_frames(record(rng, talk.sound(), conversation.avatar_acoustics))
            press = lip_curves(talk, len(features), FPS)[:, _PRESS]
            made.append(Heard(features.astype(np.float16), press >= config.shut))
    return made


def train_detector(config: BilabialConfig, path: Path, workers: int = 1) -> Path:
    """Simulate, train and write the weights, unless the file is there already. The same processor repeats them.

    Args:
        config: how.
        path: file of the weights.
        workers: processes that simulate in parallel.
    """
    if path.exists():
        return path
    size = config.talks_per_process
    parts = [(config, first, min(size, config.talks - first)) for first in range(0, config.talks, size)]
    with multiprocessing.get_context("spawn").Pool(workers, maxtasksperchild=1) as pool:
        heard = [one for made in pool.starmap(simulate, parts, chunksize=1) for one in made]
    network = _trained(config, heard)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, part)
    return path


def _trained(config: BilabialConfig, heard: Sequence[Heard]) -> _Network:
    torch.manual_seed(config.seed)
    network, pieces = _Network(config.channels), _Pieces(config, heard)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    losses = []
    for step in range(config.steps):
        rate = min(1.0, (step + 1) / 100) * (0.5 + 0.5 * np.cos(np.pi * step / config.steps))
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * rate
        rows, shut = pieces.draw()
        loss = nn.functional.binary_cross_entropy_with_logits(network(rows), shut)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if (step + 1) % 500 == 0:
            _log.info("p, b and m: step %d of %d, loss %.3f", step + 1, config.steps, np.mean(losses[-500:]))
    return network


class _Pieces:
    """Draws pieces of voices."""

    def __init__(self, config: BilabialConfig, heard: Sequence[Heard]) -> None:
        self._config, length = config, config.piece_frames
        self._rng, self._torch = np.random.default_rng(config.seed), torch.Generator().manual_seed(config.seed)
        before = np.broadcast_to(LogMel().silence.astype(np.float16), (PAST_FRAMES, LogMelConfig().feature_size))
        self._rows = torch.from_numpy(np.concatenate([part for one in heard for part in (before, one.features)]))
        self._shut = torch.from_numpy(np.concatenate([np.pad(one.shut, (PAST_FRAMES, 0)) for one in heard]))
        kinds: tuple[list[NDArray], ...] = ([], [], [])
        offset = 0  # of the piece that begins with a voice's first frame, with the frames before it
        for one in heard:
            sliding = np.lib.stride_tricks.sliding_window_view
            closes = sliding(one.shut, length).any(axis=1)
            speaks = sliding(one.features.mean(axis=1, dtype=np.float32) > SILENT_MEAN, length).any(axis=1)
            for kind, wanted in zip(kinds, (closes, speaks & ~closes, ~speaks & ~closes), strict=True):
                kind.append(offset + np.flatnonzero(wanted))
            offset += PAST_FRAMES + len(one.features)
        self._kinds = [np.concatenate(kind) for kind in kinds]

    def draw(self) -> tuple[Tensor, Tensor]:
        """(B, PAST_FRAMES + T, F) features, and (B, T) ones where lips are shut."""
        config = self._config
        drawn = [self._rng.choice(kind, n) for kind, n in zip(self._kinds, config.pieces, strict=True) if len(kind)]
        places = torch.from_numpy(np.concatenate(drawn))[:, None] + torch.arange(PAST_FRAMES + config.piece_frames)
        rows = with_another_voice(self._rows[places].float(), config.voices, self._torch)
        return rows, self._shut[places[:, PAST_FRAMES:]].float()
