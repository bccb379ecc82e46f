# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The columns of `avatar-forcing evaluate`: the truth, a model, and the same model without some of its inputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.bilabials import BilabialDetector, Bilabials, bilabial_frames
from avatar_forcing_ros.behaviour.alignment import Alignment
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.directing.closures import with_closures
from avatar_forcing_ros.directing.mimicry import LOOK_BACK, with_mimicry
from avatar_forcing_ros.evaluation.held_out import HeldOut, estimate, observe
from avatar_forcing_ros.evaluation.measures import NOISE
from avatar_forcing_ros.evaluation.noises import as_speech, noises
from avatar_forcing_ros.evaluation.observed import States
from avatar_forcing_ros.metrics.interval import Estimate
from avatar_forcing_ros.metrics.speech_motion import opening_range
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.streaming import Heard, stream_motion


@dataclass(frozen=True)
class ComparisonConfig:
    """The effort that goes into the figures.

    Attributes:
        seeds: number of samples of each conversation.
        resamples: number of resamples of the bootstrap.
        noise_s: duration of each noise, in seconds.
    """

    seeds: int = 1
    resamples: int = 200
    noise_s: float = 6.0


@dataclass(frozen=True)
class Column:
    """One column: name, figures by the measure's key, and the first seed's motion (C, T, 18)."""

    name: str
    figures: dict[str, Estimate]
    motion: NDArray[np.float32]


def compare(
    data: HeldOut,
    model: ModelBundle,
    stage_1: ModelBundle | None,
    config: ComparisonConfig,
    progress: Callable[[str], None] = lambda name: None,
) -> list[Column]:
    """Generate and measure every column.

    Args:
        data: held-out conversations.
        model: the model to judge.
        stage_1: the same model before its preference stage; None leaves its columns out.
        config: the effort.
        progress: called with the name of each column when it is begun.

    Raises:
        ValueError: a model does not use the channels that the conversations are made of.
    """
    for bundle in (model, *([stage_1] if stage_1 else [])):
        require_named_channels(bundle)
    comparison = _Comparison(data, config, progress)
    columns = [comparison.truth(model.manifest.network.block_frames)]
    columns += comparison.of("model", model)
    if stage_1 is not None:
        columns += comparison.of("stage 1", stage_1)
    return [*columns, comparison.column("nobody there", model, data.without_user())]


class _Comparison:
    """What all columns share: the conversations, and the clusters of their true motion."""

    def __init__(self, data: HeldOut, config: ComparisonConfig, progress: Callable[[str], None]) -> None:
        self.data, self.config, self.progress = data, config, progress
        self._states = States.of(data.truth.reshape(-1, data.truth.shape[-1]))

    def truth(self, block_frames: int) -> Column:
        motion = self.data.truth
        observed = observe(self.data, motion[None], block_frames, self._states)
        return Column("truth", estimate(observed, self.config.resamples), motion)

    def of(self, name: str, bundle: ModelBundle) -> list[Column]:
        """Columns of a model, and of the same model with the camera off."""
        whole = self.column(name, bundle, self.data.heard)
        noise = Estimate(self._worst_noise(bundle, whole.motion), np.nan, np.nan)
        whole.figures[NOISE.key] = noise
        return [whole, self.column(f"{name}, no user motion", bundle, self.data.without_user_motion())]

    def column(self, name: str, bundle: ModelBundle, heard: Heard) -> Column:
        self.progress(name)
        motion = np.stack([generate(bundle, heard, seed) for seed in range(self.config.seeds)])
        observed = observe(self.data, motion, bundle.manifest.network.block_frames, self._states)
        return Column(name, estimate(observed, self.config.resamples), motion[0])

    def _worst_noise(self, bundle: ModelBundle, motion: NDArray[np.float32]) -> float:
        """Standard deviation of the jaw under the noise that moves it most, as a share of its range while speaking."""
        jaw = INDEX["jaw_open"]
        in_noise = generate(bundle, as_speech(bundle, list(noises(self.config.noise_s).values())))[..., jaw]
        talks = (c.avatar_talk.speaking(FPS)[: motion.shape[1]] for c in self.data.conversations)
        said = np.concatenate([clip[talk, jaw] for clip, talk in zip(motion, talks, strict=True)])
        return float(in_noise.std(axis=1).max() / max(opening_range(said), 1e-9)) if len(said) else float("nan")


def require_named_channels(bundle: ModelBundle) -> None:
    """Check that a model uses the facemesh channels, of which simulated conversations are made.

    Raises:
        ValueError: it uses another motion space.
    """
    if bundle.space.names != NAMES:
        raise ValueError(
            f"simulated conversations need a model of the {len(NAMES)} facemesh channels, "
            f"got motion space {bundle.space.name}"
        )


def generate(bundle: ModelBundle, heard: Heard, seed: int = 0) -> NDArray[np.float32]:
    """(C, T, 18) motion that a model shows for what it hears and sees, block by block, as in live use."""
    scale = LatentScale(bundle.latent_mean, bundle.latent_std)
    drawn = stream_motion(bundle.network, scale, bundle.manifest.sampler, heard, seed)
    return as_shown(drawn, heard, bundle.manifest.network.block_frames, bundle.bilabials)


def as_shown(
    drawn: NDArray[np.float32], heard: Heard, block_frames: int, detector: BilabialDetector | None
) -> NDArray[np.float32]:
    """(C, T, 18) what a network drew -> what is shown: lips meet where p, b or m is found, smiles follow the user's.

    Laughs are the network's own.
    """
    if detector is not None:
        found = [bilabial_frames(detector, said, block_frames) for said in heard.avatar_features]
        both = Bilabials(np.stack([one.likely for one in found]), np.stack([one.hushed for one in found]))
        drawn = with_closures(drawn, both)
    age, frames = Alignment.of(AvatarConfig(), block_frames).motion_frames, drawn.shape[1]
    smile, seen = (
        np.pad(signal, ((0, 0), (LOOK_BACK + age, 0)))[:, : LOOK_BACK + frames]
        for signal in (heard.user_motion[..., INDEX["smile"]], heard.user_valid)
    )
    return with_mimicry(drawn, heard.reference, smile, seen, AvatarConfig().mirrors_smile)
