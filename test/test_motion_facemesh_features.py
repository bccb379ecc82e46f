# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Landmarks of a drawn face become the channels that drew it: sign, size, independence of pose and of one another."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.motion.facemesh.basis import EXPRESSIONS, expression_basis
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, NAMES
from avatar_forcing_ros.motion.facemesh.landmarks import (
    EYES,
    LANDMARKS,
    SKIN_LANDMARKS,
    Similarity,
    canonical_face,
    rotation_matrix,
)
from avatar_forcing_ros.motion.facemesh.reading.features import CLOSED_APERTURE, to_channels
from avatar_forcing_ros.motion.facemesh.reading.measures import INDEX as MEASURE
from avatar_forcing_ros.motion.facemesh.reading.measures import LIPS, NECK, SMILE_SHAPE, measure

PIXELS = 80.0


def draw(yaw: float = 0, pitch: float = 0, roll: float = 0, scale: float = 0, **shares: float) -> np.ndarray:
    """(478, 3) landmarks of the canonical face with an expression, turned about the neck."""
    points = canonical_face().points.copy()
    basis = expression_basis(points[:SKIN_LANDMARKS])
    for name, share in shares.items():
        points[:SKIN_LANDMARKS] += share * basis[EXPRESSIONS.index(name)]
    return place(points, yaw, pitch, roll, scale)


def place(points: np.ndarray, yaw: float = 0, pitch: float = 0, roll: float = 0, scale: float = 0) -> np.ndarray:
    rotation, size = rotation_matrix(yaw, pitch, roll), PIXELS * np.exp(scale)
    return Similarity(size, rotation, np.array([320.0, 360, 0]) - size * rotation @ NECK).apply(points)


NEUTRAL = measure(draw())


def read(landmarks: np.ndarray) -> dict[str, float]:
    return dict(zip(NAMES, to_channels(measure(landmarks), NEUTRAL), strict=True))


def test_the_neutral_face_is_zero() -> None:
    np.testing.assert_allclose(list(read(draw()).values()), 0, atol=1e-9)


@pytest.mark.parametrize("name", ["yaw", "pitch", "roll"])
@pytest.mark.parametrize("angle", [-0.3, -0.1, 0.2, 0.3])
def test_turning_a_rigid_head_changes_only_its_angle(name: str, angle: float) -> None:
    channels = read(draw(**{name: angle}))
    assert channels.pop(name) == pytest.approx(np.clip(angle, CHANNELS[INDEX[name]].low, CHANNELS[INDEX[name]].high))
    others = {key: value for key, value in channels.items() if abs(value) > 1e-6}
    assert name == "pitch" or not others  # nodding is corrected for what the mesh adds to it
    assert all(abs(value) < 0.7 for value in others.values())


def test_position_and_size() -> None:
    channels = read(draw() + np.array([24.0, -16.0, 0.0]))
    assert channels["x"] == pytest.approx(24 / PIXELS)
    assert channels["y"] == pytest.approx(-16 / PIXELS)
    nearer = read(draw(scale=0.1))
    assert nearer["scale"] == pytest.approx(0.1)
    assert abs(nearer["x"]) + abs(nearer["y"]) < 1e-9


@pytest.mark.parametrize(
    ("change", "least", "most"),
    [
        ((0.10, 0.02, 0.03, 0.06, -0.02), -0.1, 0.4),  # talks
        ((0.10, -0.04, 0.00, 0.04, 0.04), -0.1, 0.2),  # talks with rounded lips
        ((0.24, 0.16, 0.22, 0.19, -0.07), 0.9, 1.0),  # laughs
        ((0.11, 0.12, 0.15, 0.11, -0.04), 0.8, 1.0),  # smiles and talks
        ((0.00, 0.03, 0.07, 0.03, -0.03), 0.3, 0.6),  # closes the lips at the end of that smile
        ((0.00, 0.00, 0.00, -0.05, 0.01), -0.1, 0.45),  # closes them without one
    ],
)
def test_talk_is_told_from_smiles(change: tuple[float, ...], least: float, most: float) -> None:
    """Changes of the lip measures as the mesh saw them on a filmed person."""
    face = NEUTRAL.copy()
    face[LIPS] += change
    face[MEASURE["smile_shape"]] = SMILE_SHAPE @ face[LIPS]
    assert least < to_channels(face, NEUTRAL)[INDEX["smile"]] <= most


