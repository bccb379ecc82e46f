# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Takes the avatar's own voice out of the user's microphone.

The avatar knows exactly what it says and when. Its echo is subtracted (`echo_path.py`), and what may be left of it is
made quieter by as much as the estimate of the path is uncertain: nearly all of it in the first second that the avatar
ever speaks, little later on. While the avatar is silent, the user's sound passes bit for bit. Nothing is delayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.echo_path import EchoPath, EchoPathConfig, Residual

Sound = NDArray[np.float32]


@dataclass(frozen=True)
class EchoGateConfig:
    """How the avatar's own voice is kept out.

    Attributes:
        enabled: whether to remove the avatar's own voice from the microphone.
        early_frames: frames of 40 ms by which the echo may come before the speech's presentation time, from a
            loudspeaker that plays at once, or a microphone with late stamps.
        caution: factor by which possible remains of the echo are overestimated.
        path: how the way from loudspeaker to microphone is learnt.
    """

    enabled: bool = True
    early_frames: int = field(default=2, metadata={"range": (0, 2)})
    caution: float = field(default=8.0, metadata={"range": (0.0, 1000.0)})
    path: EchoPathConfig = field(default_factory=EchoPathConfig)

    def __post_init__(self) -> None:
        if self.caution < 0:
            raise ValueError(f"caution must not be negative, got {self.caution}")


class EchoGate:
    """The gate of one microphone at 16 kHz."""

    def __init__(self, config: EchoGateConfig | None = None) -> None:
        self.config = config or EchoGateConfig()
        self._block = self.config.path.block_samples
        self._path = EchoPath(self.config.path)
        self._gain = 1.0

    def push(self, heard: Sound, presented: Sound) -> Sound:
        """The user alone.

        Args:
            heard: (N,) samples of the microphone, a multiple of the path's block.
            presented: (N,) samples that were presented `early_frames` after the same time.

        Returns:
            (N,) samples; `heard` itself where nothing was presented within the path's reach.
        """
        cleaned = [self._clean(h, p) for h, p in zip(self._blocks(heard), self._blocks(presented), strict=True)]
        return np.concatenate(cleaned)

    def skip(self, presented: Sound) -> None:
        """Something was presented while the microphone gave nothing."""
        for block in self._blocks(presented):
            self._path.present(block)

    def _blocks(self, sound: Sound) -> list[Sound]:
        if len(sound) % self._block:
            raise ValueError(f"sound must be whole blocks of {self._block} samples, got {len(sound)}")
        return np.split(sound, len(sound) // self._block) if len(sound) else []

    def _clean(self, heard: Sound, presented: Sound) -> Sound:
        self._path.present(presented)
        residual = self._path.subtract(heard)
        before, self._gain = self._gain, 1.0 if residual is None else self._gain_for(residual)
        samples = heard if residual is None else residual.samples
        if before == self._gain == 1.0:
            return samples
        return samples * np.linspace(before, self._gain, self._block, dtype=np.float32)

    def _gain_for(self, residual: Residual) -> float:
        """One gain for all frequencies, so that voices keep their colour: the share that cannot be echo.

        What exceeds the echo is counted band by band: a voice stands out in some bands even where the echo is louder.
        """
        user = np.maximum(residual.energy - self.config.caution * residual.echo, 0).sum()
        return float(np.sqrt(user / max(residual.energy.sum(), 1e-12)))
