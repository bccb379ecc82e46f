# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A recorded conversation as events in time: pictures, microphone chunks and speech chunks. No ROS."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.devices.clips import Repeat, pictures, spoken_stretches
from avatar_forcing_ros.files.media import AudioClip
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, VideoFrame


@dataclass(frozen=True)
class Event:
    """Something to be sent at `time_ns`; times and stamps count from the beginning of the conversation."""

    time_ns: int
    topic: str
    content: VideoFrame | AudioChunk


def conversation(*streams: Iterator[Event]) -> Iterator[Event]:
    """Several streams of events as one, in order of time; read as it is asked for."""
    return heapq.merge(*streams, key=lambda event: event.time_ns)


def camera(path: Path, repeat: Repeat, width: int, height: int, rate_hz: float) -> Iterator[Event]:
    """What a camera would have sent: each picture at the moment of its exposure.

    Args:
        path: of a video.
        repeat: see `clips.pictures`.
        width: of the pictures sent; 0 leaves their size.
        height: of the pictures sent; 0 leaves their size.
        rate_hz: pictures beyond this rate are left out; 0 sends all.
    """
    next_s = 0.0
    for frame in pictures(path, repeat):
        if frame.time_s < next_s - 0.002:  # containers round their times to milliseconds
            continue
        next_s = next_s + 1 / rate_hz if rate_hz else frame.time_s
        time_ns = round(frame.time_s * NANOSECONDS)
        yield Event(time_ns, "camera", VideoFrame(time_ns, resized(frame.image, width, height)))


def microphone(clip: AudioClip, chunk_ms: int) -> Iterator[Event]:
    """What a microphone would have sent: each chunk when its last sample was heard."""
    for seq, (start, samples) in enumerate(_chunks(clip.samples, clip.sample_rate * chunk_ms // 1000)):
        chunk = AudioChunk(_ns(start, clip.sample_rate), samples, clip.sample_rate, seq=seq)
        yield Event(_ns(start + len(samples), clip.sample_rate), "user_audio", chunk)


def dialogue_manager(clip: AudioClip, chunk_ms: int, speed: float) -> Iterator[Event]:
    """What a dialogue manager would have sent: each sentence in chunks, faster than it is said.

    Args:
        clip: the avatar's side of a conversation; what stands between pauses is an utterance.
        chunk_ms: length of a chunk.
        speed: how many seconds of speech come in a second.
    """
    size = clip.sample_rate * chunk_ms // 1000
    for number, (first, end) in enumerate(spoken_stretches(clip.samples, clip.sample_rate)):
        pieces = list(_chunks(clip.samples[first:end], size))
        for seq, (start, samples) in enumerate(pieces):
            time_ns = _ns(first, clip.sample_rate) + round(_ns(start, clip.sample_rate) / speed)
            is_last = seq == len(pieces) - 1
            chunk = AudioChunk(None, samples, clip.sample_rate, f"utterance-{number + 1}", seq, is_last)
            yield Event(time_ns, "speech", chunk)


def resized(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """A picture in another size; 0 by 0 leaves it."""
    if not (width and height) or image.shape[:2] == (height, width):
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def _chunks(samples: NDArray[np.float32], size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    return ((start, samples[start : start + size]) for start in range(0, len(samples), size))


def _ns(sample: int, sample_rate: int) -> int:
    return sample * NANOSECONDS // sample_rate