@pytest.mark.parametrize("pose", [{}, {"yaw": 0.35}, {"yaw": -0.35}], ids=["straight", "right", "left"])
@pytest.mark.parametrize("lips", ["jaw_open", "press", "pucker", "stretch"])
def test_talking_lips_neither_take_a_smile_away_nor_make_a_frown(lips: str, pose: dict[str, float]) -> None:
    """Closed lips of a smiling face were once read as a frown."""
    for smile in (0.0, 0.7):
        at_rest = read(draw(smile=smile, **pose))["smile"]
        assert read(draw(smile=smile, **{lips: 0.6}, **pose))["smile"] == pytest.approx(at_rest, abs=0.17)


def test_a_frown_is_a_frown() -> None:
    values = [read(draw(smile=share))["smile"] for share in (0, -0.2, -0.5)]
    assert values[0] == 0
    assert values[1] == pytest.approx(-0.2, abs=0.05)
    assert values[2] == pytest.approx(-0.5, abs=0.05)


@pytest.mark.parametrize("name", [name for name in EXPRESSIONS if name != "brow_furrow"])
def test_expressions_grow_with_what_is_drawn(name: str) -> None:
    values = [read(draw(**{name: share}))[name] for share in (0, 0.25, 0.5, 0.75, 1)]
    assert (np.diff(values) >= 0).all()
    assert values[0] == 0
    assert 0.3 < values[2] < 0.8
    assert values[-1] > 0.9


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("pose", [{}, {"yaw": 0.25}, {"roll": -0.3}], ids=["straight", "turned", "tilted"])
def test_an_expression_leaks_little_into_others(name: str, pose: dict[str, float]) -> None:
    channels = read(draw(**{name: 0.8}, **pose))
    leaks = {key: value for key, value in channels.items() if key not in {name, *pose} and abs(value) > 0.3}
    assert not leaks


def test_frowning_brows_are_no_raised_ones() -> None:
    channels = read(draw(brow_furrow=1))
    assert channels["brow_furrow"] > 0.5
    assert abs(channels["brow_raise"]) < 0.25


@pytest.mark.parametrize("side", [0, 1], ids=["right", "left"])
def test_a_blink_closes_its_own_eye(side: int) -> None:
    values = []
    for closed in (0.0, 0.5, 1.0):
        points = canonical_face().points.copy()
        eye = EYES[side]
        middle = (points[eye.upper_lid] + points[eye.lower_lid]) / 2
        share = 1 - closed * (1 - CLOSED_APERTURE / NEUTRAL[MEASURE["aperture_right"]])
        for lid in (eye.upper_lid, eye.lower_lid):
            points[lid] = middle + share * (points[lid] - middle)
        channels = read(place(points, yaw=0.1))
        values.append(channels[("blink_right", "blink_left")[side]])
        assert channels[("blink_left", "blink_right")[side]] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(values, [0, 0.5, 1.0], atol=0.02)


@pytest.mark.parametrize("pose", [{}, {"yaw": 0.3}, {"roll": 0.3, "pitch": -0.2}])
def test_gaze_is_within_the_head(pose: dict[str, float]) -> None:
    points = canonical_face().points.copy()
    for eye in EYES:
        points[eye.iris] += [0.05, -0.02, 0]
    channels = read(place(points, **pose))
    assert channels["gaze_x"] == pytest.approx(0.05 / (0.8 * 0.09), abs=0.02)
    assert channels["gaze_y"] == pytest.approx(-0.02 / (0.6 * 0.055), abs=0.02)


def test_whatever_comes_stays_within_the_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        landmarks = draw(yaw=rng.normal(), pitch=rng.normal()) + rng.normal(0, 20, (LANDMARKS, 3))
        channels = to_channels(measure(landmarks), NEUTRAL)
        assert all(c.low <= value <= c.high for c, value in zip(CHANNELS, channels, strict=True))
