# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is asked of the face is eased in and out over the network's motion, and lips stay speech's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from avatar_forcing_ros.directing.director import Director
from avatar_forcing_ros.directing.expressions import EXPRESSIONS, MOUTH, NEUTRAL, face_of_feeling, face_of_name
from avatar_forcing_ros.directing.gaze import LookConfig, direction_of, eyes_of, gaze_of, head_of, reachable
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, NAMES, SIZE
from avatar_forcing_ros.signals import MILLISECOND, Expression, LookAt
from avatar_forcing_ros.timeline.grid import FRAME_NS, stamp_of

BLOCK, LEAD_NS, REORDER_NS = 4, 80 * MILLISECOND, 40 * MILLISECOND
NOTHING = np.zeros(SIZE, np.float32)


class Show:
    """A director's blocks, one after the other, over motion of one's choice."""

    def __init__(self, drawn: np.ndarray = NOTHING, first: int = 1000, names: tuple[str, ...] = NAMES) -> None:
        self.director, self.frame, self.drawn = Director(names, REORDER_NS), first, drawn

    @property
    def now_ns(self) -> int:
        """When the next block is decided."""
        return stamp_of(self.frame) - LEAD_NS

    def play(self, blocks: int, spoken: bool = False) -> np.ndarray:
        """(4 * blocks, 18) what is shown."""
        shown = []
        for _ in range(blocks):
            frames = range(self.frame, self.frame + BLOCK)
            latents = np.tile(self.drawn, (BLOCK, 1)).astype(np.float32)
            shown.append(self.director.show(frames, latents, np.full(BLOCK, spoken), self.now_ns))
            self.frame += BLOCK
        return np.concatenate(shown)


def angles(shown: np.ndarray) -> np.ndarray:
    """(2,) where eyes and head together look."""
    turned = shown[[INDEX["yaw"], INDEX["pitch"]]]
    return turned + eyes_of(shown[[INDEX["gaze_x"], INDEX["gaze_y"]]])


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_each_name_has_a_face_of_its_own_within_what_a_portrait_renders(name: str) -> None:
    assert len(EXPRESSIONS) == 25
    face = face_of_name(name)
    assert (face.added >= [c.low for c in CHANNELS]).all() and (face.added <= [c.high for c in CHANNELS]).all()
    others = [np.abs(face.added - face_of_name(other).added).max() for other in EXPRESSIONS if other != name]
    assert min(others) > 0.1
    half = face_of_name(name, 0.5)
    np.testing.assert_allclose(half.added, face.added / 2)
    np.testing.assert_allclose(half.held, face.held / 2)


def test_neutral_and_a_feeling_of_nothing_leave_the_network_alone() -> None:
    for face in (face_of_name(NEUTRAL), face_of_feeling(0, 0)):
        assert not face.added.any() and not face.held.any()


def test_before_anything_is_asked_for_nothing_is_touched() -> None:
    show, latents = Show(), np.ones((4, 512), np.float32)
    assert show.director.show(range(4), latents, np.zeros(4, bool), 0) is latents


def test_an_expression_rises_softly_stays_and_fades_more_slowly() -> None:
    show = Show()
    show.director.express(Expression(None, "happy"), show.now_ns)
    rising = show.play(10)[:, INDEX["smile"]]
    assert 0 < rising[0] < 0.06 and (np.diff(rising) > 0).all() and np.diff(rising).max() < 0.12
    full = face_of_name("happy").added[INDEX["smile"]]
    assert rising[-1] == pytest.approx(full, abs=0.01)
    show.director.express(Expression(None, "neutral"), show.now_ns)
    falling = show.play(20)[:, INDEX["smile"]]
    assert (np.diff(falling) < 0).all() and falling[-1] < 0.01
    half = full / 2
    assert np.argmax(falling < half) > np.argmax(rising > half)


def test_confidence_is_how_much_is_shown_and_none_means_all() -> None:
    def smile(confidence: float) -> float:
        show = Show()
        show.director.express(Expression(None, "happy", confidence=confidence), show.now_ns)
        return float(show.play(12)[-1, INDEX["smile"]])

    assert smile(0.5) == pytest.approx(smile(1.0) / 2, abs=1e-3)
    assert smile(0.0) == smile(1.0)


def test_the_mouth_of_an_expression_gives_way_to_speech_and_comes_back() -> None:
    drawn = NOTHING.copy()
    drawn[INDEX["jaw_open"]], drawn[INDEX["press"]], drawn[INDEX["pucker"]] = 0.1, 0.3, 0.2
    mouth = [INDEX[name] for name in MOUTH]
    for name in EXPRESSIONS:
        show = Show(drawn)
        show.director.express(Expression(None, name), show.now_ns)
        show.play(8)
        np.testing.assert_allclose(show.play(2, spoken=True)[3:, mouth], np.tile(drawn[mouth], (5, 1)), atol=1e-6)
    show = Show(drawn)
    show.director.express(Expression(None, "surprised"), show.now_ns)
    show.play(8, spoken=True)
    assert show.play(6)[-1, INDEX["jaw_open"]] > 0.4


def test_a_blink_shuts_lids_that_hang() -> None:
    drawn = NOTHING.copy()
    drawn[INDEX["blink_left"]] = 1.0
    show = Show(drawn)
    show.director.express(Expression(None, "tired"), show.now_ns)
    last = show.play(12)[-1]
    assert last[INDEX["blink_left"]] == 1.0 and last[INDEX["blink_right"]] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("side", [-0.6, -0.3, 0.0, 0.3, 0.6])
