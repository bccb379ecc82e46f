# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Real recordings through `avatar-forcing render` and the face mesh on its pictures: does the avatar follow them?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.io import wavfile

from avatar_forcing_ros.evaluation.observed import LEAST_SMILE, SMILE_LAGS
from avatar_forcing_ros.files.media import AudioClip, read_audio, read_video
from avatar_forcing_ros.files.outputs import replacing
from avatar_forcing_ros.metrics.correlation import LaggedCorrelation, best_lag
from avatar_forcing_ros.metrics.smoothness import tremble
from avatar_forcing_ros.metrics.speech_motion import log_energy, opening_against_energy
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX as MEASURE
from avatar_forcing_ros.motion.facemesh.reading.measures import measure
from avatar_forcing_ros.signals import FPS, NANOSECONDS, VideoFrame
from avatar_forcing_ros.timeline.grid import SAMPLE_RATE


@dataclass(frozen=True)
class RealClip:
    """What is given.

    Attributes:
        speech: what the avatar says; None is silence.
        user_video: what the camera sees; None is nobody.
        user_audio: what the user says; None takes the sound of the video.
        portrait: of the avatar; None takes the default.
    """

    speech: Path | None = None
    user_video: Path | None = None
    user_audio: Path | None = None
    portrait: Path | None = None


Render = Callable[[str, RealClip, Path, Path], None]
"""Renders a clip with a model into a video and a file of its motion."""


@dataclass(frozen=True)
class Watched:
    """What a face mesh sees in a video, on the frame grid.

    Attributes:
        gap: (T,) between the lips, interocular distances, plainly measured.
        smile: (T,) the channel, as the user's face is read live.
        spreads: standard deviation of what moves, by `SPREADS`: what people see of how lively a face is.
        trembles: of pitch and roll in radians; see `metrics.smoothness.tremble`.
        seen_share: share of frames in which a face was found.
    """

    gap: NDArray[np.float64]
    smile: NDArray[np.float64]
    spreads: dict[str, float]
    trembles: dict[str, float]
    seen_share: float


SPREADS = ("lip_gap", "corner_lift", "mouth_width", "pitch", "roll", "yaw")
"""Raw measures, in interocular distances and radians; see `measures`."""
TREMBLING = ("pitch", "roll")


@dataclass(frozen=True)
class RealClipResult:
    """What came out.

    Attributes:
        speech: the avatar's mouth against log energy, None without speech.
        speech_drawn: the same for the latent, before rendering, for models with named channels.
        smile: the avatar's smile against the user's; None without a user, or when the user does not smile.
        user_smile_std: how much the user's smile moves; NaN without a user.
        watched: the avatar as rendered.
        user: the user, None without.
        energy: (T,) of the speech in dB.
        drawn_trembles: of pitch and roll in radians, before rendering; empty where motion has no names.
        video: what was rendered.
    """

    speech: LaggedCorrelation | None
    speech_drawn: LaggedCorrelation | None
    smile: LaggedCorrelation | None
    user_smile_std: float
    watched: Watched
    user: Watched | None
    energy: NDArray[np.float64]
    drawn_trembles: dict[str, float]
    video: Path


def evaluate_real_clip(model: str, clip: RealClip, folder: Path, render: Render) -> RealClipResult:
    """Render the avatar for real recordings and watch the result.

    Args:
        model: name or folder of a bundle.
        clip: speech, or a user, or both.
        folder: gets the video, its motion and what was said.
        render: makes the video, as `avatar-forcing render` does.

    Raises:
        ValueError: neither speech nor a user is given, or a file cannot be read.
    """
    if clip.speech is None and clip.user_video is None:
        raise ValueError("expected speech for the avatar or a video of a user, got neither")
    folder.mkdir(parents=True, exist_ok=True)
    user = watch(clip.user_video) if clip.user_video else None
    said = _said(clip.speech, 0 if user is None else len(user.gap))
    with replacing(folder / "said.wav") as part:
        wavfile.write(part, said.sample_rate, said.samples)
    video = folder / "avatar.mp4"
    render(model, replace(clip, speech=folder / "said.wav"), video, folder / "motion.npz")
    watched = watch(video)
    sound = soxr.resample(said.samples, said.sample_rate, SAMPLE_RATE)
    drawn = _drawn(folder / "motion.npz", "jaw_open")
    return RealClipResult(
        speech=opening_against_energy(watched.gap, sound) if clip.speech else None,
        speech_drawn=opening_against_energy(drawn, sound) if clip.speech and len(drawn) else None,
        smile=smile_against_smile(user.smile, watched.smile) if user else None,
        user_smile_std=float(user.smile.std()) if user else float("nan"),
        watched=watched,
        user=user,
        energy=log_energy(sound),
        drawn_trembles={
            name: tremble(curve) for name in TREMBLING if len(curve := _drawn(folder / "motion.npz", name)) > 2
        },
        video=video,
    )


