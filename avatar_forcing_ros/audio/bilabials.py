# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a voice says p, b or m: how likely the lips of whoever speaks are shut, per video frame.

Three layers along time over the 10 ms windows of log-mel features (`log_mel`), from `PAST_FRAMES` before a frame to
`AHEAD_FRAMES` after it: a p is told from a t or a k by how the sound goes into the closure and comes out of it. What
comes after is often not known yet, so each window has a mark that says whether it is. `train/bilabials` makes the
weights.

Source: cues of the place of articulation, Delattre, Liberman and Cooper, 1955; Stevens and Blumstein, 1978.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import LogMel, LogMelConfig

PAST_FRAMES = AHEAD_FRAMES = 3
"""Video frames before and after a frame that matter to it."""
STRIDES = (1, 2, 2)
"""Of the layers, whose product is the windows of a video frame."""
_LAYERS = ("first", "second", "hidden")
_HUSH_DB = 6.0
"""A frame this far below the loudest one around it is hushed: the closure of a p or b, but hardly ever an n or r."""


@dataclass(frozen=True)
class Bilabials:
    """What is heard of p, b and m in some frames.

    Attributes:
        likely: (...,) float32, 0 to 1: how likely the lips are shut.
        hushed: (...,) bool: the voice is much quieter than around it.
    """

    likely: NDArray[np.float32]
    hushed: NDArray[np.bool_]


class BilabialDetector:
    """The network, without memory: one may serve any number of voices.

    Args:
        weights: by name: `first.weight`, `second.weight` and `hidden.weight`, (out, in, windows), `last.weight`,
            (1, in, 1), and a `bias` of each.

    Raises:
        ValueError: a weight is missing or they do not fit together.
    """

    def __init__(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        layers = [(name, kind) for name in (*_LAYERS, "last") for kind in ("weight", "bias")]
        missing = [f"{name}.{kind}" for name, kind in layers if f"{name}.{kind}" not in weights]
        if missing:
            raise ValueError(f"expected the weights of a detector of p, b and m, without {', '.join(missing)}")
        self._weights = {name: weights[f"{name}.weight"] for name in (*_LAYERS, "last")}
        self._biases = {name: weights[f"{name}.bias"] for name in (*_LAYERS, "last")}
        self._silence = LogMel().silence
        self._of_silence: dict[int, Bilabials] = {}  # by the number of rows
        self(np.zeros((PAST_FRAMES + 1, LogMelConfig().feature_size), np.float32))

    def __call__(self, rows: NDArray[np.float32]) -> Bilabials:
        """What is heard in T successive frames, of which the last is the newest known; silence costs nothing.

        Args:
            rows: (PAST_FRAMES + T, F) log-mel features of the frames before and of the T frames.
        """
        if (rows != self._silence).any():
            return self._heard(rows)
        if len(rows) not in self._of_silence:
            self._of_silence[len(rows)] = self._heard(rows)
        return self._of_silence[len(rows)]

    def _heard(self, rows: NDArray[np.float32]) -> Bilabials:
        x = with_marks(rows)
        for name, stride in zip(_LAYERS, STRIDES, strict=True):
            x = np.maximum(self._layer(x, name, stride), 0)
        likely = 1 / (1 + np.exp(-self._layer(x, "last", 1)[:, 0]))
        return Bilabials(likely.astype(np.float32), _hushed(rows))

    def _layer(self, x: NDArray[np.float32], name: str, stride: int) -> NDArray[np.float32]:
        """(N, in) -> (N', out): a convolution along time."""
        weight = self._weights[name]
        seen = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2], axis=0)[::stride]  # (N', in, windows)
        return np.asarray(seen.reshape(len(seen), -1) @ weight.reshape(len(weight), -1).T + self._biases[name])


def with_marks(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, F) rows of frames -> (windows, bands + 1) with a one in each, and zeros for AHEAD_FRAMES that are unknown."""
    mel = LogMelConfig()
    windows = rows.reshape(-1, mel.bands)
    marked = np.concatenate([windows, np.ones((len(windows), 1), np.float32)], axis=1)
    return np.pad(marked, ((0, AHEAD_FRAMES * mel.hops_per_frame), (0, 0)))


def _hushed(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(T,) of (PAST_FRAMES + T, F) log-mel features."""
    above_floor = np.maximum(10 ** (LogMelConfig().decibels_per_unit / 10 * (rows + 1)) - 1, 0).mean(axis=1)
    level_db = 10 * np.log10(above_floor + 1)
    frames = range(PAST_FRAMES, len(rows))
    return np.array([level_db[n - PAST_FRAMES :].max() - level_db[n] > _HUSH_DB for n in frames], np.bool_)


def bilabial_frames(detector: BilabialDetector, features: NDArray[np.float32], block_frames: int) -> Bilabials:
    """The same of a whole recording of (T, F), of which an avatar knows one block after the other; silent before.

    Frames after the last whole block are left out.
    """
    before = np.broadcast_to(LogMel().silence, (PAST_FRAMES, features.shape[1]))
    rows = np.concatenate([before, features]).astype(np.float32)
    starts = range(0, len(features) - block_frames + 1, block_frames)
    heard = [detector(rows[start : start + PAST_FRAMES + block_frames]) for start in starts]
    return Bilabials(np.concatenate([one.likely for one in heard]), np.concatenate([one.hushed for one in heard]))