@pytest.mark.parametrize("down", [-0.3, 0.0, 0.3])
def test_eyes_and_head_together_look_at_the_place_while_the_head_moves(side: float, down: float) -> None:
    drawn = NOTHING.copy()
    drawn[INDEX["yaw"]], drawn[INDEX["pitch"]], drawn[INDEX["gaze_x"]] = 0.06, -0.04, 0.5
    show = Show(drawn)
    place = (np.cos(side) * np.cos(down), np.sin(side) * np.cos(down), -np.sin(down))
    show.director.look_at(LookAt(None, place), show.now_ns)
    shown = show.play(12)
    assert np.degrees(np.abs(angles(shown[3]) - [side, down])).max() < 3, "the eyes are there within 160 ms"
    assert np.degrees(np.abs(angles(shown[-1]) - [side, down])).max() < 0.5
    show.director.look_at(LookAt(None), show.now_ns)
    np.testing.assert_allclose(show.play(15)[-1], drawn, atol=0.01)


def test_what_is_too_far_is_looked_at_as_far_as_it_goes() -> None:
    behind = direction_of(np.array([-1.0, 0.2, 0.0]))
    config = LookConfig()
    assert reachable(behind, config)[0] == pytest.approx(config.head_most[0] + config.eyes_most[0])
    for way in (-0.7, -0.1, 0.05, 0.4, 0.74):
        head = head_of(np.array([way, 0.0]), config)[0]
        assert abs(way - head) <= config.eyes_most[0] + 1e-9 and abs(head) <= config.head_most[0] + 1e-9
    np.testing.assert_allclose(eyes_of(gaze_of(np.array([0.3, -0.2]))), [0.3, -0.2])


@pytest.mark.parametrize("delay_ms", [0, 17, 40])
def test_a_stamped_wish_counts_from_the_same_block_whenever_in_the_window_it_comes(delay_ms: int) -> None:
    """A wish that is stamped `reorder_ms` before a decision is part of it; one stamped later is not."""
    for early_ns, begins in ((REORDER_NS, 0), (REORDER_NS - 1, 1)):
        show = Show()
        stamp_ns = show.now_ns - early_ns
        blocks = []
        for _ in range(3):
            received_ns = stamp_ns + delay_ms * MILLISECOND
            if show.now_ns - BLOCK * FRAME_NS < received_ns <= show.now_ns:
                show.director.express(Expression(stamp_ns, "happy"), received_ns)
            blocks.append(show.play(1))
        assert [bool(block.any()) for block in blocks] == [begins <= k for k in range(3)]


def test_a_wish_stamped_ahead_begins_at_that_frame_and_one_of_another_clock_is_refused() -> None:
    show = Show()
    show.director.express(Expression(stamp_of(show.frame + 6), "happy"), show.now_ns - 10 * MILLISECOND)
    assert np.argmax(show.play(3).any(1)) == 6
    with pytest.raises(ValueError, match="another clock"):
        show.director.express(Expression(show.now_ns + 10**13, "happy"), show.now_ns)


def test_of_two_wishes_the_later_moment_counts_and_one_of_a_clock_that_is_behind_counts_when_it_comes() -> None:
    show = Show()
    begin = show.now_ns
    show.director.express(Expression(begin - 10 * MILLISECOND, "sad"), begin)
    show.director.express(Expression(begin - 30 * MILLISECOND, "happy"), begin + 1)
    assert show.play(15)[-1, INDEX["smile"]] < -0.3
    show.director.express(Expression(begin - 10**10, "happy"), show.now_ns)
    assert show.play(15)[-1, INDEX["smile"]] > 0.6


def test_what_was_cut_is_shown_again_from_where_it_stood() -> None:
    whole, cut = Show(), Show()
    for show in (whole, cut):
        show.director.express(Expression(None, "happy"), show.now_ns)
        show.director.look_at(LookAt(None, (1.0, 0.4, 0.0)), show.now_ns)
    expected = whole.play(3)
    cut.play(2)
    cut.frame -= 3
    cut.director.resume(cut.frame)
    np.testing.assert_array_equal(cut.play(1), expected[5:9])


def test_many_wishes_leave_no_pile() -> None:
    show = Show()
    for k in range(200):
        show.director.look_at(LookAt(None, (1.0, 0.001 * k, 0.0)), show.now_ns)
        show.play(1)
    assert len(show.director._looks) < 5 and len(show.director._eased) < 100


@pytest.mark.parametrize(
    ("act", "match"),
    [
        (
            lambda d: d.express(Expression(None, "gleeful"), 0),
            "expression must be one of neutral, angry.*'gleeful'",
        ),
        (lambda d: d.look_at(LookAt(None, (0.0, 0.0, 0.0)), 0), "where the eyes are"),
        (lambda d: d.look_at(LookAt(None, (np.nan, 0.0, 0.0)), 0), "three finite numbers"),
        (lambda d: Expression(None, valence=1.5), "valence of an expression must be within -1 and 1, got 1.5"),
        (lambda d: Expression(None, arousal=float("nan")), "arousal of an expression must be within -1 and 1, got nan"),
        (lambda d: Expression(None, confidence=-0.1), "confidence of an expression must be within 0 and 1, got -0.1"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(act: Callable[[Director], None], match: str) -> None:
    show = Show()
    with pytest.raises(ValueError, match=match):
        act(show.director)
    assert not show.play(2).any() and show.director.expression is None and show.director.look is None


def test_motion_without_names_takes_no_directions() -> None:
    director = Director((), REORDER_NS)
    with pytest.raises(ValueError, match="no named channels"):
        director.express(Expression(None, "happy"), 0)
    with pytest.raises(ValueError, match="no named channels"):
        director.look_at(LookAt(None), 0)
