"""From the times of presented frames to figures: is the rate held, how late, how old is what they react to. No ROS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FrameTimes:
    """Times of one presented frame in nanoseconds; None where there was none.

    Attributes:
        stamp_ns: presentation time.
        published_ns: when it was handed to the middleware.
        motion_ns: stamp of the camera picture behind the newest user motion used.
        motion_received_ns: when that motion reached the generator.
        compute_start_ns: when its block was begun.
        compute_end_ns: when its picture was ready.
        block: (epoch, block) that it belongs to.
    """

    stamp_ns: int
    published_ns: int
    motion_ns: int | None
    motion_received_ns: int | None
    compute_start_ns: int
    compute_end_ns: int
    block: tuple[int, int]


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile in milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True)
class LatencyReport:
    """What a run was like.

    Attributes:
        frames: presented.
        fps: held from the first to the last frame.
        missing: places on the 25 fps grid that had no frame.
        lateness: published after the presentation time.
        motion_age: from the camera picture to the presentation of the frame that reacts to it.
        motion_on_its_way: from the camera picture to its motion in the generator.
        block: generation and rendering of a block.
    """

    frames: int
    fps: float
    missing: int
    lateness: Spread
    motion_age: Spread
    motion_on_its_way: Spread
    block: Spread


def report(frames: Sequence[FrameTimes], frame_ns: int) -> LatencyReport:
    """The figures of a run.

    Raises:
        ValueError: fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"a latency report needs at least 2 frames, got {len(frames)}")
    span_ns = frames[-1].stamp_ns - frames[0].stamp_ns
    seen = [(f, f.motion_ns) for f in frames if f.motion_ns is not None]
    blocks: dict[tuple[int, int], int] = {}
    for frame in frames:
        took_ns = frame.compute_end_ns - frame.compute_start_ns
        blocks[frame.block] = max(blocks.get(frame.block, 0), took_ns)
    return LatencyReport(
        frames=len(frames),
        fps=(len(frames) - 1) * 1e9 / span_ns,
        missing=span_ns // frame_ns + 1 - len(frames),
        lateness=spread([f.published_ns - f.stamp_ns for f in frames]),
        motion_age=spread([f.stamp_ns - motion_ns for f, motion_ns in seen]),
        motion_on_its_way=spread([f.motion_received_ns - m for f, m in seen if f.motion_received_ns is not None]),
        block=spread(list(blocks.values())),
    )


def spread(durations_ns: Sequence[int]) -> Spread:
    """Median and 95th percentile of durations; not a number when there are none."""
    if not durations_ns:
        return Spread(float("nan"), float("nan"))
    p50, p95 = np.percentile(durations_ns, [50, 95]) / 1e6
    return Spread(round(float(p50), 2), round(float(p95), 2))
