# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Forward pass of the Silero voice activity network (version 6, 16 kHz) in numpy, with its state as an argument.

The weights come from the installed `silero-vad` wheel (MIT); its own runtimes are not used: ONNX Runtime would add
50 MB for a network of 0.3 million weights, and TorchScript is deprecated and hides the stream's state. The wheel's
safetensors are of another training run than its TorchScript; on our clips they find as much speech and refuse as much
noise.

Source: github.com/snakers4/silero-vad, `tinygrad_model.py` of release 6.2.3 for the layers.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import load_file

WINDOW_SAMPLES = 512  # heard per step: 32 ms at 16 kHz
CONTEXT_SAMPLES = 64  # of the window before, seen again
REFLECT_SAMPLES = 64  # mirrored after the end, so that the last spectrum is centred on new sound
STFT_HOP = 128
STRIDES = {"conv1": 1, "conv2": 2, "conv3": 2, "conv4": 1}
HIDDEN_SIZE = 128
WEIGHTS = "data/silero_vad_16k.safetensors"

Array = NDArray[np.float32]


@dataclass(frozen=True)
class SileroState:
    """What the network remembers of a stream: LSTM `hidden` and `cell` (128,), the last samples as `context` (64,)."""

    hidden: Array
    cell: Array
    context: Array

    @classmethod
    def initial(cls) -> SileroState:
        """State before the first sample."""
        zeros = np.zeros(HIDDEN_SIZE, np.float32)
        return cls(zeros, zeros, np.zeros(CONTEXT_SAMPLES, np.float32))


class SileroNetwork:
    """The weights; one instance may serve any number of streams."""

    def __init__(self, weights: dict[str, Array] | None = None) -> None:
        """Take the weights, or read them from the installed wheel.

        Raises:
            ImportError: `silero-vad` is not installed, or is a release with other files.
        """
        weights = weights if weights is not None else load_file(find_weights())
        self._stft = np.ascontiguousarray(weights["stft_conv.weight"][:, 0].T)  # (256, 258)
        self._kernels = {name: _as_matrix(weights[f"{name}.weight"]) for name in STRIDES}
        self._biases = {name: weights[f"{name}.bias"] for name in STRIDES}
        self._gates = np.concatenate(
            [weights["lstm_cell.weight_ih"], weights["lstm_cell.weight_hh"]], axis=1
        )  # (512, 256)
        self._gate_bias = weights["lstm_cell.bias_ih"] + weights["lstm_cell.bias_hh"]
        self._final = weights["final_conv.weight"].ravel()
        self._final_bias = weights["final_conv.bias"][0]

    def step(self, window: Array, state: SileroState) -> tuple[float, SileroState]:
        """Probability of speech in the next (512,) samples, with the state after them."""
        heard = np.concatenate([state.context, window])
        features = self._encode(heard)
        gates = self._gates @ np.concatenate([features, state.hidden]) + self._gate_bias
        take, keep, new, give = np.split(gates, 4)
        cell = _sigmoid(keep) * state.cell + _sigmoid(take) * np.tanh(new)
        hidden = _sigmoid(give) * np.tanh(cell)
        probability = _sigmoid(np.maximum(hidden, 0) @ self._final + self._final_bias)
        return float(probability), SileroState(hidden, cell, window[-CONTEXT_SAMPLES:])

    def _encode(self, heard: Array) -> Array:
        """(576,) samples -> (128,) features: magnitude spectra, then four convolutions over time."""
        padded = np.concatenate([heard, heard[-2 : -2 - REFLECT_SAMPLES : -1]])
        spectra = sliding_window_view(padded, self._stft.shape[0])[::STFT_HOP] @ self._stft  # (4, 258)
        real, imaginary = np.split(spectra, 2, axis=1)
        signal = np.sqrt(real**2 + imaginary**2)  # (time, channels)
        for name, stride in STRIDES.items():
            signal = self._convolve(name, signal, stride)
        return signal[0]

    def _convolve(self, name: str, signal: Array, stride: int) -> Array:
        """Convolution of width 3 with zero padding, then ReLU; (time, in) -> (time / stride, out)."""
        edge = np.zeros_like(signal[:1])
        padded = np.concatenate([edge, signal, edge])
        patches = np.stack([padded[start : start + 3].ravel() for start in range(0, len(signal), stride)])
        return np.maximum(patches @ self._kernels[name] + self._biases[name], 0)


def find_weights() -> Path:
    """Path of the weights in the installed wheel, found without importing it (it would import torch).

    Raises:
        ImportError: not there.
    """
    spec = importlib.util.find_spec("silero_vad")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / WEIGHTS).is_file():
            return path
    raise ImportError(f"voice activity needs silero-vad 6 with {WEIGHTS}: pip install --no-deps silero-vad==6.2.3")


def _as_matrix(kernel: Array) -> Array:
    """(out, in, 3) convolution kernel -> (3 * in, out)."""
    return np.ascontiguousarray(kernel.transpose(2, 1, 0).reshape(-1, kernel.shape[0]))


def _sigmoid(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)  # does not overflow
