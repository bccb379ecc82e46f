# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measures of a face and of its neutral state -> the 18 channels, in the renderer's units.

The tables say what a channel of 1 does to each measure; inverting them separates channels that move the same points.
They follow the renderer's expression basis, so that an avatar that copies the numbers looks like the user. They are
corrected for what filmed faces do, and for how much of it MediaPipe's mesh shows, which favours ordinary faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, HIGH, LOW
from avatar_forcing_ros.motion.facemesh.channels import INDEX as CHANNEL
from avatar_forcing_ros.motion.facemesh.gains import GAINS
from avatar_forcing_ros.motion.facemesh.reading.measures import BROWS, INDEX, LIPS


@dataclass(frozen=True)
class LipResponse:
    """Changes of the lip measures at channel value 1, in interocular distances.

    These make up for half of what the mesh misses in rendered portraits; making up for all of it would double the
    jitter.

    Attributes:
        jaw_gap: lip_gap at jaw_open.
        jaw_width: mouth_width at jaw_open, least and most; values in between show neither stretch nor pucker.
        jaw_fall: corner_lift at jaw_open, as drawn and in people who talk; values in between show no smile.
        jaw_lip: lip_lift at jaw_open.
        jaw_height: lip_height at jaw_open.
        smile_lift: corner_lift at smile (85 % of what is drawn).
        smile_lip: lip_lift at smile.
        smile_height: lip_height at smile.
        smile_width: mouth_width at smile, least and most.
        frown_width: mouth_width at smile -1.
        stretch_width: mouth_width at stretch (70 %).
        stretch_height: lip_height at stretch.
        pucker_width: mouth_width at pucker (70 %).
        pucker_height: lip_height at pucker.
        press_height: lip_height at press (80 %).
        upper_gap: lip_gap at upper_lip.
        upper_lift: lip_lift at upper_lip (80 %).
    """

    jaw_gap: float = 0.41
    jaw_width: tuple[float, float] = (-0.09, 0.03)
    jaw_fall: tuple[float, float] = (-0.14, -0.10)
    jaw_lip: float = 0.025
    jaw_height: float = -0.045
    smile_lift: float = 0.09
    smile_lip: float = 0.035
    smile_height: float = -0.03
    smile_width: tuple[float, float] = (0.045, 0.09)
    frown_width: float = -0.06
    stretch_width: float = 0.06
    stretch_height: float = -0.025
    pucker_width: float = -0.10
    pucker_height: float = 0.05
    press_height: float = -0.062
    upper_gap: float = 0.07
    upper_lift: float = 0.067


LIPS_AT_ONE = LipResponse()
BROW_SHOWN, GAZE_X_SHOWN, GAZE_Y_SHOWN = 0.75, 0.8, 0.6
"""The same shares for brows and gaze."""
FURROW_HEIGHT, FURROW_DISTANCE = -0.042, -0.05
"""Fall of the brows and change of the distance between them at brow_furrow 1."""
PITCH_LIFT = 0.15
"""How much the mesh lifts the mouth relative to the nose, per radian of nod, although the head only turns."""
WIDEST_FROWN = 0.35
"""Angle between the neutral and the present pose, in radians, beyond which a frown is not trusted."""
NARROW_SMILE = 0.25
"""How much lifted corners count as a smile if the mouth has not become wider."""
SMILE_SQUINT = 0.025
"""How much a smile of 1 narrows the eye, as a share of its width."""
CLOSED_APERTURE = 0.06
"""Opening of shut lids in the mesh, relative to the eye's width."""
PRESS_DEAD_BAND, FURROW_DEAD_BAND = 0.2, 0.25
"""Changes in the heights of lips and brows up to this size may be jitter of the mesh."""


def to_channels(measures: NDArray[np.float64], neutral: NDArray[np.float64]) -> NDArray[np.float64]:
    """Channels of a face.

    Args:
        measures: (18,) from `measures.measure`.
        neutral: (18,) the same measures of this person's neutral face.

    Returns:
        (18,) channels in the order and within the limits of `channels.CHANNELS`.
    """
    change = measures - neutral
    channels = np.zeros(len(CHANNELS))
    channels[:6] = change[:6]
    channels[CHANNEL["x"] : CHANNEL["y"] + 1] /= np.exp(neutral[INDEX["log_scale"]])
    channels[CHANNEL["jaw_open"] : CHANNEL["upper_lip"] + 1] = _mouth(change[LIPS], change[INDEX["pitch"]])
    channels[CHANNEL["brow_raise"] : CHANNEL["brow_furrow"] + 1] = _brows(change[BROWS])
    blinks = _blinks(measures, neutral, raised_corners=channels[CHANNEL["smile"]])
    channels[CHANNEL["blink_right"] : CHANNEL["blink_left"] + 1] = blinks
    turned = float(np.hypot(*change[:2]))
    channels[CHANNEL["smile"]] = _trusted_smile(change[INDEX["smile_shape"]], turned)
    seen = np.clip(2.0 - 2.5 * blinks.mean(), 0.0, 1.0)  # behind closing lids the mesh guesses the iris
    channels[CHANNEL["gaze_x"]] = seen * change[INDEX["iris_x"]] / (GAZE_X_SHOWN * GAINS.gaze_side)
    channels[CHANNEL["gaze_y"]] = seen * change[INDEX["iris_y"]] / (GAZE_Y_SHOWN * GAINS.gaze_down)
    return np.clip(channels, LOW, HIGH)


