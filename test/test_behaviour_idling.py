# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""With nobody there the face idles without the network, and neither going there nor coming back shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.behaviour.idling import HELD_FRAMES, Idling
from avatar_forcing_ros.behaviour.movement import Movement
from avatar_forcing_ros.bundle import ModelBundle, load_bundle
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.generator.motion_engine import MotionEngine
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, POSE
from avatar_forcing_ros.signals import FPS, AudioChunk, AvatarFrame, MotionSample
from avatar_forcing_ros.timeline.grid import FRAME_NS, SAMPLE_RATE

POSES = [INDEX[name] for name in POSE]


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return load_bundle()


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return read_image(default_portrait())


@dataclass
class Told:
    """An avatar that is run second by second, and how many blocks its network drew."""

    avatar: Avatar
    drawn: list[int]
    frames: list[AvatarFrame] = field(default_factory=list)
    now_ns: int = 0

    def run(self, seconds: float, user: bool = False, voice: bool = False) -> list[AvatarFrame]:
        made: list[AvatarFrame] = []
        for _ in range(round(seconds * FPS)):
            if user:
                still = np.zeros(len(NAMES), np.float32)
                self.avatar.push_user_motion(MotionSample(self.now_ns, still, valid=True))
            if voice:
                sound = 0.2 * np.sin(np.arange(SAMPLE_RATE // FPS) / 7).astype(np.float32)
                self.avatar.push_user_audio(AudioChunk(self.now_ns, sound, SAMPLE_RATE))
            self.now_ns += FRAME_NS
            made += self.avatar.step(self.now_ns)
        self.frames += made
        return made


@pytest.fixture
def told(bundle: ModelBundle, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> Told:
    drawn: list[int] = []
    state = Movement.state

    def counting(self: Movement, engine: MotionEngine, first_frame: int, rest: NDArray[np.float32]) -> object:
        drawn.append(first_frame)
        return state(self, engine, first_frame, rest)

    monkeypatch.setattr(Movement, "state", counting)
    avatar = Avatar(bundle, picture, AvatarConfig(image_size=128, idle_after_s=2.0))
    drawn.clear()
    avatar.start(0)
    return Told(avatar, drawn)


def latents(frames: list[AvatarFrame]) -> NDArray[np.float32]:
    return np.stack([frame.latent for frame in frames])


def test_after_a_while_with_nobody_the_network_rests_until_somebody_comes(told: Told) -> None:
    told.run(1.9)
    assert len(told.drawn) >= 11
    told.run(1.0)
    told.drawn.clear()
    told.run(5.0)
    assert told.drawn == []
    told.run(0.5, user=True)
    assert told.drawn
    told.run(2.6)
    told.drawn.clear()
    told.run(1.0)
    assert told.drawn == []


@pytest.mark.parametrize("what", ["voice", "speech"])
def test_a_voice_without_a_face_and_something_to_say_wake_it(told: Told, what: str) -> None:
    told.run(4.0)
    told.drawn.clear()
    if what == "speech":
        told.avatar.push_speech(
            AudioChunk(None, np.full(8000, 0.1, np.float32), SAMPLE_RATE, "a", 0, True), told.now_ns
        )
    told.run(0.8, voice=what == "voice")
    assert told.drawn


def test_the_idle_face_blinks_looks_and_sways_and_holds_what_hardly_moves(told: Told) -> None:
    told.run(4.0)
    idle = told.run(40.0)
    moved = latents(idle)
    blinks = (np.diff((moved[:, INDEX["blink_left"]] > 0.5).astype(int)) > 0).sum()
    assert 8 <= blinks <= 16
    assert moved[:, INDEX["yaw"]].std() > 0.005 and moved[:, INDEX["gaze_x"]].std() > 0.02
    repeats = np.array([frame.repeats for frame in idle])
    assert 0.4 < (repeats > 0).mean() <= 1 - 1 / HELD_FRAMES
    assert repeats.max() < HELD_FRAMES  # 120 ms: nothing looks frozen
    assert all(now in (0, before + 1) for before, now in pairwise(repeats))


def test_what_is_held_lags_behind_by_no_more_than_a_fifth_of_a_pixel(bundle: ModelBundle) -> None:
    idling, frames = Idling(bundle, after_frames=1, first_frame=0, seed=3), range(0, 1000, 4)
    blocks = [idling.move(range(n, n + 4), np.zeros(len(NAMES), np.float32)) for n in frames]
    shown = bundle.denormalize(np.concatenate(blocks))[40:]
    own = np.stack([bundle.space.idle(n, 3) for n in range(40, 1000)])

    assert np.abs(shown - own).max() < 0.0016
    held = (shown[1:] == shown[:-1]).all(1)
    assert 0.4 < held.mean() <= 1 - 1 / HELD_FRAMES


def test_a_repeated_frame_has_the_picture_of_the_one_before(told: Told) -> None:
    told.run(4.0)
    idle = told.run(1.0)
    at = next(i for i, frame in enumerate(idle) if i and frame.repeats == 1)
    after = next(i for i in range(at, len(idle)) if not idle[i].repeats)
    pictures = [told.avatar.render(frame) for frame in idle[at - 1 : after + 1]]
    assert all(np.array_equal(pictures[0], picture) for picture in pictures[1:-1])
    assert not np.array_equal(pictures[0], pictures[-1]), "it breathes"


def test_nobody_sees_when_it_begins_and_ends(bundle: ModelBundle, picture: NDArray[np.uint8]) -> None:
    """The same user comes and goes: the head hardly makes a larger step than the network alone makes.

    Half more: the bundled network's head, begun anew in the middle, leaves it faster than it wanders later.
    """

    def steps(idle_after_s: float) -> NDArray[np.float32]:
        told = Told(Avatar(bundle, picture, AvatarConfig(image_size=128, idle_after_s=idle_after_s)), [])
        told.avatar.start(0)
        for n in range(4):
            told.run(3.0, user=True)
            told.run(3.0 + 0.4 * n)
        return np.abs(np.diff(latents(told.frames), axis=0))[:, POSES].max(0)

    assert (steps(2.0) <= 1.5 * steps(0.0)).all()


def test_equal_input_gives_equal_frames_and_zero_never_idles(bundle: ModelBundle, picture: NDArray[np.uint8]) -> None:
    def play(**config: float) -> list[AvatarFrame]:
        avatar = Avatar(bundle, picture, AvatarConfig(image_size=128, **config))
        avatar.start(0)
        return [frame for n in range(200) for frame in avatar.step(n * FRAME_NS)]

    first, second, never = play(idle_after_s=1.0), play(idle_after_s=1.0), play(idle_after_s=0.0)
    assert np.array_equal(latents(first), latents(second))
    assert [frame.repeats for frame in first] == [frame.repeats for frame in second]
    assert any(frame.repeats for frame in first) and not any(frame.repeats for frame in never)
    assert not np.array_equal(latents(first)[-1], latents(never)[-1])
