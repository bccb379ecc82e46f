# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every rendered frame keeps, whatever the portrait: checked on the plain one, which needs no detector."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros import _drawing
from avatar_forcing_ros.motion.facemesh.basis import (
    EXPRESSIONS,
    JOINT,
    close_lips,
    expression_basis,
    joint_shares,
    parted,
)
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, NAMES, SIZE
from avatar_forcing_ros.motion.facemesh.drawing.limits import soft_limit
from avatar_forcing_ros.motion.facemesh.drawing.render import FrameRenderer
from avatar_forcing_ros.motion.facemesh.gains import GAINS
from avatar_forcing_ros.motion.facemesh.landmarks import (
    LOWER_LIP,
    MOUTH_CORNERS,
    RIGHT_EYE,
    UPPER_LIP,
    canonical_face,
    fit_similarity,
    head_angles,
    rotation_matrix,
)
from avatar_forcing_ros.motion.facemesh.portrait import FaceMeshPortrait, load_portrait, plain_portrait
from avatar_forcing_ros.motion.facemesh.preparing.crop import Crop
from avatar_forcing_ros.motion.facemesh.preparing.matte import Layers, fill_smoothly, guided_filter
from avatar_forcing_ros.motion.facemesh.preparing.prepare import prepare
from avatar_forcing_ros.motion.space import PortraitError

SKIN = (200, 160, 140)


def latent(**channels: float) -> NDArray[np.float32]:
    values = np.zeros(SIZE, np.float32)
    for name, value in channels.items():
        values[INDEX[name]] = value
    return values


def extreme_latents() -> list[NDArray[np.float32]]:
    """Each channel at both limits, and a few where everything happens at once."""
    single = [latent(**{c.name: value}) for c in CHANNELS for value in (c.low, c.high)]
    random = np.random.default_rng(0)
    low, high = np.array([(c.low, c.high) for c in CHANNELS]).T
    return single + [random.uniform(low, high).astype(np.float32) for _ in range(10)]


@pytest.fixture(scope="module")
def portrait() -> FaceMeshPortrait:
    return plain_portrait(256)


def test_frame_is_a_fresh_picture(portrait: FaceMeshPortrait) -> None:
    first = portrait.render(latent())
    kept = first.copy()
    second = portrait.render(latent(yaw=0.3, jaw_open=1.0))
    assert first.shape == (256, 256, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, kept)
    assert not np.array_equal(first, second)


def test_equal_input_gives_equal_pixels_whatever_came_before(portrait: FaceMeshPortrait) -> None:
    wanted = latent(yaw=0.1, smile=0.4, jaw_open=0.3, gaze_x=-0.5, blink_left=0.4)
    first = portrait.render(wanted, 7)
    for other in extreme_latents():
        portrait.render(other, 31)
    assert np.array_equal(portrait.render(wanted, 7), first)
    assert np.array_equal(plain_portrait(256).render(wanted, 7), first)


def test_zero_is_the_picture_itself(portrait: FaceMeshPortrait) -> None:
    frame = portrait.render(portrait.reference).astype(int)
    layers = portrait._renderer.model.layers
    picture = np.where(layers.person[..., 3:] > 0, layers.person[..., :3], layers.plate).astype(int)
    assert np.abs(frame - picture).mean() < 0.5
    assert np.percentile(np.abs(frame - picture), 99) <= 3


@pytest.fixture(scope="module")
def filling() -> FrameRenderer:
    """A person who fills the picture to its edges, in colours that differ from pixel to pixel."""
    size = 256
    noise = np.random.default_rng(1).integers(60, 200, (size // 8, size // 8, 3), np.uint8)
    image = cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    landmarks = canonical_face().points * size / 5.2 + [size / 2, 0.45 * size, 0]
    opaque = np.full((size, size), 255, np.uint8)
    layers = Layers(np.dstack([image, opaque]), np.zeros_like(image))
    return FrameRenderer(prepare(Crop(image, landmarks, 1.0), layers).model)


@pytest.mark.parametrize("wanted", extreme_latents())
def test_no_holes_and_still_edges(filling: FrameRenderer, wanted: NDArray[np.float32]) -> None:
    """The mesh covers every pixel, and in usual motion the outermost ones stay within two pixels of their place."""
    filling.render(wanted, 48)
    assert (filling._warped[..., 3] == 255).all()
    filling.render(0.4 * wanted, 48)
    rows, columns = np.mgrid[0:256, 0:256]
    map_u, map_v = (filling._map & 0xFFFF) >> 5, filling._map >> 21
    aside = np.maximum(np.abs(map_u.astype(int) - columns), np.abs(map_v.astype(int) - rows))
    assert max(aside[edge].max() for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])) <= 2


