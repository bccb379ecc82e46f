"""Write a trained network as a model bundle: `model.safetensors` and the `model.yaml` that says what it is."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file

from avatar_forcing_ros.bundle import MANIFEST, WEIGHTS, sha256_of
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.stream.block_generator import SamplerConfig
from avatar_forcing_ros.train.scaling import LatentScale

LICENCE = "Apache-2.0"


def write_bundle(
    folder: Path, name: str, network: AvatarForcingNetwork, scale: LatentScale, sampler: SamplerConfig, origin: str
) -> Path:
    """Write or replace the bundle in `folder`; returns the path of its manifest.

    Args:
        folder: of the bundle.
        name: of the model.
        network: the weights to ship.
        scale: of its latents.
        sampler: steps and guidance that it was tuned for.
        origin: what made it: command, seed, data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().cpu().float().contiguous() for key, value in network.state_dict().items()}
    tensors |= {"latent_mean": torch.from_numpy(scale.mean), "latent_std": torch.from_numpy(scale.std)}
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    manifest = {
        "name": name,
        "motion_space": "facemesh",
        "network": asdict(network.config),
        "sampler": asdict(sampler),
        "audio": {"features": "log_mel"},
        "licence": LICENCE,
        "origin": f"{origin} ({datetime.date.today().isoformat()})",
        "weights": {WEIGHTS: sha256_of(folder / WEIGHTS)},
    }
    (folder / MANIFEST).write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100))
    return folder / MANIFEST