def mouth_against_speech(gap: NDArray[np.float64], said: Path) -> LaggedCorrelation:
    """Correlation of (T,) mouth opening with the log energy of a sound file, at the lag that fits best."""
    clip = read_audio(said)
    return opening_against_energy(gap, soxr.resample(clip.samples, clip.sample_rate, SAMPLE_RATE))


def smile_against_smile(user: NDArray[np.float64], avatar: NDArray[np.float64]) -> LaggedCorrelation | None:
    """Correlation of both smiles at the delay of the avatar's that fits best; None when the user's does not move."""
    frames = min(len(user), len(avatar))
    if frames <= len(SMILE_LAGS) or user[:frames].std() < LEAST_SMILE:
        return None
    return best_lag(user[:frames], avatar[:frames], SMILE_LAGS)


def watch(path: Path) -> Watched:
    """Read a face out of a video with the face mesh, put on the frame grid.

    Raises:
        ValueError: no face in it.
    """
    from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder
    from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker

    tracker, encoder = FaceTracker(), FaceMeshEncoder()
    times, measured, smiles, frames = [], [], [], 0
    for frame in read_video(path):
        frames += 1
        landmarks = tracker.track(frame.image)
        sample = encoder.encode(VideoFrame(round(frame.time_s * NANOSECONDS), frame.image))
        if landmarks is not None and sample.valid:
            times.append(frame.time_s)
            measured.append(measure(landmarks))
            smiles.append(sample.latent[INDEX["smile"]])
    if not times:
        raise ValueError(f"{path}: expected a face, found none in {frames} frames")
    grid = np.arange(round(times[-1] * FPS) + 1) / FPS
    curves = np.stack(measured)
    spreads = {name: float(curves[:, MEASURE[name]].std()) for name in SPREADS}
    gap = np.interp(grid, times, curves[:, MEASURE["lip_gap"]])
    return Watched(gap, np.interp(grid, times, smiles), spreads, _trembles(curves), len(times) / frames)


def still_trembles(picture: NDArray[np.uint8], frames: int = 75, sigma: float = 2.0, seed: int = 0) -> dict[str, float]:
    """What a face mesh sees tremble in a picture that does not move, under a sensor's noise: less cannot be seen.

    Args:
        picture: (H, W, 3) uint8 RGB of a face.
        frames: that are watched.
        sigma: of the noise, in steps of 8 bits.
        seed: of the noise.

    Raises:
        ValueError: no face in it.
    """
    from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker

    rng, tracker, measured = np.random.default_rng(seed), FaceTracker(), []
    for _ in range(frames):
        landmarks = tracker.track(np.clip(picture + rng.normal(0, sigma, picture.shape), 0, 255).astype(np.uint8))
        if landmarks is None:
            raise ValueError("expected a face in the picture, found none")
        measured.append(measure(landmarks))
    return _trembles(np.stack(measured))


def _trembles(curves: NDArray[np.float64]) -> dict[str, float]:
    return {name: tremble(curves[:, MEASURE[name]]) if len(curves) > 2 else float("nan") for name in TREMBLING}


def _said(speech: Path | None, frames: int) -> AudioClip:
    """The speech, with silence after it until the user's video ends."""
    clip = read_audio(speech) if speech else AudioClip(np.zeros(0, np.float32), SAMPLE_RATE)
    missing = frames * clip.sample_rate // FPS - len(clip.samples)
    return AudioClip(np.pad(clip.samples, (0, max(0, missing))), clip.sample_rate)


def _drawn(motion: Path, name: str) -> NDArray[np.float32]:
    """(T,) a channel of a rendered motion; empty where its numbers have no names."""
    with np.load(motion) as file:
        names, latents = list(file["names"]), file["latents"]
    return latents[:, names.index(name)] if name in names else np.zeros(0, np.float32)
