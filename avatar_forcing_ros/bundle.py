# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Model bundles: a folder with `model.yaml` and safetensors files. Nothing else decides what runs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from avatar_forcing_ros.audio.bilabials import BilabialDetector
from avatar_forcing_ros.audio.log_mel import LogMelStream
from avatar_forcing_ros.audio.spoken import SpokenStream
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.compute.onnx_models import mending
from avatar_forcing_ros.files.documents import as_type, read_mapping
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.generator import onnx_engine
from avatar_forcing_ros.generator.motion_engine import MotionEngine
from avatar_forcing_ros.generator.sampler import AnchorConfig, SamplerConfig
from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.timeline.feature_track import FeatureStream

if TYPE_CHECKING:
    from avatar_forcing_ros.network.model import AvatarForcingNetwork

MANIFEST = "model.yaml"
WEIGHTS = "model.safetensors"
AUTOENCODER = "autoencoder.safetensors"
BILABIALS = "bilabials.safetensors"
"""Weights of a detector of p, b and m in log_mel features; a model with named channels may have it."""
NOISE_AS_SILENCE = "noise_as_silence"
"""Setting of log_mel features: in the avatar's own speech, what is not a voice is read as silence (`audio/spoken`)."""
DEFAULT_BUNDLE = "facemesh"


class BundleError(ValueError):
    """A model bundle is missing, incomplete or damaged; the message says what in one line."""


@dataclass(frozen=True)
class Manifest:
    """What `model.yaml` says.

    Attributes:
        name: name of the model.
        motion_space: "facemesh" or "autoencoder".
        network: sizes of the network.
        sampler: steps and guidance scales that the model was tuned for.
        audio: `features` names the kind ("log_mel" or "wav2vec2"); further keys are its settings.
        licence: SPDX identifier of the weights' licence.
        origin: what made the weights.
        weights: SHA-256 of each weight file, by its name.
        gains: factors by which named numbers are widened around the portrait's own when they are shown.
    """

    name: str
    motion_space: str
    network: NetworkConfig
    sampler: SamplerConfig
    audio: Mapping[str, Any]
    licence: str
    origin: str
    weights: Mapping[str, str]
    gains: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = self.audio.get("features")
        if not isinstance(kind, str):
            raise ValueError(f"audio.features must be the name of a kind of features, got {kind!r}")
        for name, gain in self.gains.items():
            if not 0 <= gain <= 4:
                raise ValueError(f"gains: {name} must be within 0 and 4, got {gain}")


@dataclass(frozen=True)
class ModelBundle:
    """A model ready to run.

    Attributes:
        manifest: its `model.yaml`.
        load_network: loads the network for torch, in evaluation mode; called once, when it is first needed.
        space: motion space of its latents.
        make_audio_stream: makes a fresh stream of the audio features that the network was trained on.
        make_speech_stream: the same for the avatar's own speech.
        latent_mean: (M,) float32; the network sees (latent - mean) / std.
        latent_std: (M,) float32.
        compute: how its networks are computed.
        graphs: opens the network's passes for ONNX Runtime; if None, torch computes them.
        bilabials: finds p, b and m in the avatar's own speech; if None, the network alone shuts the lips.
    """

    manifest: Manifest
    load_network: Callable[[], AvatarForcingNetwork]
    space: MotionSpace
    make_audio_stream: Callable[[], FeatureStream]
    make_speech_stream: Callable[[], FeatureStream]
    latent_mean: NDArray[np.float32]
    latent_std: NDArray[np.float32]
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    graphs: Callable[[], onnx_engine.MotionGraphs] | None = None
    bilabials: BilabialDetector | None = None

    @cached_property
    def network(self) -> AvatarForcingNetwork:
        """The network for torch, in evaluation mode."""
        return self.load_network()

    def make_engine(self, sampler: SamplerConfig) -> MotionEngine:
        """An engine that generates motion with this model, with the runtime that `compute` asks for."""
        if self.graphs is not None:
            return onnx_engine.OnnxEngine(self.graphs(), self.manifest.network, sampler)
        from avatar_forcing_ros.generator.torch_engine import TorchEngine  # brings torch

        return TorchEngine(self.network, sampler, self.compute)

    def normalize(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., M) motion latents as the network sees them."""
        return (latents - self.latent_mean) / self.latent_std

    def denormalize(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., M) the network's output in units of the motion space."""
        return latents * self.latent_std + self.latent_mean


def load_bundle(name_or_folder: str = DEFAULT_BUNDLE, compute: ComputeConfig | None = None) -> ModelBundle:
    """Open a bundle by the name of a shipped one or by its folder, and check it.

    Args:
        name_or_folder: name or folder of the bundle.
        compute: how its networks are computed.

    Raises:
        BundleError: there is no bundle, its manifest is wrong, or a weight file does not match its SHA-256.
    """
    folder = find_bundle(name_or_folder)
    manifest = read_manifest(folder)
    for file in _needed(manifest):
        if file not in manifest.weights:
            raise BundleError(f"{folder / MANIFEST}: expected the SHA-256 of {file} under weights, too")
    for file, expected in manifest.weights.items():
        _check_sha256(folder / file, expected)
    return _assemble(manifest, folder, compute or ComputeConfig())


