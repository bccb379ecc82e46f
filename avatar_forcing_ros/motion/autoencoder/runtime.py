# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The device and number format in which the auto-encoder runs. Pictures go in and come out as uint8.

On a GPU, convolutions use float16, which is as fast as bfloat16 and eight times as exact, or bfloat16 if the weights
leave float16's range. CPUs that compute in bfloat16 use it; on others, torch would emulate it ten times slower, so they
use float32. If a GPU runs out of memory or is lost, everything continues on the CPU.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.compute.joining import Joined
from avatar_forcing_ros.compute.kept import keep_compiled
from avatar_forcing_ros.compute.lost import why_none, why_not
from avatar_forcing_ros.motion.autoencoder.encoder import Encoding
from avatar_forcing_ros.motion.autoencoder.model import MotionAutoencoder
from avatar_forcing_ros.motion.autoencoder.published import build_autoencoder, check_autoencoder
from avatar_forcing_ros.motion.autoencoder.warping import FeatureTable, feature_tables

if TYPE_CHECKING:
    from avatar_forcing_ros.motion.autoencoder.captured import CapturedAutoencoder

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
CPU = torch.device("cpu")
_AT_ONCE = 10
_MOST_AT_ONCE = 32
"""The most conversations whose pictures are read or drawn together."""
MOST_ERROR = 0.05
"""If a recorded program differs from its steps by more than this, relatively, the GPU runs the steps instead."""


def quick_dtype(device: torch.device) -> torch.dtype:
    """The narrowest type in which this device computes at full speed; on a GPU, the more exact of the two."""
    if device.type != "cpu":
        return torch.float16
    features = torch.cpu.get_capabilities()
    return torch.bfloat16 if features.get("amx_bf16") or features.get("avx512_bf16") else torch.float32


@dataclass(frozen=True, eq=False)
class PreparedPortrait:
    """What drawing any frame of a portrait needs.

    Attributes:
        image: (S, S, 3), the picture that it was made from.
        identity: (1, M), whose face it is.
        features: what every frame warps, coarse to fine: tables, or maps (s, s, C) for recorded programs.
        reference: (M,) the portrait's own motion.
    """

    image: NDArray[np.uint8]
    identity: Tensor
    features: tuple[FeatureTable, ...] | tuple[Tensor, ...]
    reference: NDArray[np.float32]

    @cached_property
    def latent(self) -> NDArray[np.float32]:
        """(1, M) identity, in main memory."""
        return self.identity.float().cpu().numpy()

    @cached_property
    def addresses(self) -> NDArray[np.int64]:
        """(levels,) addresses of the maps that programs read."""
        return np.array([map_.data_ptr() for map_ in self.features if isinstance(map_, Tensor)], np.int64)

    @property
    def tables(self) -> tuple[FeatureTable, ...]:
        """The features, if they are tables."""
        return tuple(table for table in self.features if isinstance(table, FeatureTable))


Jobs: TypeAlias = Sequence[tuple[PreparedPortrait, NDArray[np.float32]]]
"""Portraits, each with the motions (B, M) to draw it in."""


