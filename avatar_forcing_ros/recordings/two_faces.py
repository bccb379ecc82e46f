# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Finds where to split a video that shows two people side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.reading.detector import FAR, detect
from avatar_forcing_ros.recordings.footage import ClipError, Columns
from avatar_forcing_ros.signals import FPS


@dataclass(frozen=True)
class PartingConfig:
    """How the split is found.

    Attributes:
        look_frames: frames between looks at the video (1 s).
        least_detection: least detection score of a face.
        least_share: share of the looks in which both faces must be found.
        quantile: share of the looks in which the face on either side may reach across the split.
    """

    look_frames: int = FPS
    least_detection: float = 0.6
    least_share: float = 0.5
    quantile: float = 0.05


@dataclass(frozen=True)
class Halves:
    """Columns of the person on the left and of the one on the right."""

    left: Columns
    right: Columns


def part(pictures: Iterable[NDArray[np.uint8]], config: PartingConfig | None = None) -> Halves:
    """Find the column between two people.

    Args:
        pictures: pictures of the video, one per grid frame.
        config: see `PartingConfig`.

    Raises:
        ClipError: two faces are rarely there side by side, or they cross.
    """
    config = config or PartingConfig()
    looks = list(_looks(pictures, config))
    pairs = np.array([pair for pair in looks if pair is not None])
    if len(pairs) < max(1, config.least_share * len(looks)):
        raise ClipError(f"expected two faces side by side, found them in {len(pairs)} of {len(looks)} looks")
    left_ends = float(np.quantile(pairs[:, 0], 1 - config.quantile))
    right_begins = float(np.quantile(pairs[:, 1], config.quantile))
    if left_ends > right_begins:
        raise ClipError("expected two faces side by side, got faces that cross: no column parts them throughout")
    column = round((left_ends + right_begins) / 2)
    return Halves(Columns(None, column), Columns(column, None))


def _looks(pictures: Iterable[NDArray[np.uint8]], config: PartingConfig) -> Iterator[tuple[float, float] | None]:
    """For each look, where the left one of the two widest faces ends and the right one begins, in pixels; or None."""
    for number, picture in enumerate(pictures):
        if number % config.look_frames == 0:
            widest = sorted(detect(picture, config.least_detection, FAR), key=lambda face: -face.width)[:2]
            two = sorted(widest, key=lambda face: float(face.low[0]))
            yield (float(two[0].high[0]), float(two[1].low[0])) if len(two) == 2 else None
