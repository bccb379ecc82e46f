"""Tiny models and synthetic signals: for our tests and benches, and for those who test their own nodes against ours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.bundle import Manifest, ModelBundle, assemble
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.signals import MotionSample
from avatar_forcing_ros.stream.block_generator import SamplerConfig

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
)


def tiny_bundle(seed: int = 0, network: NetworkConfig = TINY_NETWORK) -> ModelBundle:
    """A facemesh bundle with a small random network: it moves without meaning, and quickly."""
    torch.manual_seed(seed)
    model = AvatarForcingNetwork(network)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    manifest = Manifest(
        name="tiny",
        motion_space="facemesh",
        network=network,
        sampler=SamplerConfig(steps=2),
        audio={"features": "log_mel"},
        licence="Apache-2.0",
        origin="random numbers",
        weights={},
    )
    return assemble(manifest, model, np.zeros(SIZE, np.float32), np.full(SIZE, 0.1, np.float32))


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
