# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The 18 channels under ARKit's 52 names: all there, none beyond 0 and 1, sides and signs right."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.motion.facemesh.arkit import ARKIT_NAMES, to_arkit
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, POSE, SIZE


def weights(**channels: float) -> dict[str, float]:
    latent = np.zeros(SIZE, np.float32)
    for name, value in channels.items():
        latent[INDEX[name]] = value
    return {name: float(w) for name, w in zip(ARKIT_NAMES, to_arkit(latent), strict=True) if w}


def test_there_are_fifty_two_names_and_weights_are_shares() -> None:
    assert len(set(ARKIT_NAMES)) == 52
    for bound in ("low", "high"):
        shown = to_arkit(np.array([getattr(channel, bound) for channel in CHANNELS], np.float32))
        assert shown.shape == (52,) and shown.dtype == np.float32 and (shown >= 0).all() and (shown <= 1).all()


def test_a_face_at_rest_is_nothing_and_so_is_a_head_that_turns() -> None:
    assert weights() == weights(**dict.fromkeys(POSE, 0.1)) == {}


@pytest.mark.parametrize("name", [channel.name for channel in CHANNELS if channel.name not in POSE])
def test_every_channel_of_the_face_is_seen_and_more_of_it_is_more(name: str) -> None:
    little, much = weights(**{name: 0.4}), weights(**{name: 0.8})
    assert little and sum(little.values()) < sum(much.values())


def test_sides_are_the_persons_own() -> None:
    assert weights(blink_left=1.0) == {"eyeBlinkLeft": 1.0}
    assert set(weights(gaze_x=0.5)) == {"eyeLookOutLeft", "eyeLookInRight"}, "the viewer's right is the person's left"
    assert set(weights(gaze_x=-0.5)) == {"eyeLookInLeft", "eyeLookOutRight"}
    assert set(weights(gaze_y=0.5)) == {"eyeLookDownLeft", "eyeLookDownRight"}


def test_lips_that_are_pressed_close_the_jaw_and_a_felt_smile_squints() -> None:
    assert weights(jaw_open=0.5, press=1.0)["mouthClose"] == pytest.approx(0.5), "ARKit closes lips over an open jaw"
    polite, felt = weights(smile=0.8), weights(smile=0.8, blink_left=0.3, blink_right=0.3)
    assert felt["cheekSquintLeft"] > 2 * polite["cheekSquintLeft"]
    assert {"mouthFrownLeft", "mouthFrownRight"} <= set(weights(smile=-0.5))
