# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Round trip on real pictures: the face mesh reads back what is rendered, with right sign, little cross-talk.

The photographs are those of installed packages, the drawn character is the project's own.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.motion.facemesh.landmarks import EYES, MOUTH_CORNERS, OVAL, RIGHT_EYE, fit_head, head_angles
from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait, load_portrait
from avatar_forcing_ros.motion.facemesh.reading.detect import _mesh_faces, find_face
from avatar_forcing_ros.motion.facemesh.reading.tracker import FaceTracker
from avatar_forcing_ros.motion.space import PortraitError

DRAWN = Path(__file__).resolve().parents[1] / "models/portraits/aria.png"
POSE = ("yaw", "pitch", "roll")


def read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    if image is None:
        pytest.skip(f"{path.name} is not installed")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def astronaut() -> NDArray[np.uint8]:
    spec = find_spec("skimage")  # found, not imported: only its photograph is kept
    folder = Path(spec.origin).parent if spec and spec.origin else Path("skimage")
    return read(folder / "data/astronaut.png")


def hopper() -> NDArray[np.uint8]:
    pytest.importorskip("matplotlib")
    return read(Path(str(files("matplotlib"))) / "mpl-data/sample_data/grace_hopper.jpg")


PICTURES = {"astronaut": astronaut, "hopper": hopper, "drawn": lambda: read(DRAWN)}


