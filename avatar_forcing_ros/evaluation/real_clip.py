# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Renders the avatar for real recordings, and measures with a face mesh how well its pictures follow them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.ndimage import uniform_filter1d

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
    """The recordings to render for.

    Attributes:
        speech: what the avatar says; None is silence.
        user_video: what the camera sees; None is nobody.
        user_audio: what the user says; None uses the sound of the video.
        portrait: the avatar's portrait; None uses the default.
    """

    speech: Path | None = None
    user_video: Path | None = None
    user_audio: Path | None = None
    portrait: Path | None = None


Render = Callable[[str, RealClip, Path, Path], None]
"""Renders a clip with a model; writes a video and a file of the motion."""


@dataclass(frozen=True)
class Watched:
    """What a face mesh sees in a video, on the frame grid.

    Attributes:
        gap: (T,) measured gap between the lips, in interocular distances.
        smile: (T,) the channel `smile`, read as a user's face is read live.
        broadness: (T,) half the width of the mouth plus the height of its corners, in interocular distances, the mean
            of five frames: a smile as anybody could measure it, by nothing that drives the avatar.
        spreads: standard deviation of each measure in `SPREADS`, which shows how lively a face looks.
        trembles: tremble of pitch and roll in radians; see `metrics.smoothness.tremble`.
        seen_share: share of the frames in which a face was found.
    """

    gap: NDArray[np.float64]
    smile: NDArray[np.float64]
    broadness: NDArray[np.float64]
    spreads: dict[str, float]
    trembles: dict[str, float]
    seen_share: float


SPREADS = ("lip_gap", "corner_lift", "mouth_width", "pitch", "roll", "yaw")
"""Raw measures, in interocular distances and radians; see `measures`."""
TREMBLING = ("pitch", "roll")


@dataclass(frozen=True)
class RealClipResult:
    """The results for one clip.

    Attributes:
        speech: correlation of the avatar's mouth with log energy, None without speech.
        speech_drawn: the same for the latent, before rendering; None for models without named channels.
        smile: correlation of the avatar's smile with the user's; None if there is no user or the user does not smile.
        broadness: the same for `Watched.broadness`.
        user_smile_std: standard deviation of the user's smile; NaN without a user.
        watched: the avatar as rendered.
        user: the user, None if there is none.
        energy: (T,) log energy of the speech in dB.
        drawn_trembles: tremble of pitch and roll in radians, before rendering; empty without named channels.
        video: the rendered video.
    """

    speech: LaggedCorrelation | None
    speech_drawn: LaggedCorrelation | None
    smile: LaggedCorrelation | None
    broadness: LaggedCorrelation | None
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
        folder: folder for the video, its motion and the speech.
        render: renders the video, as `avatar-forcing render` does.

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
    video, smile = folder / "avatar.mp4", None
    render(model, replace(clip, speech=folder / "said.wav"), video, folder / "motion.npz")
    watched = watch(video)
    sound = soxr.resample(said.samples, said.sample_rate, SAMPLE_RATE)
    drawn = _drawn(folder / "motion.npz", "jaw_open")
    if user:
        smile = smile_against_smile(user.smile, watched.smile)
    return RealClipResult(
        speech=opening_against_energy(watched.gap, sound) if clip.speech else None,
        speech_drawn=opening_against_energy(drawn, sound) if clip.speech and len(drawn) else None,
        smile=smile,
        broadness=broadness_against_broadness(user, watched) if user and smile else None,
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
    """Correlation of (T,) mouth opening with the log energy of a sound file, at the best lag."""
    clip = read_audio(said)
    return opening_against_energy(gap, soxr.resample(clip.samples, clip.sample_rate, SAMPLE_RATE))


def smile_against_smile(user: NDArray[np.float64], avatar: NDArray[np.float64]) -> LaggedCorrelation | None:
    """Correlation of both smiles at the best delay of the avatar's; None if the user's does not move."""
    frames = min(len(user), len(avatar))
    if frames <= len(SMILE_LAGS) or user[:frames].std() < LEAST_SMILE:
        return None
    return best_lag(user[:frames], avatar[:frames], SMILE_LAGS)


def broadness_against_broadness(user: Watched, avatar: Watched) -> LaggedCorrelation:
    """Correlation of `Watched.broadness` at the best delay of the avatar's."""
    frames = min(len(user.broadness), len(avatar.broadness))
    return best_lag(user.broadness[:frames], avatar.broadness[:frames], SMILE_LAGS)


def watch(path: Path) -> Watched:
    """Read the face in a video with the face mesh, on the frame grid.

    Raises:
        ValueError: there is no face in it.
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
    broad = np.interp(grid, times, curves[:, MEASURE["mouth_width"]] + curves[:, MEASURE["corner_lift"]])
    broad = uniform_filter1d(broad, 5, mode="nearest")
    return Watched(gap, np.interp(grid, times, smiles), broad, spreads, _trembles(curves), len(times) / frames)


def still_trembles(picture: NDArray[np.uint8], frames: int = 75, sigma: float = 2.0, seed: int = 0) -> dict[str, float]:
    """The tremble that a face mesh sees in a still picture with a sensor's noise: the least that can be measured.

    Args:
        picture: (H, W, 3) uint8 RGB picture of a face.
        frames: number of frames.
        sigma: standard deviation of the noise, in steps of 8 bits.
        seed: seed of the noise.

    Raises:
        ValueError: there is no face in it.
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
    """The speech, followed by silence until the end of the user's video."""
    clip = read_audio(speech) if speech else AudioClip(np.zeros(0, np.float32), SAMPLE_RATE)
    missing = frames * clip.sample_rate // FPS - len(clip.samples)
    return AudioClip(np.pad(clip.samples, (0, max(0, missing))), clip.sample_rate)


def _drawn(motion: Path, name: str) -> NDArray[np.float32]:
    """(T,) a channel of a motion file; empty if it has no such channel."""
    with np.load(motion) as file:
        names, latents = list(file["names"]), file["latents"]
    return latents[:, names.index(name)] if name in names else np.zeros(0, np.float32)
