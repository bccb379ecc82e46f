# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Silero voice activity network (version 6, 16 kHz), with what it remembers of a stream as an argument.

Its file is in models/voice, written by `tools/make_voice_model.py`, and is run by ONNX Runtime, which reads faces too.

Source: github.com/snakers4/silero-vad, release 6.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.compute.onnx_models import open_model

WINDOW_SAMPLES = 512  # heard per step: 32 ms at 16 kHz
CONTEXT_SAMPLES = 64  # of the window before, seen again
SHA256 = "47c3b43f0d73b59cfb39165ce0d9f66d1c1931bf5964d7b43a093f9d4324fb47"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class SileroState:
    """What the network remembers of a stream: LSTM `hidden` and `cell` (1, 1, 128), last samples `context` (64,)."""

    hidden: Array
    cell: Array
    context: Array

    @classmethod
    def initial(cls) -> SileroState:
        """State before the first sample."""
        zeros = np.zeros((1, 1, 128), np.float32)
        return cls(zeros, zeros, np.zeros(CONTEXT_SAMPLES, np.float32))


class SileroNetwork:
    """The network; one instance may serve any number of streams.

    Raises:
        ModelFileError: its file is missing or damaged.
    """

    def __init__(self) -> None:
        self._session = open_model("voice", "silero_vad", SHA256)

    def step(self, window: Array, state: SileroState) -> tuple[float, SileroState]:
        """Probability of speech in the next (512,) samples, with the state after them."""
        heard = np.concatenate([state.context, window])[None, None]
        given = {"heard": heard, "hidden": state.hidden, "cell": state.cell}
        probability, hidden, cell = self._session.run(None, given)
        return probability.item(), SileroState(hidden, cell, window[-CONTEXT_SAMPLES:])
