# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Directions in the bundled avatar: the lips follow its speech as without them, an interrupt does not shake them."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.bundle import ModelBundle, load_bundle
from avatar_forcing_ros.directing.expressions import MOUTH
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.metrics.speech_motion import opening_against_energy
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, AvatarFrame, Expression, LookAt
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE

START_NS = 1000 * NANOSECONDS
SECONDS = 5


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return load_bundle()


def played(bundle: ModelBundle, sound: np.ndarray, name: str = "", interrupt: bool = False) -> list[AvatarFrame]:
    """What the avatar does while it says a sound, with an expression from the beginning on."""
    avatar = Avatar(bundle, read_image(default_portrait()), AvatarConfig(image_size=64))
    avatar.start(START_NS)
    if name:
        avatar.express(Expression(None, name), START_NS)
        avatar.look_at(LookAt(None, (1.0, 0.5, 0.1)), START_NS)
    avatar.push_speech(AudioChunk(None, sound, SAMPLE_RATE, "one", 0, True), START_NS)
    frames = {}
    for step in range(25 * SECONDS):
        now_ns = START_NS + step * NANOSECONDS // 25
        if interrupt and step == 60:
            avatar.interrupt(now_ns)
        frames |= {frame.stamp_ns: frame for frame in avatar.step(now_ns)}
    return list(frames.values())


@pytest.mark.parametrize("name", ["surprised", "furious"])
def test_lips_follow_speech_as_without_an_expression(
    bundle: ModelBundle, voices: dict[str, np.ndarray], name: str
) -> None:
    sound = voices["avatar"][: 4 * SAMPLE_RATE // FRAME_SAMPLES * FRAME_SAMPLES]
    plain, directed = played(bundle, sound), played(bundle, sound, name)
    spoken = [k for k, frame in enumerate(plain) if frame.utterance_id]
    begun = spoken[4:]  # an expression's mouth takes three frames to go
    mouth = [INDEX[part] for part in MOUTH]
    limits = np.array([(CHANNELS[k].low, CHANNELS[k].high) for k in mouth], np.float32).T
    for k in begun:
        np.testing.assert_allclose(directed[k].latent[mouth], plain[k].latent[mouth].clip(*limits), atol=1e-6)

    def likeness(frames: list[AvatarFrame]) -> float:
        opening = np.array([frames[k].latent[INDEX["jaw_open"]] for k in spoken])
        return opening_against_energy(opening, np.concatenate([frames[k].speech for k in spoken])).value

    # Measured: .50 plain and with both; pauses, in which sound and mouth agree easily, are cut out of this voice.
    assert likeness(directed) > likeness(plain) - 0.01 > 0.4
    brows = [INDEX["brow_raise"], INDEX["brow_furrow"]]
    assert max(abs(directed[k].latent[brows] - plain[k].latent[brows]).max() for k in begun) > 0.3


def test_an_interrupt_does_not_shake_what_was_asked_for(bundle: ModelBundle, voices: dict[str, np.ndarray]) -> None:
    frames = played(bundle, voices["avatar"][: 4 * SAMPLE_RATE], "happy", interrupt=True)
    assert len({frame.epoch for frame in frames}) == 2
    smile = np.array([frame.latent[INDEX["smile"]] for frame in frames])
    assert np.abs(np.diff(smile[30:])).max() < 0.1 and smile[30:].min() > 0.6


def test_a_reset_forgets_what_was_asked_for(bundle: ModelBundle) -> None:
    avatar = Avatar(bundle, read_image(default_portrait()), AvatarConfig(image_size=64))
    avatar.start(START_NS)
    avatar.express(Expression(None, "happy"), START_NS)
    assert avatar.directed[0] is not None
    avatar.reset(START_NS + NANOSECONDS)
    assert avatar.directed == (None, None)
