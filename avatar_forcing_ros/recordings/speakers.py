# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shares out one sound of two people: who speaks is who moves the mouth while a voice is heard.

It is a makeshift. Where both speak at once the whole sound goes to one of them, a short "mhm" of the other is lost,
and a mouth that chews or laughs silently while the other speaks may win. Sound that was separated before is better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from avatar_forcing_ros.audio.voice_activity import VoiceActivity
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES


@dataclass(frozen=True)
class SpeakerConfig:
    """How the speaker is found.

    Attributes:
        window_frames: span over which the movement of a mouth counts (0.6 s).
        least_motion: movement of lips that are at rest, in interocular distances per frame.
        switch_cost: evidence that a change of speaker needs, in frames of one mouth moving e times as much.
        early_frames: speech begins as long before it is noticed.
        fade_samples: of the passage between the two (10 ms).
    """

    window_frames: int = 15
    least_motion: float = 0.004
    switch_cost: float = 8.0
    early_frames: int = 3
    fade_samples: int = 160


@dataclass(frozen=True)
class Voices:
    """What each of the two says, (N,) float32; silence elsewhere."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]


def share_out(
    sound: NDArray[np.float32],
    lips_a: NDArray[np.float64],
    lips_b: NDArray[np.float64],
    config: SpeakerConfig | None = None,
) -> Voices:
    """Give each moment of a sound to one of two people or, without a voice, to nobody.

    Args:
        sound: (640 T,) at 16 kHz.
        lips_a: (T,) opening between the lips in interocular distances, NaN where the face is not seen.
        lips_b: the same for the other person.
        config: see `SpeakerConfig`.
    """
    config = config or SpeakerConfig()
    frames = len(lips_a)
    noticed = VoiceActivity().push(sound[: frames * FRAME_SAMPLES]).speaking
    speaking = np.logical_or.reduce([np.append(noticed[k:], [False] * k) for k in range(config.early_frames + 1)])
    evidence = np.log(mouth_motion(lips_a, config) / mouth_motion(lips_b, config))
    is_a = likeliest(np.where(speaking, evidence, 0.0), config.switch_cost)
    return Voices(*(_gated(sound, speaking & is_hers, config) for is_hers in (is_a, ~is_a)))


def mouth_motion(lips: NDArray[np.float64], config: SpeakerConfig) -> NDArray[np.float64]:
    """(T,) mean movement of the lips per frame around each frame, never below that of lips at rest."""
    steps = np.abs(np.diff(lips, prepend=lips[:1]))
    return np.maximum(uniform_filter1d(np.nan_to_num(steps), config.window_frames, mode="nearest"), config.least_motion)


def likeliest(evidence: NDArray[np.float64], switch_cost: float) -> NDArray[np.bool_]:
    """(T,) of two states the first or not: the sequence with the most evidence for it, less the cost of its changes.

    Source: Viterbi, 1967.

    Args:
        evidence: (T,) for the first state and against the second.
        switch_cost: of each change.
    """
    gain = np.zeros(2)
    came_from = np.zeros((len(evidence), 2), int)
    for frame, value in enumerate(evidence):
        stay_or_change = gain[None] - switch_cost * (1 - np.eye(2))  # (now, before)
        came_from[frame] = stay_or_change.argmax(axis=1)
        gain = stay_or_change.max(axis=1) + value * np.array([1, -1])
    state = int(gain.argmax())
    states = np.zeros(len(evidence), int)
    for frame in range(len(evidence) - 1, -1, -1):
        states[frame] = state
        state = came_from[frame, state]
    return states == 0


def _gated(sound: NDArray[np.float32], frames: NDArray[np.bool_], config: SpeakerConfig) -> NDArray[np.float32]:
    """The sound in the given frames, faded in and out."""
    gate = np.zeros(len(sound), np.float32)
    gate[: len(frames) * FRAME_SAMPLES] = np.repeat(frames, FRAME_SAMPLES)
    return sound * uniform_filter1d(gate, config.fade_samples)
