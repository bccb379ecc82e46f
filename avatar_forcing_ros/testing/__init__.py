# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tiny models and synthetic signals: for our tests and benches, and for those who test their own nodes against ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.audio.wav2vec2 import published_shapes as wav2vec2_shapes
from avatar_forcing_ros.bundle import Manifest, ModelBundle, assemble
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.motion.autoencoder.published import published_shapes as autoencoder_shapes
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, SIZE
from avatar_forcing_ros.motion.space import PortraitError
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import published_shapes as network_shapes
from avatar_forcing_ros.published.importing import PublishedSizes, Sources
from avatar_forcing_ros.published.parity import weight_by_name
from avatar_forcing_ros.signals import MotionSample, VideoFrame
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE

TINY_NETWORK = NetworkConfig(
    motion_size=SIZE,
    audio_feature_size=320,
    condition_size=16,
    condition_heads=2,
    hidden_size=32,
    heads=2,
    depth=2,
    clip_frames=16,
    block_frames=4,
    lookahead_frames=2,
    memory_frames=(2, 6),
)


def tiny_bundle(seed: int = 0, network: NetworkConfig = TINY_NETWORK) -> ModelBundle:
    """A bundle with a small random network: it moves without meaning, and quickly."""
    torch.manual_seed(seed)
    model = AvatarForcingNetwork(network)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    manifest = Manifest(
        name="tiny",
        motion_space="bars",
        network=network,
        sampler=SamplerConfig(steps=2),
        audio={"features": "log_mel"},
        licence="Apache-2.0",
        origin="random numbers",
        weights={},
    )
    return assemble(manifest, Path(), model, np.zeros(SIZE, np.float32), np.full(SIZE, 0.1, np.float32), BarsSpace())


class BarsEncoder:
    """Takes the mean colour of a picture for its motion: all channels follow the brightness."""

    def encode(self, frame: VideoFrame) -> MotionSample:
        """Brightness 0..255 as 0..1 in every channel; a black picture has no face."""
        brightness = float(frame.image.mean()) / 255
        return MotionSample(frame.stamp_ns, np.full(SIZE, brightness, np.float32), brightness, brightness > 0)

    def reset(self) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Nothing is held."""


class BarsPortrait:
    """Draws each number of a latent as a bar on the portrait's mean colour."""

    remarks: tuple[str, ...] = ()

    def __init__(self, image: NDArray[np.uint8], size: int) -> None:
        self.reference = np.zeros(SIZE, np.float32)
        self._background = np.broadcast_to(image.mean((0, 1)).astype(np.uint8), (size, size, 3))

    def render(self, latent: NDArray[np.float32], frame_index: int = 0) -> NDArray[np.uint8]:
        """(size, size, 3): channel i is bar i, its height the number in units of the picture, 0 in the middle."""
        image = self._background.copy()
        size = len(image)
        for i, value in enumerate(latent):
            middle, end = size // 2, int(np.clip(size * (0.5 - value / 2), 0, size))
            image[min(middle, end) : max(middle, end) + 1, i * size // SIZE : (i + 1) * size // SIZE - 1] = 255
        return image


class BarsSpace:
    """A motion space with the facemesh channels that needs no face: quick to load, and one can see what it means."""

    name = "bars"
    size = user_size = SIZE
    names = NAMES

    def expand_user(self, user: NDArray[np.float32]) -> NDArray[np.float32]:
        """Users and avatars share their latents."""
        return user

    def make_encoder(self) -> BarsEncoder:
        """A fresh encoder."""
        return BarsEncoder()

    def load_portrait(self, image: NDArray[np.uint8], size: int = 512) -> BarsPortrait:
        """Any picture that is not black.

        Raises:
            PortraitError: the picture is black.
        """
        if not image.any():
            raise PortraitError("no face found: the picture is black")
        return BarsPortrait(image, size)


def smiling(stamp_ns: int, smile: float) -> MotionSample:
    """A user's face that is neutral but for a smile."""
    latent = np.zeros(SIZE, np.float32)
    latent[INDEX["smile"]] = smile
    return MotionSample(stamp_ns, latent)


def speech_like(seconds: float, sample_rate: int = 16_000, seed: int = 0) -> NDArray[np.float32]:
    """Sound that has a voice's pitch, formant-like colour and syllables: four bursts a second."""
    time_s = np.arange(int(seconds * sample_rate)) / sample_rate
    voice = sum(np.sin(2 * np.pi * 120 * k * time_s) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time_s), 0, None)
    breath = np.random.default_rng(seed).standard_normal(len(time_s)) * 0.02
    return ((voice * 0.15 + breath) * syllables).astype(np.float32)


