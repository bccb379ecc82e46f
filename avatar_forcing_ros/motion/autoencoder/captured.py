# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fused auto-encoder as captured programs: one for each direction and number of pictures."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.compute.capture import Program, Recorder
from avatar_forcing_ros.motion.autoencoder.encoder import Encoding
from avatar_forcing_ros.motion.autoencoder.fused import FusedDecoder, FusedEncoder
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class _Reading:
    """Encoder of B pictures; its output is (B, U).

    Pictures come through two places in memory that the GPU reads by itself: one is filled while the other is read.
    """

    pixels: Tensor
    program: Program[Tensor]
    ways: list[tuple[Tensor, torch.cuda.Event]]


@dataclass(frozen=True)
class _Drawing:
    """Decoder of B pictures; its output is (B, S, S, 3) uint8."""

    latents: Tensor
    portraits: Tensor
    program: Program[Tensor]


class CapturedAutoencoder:
    """Runs an auto-encoder on a GPU.

    Args:
        model: on the GPU.
        sizes: numbers of pictures for which programs are recorded, ascending.
    """

    def __init__(self, model: MotionAutoencoder, sizes: tuple[int, ...] = (1, 10)) -> None:
        self._model, self._sizes = model, sizes
        self._encoder, self._decoder = FusedEncoder(model.encoder), FusedDecoder(model.decoder)
        self._recorder = Recorder(model.directions.device)
        self._lock = threading.Lock()
        self._readings: dict[int, _Reading] = {}
        self._drawings: dict[int, _Drawing] = {}

    def encode(self, images: NDArray[np.uint8]) -> Encoding:
        """Everything of pictures (B, S, S, 3), at once and unrecorded: for a portrait."""
        with self._lock:
            encoding = self._encoder(torch.from_numpy(images).to(self._recorder.device))
            torch.cuda.synchronize(self._recorder.device)
            return encoding

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, U) coefficients of pictures (B, S, S, 3)."""
        with self._lock:
            found = [self._read(part) for part in self._parts(images)]
            self._recorder.stream.synchronize()
            return np.concatenate([part.numpy() for part in found])

    def draw(self, latents: NDArray[np.float32], portraits: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Pictures (B, S, S, 3).

        Args:
            latents: (B, M) identity plus motion.
            portraits: (B, levels) addresses of the features that each picture reads.
        """
        with self._lock:
            parts = zip(self._parts(latents), self._parts(portraits), strict=True)
            drawn = [self._draw(*part) for part in parts]
            self._recorder.stream.synchronize()
            return drawn[0].numpy() if len(drawn) == 1 else np.concatenate([part.numpy() for part in drawn])

    def _parts(self, rows: NDArray[Number]) -> list[NDArray[Number]]:
        """Rows in the parts that programs take."""
        ends = np.cumsum(parts_of(len(rows), self._sizes))
        return np.split(rows, ends[:-1])

    def _size(self, count: int) -> int:
        return next(size for size in self._sizes if size >= count)

    def _read(self, images: NDArray[np.uint8]) -> Tensor:
        size, stream, count = self._size(len(images)), self._recorder.stream, len(images)
        reading = self._readings.get(size)
        if reading is None:
            reading = self._readings[size] = self._record_reading(size)
        host, taken = way = reading.ways.pop(0)
        reading.ways.append(way)
        taken.synchronize()
        np.copyto(host[:count].numpy(), images)
        with torch.cuda.stream(stream):
            reading.pixels[:count].copy_(host[:count], non_blocking=True)
            taken.record(stream)
            reading.program.graph.replay()
            found = torch.empty((count, reading.program.outputs.shape[1]), pin_memory=True)
            return found.copy_(reading.program.outputs[:count], non_blocking=True)

    def _draw(self, latents: NDArray[np.float32], portraits: NDArray[np.int64]) -> Tensor:
        count = len(latents)
        size, stream = self._size(count), self._recorder.stream
        drawing = self._drawings.get(size)
        if drawing is None:
            drawing = self._drawings[size] = self._record_drawing(size, latents, portraits)
        with torch.cuda.stream(stream):
            drawing.latents[:count].copy_(_pinned(latents), non_blocking=True)
            drawing.portraits.copy_(_pinned(_padded(portraits, size).T), non_blocking=True)
            drawing.program.graph.replay()
            pictures = drawing.program.outputs[:count]
            host = torch.empty(pictures.shape, dtype=torch.uint8, pin_memory=True)
            return host.copy_(pictures, non_blocking=True)

    def _record_reading(self, size: int) -> _Reading:
        side, device = self._model.config.image_size, self._recorder.device
        pixels = torch.zeros((size, side, side, 3), dtype=torch.uint8, device=device)
        program = self._recorder.record(lambda: self._encoder(pixels).coefficients)
        ways = [(torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True), torch.cuda.Event()) for _ in range(2)]
        return _Reading(pixels, program, ways)

    def _record_drawing(self, size: int, latents: NDArray[np.float32], portraits: NDArray[np.int64]) -> _Drawing:
        device = self._recorder.device
        some = torch.from_numpy(_padded(latents, size)).to(device)
        addresses = torch.from_numpy(np.ascontiguousarray(_padded(portraits, size).T)).to(device)
        return _Drawing(some, addresses, self._recorder.record(lambda: self._decoder(some, addresses)))


def parts_of(count: int, sizes: tuple[int, ...]) -> list[int]:
    """How many rows go to each run of programs for so many: whole programs, largest first, while they are half full.

    A program of ten takes about six times as long as one of one; so one that would be less than half full is left to
    smaller ones.
    """
    parts = []
    for size in reversed(sizes):
        while count and (2 * count >= size or size == sizes[0]):
            parts.append(min(count, size))
            count -= parts[-1]
    return parts


def _padded(rows: NDArray[Number], size: int) -> NDArray[Number]:
    """The first row again until there are `size` of them: an address must always be one."""
    return np.concatenate((rows, np.repeat(rows[:1], size - len(rows), 0)))


def _pinned(array: NDArray[Any]) -> Tensor:
    """On memory that a GPU reads by itself."""
    return torch.from_numpy(np.ascontiguousarray(array)).pin_memory()
