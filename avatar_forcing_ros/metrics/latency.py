# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Figures from the times of presented frames: their rate, how late they are, how old what they react to is. No ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS


@dataclass(frozen=True)
class FrameTimes:
    """Times of one presented frame in nanoseconds; None where there was none.

    Attributes:
        stamp_ns: presentation time.
        published_ns: when it was handed to the middleware.
        motion_ns: stamp of the camera picture behind the newest user motion used.
        motion_received_ns: when that motion reached the generator.
        compute_start_ns: when generation of its block began.
        compute_end_ns: when its picture was ready.
        block: (epoch, block) that it belongs to.
        quality_level: quality level at which it was made; 0 is full.
    """

    stamp_ns: int
    published_ns: int
    motion_ns: int | None
    motion_received_ns: int | None
    compute_start_ns: int
    compute_end_ns: int
    block: tuple[int, int]
    quality_level: int = 0


@dataclass(frozen=True)
class Ledger:
    """Where the time of one frame went, from the camera picture to publication; the parts are all of it.

    Attributes:
        camera_ns: from the picture's exposure to its motion in the generator: driver, transport, face tracking.
        waiting_ns: from there to the beginning of the block that uses it.
        computing_ns: from there until this frame's picture was ready, the rest of its block included.
        holding_ns: from there until it was published, at its presentation time.
    """

    camera_ns: int
    waiting_ns: int
    computing_ns: int
    holding_ns: int


def ledger(frame: FrameTimes) -> Ledger | None:
    """The parts of a frame's time; None when it was made without a camera picture."""
    if frame.motion_ns is None or frame.motion_received_ns is None:
        return None
    return Ledger(
        camera_ns=frame.motion_received_ns - frame.motion_ns,
        waiting_ns=frame.compute_start_ns - frame.motion_received_ns,
        computing_ns=frame.compute_end_ns - frame.compute_start_ns,
        holding_ns=frame.published_ns - frame.compute_end_ns,
    )


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile in milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True)
class LatencyReport:
    """The figures of a run.

    Attributes:
        frames: number of presented frames.
        fps: mean rate from the first to the last frame.
        missing: places on the 25 fps grid that had no frame.
        reduced: frames that were made at less than full quality, because the machine could not keep up.
        lateness: published after the presentation time.
        motion_age: from the camera picture to the presentation of the frame that reacts to it.
        motion_on_its_way: from the camera picture to its motion in the generator.
        motion_waiting: from there to the beginning of the block that uses it.
        computing: from there until the frame's picture was ready.
        holding: from there until it was published.
        block: generation and rendering of a block.
        spare_ms: in 99 of 100 blocks every picture was ready at least this long before its presentation time.
    """

    frames: int
    fps: float
    missing: int
    reduced: int
    lateness: Spread
    motion_age: Spread
    motion_on_its_way: Spread
    motion_waiting: Spread
    computing: Spread
    holding: Spread
    block: Spread
    spare_ms: float


def report(frames: Sequence[FrameTimes], frame_ns: int) -> LatencyReport:
    """The figures of a run.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"a latency report needs at least 2 frames, got {len(frames)}")
    span_ns = frames[-1].stamp_ns - frames[0].stamp_ns
    seen = [(f, f.motion_ns) for f in frames if f.motion_ns is not None]
    ledgers = [parts for parts in map(ledger, frames) if parts is not None]
    blocks: dict[tuple[int, int], list[FrameTimes]] = {}
    for frame in frames:
        blocks.setdefault(frame.block, []).append(frame)
    spare_ns = [min(f.stamp_ns - f.compute_end_ns for f in block) for block in blocks.values()]
    return LatencyReport(
        frames=len(frames),
        fps=(len(frames) - 1) * NANOSECONDS / span_ns,
        missing=span_ns // frame_ns + 1 - len(frames),
        reduced=sum(frame.quality_level > 0 for frame in frames),
        lateness=spread([f.published_ns - f.stamp_ns for f in frames]),
        motion_age=spread([f.stamp_ns - motion_ns for f, motion_ns in seen]),
        motion_on_its_way=spread([parts.camera_ns for parts in ledgers]),
        motion_waiting=spread([parts.waiting_ns for parts in ledgers]),
        computing=spread([f.compute_end_ns - f.compute_start_ns for f in frames]),
        holding=spread([f.published_ns - f.compute_end_ns for f in frames]),
        block=spread([max(f.compute_end_ns - f.compute_start_ns for f in block) for block in blocks.values()]),
        spare_ms=round(float(np.percentile(spare_ns, 1)) / MILLISECOND, 2),
    )


def spread(durations_ns: Sequence[int]) -> Spread:
    """Median and 95th percentile of durations; NaN if there are none."""
    if not durations_ns:
        return Spread(float("nan"), float("nan"))
    p50, p95 = np.percentile(durations_ns, [50, 95]) / MILLISECOND
    return Spread(round(float(p50), 2), round(float(p95), 2))