def test_beyond_the_limits_nothing_more_happens(portrait: FaceMeshPortrait) -> None:
    for channel in CHANNELS:
        far = portrait.render(latent(**{channel.name: 50 * channel.high}))
        farther = portrait.render(latent(**{channel.name: 5000 * channel.high}))
        assert np.array_equal(far, farther), channel.name


@pytest.mark.parametrize("wrong", [np.zeros(17), np.zeros((1, 18)), np.full(18, np.nan), np.full(18, np.inf)])
def test_wrong_latents_are_refused(portrait: FaceMeshPortrait, wrong: NDArray) -> None:
    with pytest.raises(ValueError, match="latent must"):
        portrait.render(wrong)


def test_soft_limit_is_monotone_bounded_and_linear_inside() -> None:
    for i, channel in enumerate(CHANNELS):
        sweep = np.linspace(3 * channel.low, 3 * channel.high, 201)
        bent = np.array([soft_limit(np.eye(SIZE)[i] * value)[i] for value in sweep])
        assert (np.diff(bent) >= 0).all()
        assert bent.min() >= channel.low - 1e-9
        assert bent.max() <= channel.high + 1e-9
        assert soft_limit(np.eye(SIZE)[i] * 0.5 * channel.high)[i] == pytest.approx(0.5 * channel.high)


