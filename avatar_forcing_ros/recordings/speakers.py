# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Splits one sound of two people: while a voice is heard, the one whose mouth moves is the speaker.

This is a makeshift. Where both speak at once, all sound goes to one of them; a short "mhm" from the other is lost; and
a mouth that chews or laughs silently while the other speaks may win. Sound recorded on separate channels is better.
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
        window_frames: span over which the movement of a mouth is averaged (0.6 s).
        least_motion: movement of lips at rest, in interocular distances per frame.
        switch_cost: evidence needed for a change of speaker, in frames in which one mouth moves e times as much.
        early_frames: speech begins this many frames before it is detected.
        fade_samples: length of the fade between the two (10 ms).
    """

    window_frames: int = 15
    least_motion: float = 0.004
    switch_cost: float = 8.0
    early_frames: int = 3
    fade_samples: int = 160


@dataclass(frozen=True)
class Voices:
    """The voices of the two, (N,) float32 each; silence where the other speaks."""

    a: NDArray[np.float32]
    b: NDArray[np.float32]


def share_out(
    sound: NDArray[np.float32],
    lips_a: NDArray[np.float64],
    lips_b: NDArray[np.float64],
    config: SpeakerConfig | None = None,
) -> Voices:
    """Assign each moment of a sound to one of two people or, without a voice, to neither.

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
    """(T,) mean movement of the lips per frame around each frame, at least that of lips at rest."""
    steps = np.abs(np.diff(lips, prepend=lips[:1]))
    return np.maximum(uniform_filter1d(np.nan_to_num(steps), config.window_frames, mode="nearest"), config.least_motion)


def likeliest(evidence: NDArray[np.float64], switch_cost: float) -> NDArray[np.bool_]:
    """(T,) whether the first of two states holds, in the sequence with the most evidence less the cost of changes.

    Source: Viterbi, 1967.

    Args:
        evidence: (T,) evidence for the first state and against the second.
        switch_cost: cost of each change.
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