def _needed(manifest: Manifest) -> list[str]:
    """Files without which a model does not run as it says."""
    graphs = [f"{onnx_engine.FOLDER}/{name}" for name in (onnx_engine.DESCRIPTION, *onnx_engine.FILES)]
    return [WEIGHTS, *(graphs if any(name in manifest.weights for name in graphs) else [])]


def load_space(name_or_folder: str, compute: ComputeConfig | None = None) -> MotionSpace:
    """Open only the motion space of a bundle, to read faces without generating motion.

    Raises:
        BundleError: there is no bundle, its manifest is wrong, or the auto-encoder's file does not match its SHA-256.
    """
    folder = find_bundle(name_or_folder)
    manifest = read_manifest(folder)
    if manifest.motion_space == "autoencoder":
        _check_sha256(folder / AUTOENCODER, manifest.weights.get(AUTOENCODER, "a checksum in the manifest"))
    return _make_space(manifest, folder, compute or ComputeConfig())


def find_bundle(name_or_folder: str) -> Path:
    """Folder of a bundle.

    Raises:
        BundleError: it is neither a folder with a manifest nor the name of a shipped model.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.name == MANIFEST and folder.is_file():
        return folder.parent
    if (folder / MANIFEST).is_file():
        return folder
    try:
        return resource("models", name_or_folder, MANIFEST).parent
    except FileNotFoundError:
        raise BundleError(
            f"no model '{name_or_folder}': expected the name of a shipped model or a folder with {MANIFEST}"
        ) from None


def read_manifest(folder: Path) -> Manifest:
    """Read `model.yaml`; every key except `gains` is required, and other keys are refused.

    Raises:
        BundleError: the file cannot be read as a manifest.
    """
    path = folder / MANIFEST
    try:
        data = read_mapping(path)
    except ValueError as error:
        raise BundleError(str(error)) from None
    try:
        manifest = _from_mapping(Manifest, data, network=NetworkConfig, sampler=SamplerConfig, anchor=AnchorConfig)
        _check_names(manifest.weights)
        return manifest
    except (TypeError, ValueError) as error:
        raise BundleError(f"{path}: {error}") from None


def _check_names(weights: Any) -> None:
    """Refuse weight files outside the bundle, since a stranger may have written the manifest."""
    if not isinstance(weights, Mapping) or not all(isinstance(part, str) for item in weights.items() for part in item):
        raise ValueError("weights must be names of files with their SHA-256")
    for name in weights:
        if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"weights must be files in the bundle's folder, got {name!r}")


def _from_mapping(kind: type, data: Mapping[str, Any], **nested: type) -> Any:
    """Build a dataclass from a mapping, refusing unknown and missing keys by name."""
    if not isinstance(data, Mapping):
        raise ValueError(f"expected keys with values for {kind.__name__}, got {type(data).__name__}")
    known = {f.name for f in fields(kind)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    missing = sorted(f.name for f in fields(kind) if f.default is f.default_factory is MISSING and f.name not in data)
    if missing:
        raise ValueError(f"expected the keys {', '.join(missing)}, too; is the file whole?")
    hints = get_type_hints(kind)
    return kind(
        **{
            key: _from_mapping(nested[key], value, **nested) if key in nested else as_type(key, value, hints[key])
            for key, value in data.items()
        }
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _check_sha256(path: Path, expected: str) -> None:
    if not path.is_file():
        raise BundleError(f"{path}: weight file named in {MANIFEST} is missing; {_mending(path)}")
    actual = sha256_of(path)
    if actual != expected.lower():
        found = f"expected SHA-256 {expected[:12]}…, got {actual[:12]}…"
        raise BundleError(f"{path}: damaged or replaced: {found}; {_mending(path)}")


def _mending(path: Path) -> str:
    """How to restore a file of a bundle."""
    shipped = resource("models").resolve()
    if path.resolve().is_relative_to(shipped):
        return mending(path.resolve().relative_to(shipped).parts[0])
    return "copy the model's folder again from its source"


def _assemble(manifest: Manifest, folder: Path, compute: ComputeConfig) -> ModelBundle:
    weights = folder / WEIGHTS
    try:
        with safe_open(weights, "numpy") as file:
            mean, std = (file.get_tensor(name) for name in ("latent_mean", "latent_std"))
            held = sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise BundleError(f"{weights}: expected weights as safetensors, got {error}") from None
    described = manifest.network.depth * manifest.network.hidden_size**2
    if held < described:  # told before memory is asked for it
        raise BundleError(f"{weights}: {held} numbers, and {MANIFEST} describes a network of more than {described}")
    space = _make_space(manifest, folder, compute)
    _check_sizes(manifest, mean, std, space)
    graphs = None
    recorded = f"{onnx_engine.FOLDER}/{onnx_engine.DESCRIPTION}" in manifest.weights
    if compute.runtime == "auto" and recorded and onnx_engine.fits(folder, manifest.network, manifest.sampler):
        graphs = partial(onnx_engine.open_graphs, folder, weights, max(compute.threads, 1))
    load = cache(partial(_load_network, manifest, weights, compute))
    if graphs is None:
        load()  # so that a mismatch is reported now
    streams, bilabials = _audio_streams(manifest, folder), _bilabials(manifest, folder, space)
    return ModelBundle(manifest, load, space, *streams, mean, std, compute, graphs, bilabials)


def _bilabials(manifest: Manifest, folder: Path, space: MotionSpace) -> BilabialDetector | None:
    """The detector of p, b and m, if the manifest names one."""
    if BILABIALS not in manifest.weights:
        return None
    if space.names != NAMES or manifest.audio.get("features") != "log_mel":
        raise BundleError(f"{manifest.name}: {BILABIALS} is for the channels of facemesh and for log_mel features")
    try:
        return BilabialDetector(load_file(folder / BILABIALS))
    except (SafetensorError, ValueError) as error:
        raise BundleError(f"{folder / BILABIALS}: {error}") from None


def _load_network(manifest: Manifest, weights: Path, compute: ComputeConfig) -> AvatarForcingNetwork:
    import torch
    from safetensors.torch import load_file as load_tensors

    from avatar_forcing_ros.network.model import AvatarForcingNetwork
    from avatar_forcing_ros.network.placement import settle

    if compute.threads:
        torch.set_num_threads(compute.threads)
    tensors = {name: tensor for name, tensor in load_tensors(weights).items() if not name.startswith("latent_")}
    network = AvatarForcingNetwork(manifest.network)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise BundleError(f"{weights}: {' '.join(str(error).split())[:300]}") from None
    return settle(network, half=compute.half)


def assemble(
    manifest: Manifest,
    folder: Path,
    network: AvatarForcingNetwork,
    mean: NDArray[np.float32],
    std: NDArray[np.float32],
    space: MotionSpace,
    compute: ComputeConfig | None = None,
) -> ModelBundle:
    """Join a network with a motion space and the audio features that its manifest names; `folder` holds their weights.

    Raises:
        BundleError: they do not fit together.
    """
    from avatar_forcing_ros.network.placement import settle

    _check_sizes(manifest, mean, std, space)
    compute = compute or ComputeConfig()
    settled = settle(network, half=compute.half)
    return ModelBundle(manifest, lambda: settled, space, *_audio_streams(manifest, folder), mean, std, compute)


def _check_sizes(manifest: Manifest, mean: NDArray[np.float32], std: NDArray[np.float32], space: MotionSpace) -> None:
    sizes = {"latent_mean": len(mean), "latent_std": len(std), "network.motion_size": manifest.network.motion_size}
    for what, size in sizes.items():
        if size != space.size:
            raise BundleError(f"{manifest.name}: {what} must be {space.size} for motion space {space.name}, got {size}")
    unknown = sorted(set(manifest.gains) - set(space.names))
    if unknown:
        known = ", ".join(space.names) or "none"
        raise BundleError(
            f"{manifest.name}: gains: unknown {', '.join(unknown)}; motion space {space.name} has {known}"
        )


def _make_space(manifest: Manifest, folder: Path, compute: ComputeConfig) -> MotionSpace:
    """The motion space; its room is imported only where it is used."""
    if manifest.motion_space == "facemesh":
        from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace

        return FaceMeshSpace()
    if manifest.motion_space == "autoencoder":
        from avatar_forcing_ros.motion.autoencoder.space import AutoencoderSpace

        return AutoencoderSpace.load(folder / AUTOENCODER, compute=compute)
    raise BundleError(f"{manifest.name}: motion_space must be facemesh or autoencoder, got {manifest.motion_space}")


def _audio_streams(manifest: Manifest, folder: Path) -> tuple[Callable[[], FeatureStream], Callable[[], FeatureStream]]:
    """Makers of the audio features that the manifest names, of any voice and of the avatar's own.

    The other keys of `audio` are settings.
    """
    settings = {key: value for key, value in manifest.audio.items() if key != "features"}
    kind = manifest.audio.get("features")
    if kind == "log_mel":
        unknown = sorted(set(settings) - {NOISE_AS_SILENCE})
        if unknown:
            raise BundleError(f"{manifest.name}: audio: unknown {', '.join(unknown)}; known is {NOISE_AS_SILENCE}")
        return LogMelStream, SpokenStream if settings.get(NOISE_AS_SILENCE) else LogMelStream
    if kind == "wav2vec2":
        from avatar_forcing_ros.audio.wav2vec2_stream import wav2vec2_streams

        try:
            streams = wav2vec2_streams(folder / "wav2vec2.safetensors", **settings)
        except TypeError as error:
            raise BundleError(f"{manifest.name}: audio: {error}") from None
        return streams, streams
    raise BundleError(f"{manifest.name}: audio.features must be log_mel or wav2vec2, got {kind}")