def test_breath_moves_shoulders_and_returns(portrait: FaceMeshPortrait) -> None:
    period = portrait._renderer.config.breath_frames
    first, half, whole = (portrait.render(latent(), n) for n in (0, period // 2, period))
    assert np.array_equal(first, whole)
    assert not np.array_equal(first, half)


def outline_shift(portrait: FaceMeshPortrait, **channels: float) -> NDArray[np.float64]:
    """How far the middle of the skin moves, in pixels (x, y)."""
    middles = []
    for wanted in (latent(), latent(**channels)):
        skin = np.abs(portrait.render(wanted).astype(int) - SKIN).sum(-1) < 30
        middles.append(np.argwhere(skin[:150]).mean(0)[::-1])
    return middles[1] - middles[0]


def test_pose_has_the_signs_of_the_channels(portrait: FaceMeshPortrait) -> None:
    assert outline_shift(portrait, x=0.3)[0] > 5
    assert outline_shift(portrait, y=0.2)[1] > 2
    assert outline_shift(portrait, roll=0.2)[0] > 2  # the top goes right when the head tilts clockwise
    assert head_angles(rotation_matrix(0.1, -0.2, 0.3)) == pytest.approx(head_angles(rotation_matrix(0.1, -0.2, 0.3)))
    nose = np.array([0.0, 0.0, -1.0])
    assert (rotation_matrix(0.2, 0, 0) @ nose)[0] > 0
    assert (rotation_matrix(0, 0.2, 0) @ nose)[1] > 0
    assert (rotation_matrix(0, 0, 0.2) @ [1.0, 0, 0])[1] > 0


def test_angles_and_similarity_invert() -> None:
    angles = head_angles(rotation_matrix(0.2, -0.15, 0.25))
    assert (angles.yaw, angles.pitch, angles.roll) == pytest.approx((0.2, -0.15, 0.25))
    points = canonical_face().points
    moved = 80 * points @ rotation_matrix(0.2, -0.15, 0.25).T + [250, 200, 5]
    fit = fit_similarity(points, moved)
    assert fit.scale == pytest.approx(80)
    assert fit.offset == pytest.approx([250, 200, 5])
    assert np.allclose(fit.invert(moved), points)
    assert np.allclose(fit.apply(points), moved)


def test_canonical_face_is_symmetric_closed_and_whole() -> None:
    face = canonical_face()
    assert np.allclose(face.points[face.mirror] * [-1, 1, 1], face.points, atol=1e-6)
    assert np.allclose(face.points[UPPER_LIP[3]], face.points[LOWER_LIP[3]], atol=1e-6)
    edges = np.sort(np.vstack([face.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    _, owners = np.unique(edges, axis=0, return_counts=True)
    assert owners.max() == 2
    assert (owners == 1).sum() == 36 + 16 + 16 + 20


def test_expressions_move_what_gains_say() -> None:
    points = canonical_face().points[:468]
    basis = dict(zip(EXPRESSIONS + JOINT, expression_basis(points), strict=True))
    left, right = MOUTH_CORNERS
    gap = basis["jaw_open"][LOWER_LIP[3, 5], 1] - basis["jaw_open"][UPPER_LIP[3, 5], 1]
    assert gap == pytest.approx(GAINS.jaw_gap, rel=0.05)
    assert basis["smile"][right, 0] == pytest.approx(GAINS.smile_out, rel=0.1) == -basis["smile"][left, 0]
    assert basis["smile"][right, 1] < -0.08
    assert basis["pucker"][right, 0] == pytest.approx(-GAINS.pucker_in, rel=0.1)
    assert basis["brow_raise"][RIGHT_EYE.brow, 1] == pytest.approx(-GAINS.brow_up)
    assert np.allclose(basis["brow_raise"][RIGHT_EYE.lower_lid], 0)
    assert -0.03 < basis["brow_raise"][RIGHT_EYE.upper_lid, 1].min() < 0, "raised brows widen the eyes a little"
    inner, outer = basis["oblique"][[107, 46], 1]
    assert inner < -0.05 < 0 < outer, "the inner ends rise, the outer ones fall"
    assert basis["cheeks"][RIGHT_EYE.lower_lid, 1].max() < 0 and np.allclose(basis["cheeks"][RIGHT_EYE.upper_lid], 0)
    for name, motion in basis.items():
        assert np.allclose(motion[canonical_face().mirror[:468]] * [-1, 1, 1], motion, atol=2e-3), name


def test_what_needs_several_channels_comes_with_all_of_them_and_grows() -> None:
    assert joint_shares(0.3, 0.8, 0.0) == joint_shares(-0.5, -0.2, 0.9) == (0, 0)
    assert joint_shares(1.0, 0.5, 0.6) == (1, 1)
    broad = [joint_shares(smile, 0, 0)[0] for smile in np.linspace(0, 1, 21)]
    assert (np.diff(broad) >= 0).all() and max(np.diff(broad)) < 0.13


def test_a_smile_narrows_the_eye_from_below(portrait: FaceMeshPortrait) -> None:
    """Of the rows of the eyeball that a half shut eye still shows, a smiling one shows higher ones, and as many."""
    eye = portrait._renderer.model.eyes[0]
    column = int(np.argmax(eye.lower - eye.upper))

    def rows(smile: float) -> NDArray:
        texture = np.zeros((256, 256, 4), np.uint8)
        eye.paint(texture, 0.4, 0.0, 0.0, smile)
        patch = texture[eye.top : eye.top + len(eye.socket), eye.left + column, :3].astype(int)
        return np.flatnonzero(np.abs(patch - eye.shut[:, column].astype(int)).sum(1) > 40)

    plain, smiling = rows(0.0), rows(1.0)
    assert smiling.mean() < plain.mean() - 1.0 and abs(len(smiling) - len(plain)) <= 1


def test_press_closes_open_lips() -> None:
    points = canonical_face().points[:468].copy()
    points += expression_basis(points)[EXPRESSIONS.index("jaw_open")]
    close_lips(points, 1.0)
    assert np.allclose(points[LOWER_LIP[3]], points[UPPER_LIP[3]], atol=1e-6)


def test_lips_part_at_once_and_keep_both_ends() -> None:
    drawn = [parted(value) for value in np.linspace(0, 1, 51)]
    assert drawn[0] == 0 and drawn[-1] == 1
    assert (np.diff(drawn) > 0).all() and parted(0.1) > 0.16 and parted(0.005) < 0.02


def test_teeth_show_only_through_open_lips(portrait: FaceMeshPortrait) -> None:
    def unlike_skin(**channels: float) -> int:
        mouth = portrait.render(latent(**channels))[150:200, 100:156].astype(int)
        return int((np.abs(mouth - SKIN).sum(-1) > 100).sum())

    areas = [unlike_skin(jaw_open=value) for value in (0.0, 0.2, 0.5, 1.0)]
    assert areas[0] == 0
    assert areas == sorted(areas)
    assert areas[-1] > 150
    assert unlike_skin(jaw_open=0.6, press=1.0) == 0


def test_shut_eye_is_skin_and_the_other_stays_open(portrait: FaceMeshPortrait) -> None:
    """The viewer's left half holds the person's right eye."""
    frame = portrait.render(latent(blink_right=1.0)).astype(int)
    white = (frame.min(-1) > 190)[95:130]
    assert white[:, :128].sum() == 0
    assert white[:, 128:].sum() > 40


def test_gaze_moves_the_dark_of_the_eye(portrait: FaceMeshPortrait) -> None:
    def iris_column(value: float) -> float:
        dark = portrait.render(latent(gaze_x=value))[100:126, 80:125].sum(-1) < 250
        return float(np.flatnonzero(dark.any(0)).mean())

    columns = [iris_column(value) for value in (-1.0, 0.0, 1.0)]
    assert columns[0] + 2 < columns[1] < columns[2] - 2


def draw(triangles: NDArray, vertices: NDArray, size: int, depths: NDArray | None = None) -> NDArray[np.uint32]:
    """The map of a face alone."""
    drawn, none = np.zeros((size, size), np.uint32), np.zeros((0, 3), np.int32)
    depths = np.zeros(len(vertices), np.float32) if depths is None else depths
    _drawing.draw_map(none, triangles.astype(np.int32), vertices.astype(np.float32), depths, 0xFFFFFFFF, drawn, size)
    return drawn


def test_the_map_interpolates_and_covers() -> None:
    """Two triangles that scale the texture by two leave no pixel out."""
    size = 32
    corners = np.array([[-0.5, -0.5], [31.5, -0.5], [-0.5, 31.5], [31.5, 31.5]], np.float32)
    drawn = draw(np.array([[0, 1, 2], [1, 3, 2]]), np.hstack([corners, (corners + 0.5) / 2]), size)
    wanted = (np.arange(size) + 0.5) / 2
    assert np.abs((drawn & 0xFFFF) / 32 - wanted).max() <= 1 / 32
    assert np.abs((drawn >> 16) / 32 - wanted[:, None]).max() <= 1 / 32


def test_what_is_nearer_hides_what_lies_behind() -> None:
    corners = np.array([[0, 0], [30, 0], [0, 30]], np.float32)
    both = np.vstack([np.hstack([corners, np.full((3, 2), place)]) for place in (3, 7)])
    for near, depths in ((7, [0, 0, 0, -1, -1, -1]), (3, [-0.5, -0.5, -0.5, 2, 2, 2]), (7, [0, 0, 0, 0, 0, 0])):
        drawn = draw(np.arange(6).reshape(2, 3), both, 32, np.array(depths, np.float32))
        assert drawn[4, 4] == near << 21 | near << 5


def test_bend_weighs_the_four_pixels_around_a_position_and_rounds() -> None:
    size, random = 64, np.random.default_rng(3)
    texture = random.integers(0, 256, (size, size, 4), np.uint8)
    where = random.integers(0, (size - 1) * 32 + 1, (2, size, size)).astype(np.uint32)
    where[:, 0], where[:, 1] = 0, (size - 1) * 32  # both corners; the last has no neighbours
    spans = np.sort(random.integers(0, size + 1, (size, 2)), axis=1).astype(np.int32)
    bent = np.full_like(texture, 9)
    _drawing.bend(texture, where[0] << 16 | where[1], spans, bent, size)
    (row, column), (down, right) = where >> 5, (where & 31)[..., None]
    below, beside = np.minimum(row + 1, size - 1), np.minimum(column + 1, size - 1)
    above = texture[row, column] * (32 - right) + texture[row, beside] * right
    under = texture[below, column] * (32 - right) + texture[below, beside] * right
    wanted = (above * (32 - down) + under * down + 512) >> 10
    outside = (np.arange(size) < spans[:, :1]) | (np.arange(size) >= spans[:, 1:])
    assert np.array_equal(bent, np.where(outside[..., None], 0, wanted))


def test_lay_over_is_exact_at_both_ends_and_mixes_between() -> None:
    size = 16
    person, plate = np.zeros((size, size, 4), np.uint8), np.zeros((size, size, 4), np.uint8)
    person[0, :3] = [[10, 20, 30, 255], [10, 20, 30, 0], [200, 0, 100, 128]]
    plate[0, :3, :3] = [[1, 2, 3], [1, 2, 3], [100, 100, 0]]
    bare = np.arange(3 * size * size, dtype=np.uint8).reshape(size, size, 3)
    out, spans = np.zeros_like(bare), np.zeros((size, 2), np.int32)
    spans[0] = [0, 3]
    _drawing.lay_over(person, plate, bare, spans, out, size)
    assert out[0, 0].tolist() == [10, 20, 30]
    assert out[0, 1].tolist() == [1, 2, 3]
    assert np.abs(out[0, 2].astype(int) - [150, 50, 50]).max() <= 1
    assert np.array_equal(out[0, 3:], bare[0, 3:]) and np.array_equal(out[1:], bare[1:])


def test_arrays_of_a_wrong_length_are_refused_by_name() -> None:
    texture, spans = np.zeros((8, 8, 4), np.uint8), np.zeros((8, 2), np.int32)
    with pytest.raises(ValueError, match="map must have 256 bytes, got 128"):
        _drawing.bend(texture, np.zeros((8, 4), np.uint32), spans, texture.copy(), 8)
    with pytest.raises(ValueError, match="first and last columns"):
        _drawing.bend(texture, np.zeros((8, 8), np.uint32), spans + np.array([3, 9], np.int32), texture.copy(), 8)
    with pytest.raises(ValueError, match="triangles must name vertices 0 to 2, got 3"):
        draw(np.array([[0, 1, 3]]), np.zeros((3, 4)), 8)


def test_fill_smoothly_keeps_what_is_known_and_extends_a_constant() -> None:
    colour = np.full((40, 40, 3), 70, np.float32)
    known = np.ones((40, 40))
    known[10:30, 10:30] = 0
    colour[known == 0] = 255
    assert np.allclose(fill_smoothly(colour, known), 70, atol=0.5)


def test_guided_filter_keeps_a_constant_and_follows_an_edge() -> None:
    guide = np.zeros((64, 64, 3), np.uint8)
    guide[:, 32:] = 200
    assert np.allclose(guided_filter(guide, np.full((64, 64), 0.4, np.float32), 4, 1e-4), 0.4, atol=1e-3)
    blurred = cv2.GaussianBlur((guide[..., 0] > 0).astype(np.float32), (0, 0), 3)
    sharp = guided_filter(guide, blurred, 6, 1e-4)
    assert sharp[32, 30] < 0.2 < blurred[32, 30]
    assert blurred[32, 34] < 0.8 < sharp[32, 34]


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((100, 100), np.uint8), np.zeros((100, 100, 3), np.float32), np.zeros((100, 100, 4), np.uint8)],
)
def test_arrays_that_are_no_picture_are_refused(wrong: NDArray) -> None:
    with pytest.raises(PortraitError, match="uint8 RGB, got"):
        load_portrait(wrong)


@pytest.mark.parametrize("size", [0, 63, 4096])
def test_sizes_out_of_range_are_refused(size: int) -> None:
    with pytest.raises(PortraitError, match="size must be within"):
        load_portrait(np.zeros((100, 100, 3), np.uint8), size)


def test_channels_and_expressions_agree() -> None:
    assert set(EXPRESSIONS) <= set(NAMES)
