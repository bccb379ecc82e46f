# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A video file as an endless or a single row of pictures with times. No ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.media import ClipFrame, MediaError, read_video

Repeat = Literal["no", "loop", "ping-pong"]
LARGEST_KEPT_BYTES = 512 << 20
_LAST_PICTURE_S = 0.04  # how long the last picture of a video lasts when it is played again


def pictures(path: Path, repeat: Repeat) -> Iterator[ClipFrame]:
    """The pictures of a video, times counted from the file's first moment, be it sound or picture.

    Args:
        path: of the video.
        repeat: "no" plays it once, "loop" again and again, "ping-pong" forwards and backwards, so that it has no cut.

    Raises:
        MediaError: it cannot be read, or is too long to be kept in memory for "ping-pong".
    """
    players: dict[str, Callable[[Path], Iterator[ClipFrame]]] = {
        "no": read_video,
        "loop": _loop,
        "ping-pong": _ping_pong,
    }
    return players[repeat](path)


def spoken_stretches(
    samples: NDArray[np.float32], sample_rate: int, pause_s: float = 0.5, threshold: float = 0.004
) -> list[tuple[int, int]]:
    """Where somebody speaks: (first, end) sample of each stretch that has no pause of `pause_s` in it.

    Args:
        samples: (N,) mono.
        sample_rate: in Hz.
        pause_s: shorter pauses belong to the stretch.
        threshold: root mean square of 20 ms above which it is speech.
    """
    window = sample_rate // 50
    count = -(-len(samples) // window)
    padded = np.pad(samples, (0, count * window - len(samples))).reshape(count, window)
    loud = np.flatnonzero(np.sqrt((padded**2).mean(axis=1)) > threshold)
    if not loud.size:
        return []
    breaks = np.flatnonzero(np.diff(loud) * 0.02 > pause_s)
    firsts = loud[np.r_[0, breaks + 1]]
    lasts = loud[np.r_[breaks, len(loud) - 1]]
    ends = np.minimum((lasts + 3) * window, len(samples))
    return list(zip((np.maximum(firsts - 1, 0) * window).tolist(), ends.tolist(), strict=True))


def _loop(path: Path) -> Iterator[ClipFrame]:
    start_s = 0.0
    while True:
        time_s = 0.0
        for frame in read_video(path):
            time_s = frame.time_s
            yield ClipFrame(start_s + time_s, frame.image)
        start_s += time_s + _LAST_PICTURE_S


def _ping_pong(path: Path) -> Iterator[ClipFrame]:
    kept: list[ClipFrame] = []
    for frame in read_video(path):
        kept.append(frame)
        if len(kept) * frame.image.nbytes > LARGEST_KEPT_BYTES:
            limit = f"{LARGEST_KEPT_BYTES >> 20} MiB of pictures"
            raise MediaError(f"{path}: a video played back and forth must be below {limit}, got a longer one")
        yield frame
    time_s, here = kept[-1].time_s, len(kept) - 1
    back_and_forth = [*range(len(kept) - 2, -1, -1), *range(1, len(kept))] or [0]
    while True:
        for index in back_and_forth:
            time_s += abs(kept[index].time_s - kept[here].time_s) or _LAST_PICTURE_S
            here = index
            yield ClipFrame(time_s, kept[index].image)
