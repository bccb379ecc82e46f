# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""wav2vec2 on a GPU: windows of several voices together, and those of a length that comes again as a recorded program.

One window of 60 frames takes a card 7 ms in 300 small steps, and 64 of them take little longer than that for each. A
conversation has two voices, so many conversations would leave no time for anything else.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Encoder
from avatar_forcing_ros.compute.capture import Program, Recorder
from avatar_forcing_ros.compute.joining import Joined
from avatar_forcing_ros.compute.lost import why_not

logger = logging.getLogger(__name__)
_SIZES = (16, 8, 4, 2, 1)
"""Voices of a program."""
_MOST_ERROR = 0.02
_COMES_AGAIN = 3
"""A length that came so often is worth a program; while a conversation begins, its window grows with every block."""


@dataclass(frozen=True)
class Heard:
    """A window of sound (640 T,), of which the features of the last rows are wanted."""

    window: NDArray[np.float32]
    rows: int


@dataclass(frozen=True)
class _Recorded:
    samples: Tensor
    program: Program[Tensor]


class Wav2Vec2Together:
    """Features of what several streams have heard; may be called from any thread.

    Args:
        encoder: on a GPU, or elsewhere for tests.
        captured: record programs.
        rebuild: makes the encoder again, on the CPU, if the GPU is lost.
    """

    def __init__(
        self, encoder: Wav2Vec2Encoder, captured: bool = True, rebuild: Callable[[], Wav2Vec2Encoder] | None = None
    ) -> None:
        self._encoder, self._rebuild = encoder, rebuild
        self._parameter = next(encoder.parameters())
        self._recorder = Recorder(self._parameter.device) if captured and self._parameter.is_cuda else None
        self._programs: dict[tuple[int, int], _Recorded] = {}
        self._came: Counter[tuple[int, int]] = Counter()
        self._joined: Joined[Heard, NDArray[np.float32]] = Joined(self._hear, most=4 * _SIZES[0])

    def __call__(self, window: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
        """(rows, F) features of the last rows of a window (640 T,)."""
        return self._joined(Heard(window, rows))

    @torch.inference_mode()
    def _hear(self, several: list[Heard]) -> list[NDArray[np.float32]]:
        try:
            return self._heard(several)
        except Exception as error:
            why = why_not(error)
            if not why or self._rebuild is None:
                raise
            logger.warning("%s: speech features continue on the CPU, far from real time", why)
            self._encoder, self._rebuild = self._rebuild(), None
            self._parameter, self._recorder = next(self._encoder.parameters()), None
            self._programs.clear()
            return self._heard(several)

    def _heard(self, several: list[Heard]) -> list[NDArray[np.float32]]:
        found: dict[int, NDArray[np.float32]] = {}
        for length in {len(heard.window) for heard in several}:
            places = [i for i, heard in enumerate(several) if len(heard.window) == length]
            while places:
                size = next(size for size in _SIZES if 2 * len(places) > size)  # at least half of a program is needed
                part, places = places[:size], places[size:]
                rows = max(several[i].rows for i in part)
                features = self._features(np.stack([several[i].window for i in part]), size, rows)
                found |= {i: one[rows - several[i].rows :] for i, one in zip(part, features, strict=True)}
        return [found[i] for i in range(len(several))]

    def _features(self, windows: NDArray[np.float32], size: int, rows: int) -> NDArray[np.float32]:
        """(B, rows, F) of windows (B, 640 T), at most `size` of them."""
        program = self._program(windows, size)
        if program is None or self._recorder is None:
            made = self._encoder(torch.from_numpy(windows).to(self._parameter))
            return made[:, -rows:].float().cpu().numpy()
        with torch.cuda.stream(self._recorder.stream):
            program.samples[: len(windows)].copy_(torch.from_numpy(windows))
            program.program.graph.replay()
            return program.program.outputs[: len(windows), -rows:].float().cpu().numpy()

    def _program(self, windows: NDArray[np.float32], size: int) -> _Recorded | None:
        key = size, windows.shape[1]
        self._came[key] += 1
        if self._recorder is not None and self._came[key] == _COMES_AGAIN:
            try:
                self._programs[key] = self._record(windows, size)
            except torch.OutOfMemoryError:
                raise
            except Exception as reason:  # a card or a library that cannot
                logger.warning("speech features are computed step by step: %s", reason)
                self._recorder = None
        return self._programs.get(key)

    def _record(self, windows: NDArray[np.float32], size: int) -> _Recorded:
        assert self._recorder is not None
        padded = np.resize(windows, (size, windows.shape[1]))
        samples = torch.from_numpy(padded).to(self._parameter)
        wanted = self._encoder(samples)
        torch.cuda.synchronize(samples.device)
        recorded = _Recorded(samples, self._recorder.record(lambda: self._encoder(samples)))
        recorded.program.graph.replay()
        torch.cuda.synchronize(samples.device)
        error = error_of(recorded.program.outputs, wanted)
        if not error <= _MOST_ERROR:
            raise ArithmeticError(f"a recorded program differs from its steps by {error:.1e}")
        return recorded


def error_of(found: Tensor, wanted: Tensor) -> float:
    """Relative difference; not a number where one of them is none."""
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())
