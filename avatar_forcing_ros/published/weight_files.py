# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads weight files of any origin as plain tensors by name; nothing in a file is ever executed."""

from __future__ import annotations

import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from avatar_forcing_ros.compute.weights import WeightsError
from avatar_forcing_ros.files.inputs import instead, require_file

_CTC_HEAD = "lm_head."
_TORCH_FILES = (b"PK\x03\x04", b"\x80")
"""What `torch.save` begins a file with: a zip archive since 1.6, before that a pickle of protocol 2 or later."""
_UNUSED = "masked_spec_embed"
"""Only used in training; the published wav2vec2-base-960h lacks it."""
_RENAMED = {
    "pos_conv_embed.conv.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
    "pos_conv_embed.conv.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
}
"""Names that older versions of torch gave to the parts of a normalised weight."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a PyTorch or safetensors file by name.

    Raises:
        WeightsError: the file is missing, damaged, holds anything but tensors by name, or asks to run code.
    """
    require_file(path, "a weight file", WeightsError)
    with path.open("rb") as file:
        if came := instead(file.read(100)):
            raise WeightsError(f"{path}: expected a weight file, got {came}")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"{path}: expected tensors by name, got {type(content).__name__}")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor) or value.layout != torch.strided:
            raise WeightsError(f"{path}: expected tensors by name, got {type(value).__name__} under {key!r}")
    return content


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path}: damaged or no safetensors file: {_one_line(error)}") from None


def _read_torch(path: Path) -> Any:
    """Let torch read tensors only; whatever else happens, the file is to blame."""
    with path.open("rb") as file:
        if not file.read(4).startswith(_TORCH_FILES):
            raise WeightsError(f"{path}: expected a weight file of PyTorch, got something else")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError:
        raise WeightsError(f"{path}: refused: damaged, or holds Python objects instead of plain tensors") from None
    except Exception as error:
        raise WeightsError(f"{path}: damaged or no PyTorch weight file: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]


def read_wav2vec2_folder(folder: Path, prefix: str, hidden_size: int) -> dict[str, Tensor]:
    """The tensors of a downloaded wav2vec2 folder under published names, without the head that spells letters.

    Args:
        folder: holds config.json and model.safetensors or pytorch_model.bin.
        prefix: put before every name.
        hidden_size: expected width.

    Raises:
        WeightsError: a file is missing or damaged, or the model is of another size.
    """
    width = _hidden_size(folder)
    if width != hidden_size:
        raise WeightsError(f"{folder}: expected wav2vec2 of hidden_size {hidden_size} (base-960h), got {width}")
    tensors = {key: value for key, value in read_tensors(_weight_file(folder)).items() if not key.startswith(_CTC_HEAD)}
    named = {prefix + _renamed(key.removeprefix("wav2vec2.")): value for key, value in tensors.items()}
    named.setdefault(prefix + _UNUSED, torch.zeros(hidden_size))
    return named


def _hidden_size(folder: Path) -> object:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}: expected a wav2vec2 folder with config.json: {_one_line(error)}") from None
    if not isinstance(config, dict) or config.get("model_type") != "wav2vec2":
        raise WeightsError(f"{folder}: config.json must be that of a wav2vec2 model")
    return config.get("hidden_size", 768)


def _weight_file(folder: Path) -> Path:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return folder / name
    raise WeightsError(f"{folder}: expected model.safetensors or pytorch_model.bin, got neither")


def _renamed(key: str) -> str:
    for old, new in _RENAMED.items():
        if key.endswith(old):
            return key.removesuffix(old) + new
    return key
