# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The authors' weight files -> a model bundle that every command and node can run.

The files are read as plain tensors, checked key by key against the published network, and written as safetensors beside
a `model.yaml`. The bundle appears complete or not at all.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from avatar_forcing_ros.audio.wav2vec2 import PREFIX as WAV2VEC2_PREFIX
from avatar_forcing_ros.audio.wav2vec2 import Wav2Vec2Sizes, check_wav2vec2
from avatar_forcing_ros.bundle import MANIFEST, Manifest, sha256_of
from avatar_forcing_ros.compute.weights import WeightsError
from avatar_forcing_ros.files.outputs import making_folder
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.published import check_autoencoder
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.network.published import load_published
from avatar_forcing_ros.published.weight_files import read_tensors, read_wav2vec2_folder

NETWORK_FILE = "model.safetensors"
AUTOENCODER_FILE = "autoencoder.safetensors"
WAV2VEC2_FILE = "wav2vec2.safetensors"
LICENCE = "CC-BY-NC-4.0"
ORIGIN = (
    "weights of Avatar Forcing by its authors (arXiv 2601.00664, github.com/TaekyungKi/AvatarForcing), CC BY-NC 4.0, "
    "not for commercial use; speech features of facebook/wav2vec2-base-960h, Apache-2.0; imported from the user's files"
)


@dataclass(frozen=True)
class Sources:
    """Where the authors' files lie.

    Attributes:
        flow_transformer: flow_transformer.pth, the generator and its audio projection.
        motion_autoencoder: motion_autoencoder.pth.
        wav2vec2: folder of wav2vec2-base-960h.
    """

    flow_transformer: Path
    motion_autoencoder: Path
    wav2vec2: Path


@dataclass(frozen=True)
class PublishedSizes:
    """Sizes that the files must have; the defaults are the published ones."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    wav2vec2: Wav2Vec2Sizes = field(default_factory=Wav2Vec2Sizes)


def import_weights(sources: Sources, output: Path, sizes: PublishedSizes | None = None) -> Path:
    """Check the authors' files and write a bundle.

    Args:
        sources: where they lie.
        output: folder of the bundle; must not exist. Its name becomes the model's.
        sizes: what to expect.

    Returns:
        The folder.

    Raises:
        WeightsError: a file is damaged, incomplete, swapped or of another model, or `output` exists. Nothing is left.
    """
    if output.exists():
        raise WeightsError(f"{output}: expected a folder that does not exist yet, got one that does")
    with making_folder(output.parent):
        building = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
        try:
            _write_bundle(sources, building, output.name, sizes or PublishedSizes())
            building.chmod(0o755)
            building.rename(output)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return output


def _write_bundle(sources: Sources, folder: Path, name: str, sizes: PublishedSizes) -> None:
    """Every file is read and checked before the next is opened, so that one at a time is in memory."""
    save_file(_network(sources.flow_transformer, sizes.network), folder / NETWORK_FILE)
    save_file(_autoencoder(sources.motion_autoencoder, sizes.autoencoder), folder / AUTOENCODER_FILE)
    save_file(_wav2vec2(sources.wav2vec2, sizes.wav2vec2), folder / WAV2VEC2_FILE)
    hashes = {file: sha256_of(folder / file) for file in (NETWORK_FILE, AUTOENCODER_FILE, WAV2VEC2_FILE)}
    manifest = _manifest(name, sizes, hashes)
    (folder / MANIFEST).write_text(yaml.safe_dump(asdict(manifest), sort_keys=False), encoding="utf-8")


def _manifest(name: str, sizes: PublishedSizes, hashes: Mapping[str, str]) -> Manifest:
    return Manifest(
        name=name,
        motion_space="autoencoder",
        network=sizes.network,
        sampler=SamplerConfig(),
        audio={"features": "wav2vec2", "sizes": asdict(sizes.wav2vec2)},
        licence=LICENCE,
        origin=ORIGIN,
        weights=dict(hashes),
    )


def _network(path: Path, config: NetworkConfig) -> dict[str, Tensor]:
    """Generator and audio projection under our names; latents go in as they are, hence mean 0 and deviation 1."""
    tensors = read_tensors(path)
    network = AvatarForcingNetwork(config)
    try:
        load_published(network, tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}{_swapped(tensors, 'flow_transformer.')}") from None
    state = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    for key, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path}: {key} must be finite, got NaN or infinite values")
    size = config.motion_size
    return state | {"latent_mean": torch.zeros(size), "latent_std": torch.ones(size)}


def _autoencoder(path: Path, config: AutoencoderConfig) -> dict[str, Tensor]:
    tensors = read_tensors(path)
    try:
        checked = check_autoencoder(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}{_swapped(tensors, 'motion_autoencoder.')}") from None
    if checked.config != config:
        raise WeightsError(f"{path}: expected {config}, got {checked.config}")
    return {key: tensor.float().contiguous() for key, tensor in checked.state.items()}


def _wav2vec2(folder: Path, sizes: Wav2Vec2Sizes) -> dict[str, Tensor]:
    tensors = read_wav2vec2_folder(folder, WAV2VEC2_PREFIX, sizes.hidden_size)
    try:
        return {key: tensor.float().contiguous() for key, tensor in check_wav2vec2(tensors, sizes).items()}
    except WeightsError as error:
        raise WeightsError(f"{folder}: {error}") from None


def _swapped(tensors: Mapping[str, Tensor], prefix: str) -> str:
    """A guess at why no key fits."""
    if any(key.startswith(prefix) for key in tensors):
        return ""
    return f"; no key begins with {prefix}: are the files swapped?"
