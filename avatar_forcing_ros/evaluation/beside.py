# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A video for comparison: the user, another system's avatar and ours side by side, with curves from a face mesh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.evaluation.real_clip import Watched
from avatar_forcing_ros.files.media import read_audio, read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.signals import FPS

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Side:
    """One face of the comparison.

    Attributes:
        name: caption of its picture.
        video: video file.
        watched: what a face mesh saw in it.
        colour: colour of its curves, as matplotlib names it.
    """

    name: str
    video: Path
    watched: Watched
    colour: str


def write_beside(path: Path, sides: list[Side], said: Path, height: int = 360) -> int:
    """Write the video; it is as long as the shortest of its sides.

    Args:
        path: mp4 file to write.
        sides: the faces from left to right, at least one.
        said: sound file of what the avatars say, used as the video's sound.
        height: height of each picture, even.

    Returns:
        The number of frames written.

    Raises:
        MediaError: a file cannot be read or written.
    """
    sound, streams = read_audio(said), [_on_grid(side.video) for side in sides]
    first = [_named(_of_height(next(stream), height), side.name) for stream, side in zip(streams, sides, strict=True)]
    width = sum(picture.shape[1] for picture in first)
    panel = _curves(sides, width)
    frames = 0
    with MovieWriter(path, width, height + panel.picture.shape[0], sound.sample_rate) as writer:
        pictures: list[Picture] | None = first
        while pictures is not None:
            writer.write_image(np.vstack([np.hstack(pictures), panel.at(frames / FPS)]))
            frames += 1
            made = [next(stream, None) for stream in streams]
            complete = [picture for picture in made if picture is not None]
            pictures = None
            if len(complete) == len(sides):
                named = zip(complete, sides, strict=True)
                pictures = [_named(_of_height(picture, height), side.name) for picture, side in named]
        writer.write_sound(sound.samples[: frames * sound.sample_rate // FPS])
    return frames


def _on_grid(path: Path) -> Iterator[Picture]:
    """Pictures of a video at 25 a second, whatever its own rate."""
    shown, n = None, 0
    for frame in read_video(path):
        while shown is not None and n / FPS < frame.time_s - 1e-6:
            yield shown
            n += 1
        shown = frame.image
    if shown is not None:
        yield shown


def _of_height(picture: Picture, height: int) -> Picture:
    width = max(2, round(picture.shape[1] * height / picture.shape[0] / 2) * 2)
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _named(picture: Picture, name: str) -> Picture:
    place = (10, picture.shape[0] - 12)
    for thickness, colour in ((4, (0, 0, 0)), (1, (255, 255, 255))):
        cv2.putText(picture, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, thickness, cv2.LINE_AA)
    return picture


@dataclass(frozen=True)
class _Panel:
    """Curves as a picture with its time axis: column = left + per_second * seconds."""

    picture: Picture
    left: float
    per_second: float

    def at(self, seconds: float) -> Picture:
        """The curves with a vertical line at a time."""
        marked = self.picture.copy()
        column = min(round(self.left + self.per_second * seconds), marked.shape[1] - 2)
        marked[:, column : column + 2] = (220, 40, 40)
        return marked


def _curves(sides: list[Side], width: int) -> _Panel:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 100, 3.2), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    smiles, lips = figure.subplots(2, 1, sharex=True)
    for side in sides:
        for axis, curve in ((smiles, side.watched.smile), (lips, side.watched.gap)):
            axis.plot(np.arange(len(curve)) / FPS, curve, side.colour, label=side.name, linewidth=1)
    smiles.set_ylabel("smile")
    lips.set_ylabel("gap of the lips")
    smiles.legend(loc="upper right", fontsize="small")
    canvas.draw()
    ends = smiles.transData.transform([(0.0, 0.0), (1.0, 0.0)])[:, 0]
    picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    picture = picture[: picture.shape[0] // 2 * 2, :width]
    return _Panel(picture, float(ends[0]), float(ends[1] - ends[0]))
