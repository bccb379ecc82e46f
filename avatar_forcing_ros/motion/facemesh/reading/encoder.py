# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads one user's face from a video: tracker -> measures -> neutral -> channels -> smoothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import NAMES, SIZE
from avatar_forcing_ros.motion.facemesh.reading.calibration import CalibrationConfig, NeutralFace
from avatar_forcing_ros.motion.facemesh.reading.features import to_channels
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX, measure
from avatar_forcing_ros.motion.facemesh.reading.smoothing import Smoother, SmoothingConfig
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker, TrackerConfig
from avatar_forcing_ros.signals import NANOSECONDS, FacePlace, MotionSample, VideoFrame

NOISE: dict[str, float] = {
    "yaw": 0.006, "pitch": 0.008, "roll": 0.004, "x": 0.005, "y": 0.005, "scale": 0.004,
    "jaw_open": 0.02, "smile": 0.05, "stretch": 0.06, "pucker": 0.05, "press": 0.10, "upper_lip": 0.07,
    "brow_raise": 0.03, "brow_furrow": 0.08, "blink_right": 0.05, "blink_left": 0.05, "gaze_x": 0.06, "gaze_y": 0.08,
}  # fmt: skip
"""Frame-to-frame jitter of each channel for a face at rest, measured on the quiet parts of filmed faces."""


@dataclass(frozen=True)
class EncoderConfig:
    """Settings of the encoder.

    Attributes:
        tracker: how the face is chosen.
        calibration: how the neutral face is learnt.
        smoothing: the filter.
        fade_s: time over which a face that appears, or is lost, fades in or out.
        pause_s: gap between frames from which the camera counts as stopped; motion across it is not smoothed.
        forget_s: absence after which somebody new is expected.
        full_confidence_px: interocular distance from which a face's size does not lower the confidence.
    """

    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    fade_s: float = 0.3
    pause_s: float = 0.5
    forget_s: float = 3.0
    full_confidence_px: float = 40.0


class FaceMeshEncoder:
    """A `MotionEncoder`: camera frames in, 18 channels of the largest face, or of the one to attend to, out.

    Args:
        config: see `EncoderConfig`.
        tracker: a new tracker to use instead of the configured one.
    """

    def __init__(self, config: EncoderConfig | None = None, tracker: FaceTracker | None = None) -> None:
        self.config = config or EncoderConfig()
        self._tracker = tracker or FaceTracker(self.config.tracker)
        self._neutral = NeutralFace(self.config.calibration)
        self._smoother = Smoother(np.array([NOISE[name] for name in NAMES]), self.config.smoothing)
        self._stamp_ns: int | None = None
        self._presence = 0.0  # weight of the face, which fades in
        self._meet_somebody_new()

    def reset(self) -> None:
        """Forget the user: tracking, smoothing and the neutral face."""
        self._tracker.reset()
        self._stamp_ns = None
        self._meet_somebody_new()

    def attend(self, place: FacePlace | None) -> None:
        """From the next frame on, read the face in this place; None returns to the largest face."""
        self._tracker.attend(place)

    @property
    def people(self) -> int:
        """Number of faces in the picture, counted twice a second while the largest is read."""
        return self._tracker.in_view

    @property
    def still(self) -> int:
        """Number of faces that never move, as on posters, which are not read."""
        return self._tracker.still

    @property
    def person(self) -> int:
        """Number of the person being read; it increases with each new person."""
        return self._tracker.person

    def close(self) -> None:
        """Do nothing: no resources are held."""

    def encode(self, frame: VideoFrame) -> MotionSample:
        """The user's motion; zeros, with `valid` false, if nobody is there.

        Raises:
            ValueError: the stamp is earlier than the last one, or the picture is smaller than 64 pixels.
        """
        elapsed_s = self._elapsed_s(frame.stamp_ns)
        landmarks = self._tracker.track(frame.image)
        if landmarks is None:
            return self._absent(frame.stamp_ns, elapsed_s)
        if self._tracker.person != self._person:
            self._meet_somebody_new()
        self._absent_s = 0.0
        self._presence = min(1.0, self._presence + elapsed_s / self.config.fade_s)
        measures = measure(landmarks)
        neutral = self._neutral.observe(measures, elapsed_s)
        channels = self._smoother.update(to_channels(measures, neutral), elapsed_s) * self._presence
        return MotionSample(frame.stamp_ns, channels.astype(np.float32), self._confidence(measures))

    def _meet_somebody_new(self) -> None:
        self._neutral.reset()
        self._smoother.reset()
        self._person = self._tracker.person
        self._presence = 0.0
        self._absent_s = 0.0

    def _elapsed_s(self, stamp_ns: int) -> float:
        """Time since the last frame; one frame for the first and after a pause of the camera."""
        last = stamp_ns if self._stamp_ns is None else self._stamp_ns
        if stamp_ns < last:
            raise ValueError(f"stamps must not decrease, got {stamp_ns} after {last}")
        elapsed_s = (stamp_ns - last) / NANOSECONDS
        if elapsed_s > self.config.pause_s:
            self._smoother.reset()
            self._presence = 0.0
        is_next = self._stamp_ns is not None and elapsed_s <= self.config.pause_s
        self._stamp_ns = stamp_ns
        return elapsed_s if is_next else self.config.smoothing.frame_s

    def _absent(self, stamp_ns: int, elapsed_s: float) -> MotionSample:
        """Handle a frame without a face. After a short gap, the same person fades back in; a long one forgets them."""
        self._absent_s += elapsed_s
        self._presence = max(0.0, self._presence - elapsed_s / self.config.fade_s)
        if self._presence == 0.0:
            self._smoother.reset()
        if self._absent_s >= self.config.forget_s:
            self._neutral.reset()
        return MotionSample(stamp_ns, np.zeros(SIZE, np.float32), confidence=0.0, valid=False)

    def _confidence(self, measures: NDArray[np.float64]) -> float:
        """Less for a face that is small, turned away or only just there."""
        size = min(1.0, float(np.exp(measures[INDEX["log_scale"]])) / self.config.full_confidence_px)
        turned = float(np.hypot(measures[INDEX["yaw"]], measures[INDEX["pitch"]]))
        facing = float(np.clip(1.5 - turned, 0.2, 1.0))
        return size * facing * self._presence