class RoundTrip:
    """Renders a portrait and measures the result against the portrait at rest."""

    def __init__(self, portrait: FaceMeshPortrait) -> None:
        self.portrait = portrait
        self._tracker = FaceTracker()
        self.rest = self._measure({})

    def _landmarks(self, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
        for _ in range(4):  # the tracker settles
            found = self._tracker.track(frame)
        assert found is not None, "no face in the rendered frame"
        return found

    def _measure(self, channels: dict[str, float]) -> dict[str, float]:
        latent = np.zeros(SIZE, np.float32)
        for name, value in channels.items():
            latent[INDEX[name]] = value
        landmarks = self._landmarks(self.portrait.render(latent))
        head = fit_head(landmarks)
        angles, face = head_angles(head.rotation), head.invert(landmarks)
        brows = np.concatenate([eye.brow for eye in EYES])
        right, left = (face[eye.lower_lid[2:5], 1].mean() - face[eye.upper_lid[2:5], 1].mean() for eye in EYES)
        return {
            "yaw": angles.yaw, "pitch": angles.pitch, "roll": angles.roll,
            "x": head.offset[0] / head.scale, "y": head.offset[1] / head.scale, "scale": np.log(head.scale),
            "gap": float(np.linalg.norm(face[13] - face[14])), "chin": face[152, 1],
            "width": float(np.ptp(face[MOUTH_CORNERS, 0])),
            "lift": face[[0, 17], 1].mean() - face[MOUTH_CORNERS, 1].mean(),
            "upper_lip": -face[0, 1], "brow": -face[brows, 1].mean(), "right_eye": right, "left_eye": left,
            "gaze": float(np.mean([face[eye.iris[0], 0] - face[eye.corners, 0].mean() for eye in EYES])),
        }  # fmt: skip

    def change(self, **channels: float) -> dict[str, float]:
        """Each measure's change from rest, radians or interocular distances."""
        return {name: value - self.rest[name] for name, value in self._measure(channels).items()}


@pytest.fixture(scope="module", params=PICTURES)
def trip(request: pytest.FixtureRequest) -> RoundTrip:
    return RoundTrip(load_portrait(PICTURES[request.param]()))


@pytest.mark.parametrize("channel", POSE)
def test_pose_comes_back(trip: RoundTrip, channel: str) -> None:
    """Sign, order and most of the size; the other angles stay small, the mouth shut."""
    values = (-0.22, -0.11, 0.11, 0.22)
    changes = [trip.change(**{channel: value}) for value in values]
    read_back = [change[channel] for change in changes]
    assert read_back == sorted(read_back)
    assert read_back[0] < -0.1
    assert read_back[-1] > 0.1
    for change in changes:
        assert max(abs(change[other]) for other in POSE if other != channel) < 0.07
        assert abs(change["gap"]) < 0.05


@pytest.mark.parametrize(("channel", "value"), [("x", 0.3), ("y", 0.2), ("scale", 0.1)])
def test_position_comes_back(trip: RoundTrip, channel: str, value: float) -> None:
    for wanted in (-value, value):
        change = trip.change(**{channel: wanted})
        if channel == "scale":
            assert change["scale"] == pytest.approx(wanted, abs=0.03)
        else:
            assert change[channel] == pytest.approx(wanted, abs=0.06)
        assert max(abs(change[angle]) for angle in POSE) < 0.06


def test_jaw_opens_in_steps(trip: RoundTrip) -> None:
    changes = [trip.change(jaw_open=value) for value in (0.2, 0.5, 1.0)]
    gaps, chins = [c["gap"] for c in changes], [c["chin"] for c in changes]
    assert gaps == sorted(gaps)
    assert gaps[-1] > 0.25
    assert chins[-1] > 0.1
    assert max(abs(c[angle]) for c in changes for angle in POSE) < 0.09
    assert trip.change(jaw_open=0.5, press=1.0)["gap"] < 0.04


def test_a_small_opening_is_seen(trip: RoundTrip) -> None:
    assert trip.change(jaw_open=0.12)["gap"] > 0.02


def test_mouth_shapes(trip: RoundTrip) -> None:
    smile, frown = trip.change(smile=1.0), trip.change(smile=-0.5)
    assert smile["width"] > 0.08
    assert smile["lift"] > 0.05 > frown["lift"]
    assert frown["lift"] < 0
    assert trip.change(stretch=1.0)["width"] > 0.06
    assert trip.change(pucker=1.0)["width"] < trip.change(pucker=0.5)["width"] < -0.04
    assert trip.change(upper_lip=1.0)["upper_lip"] > 0.03


def test_each_eye_shuts_alone(trip: RoundTrip) -> None:
    if trip.portrait.report.glasses:
        pytest.skip("the face mesh does not see shut lids behind these glasses")
    for channel, shut, other in (("blink_right", "right_eye", "left_eye"), ("blink_left", "left_eye", "right_eye")):
        half, whole = trip.change(**{channel: 0.5}), trip.change(**{channel: 1.0})
        assert whole[shut] < half[shut] < -0.03
        assert whole[shut] < -0.6 * trip.rest[shut]
        assert abs(whole[other]) < 0.4 * abs(whole[shut])


def test_brows_and_gaze(trip: RoundTrip) -> None:
    brow = trip.change(brow_raise=1.0)["brow"]
    assert brow < 0.05 if trip.portrait.report.glasses else brow > 0.05
    if not trip.portrait.report.glasses:
        assert trip.change(gaze_x=-1.0)["gaze"] < -0.015
        assert trip.change(gaze_x=1.0)["gaze"] > 0.015


def test_reports() -> None:
    reports = {name: load_portrait(make(), 512).report for name, make in PICTURES.items()}
    assert reports["astronaut"].mouth_open
    assert not reports["hopper"].mouth_open
    assert not reports["drawn"].mouth_open
    assert reports["hopper"].glasses
    assert not reports["astronaut"].glasses
    assert not reports["drawn"].glasses
    assert reports["astronaut"].enlargement > 1 > reports["drawn"].enlargement


def test_smile_and_open_mouth_are_taken_back() -> None:
    """The astronaut laughs; at rest her portrait does not."""
    picture = astronaut()
    photographed = find_face(picture)
    at_rest = find_face(load_portrait(picture).render(np.zeros(SIZE, np.float32)))
    gaps, widths = [], []
    for landmarks in (photographed, at_rest):
        face = fit_head(landmarks).invert(landmarks)
        gaps.append(np.linalg.norm(face[13] - face[14]))
        widths.append(np.ptp(face[MOUTH_CORNERS, 0]))
    assert gaps[0] > 0.06
    assert gaps[1] < 0.03
    assert widths[1] < widths[0] - 0.05


def test_glasses_do_not_bend() -> None:
    portrait = load_portrait(hopper())
    frames = []
    for raised in (0.0, 1.0):
        latent = np.zeros(SIZE, np.float32)
        latent[INDEX["brow_raise"]] = raised
        frames.append(cv2.cvtColor(portrait.render(latent), cv2.COLOR_RGB2GRAY).astype(np.float32))
    mesh = portrait._renderer.model.mesh
    x, y = mesh.pixels[RIGHT_EYE.crease].mean(0).astype(int)
    reach = int(0.3 * mesh.head.scale)
    rim = [frame[y - reach : y + reach // 3, x - reach : x + reach] for frame in frames]
    (_, shift), _ = cv2.phaseCorrelate(*rim)
    assert abs(shift) < 0.03 * mesh.head.scale


def test_a_picture_without_a_face_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    with pytest.raises(PortraitError, match="no face found"):
        load_portrait(noise)


def test_why_no_face_was_found_is_said_where_it_shows() -> None:
    person = astronaut()
    far_away = np.full((600, 800, 3), 128, np.uint8)
    far_away[300:400, 400:500] = cv2.resize(person, (100, 100), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(person[:260, 120:340], (61, 61), 0)
    noise = np.random.default_rng(0).normal(0, 2, person.shape)
    pictures = {
        "got a dark one": np.clip(person * 0.02 + noise, 0, 255).astype(np.uint8),
        "got one that is nearly white": np.full_like(person, 250),
        r"is only about \d\d pixels wide": far_away,
        "is covered, blurred or turned away": blurred,
    }
    for why, picture in pictures.items():
        with pytest.raises(PortraitError, match=f"no face found.*{why}"):
            find_face(picture)


def test_a_tiny_face_is_refused_with_its_width() -> None:
    small = cv2.resize(astronaut(), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    with pytest.raises(PortraitError, match=r"the face is \d+ pixels wide: expected at least 64"):
        load_portrait(small)


def test_the_largest_of_several_faces_is_taken() -> None:
    picture = astronaut()
    pair = np.full((700, 1000, 3), 120, np.uint8)
    pair[150:600, 20:470] = picture[:450, :450]
    pair[0:675, 480:1000] = cv2.resize(picture[:450, 60:407], (520, 675))
    assert find_face(pair)[:, 0].min() > 480
    assert any("2 faces are in the picture" in remark for remark in load_portrait(pair, 128).remarks)


def test_a_head_that_is_turned_aside_is_said() -> None:
    aside = np.zeros(SIZE, np.float32)
    aside[INDEX["yaw"]] = 0.5
    portrait = load_portrait(astronaut(), 512)
    assert not any("turned aside" in remark for remark in portrait.remarks)
    assert any("turned aside" in remark for remark in load_portrait(portrait.render(aside), 128).remarks)


def test_a_face_near_the_edge_is_padded() -> None:
    """The picture's edge goes on beyond it: nothing is black, and no second face is mirrored there."""
    close = astronaut()[0:240, 152:298]
    portrait = load_portrait(close, 256)
    frame = portrait.render(np.zeros(SIZE, np.float32))
    for edge in (frame[:3], frame[-3:], frame[:, :3], frame[:, -3:]):
        assert edge.max() > 30
    assert len(_mesh_faces(frame)) == 1
    assert any("ends close to the face" in remark for remark in portrait.remarks)


def test_a_face_that_fills_the_picture_is_refused() -> None:
    face = find_face(read(DRAWN))[OVAL, :2]
    (left, top), (right, bottom) = face.min(0).astype(int), face.max(0).astype(int)
    with pytest.raises(PortraitError, match="the face fills the picture"):
        load_portrait(np.ascontiguousarray(read(DRAWN)[top - 40 : bottom + 40, left - 40 : right + 40]))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_on_its_side_is_turned_upright(turns: int) -> None:
    upright, lying = load_portrait(read(DRAWN), 128), load_portrait(np.rot90(read(DRAWN), turns), 128)
    assert lying.report.quarter_turns == 4 - turns
    assert any("did not stand upright" in remark for remark in lying.remarks)
    rest = np.zeros(SIZE, np.float32)
    assert np.abs(upright.render(rest).astype(int) - lying.render(rest)).mean() < 3


def test_what_spoils_a_portrait_is_said() -> None:
    """Shut eyes, and something before the mouth; of a good picture nothing is said."""
    assert load_portrait(read(DRAWN), 128).remarks == ()
    blink = np.zeros(SIZE, np.float32)
    blink[[INDEX["blink_left"], INDEX["blink_right"]]] = 1
    shut = load_portrait(load_portrait(read(DRAWN), 512).render(blink), 128)
    assert any("eyes are shut" in remark for remark in shut.remarks)
    covered = read(DRAWN).copy()
    middle = find_face(covered)[[13, 14], :2].mean(0).astype(int)
    cv2.ellipse(covered, middle.tolist(), (90, 62), 0, 0, 360, (224, 172, 150), -1)
    assert any("cover the mouth" in remark for remark in load_portrait(covered, 128).remarks)


def test_a_face_in_bad_light_and_one_behind_a_mask_or_black_glasses_is_said() -> None:
    def remarks(picture: np.ndarray) -> str:
        return " ".join(load_portrait(picture, 128).remarks)

    assert "the face is dark" in remarks(astronaut() // 20)
    assert "nearly white" in remarks(255 - (255 - astronaut()) // 6)
    masked, blind = astronaut(), astronaut()
    masked[125:170, 180:270] = 200, 220, 240
    blind[85:115, 180:275] = 10
    assert "cover the mouth" in remarks(masked)
    assert "nothing is seen of the eyes" in remarks(blind)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["exif3.jpg", "exif6.jpg"])
def test_handed_phone_photos_are_upright(name: str, shared: Path) -> None:
    """Both are the drawn character: none is turned once more, and the lips are below the eyes."""
    portrait = load_portrait(read_image(shared / "cases" / name), 128)
    assert portrait.remarks == ()
    drawn = load_portrait(read(DRAWN), 128)
    rest = np.zeros(SIZE, np.float32)
    assert np.abs(portrait.render(rest).astype(int) - drawn.render(rest)).mean() < 8