def _mouth(change: NDArray[np.float64], nod: float) -> NDArray[np.float64]:
    """Changes of the five lip measures -> jaw_open, raised corners, stretch, pucker, press, upper_lip.

    They are found one after the other; the channel that moves most comes first, and the next explains what is left. The
    corners' height explains what else a smile does to the lips, but is not what is given out as the smile: closed lips
    between two words take the corners down.
    """
    at = LIPS_AT_ONE
    gap, width, lift, lip_lift, lip_height = change - np.array([0, 0, PITCH_LIFT, PITCH_LIFT, 0]) * nod
    smile = _lifted(lift, gap / at.jaw_gap)
    explained = at.smile_lip * max(0.0, smile) + at.jaw_lip * gap / at.jaw_gap
    upper_lip = max(0.0, lip_lift - explained) / at.upper_lift
    jaw = np.clip((gap - at.upper_gap * upper_lip) / at.jaw_gap, 0.0, 1.5)
    smile = _broad_smile(np.clip(_lifted(lift, jaw), -0.5, 1.5), width, jaw)
    stretch, pucker = _lip_width(width, jaw, smile)
    left_over = lip_height - at.jaw_height * jaw - at.smile_height * max(0.0, smile)
    left_over -= at.stretch_height * stretch + at.pucker_height * pucker
    closed = np.clip(1 - 3 * jaw, 0.0, 1.0)
    press = closed * max(0.0, left_over / at.press_height - PRESS_DEAD_BAND) / (1 - PRESS_DEAD_BAND)
    return np.array([jaw, smile, stretch, pucker, press, upper_lip])


def _lifted(lift: float, jaw: float) -> float:
    """The smile or frown in mouth corners that are higher or lower than the jaw explains."""
    at = LIPS_AT_ONE
    least, most = (share * jaw for share in at.jaw_fall)
    return (max(0.0, lift - most) - max(0.0, least - lift)) / at.smile_lift


def _broad_smile(smile: float, width: float, jaw: float) -> float:
    """A smile that lifts the corners also draws them apart; lifting without that is mostly talk."""
    at = LIPS_AT_ONE
    widening = max(0.0, width - at.jaw_width[0] * jaw)
    return min(smile, widening / at.smile_width[0] + NARROW_SMILE)


def _trusted_smile(smile: float, turned: float) -> float:
    """When a head turns or nods, the mesh sees less of its mouth, so a frown counts less."""
    return smile if smile > 0 else smile * max(0.0, 1 - turned / WIDEST_FROWN)


def _lip_width(width: float, jaw: float, smile: float) -> tuple[float, float]:
    """(stretch, pucker): how much wider or narrower the mouth is than jaw and smile explain."""
    at = LIPS_AT_ONE
    least, most = (share * smile for share in at.smile_width) if smile > 0 else (-at.frown_width * smile, 0.0)
    least, most = least + at.jaw_width[0] * jaw, most + at.jaw_width[1] * jaw
    return max(0.0, width - most) / at.stretch_width, max(0.0, least - width) / -at.pucker_width


def _brows(change: NDArray[np.float64]) -> NDArray[np.float64]:
    """Changes of height and distance -> brow_raise, brow_furrow.

    The mesh hardly shows brows drawn together, so a frown mostly shows in brows that fall below neutral.
    """
    height, distance = change
    fallen = 0.7 * height / FURROW_HEIGHT + 0.3 * distance / FURROW_DISTANCE
    furrow = np.clip((fallen - FURROW_DEAD_BAND) / (1 - FURROW_DEAD_BAND), 0.0, 1.0)
    raised = (height - FURROW_HEIGHT * furrow) / (BROW_SHOWN * GAINS.brow_up)
    return np.array([raised, furrow])


def _blinks(measures: NDArray[np.float64], neutral: NDArray[np.float64], raised_corners: float) -> NDArray[np.float64]:
    """(2,) closure of the right and left eye, without the part that comes from a smile."""
    eyes = slice(INDEX["aperture_right"], INDEX["aperture_left"] + 1)
    squint = SMILE_SQUINT * np.clip(raised_corners, 0.0, 1.0)
    closing = (neutral[eyes] - measures[eyes] - squint) / (neutral[eyes] - CLOSED_APERTURE)
    return np.clip(closing, 0.0, 1.0)
