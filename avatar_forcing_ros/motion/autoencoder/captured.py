# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The fused auto-encoder as captured programs, one for each direction and number of pictures."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avatar_forcing_ros.compute.capture import Program, Recorder, pinned
from avatar_forcing_ros.motion.autoencoder.encoder import Encoding
from avatar_forcing_ros.motion.autoencoder.fused import FusedDecoder, FusedEncoder
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder

Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class _Reading:
    """Encoder of B pictures; its output is (B, U).

    Pictures pass through two buffers in memory that the GPU reads by itself: one is filled while the other is read.
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
        model: the model, on the GPU.
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
        """Everything that the encoder reads from pictures (B, S, S, 3), without a recording; used for portraits."""
        with self._lock:
            encoding = self._encoder(torch.from_numpy(images).to(self._recorder.device))
            torch.cuda.synchronize(self._recorder.device)
            return encoding

    def read(self, several: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(B, U) coefficients of B pictures, given as arrays (b, S, S, 3)."""
        pictures = [picture for pictures in several for picture in pictures]
        with self._lock:
            found = [self._read(pictures[begin:end]) for begin, end in self._parts(len(pictures))]
            self._recorder.stream.synchronize()
            return np.concatenate([part.numpy() for part in found])

    def draw(
        self, latents: NDArray[np.float32], portraits: NDArray[np.int64], counts: Sequence[int]
    ) -> list[NDArray[np.uint8]]:
        """Draw B pictures and return them as arrays (b, S, S, 3) of the requested lengths.

        Args:
            latents: (B, M) identity plus motion.
            portraits: (B, levels) addresses of the features that each picture reads.
            counts: number of pictures in each array.
        """
        side = self._model.config.image_size
        with self._lock:
            drawn = [pinned((count, side, side, 3), torch.uint8) for count in counts]
            places = [place for pictures in drawn for place in pictures]
            for begin, end in self._parts(len(latents)):
                self._draw(latents[begin:end], portraits[begin:end], places[begin:end])
            self._recorder.stream.synchronize()
            return [pictures.numpy() for pictures in drawn]

    def _parts(self, count: int) -> list[tuple[int, int]]:
        """Start and end of the rows of each part that one program takes."""
        return list(pairwise(accumulate(parts_of(count, self._sizes), initial=0)))

    def _size(self, count: int) -> int:
        return next(size for size in self._sizes if size >= count)

    def _read(self, pictures: list[NDArray[np.uint8]]) -> Tensor:
        size, stream, count = self._size(len(pictures)), self._recorder.stream, len(pictures)
        reading = self._readings.get(size)
        if reading is None:
            reading = self._readings[size] = self._record_reading(size)
        host, taken = way = reading.ways.pop(0)
        reading.ways.append(way)
        taken.synchronize()
        with torch.cuda.stream(stream):
            for i, picture in enumerate(pictures):  # one is on its way to the GPU while the next is copied
                np.copyto(host[i].numpy(), picture)
                reading.pixels[i].copy_(host[i], non_blocking=True)
            taken.record(stream)
            reading.program.graph.replay()
            found = pinned((count, reading.program.outputs.shape[1]))
            return found.copy_(reading.program.outputs[:count], non_blocking=True)

    def _draw(self, latents: NDArray[np.float32], portraits: NDArray[np.int64], places: list[Tensor]) -> None:
        """Draw pictures into buffers (S, S, 3)."""
        count = len(latents)
        size, stream = self._size(count), self._recorder.stream
        drawing = self._drawings.get(size)
        if drawing is None:
            drawing = self._drawings[size] = self._record_drawing(size, latents, portraits)
        with torch.cuda.stream(stream):
            drawing.latents[:count].copy_(_pinned(latents), non_blocking=True)
            drawing.portraits.copy_(_pinned(_padded(portraits, size).T), non_blocking=True)
            drawing.program.graph.replay()
            for place, picture in zip(places, drawing.program.outputs[:count], strict=True):
                place.copy_(picture, non_blocking=True)

    def _record_reading(self, size: int) -> _Reading:
        side, device = self._model.config.image_size, self._recorder.device
        pixels = torch.zeros((size, side, side, 3), dtype=torch.uint8, device=device)
        program = self._recorder.record(lambda: self._encoder(pixels).coefficients)
        ways = [(pinned(pixels.shape, torch.uint8), torch.cuda.Event()) for _ in range(2)]
        return _Reading(pixels, program, ways)

    def _record_drawing(self, size: int, latents: NDArray[np.float32], portraits: NDArray[np.int64]) -> _Drawing:
        device = self._recorder.device
        some = torch.from_numpy(_padded(latents, size)).to(device)
        addresses = torch.from_numpy(np.ascontiguousarray(_padded(portraits, size).T)).to(device)
        return _Drawing(some, addresses, self._recorder.record(lambda: self._decoder(some, addresses)))


def parts_of(count: int, sizes: tuple[int, ...]) -> list[int]:
    """How many rows each run of a program takes: the largest program first, as long as it is at least half full.

    A program for ten pictures takes about six times as long as one for a single picture, so if it would be less than
    half full, smaller ones take its rows.
    """
    parts = []
    for size in reversed(sizes):
        while count and (2 * count >= size or size == sizes[0]):
            parts.append(min(count, size))
            count -= parts[-1]
    return parts


def _padded(rows: NDArray[Number], size: int) -> NDArray[Number]:
    """Repeat the first row until there are `size` rows, because every address must be valid."""
    return np.concatenate((rows, np.repeat(rows[:1], size - len(rows), 0)))


def _pinned(array: NDArray[Any]) -> Tensor:
    """A copy in page-locked memory, which a GPU reads by itself."""
    given = torch.from_numpy(np.ascontiguousarray(array))
    return pinned(given.shape, given.dtype).copy_(given)
