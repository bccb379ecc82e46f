# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Write a trained network as a model bundle: `model.safetensors`, and the `model.yaml` that describes it."""

from __future__ import annotations

import datetime
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from avatar_forcing_ros.bundle import MANIFEST, NOISE_AS_SILENCE, WEIGHTS, sha256_of
from avatar_forcing_ros.files.outputs import making_folder
from avatar_forcing_ros.generator.onnx_check import require_equal
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.train.scaling import LatentScale

LICENCE = "Apache-2.0"


@dataclass(frozen=True)
class Companions:
    """What a bundle holds beside the network. The defaults are those of the bundled model.

    Attributes:
        motion_space: "facemesh" or "autoencoder".
        audio: the audio features and their settings, as in the manifest.
        licence: SPDX identifier.
        files: weights of the motion space and of the audio features, to be copied.
    """

    motion_space: str = "facemesh"
    audio: Mapping[str, Any] = field(default_factory=lambda: {"features": "log_mel", NOISE_AS_SILENCE: True})
    licence: str = LICENCE
    files: tuple[Path, ...] = ()


def require_graph_export() -> None:
    """Fail now, rather than after hours of training, if the graphs of a bundle cannot be exported.

    Raises:
        ValueError: onnx or onnxscript is not installed.
    """
    if find_spec("onnx") is None or find_spec("onnxscript") is None:
        raise ValueError(
            "graphs for ONNX Runtime need onnx and onnxscript, which are not installed: "
            "pip install 'avatar_forcing_ros[train]'"
        )


def write_bundle(
    folder: Path,
    name: str,
    network: AvatarForcingNetwork,
    scale: LatentScale,
    sampler: SamplerConfig,
    origin: str,
    companions: Companions | None = None,
    graphs: bool = False,
    gains: Mapping[str, float] | None = None,
) -> Path:
    """Write or replace the bundle in `folder`, all of it or nothing, and return the path of its manifest.

    Args:
        folder: folder of the bundle.
        name: name of the model.
        network: the weights to ship.
        scale: scale of its latents.
        sampler: steps and guidance that it was tuned for.
        origin: what made it: command, seed, data.
        companions: what else belongs to it.
        graphs: also export its passes for ONNX Runtime, which takes some seconds; see `onnx_engine`.
        gains: as in `Manifest`.

    Raises:
        ValueError: the graphs draw other motion than the network.
    """
    with (
        making_folder(folder),
        tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as name_of_part,
    ):
        part = Path(name_of_part)
        _write(part, name, network, scale, sampler, origin, companions or Companions(), graphs, gains)
        files = sorted((path for path in part.rglob("*") if path.is_file()), key=lambda path: path.name == MANIFEST)
        for path in files:  # the manifest last: until then the loader sees that the files do not belong together
            place = folder / path.relative_to(part)
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
    return folder / MANIFEST


def _write(
    folder: Path,
    name: str,
    network: AvatarForcingNetwork,
    scale: LatentScale,
    sampler: SamplerConfig,
    origin: str,
    companions: Companions,
    graphs: bool,
    gains: Mapping[str, float] | None,
) -> None:
    tensors = {key: value.detach().cpu().float().contiguous() for key, value in network.state_dict().items()}
    tensors |= {"latent_mean": torch.from_numpy(scale.mean), "latent_std": torch.from_numpy(scale.std)}
    save_file(tensors, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    for file in companions.files:
        shutil.copyfile(file, folder / file.name)
    files = [folder / WEIGHTS, *(folder / file.name for file in companions.files)]
    if graphs:
        from avatar_forcing_ros.generator.onnx_export import write_graphs  # imports onnx, which only training needs

        plain = AvatarForcingNetwork(network.config)
        plain.load_state_dict({key: value for key, value in tensors.items() if not key.startswith("latent_")})
        plain = plain.eval().requires_grad_(requires_grad=False)
        files += write_graphs(folder, plain, sampler, WEIGHTS)
        require_equal(folder, plain, sampler, WEIGHTS)
    manifest = {
        "name": name,
        "motion_space": companions.motion_space,
        "network": asdict(network.config),
        "sampler": asdict(sampler),
        "audio": dict(companions.audio),
        "licence": companions.licence,
        "origin": f"{origin} ({datetime.date.today().isoformat()})",
        "weights": {path.relative_to(folder).as_posix(): sha256_of(path) for path in files},
        **({"gains": dict(gains)} if gains else {}),
    }
    (folder / MANIFEST).write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=100))