class FilmedUser:
    """What camera and microphone take of somebody who sways and hums; the attributes say what is wrong with them.

    Args:
        portrait: (H, W, 3) uint8 RGB, whose face it is.

    Attributes:
        size: of the camera's pictures, (width, height).
        people: how many are seen, 1 or 2.
        microphone: "well", "muted" or "clips"; the sender of the sound may add other faults.
    """

    size: tuple[int, int] = (480, 320)
    people: int = 1
    microphone: str = "well"

    def __init__(self, portrait: NDArray[np.uint8]) -> None:
        self._face = cv2.resize(portrait, (320, 320), interpolation=cv2.INTER_AREA)
        self._noise = np.random.default_rng(0)

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """What the camera sees, (H, W, 3) uint8 RGB."""
        whole = np.full((320, 480, 3), 128, np.uint8)
        whole[:, :320] = np.roll(self._face, round(6 * np.sin(frame / 10)), 1)
        if self.people > 1:
            whole[80:240, 320:] = self._face[::2, ::2]
        return np.asarray(cv2.resize(whole, self.size, interpolation=cv2.INTER_AREA), np.uint8)

    def sound(self, level: float) -> NDArray[np.float32]:
        """A frame of sound from the microphone, (640,); without a voice its level is 0."""
        if self.microphone == "muted":
            return np.zeros(FRAME_SAMPLES, np.float32)
        tone = np.sin(2 * np.pi * 200 * np.arange(FRAME_SAMPLES) / SAMPLE_RATE)
        loud = 40.0 if self.microphone == "clips" else level
        return np.clip(loud * tone + 1e-3 * self._noise.standard_normal(FRAME_SAMPLES), -1, 1).astype(np.float32)


def write_published_files(folder: str | Path, sizes: PublishedSizes | None = None, seed: int = 0) -> Sources:
    """Files as the authors publish them, with random weights: to rehearse an import, and to test what follows it.

    Args:
        folder: where to write; must exist.
        sizes: None takes the published ones, 1.2 GB.
        seed: of the weights, which follow the rule of the parity fixtures.

    Raises:
        ModuleNotFoundError: `transformers` is not installed.
    """
    sizes, folder = sizes or PublishedSizes(), Path(folder)
    sources = Sources(folder / "flow_transformer.pth", folder / "motion_autoencoder.pth", folder / "wav2vec2-base-960h")
    with torch.device("meta"):
        network = AvatarForcingNetwork(sizes.network)
    torch.save(_drawn(network_shapes(network), seed), sources.flow_transformer)
    torch.save(_drawn(autoencoder_shapes(sizes.autoencoder), seed), sources.motion_autoencoder)
    speech = _drawn(wav2vec2_shapes(sizes.wav2vec2), seed)
    sources.wav2vec2.mkdir()
    torch.save(
        {key.removeprefix("audio_encoder."): tensor for key, tensor in speech.items()},
        sources.wav2vec2 / "pytorch_model.bin",
    )
    config = {"model_type": "wav2vec2", "hidden_size": sizes.wav2vec2.hidden_size}
    (sources.wav2vec2 / "config.json").write_text(json.dumps(config))
    return sources


def _drawn(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(weight_by_name(key, shape, seed)) for key, shape in shapes.items()}