class AutoencoderRuntime:
    """The auto-encoder of a model bundle on one device. It combines what several threads ask of a GPU.

    Args:
        weights: safetensors with the published keys.
        device: device to use; None takes a GPU if there is one.
        compute: how it is computed.

    Attributes:
        keeps_gpu: refuse a portrait for which the GPU has no memory, because others have theirs there. Otherwise,
            everything moves to the CPU.

    Raises:
        WeightsError: the file does not hold the published parameters.
    """

    def __init__(self, weights: Path, device: torch.device | None = None, compute: ComputeConfig | None = None) -> None:
        self._weights, self._compute = weights, compute or ComputeConfig()
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device == CPU:
            expect = "expect about 0.3 s on two cores for each picture read or drawn, far from real time"
            logger.warning("no GPU%s: %s", why_none(), expect)
        self._open()
        self._again: WeakKeyDictionary[PreparedPortrait, PreparedPortrait] = WeakKeyDictionary()
        self.keeps_gpu = False
        self._drawing: Joined[Jobs, list[NDArray[np.uint8]]] = Joined(self._draw_together, _MOST_AT_ONCE)
        self._reading: Joined[NDArray[np.uint8], NDArray[np.float32]] = Joined(self._read_together, _MOST_AT_ONCE)
        self.config = self._model.config
        self.directions: NDArray[np.float32] = self._model.directions.cpu().numpy()

    def _open(self) -> None:
        """Open the model on the device, or on the CPU if the device cannot hold it."""
        try:
            self._model, self._programs = self._build(), None
            self._programs = self._record()
        except Exception as error:
            if self.device == CPU or not (why := why_not(error)):
                raise
            self._leave_gpu(why)

    def _leave_gpu(self, why: str) -> None:
        logger.warning("%s: continuing on the CPU, far from real time", why)
        self.device = CPU
        self._model, self._programs = self._build(), None

    def _build(self) -> MotionAutoencoder:
        config, state = check_autoencoder(load_file(self._weights))
        kind = quick_dtype(self.device)
        model = build_autoencoder(state, config, kind).to(self.device)
        if kind != torch.float16 or self._stays_finite(model):
            return model
        logger.warning("these weights exceed the range of float16: pictures are computed in bfloat16, less exactly")
        return build_autoencoder(state, config, torch.bfloat16).to(self.device)

    @torch.inference_mode()
    def _stays_finite(self, model: MotionAutoencoder) -> bool:
        pixels = torch.from_numpy(_test_image(model.config.image_size)).to(self.device).movedim(-1, 1).float()
        encoding = model.encode(pixels / 127.5 - 1)
        tables, motion = feature_tables(encoding.features), model.motion(encoding.coefficients)
        return bool(model.decode(encoding.identity, tables, motion).isfinite().all())

    def _record(self) -> CapturedAutoencoder | None:
        """Recorded programs on a GPU, if torch came with a kernel compiler."""
        if self.device.type != "cuda" or not self._compute.captured:
            return None
        logger.info("recording programs for this GPU: half a minute the first time, seconds from then on")
        keep_compiled(self._weights.parent)
        try:
            from avatar_forcing_ros.motion.autoencoder.captured import CapturedAutoencoder

            programs = CapturedAutoencoder(self._model)
            with torch.inference_mode():
                error = self._error_of(programs)
        except torch.OutOfMemoryError:
            raise
        except Exception as reason:  # no Triton, no compiler for it, a GPU that it does not know
            logger.warning("pictures are drawn step by step, several times slower: %s", reason)
            return None
        if error <= MOST_ERROR:
            logger.info("pictures are read and drawn by recorded programs")
            return programs
        logger.warning("recorded programs differ from their steps by %.1e: continuing step by step", error)
        return None

    def _error_of(self, programs: CapturedAutoencoder) -> float:
        """The larger of two relative differences, of coefficients and of a picture, from the steps' results."""
        image = _test_image(self._model.config.image_size)
        wanted, found = self._encode(image), programs.encode(image)
        maps = _maps(found)
        motion = self._model.motion(wanted.coefficients)
        picture = self._pictures(self._model.decode(wanted.identity, feature_tables(wanted.features), motion))
        addresses = np.array([[map_.data_ptr() for map_ in maps]])
        latents = (wanted.identity.float() + motion).cpu().numpy()
        (drawn,) = programs.draw(latents, addresses, [1])
        (many,) = programs.draw(np.repeat(latents, _AT_ONCE, 0), np.repeat(addresses, _AT_ONCE, 0), [_AT_ONCE])
        errors = [_error(drawn, picture), _error(many, np.repeat(picture, _AT_ONCE, 0))]
        coefficients = wanted.coefficients.cpu().numpy()
        for count in (1, _AT_ONCE):
            read = programs.read([image] * count)
            errors.append(_error(read, np.repeat(coefficients, count, 0)))
        return float(np.max(errors))  # NaN if one of them is

    @property
    def at_once(self) -> int:
        """How many pictures to draw together. On a CPU only one: ten together cost a third more."""
        return 1 if self.device == CPU else _AT_ONCE

    def coefficients(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(U,) motion coefficients of a picture (S, S, 3)."""
        return self.read(image[None])[0]

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, U) motion coefficients of pictures (B, S, S, 3)."""
        return self._guarded(lambda: self._read(images))

    def prepare(self, image: NDArray[np.uint8]) -> PreparedPortrait:
        """Read a portrait (S, S, 3).

        Raises:
            torch.OutOfMemoryError: the GPU, which others use too, has no memory for it.
        """
        if self.keeps_gpu and self.device != CPU:
            with torch.inference_mode():
                return self._prepare(image)
        return self._guarded(lambda: self._prepare(image))

    def draw(self, portrait: PreparedPortrait, motions: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Pictures (B, S, S, 3) of a portrait in motions (B, M). Brightness is not normalised per picture."""
        return self.draw_several([(portrait, motions)])[0]

    def draw_several(self, jobs: Jobs) -> list[NDArray[np.uint8]]:
        """Pictures (B, S, S, 3) of several portraits, each in its motions (B, M). A GPU draws them together."""
        return self._guarded(lambda: self._draw(jobs))

    def _read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._programs is not None:
            return self._reading(images)
        return self._encode(images).coefficients.cpu().numpy()

    def _encode(self, images: NDArray[np.uint8]) -> Encoding:
        pixels = torch.from_numpy(images).to(self.device).movedim(-1, 1)
        return self._model.encode(pixels.float() / 127.5 - 1)

    def _prepare(self, image: NDArray[np.uint8]) -> PreparedPortrait:
        encoding = self._programs.encode(image[None]) if self._programs is not None else self._encode(image[None])
        reference = self._model.motion(encoding.coefficients)[0].cpu().numpy()
        if self._programs is None:
            return PreparedPortrait(image, encoding.identity, feature_tables(encoding.features), reference)
        return PreparedPortrait(image, encoding.identity, _maps(encoding), reference)

    def _draw(self, jobs: Jobs) -> list[NDArray[np.uint8]]:
        if self._programs is None:
            return [self._draw_one(portrait, motions) for portrait, motions in jobs]
        return self._drawing(jobs)

    def _draw_together(self, several: list[Jobs]) -> list[list[NDArray[np.uint8]]]:
        """Draw for several threads with recorded programs."""
        assert self._programs is not None
        jobs = [job for one in several for job in one]
        latents = np.concatenate([portrait.latent + motions for portrait, motions in jobs])
        addresses = np.concatenate([np.tile(portrait.addresses, (len(motions), 1)) for portrait, motions in jobs])
        drawn = iter(self._programs.draw(latents, addresses, [len(motions) for _, motions in jobs]))
        return [[next(drawn) for _ in one] for one in several]

    def _read_together(self, several: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Read for several threads with recorded programs."""
        assert self._programs is not None
        return np.split(self._programs.read(several), np.cumsum([len(one) for one in several])[:-1])

    def _draw_one(self, portrait: PreparedPortrait, motions: NDArray[np.float32]) -> NDArray[np.uint8]:
        here = self._prepared_again(portrait) if portrait.identity.device.type != self.device.type else portrait
        return self._pictures(self._model.decode(here.identity, here.tables, torch.from_numpy(motions).to(self.device)))

    def _prepared_again(self, portrait: PreparedPortrait) -> PreparedPortrait:
        """Read a portrait again on the CPU, once, after the GPU that read it has failed."""
        if portrait not in self._again:
            self._again[portrait] = self._prepare(portrait.image)
        return self._again[portrait]

    @staticmethod
    def _pictures(drawn: Tensor) -> NDArray[np.uint8]:
        """(B, 3, S, S) about [-1, 1] -> (B, S, S, 3)."""
        return ((drawn.clamp(-1, 1) + 1) * 127.5).round().byte().movedim(1, -1).contiguous().cpu().numpy()

    def _guarded(self, job: Callable[[], Result]) -> Result:
        """Do a job. If the GPU has no memory for it, move to the CPU and do it there."""
        with torch.inference_mode():
            try:
                return job()
            except Exception as error:
                why = why_not(error)
                if not why:
                    raise
                self._leave_gpu(why)
                return job()


def _test_image(side: int) -> NDArray[np.uint8]:
    """(1, S, S, 3) a test picture with every brightness and many colours."""
    shades = np.linspace(0, 255, side).astype(np.uint8)
    return np.stack(np.broadcast_arrays(shades[:, None], shades[None], shades[None, ::-1]), -1)[None].copy()


def _maps(encoding: Encoding) -> tuple[Tensor, ...]:
    """Features of one portrait as programs read them, each (s, s, C), coarse to fine."""
    return tuple(feature[0].movedim(0, -1).contiguous() for feature in encoding.features)


def _error(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Relative difference."""
    away = np.linalg.norm(found.astype(np.float64) - wanted)
    return float(away / max(float(np.linalg.norm(wanted.astype(np.float64))), 1e-6))
