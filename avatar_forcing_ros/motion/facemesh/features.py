"""Measures of a face and of its neutral -> the 18 channels, in the units that the renderer draws.

The renderer's expression basis says how far each measure moves per channel; inverting that small matrix tells channels
apart that move the same points, and makes an avatar that copies the numbers look like the user.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.basis import EXPRESSIONS, expression_basis
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS
from avatar_forcing_ros.motion.facemesh.channels import INDEX as CHANNEL
from avatar_forcing_ros.motion.facemesh.gains import GAINS
from avatar_forcing_ros.motion.facemesh.landmarks import SKIN_LANDMARKS, canonical_face
from avatar_forcing_ros.motion.facemesh.measures import BROWS, INDEX, LIPS, brow_measures, eye_measures, lip_measures

CLOSED_APERTURE = 0.06
"""Opening of shut lids by the eye's width, as the mesh draws them."""
PRESS_DEAD_BAND = 0.2
"""Press that the mesh's own jitter on the height of the lips can feign."""

LOW = np.array([channel.low for channel in CHANNELS])
HIGH = np.array([channel.high for channel in CHANNELS])


def to_channels(measures: NDArray[np.float64], neutral: NDArray[np.float64]) -> NDArray[np.float64]:
    """Channels of a face.

    Args:
        measures: (18,) of `measures.measure`.
        neutral: (18,) the same measures of this person's neutral face.

    Returns:
        (18,) in the order and within the limits of `channels.CHANNELS`.
    """
    change = measures - neutral
    channels = np.zeros(len(CHANNELS))
    channels[:6] = change[:6]
    channels[CHANNEL["jaw_open"] : CHANNEL["upper_lip"] + 1] = _mouth(change[LIPS])
    channels[CHANNEL["brow_raise"] : CHANNEL["brow_furrow"] + 1] = _brow_inverse() @ change[BROWS]
    blinks = _blinks(measures, neutral, smile=channels[CHANNEL["smile"]])
    channels[CHANNEL["blink_right"] : CHANNEL["blink_left"] + 1] = blinks
    # Behind closing lids the mesh only guesses the iris.
    seen = np.clip(2.0 - 2.5 * blinks.mean(), 0.0, 1.0)
    channels[CHANNEL["gaze_x"]] = seen * change[INDEX["iris_x"]] / GAINS.gaze_side
    channels[CHANNEL["gaze_y"]] = seen * change[INDEX["iris_y"]] / GAINS.gaze_down
    return np.clip(channels, LOW, HIGH)


def _mouth(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Changes of the five lip measures -> jaw_open, smile, stretch, pucker, press, upper_lip."""
    jaw, smile, stretch, press, upper_lip = _lip_inverse("stretch") @ change
    pucker = 0.0
    if stretch < 0:
        jaw, smile, pucker, press, upper_lip = _lip_inverse("pucker") @ change
        stretch = 0.0
    closed = np.clip(1 - 3 * jaw, 0.0, 1.0)
    press = closed * max(0.0, press - PRESS_DEAD_BAND) / (1 - PRESS_DEAD_BAND)
    return np.array([jaw, smile, stretch, pucker, press, upper_lip])


def _blinks(measures: NDArray[np.float64], neutral: NDArray[np.float64], smile: float) -> NDArray[np.float64]:
    """(2,) closure of the right and the left eye, without what a smile narrows them."""
    eyes = slice(INDEX["aperture_right"], INDEX["aperture_left"] + 1)
    squint = np.clip(smile, 0.0, 1.0) * _smile_squint()
    closing = (neutral[eyes] - measures[eyes] - squint) / (neutral[eyes] - CLOSED_APERTURE)
    return np.clip(closing, 0.0, 1.0)


@cache
def _smile_squint() -> float:
    """How much a smile of 1 narrows an eye, in units of its aperture."""
    face = canonical_face().points
    smiling = face.copy()
    smiling[:SKIN_LANDMARKS] += _displacement("smile")
    return float(eye_measures(face, yaw=0.0)[0] - eye_measures(smiling, yaw=0.0)[0])


@cache
def _lip_inverse(width: str) -> NDArray[np.float64]:
    """(5, 5) lip measures -> jaw_open, smile, `width` (stretch or pucker), press, upper_lip."""
    columns = [lip_measures(_displacement(name)) for name in ("jaw_open", "smile", width, "press", "upper_lip")]
    return np.linalg.inv(np.column_stack(columns))


@cache
def _brow_inverse() -> NDArray[np.float64]:
    """(2, 3) brow measures -> brow_raise, brow_furrow; least squares."""
    columns = [brow_measures(_displacement(name)) for name in ("brow_raise", "brow_furrow")]
    return np.linalg.pinv(np.column_stack(columns))


def _displacement(channel: str) -> NDArray[np.float64]:
    """(468, 3) how the canonical face moves when `channel` is 1."""
    return expression_basis(canonical_face().points[:SKIN_LANDMARKS])[EXPRESSIONS.index(channel)].astype(np.float64)
