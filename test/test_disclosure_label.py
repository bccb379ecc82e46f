# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The visible label: it can be read on any picture, small and after a coder's losses, and changes nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.disclosure.label import Label, LabelConfig
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.testing import tiny_bundle

LEAST_CONTRAST = 4.5
"""Source: WCAG 2.2, success criterion 1.4.3, for text of any size."""
OTHER_WORDS = ("AI-generaled", "AI-enhanced", "Al-operated", "IA-generada", "Ai generates", "camera live")
"""What a reader might take "AI-generated" for."""


def backdrops(side: int) -> dict[str, NDArray[np.uint8]]:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    stripes = np.zeros((side, side, 3), np.uint8)
    stripes[:, ::2] = 255
    return {
        "white": np.full((side, side, 3), 255, np.uint8),
        "black": np.zeros((side, side, 3), np.uint8),
        "noise": noise,
        "stripes": stripes,
        "portrait": cv2.resize(read_image(default_portrait()), (side, side), interpolation=cv2.INTER_AREA),
    }


def through_jpeg(picture: NDArray[np.uint8], quality: int = 50) -> NDArray[np.uint8]:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def luminance(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Source: WCAG 2.2, relative luminance."""
    value = picture / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def ink_and_plate(config: LabelConfig, side: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the strokes are, and where nothing but the plate is."""
    on_black = Label(config, side).lay_over(np.zeros((side, side, 3), np.uint8)).max(axis=2)
    covered = Label(config, side).lay_over(np.full((side, side, 3), 255, np.uint8)).max(axis=2) < 100
    return on_black > 200, covered & (on_black < 20)


def shown_at_256(backdrop: str, side: int) -> NDArray[np.uint8]:
    """A labelled picture as it is seen at 256 pixels after JPEG at quality 50."""
    picture = through_jpeg(Label(LabelConfig(), side).lay_over(backdrops(side)[backdrop]))
    return cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("side", [256, 512])
@pytest.mark.parametrize("backdrop", ["white", "black", "noise", "stripes", "portrait"])
def test_letters_stand_out_at_256_pixels_after_jpeg_at_quality_50(backdrop: str, side: int) -> None:
    light = luminance(shown_at_256(backdrop, side))
    ink, plate = (
        cv2.resize(mask.astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA) > 0.7
        for mask in ink_and_plate(LabelConfig(), side)
    )
    assert ink.sum() > 100
    contrast = (np.median(light[ink]) + 0.05) / (np.median(light[plate]) + 0.05)
    assert contrast > LEAST_CONTRAST


@pytest.mark.parametrize("side", [256, 512])
@pytest.mark.parametrize("backdrop", ["white", "noise", "portrait"])
def test_its_words_are_told_from_similar_ones(backdrop: str, side: int) -> None:
    seen = luminance(shown_at_256(backdrop, side))

    def likeness(words: str) -> float:
        ink, plate = ink_and_plate(LabelConfig(text=words), side)
        template = cv2.resize(ink.astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA)
        part = cv2.resize((ink | plate).astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA) > 0.5
        return float(np.corrcoef(seen[part], template[part])[0, 1])

    own = likeness(LabelConfig().text)
    assert own > 0.9
    assert own > max(map(likeness, OTHER_WORDS)) + 0.1


def test_nothing_but_the_label_changes_and_equal_pictures_stay_equal() -> None:
    picture = backdrops(256)["noise"]
    first, second = (Label(LabelConfig(), 256).lay_over(picture.copy()) for _ in range(2))
    assert np.array_equal(first, second)
    changed = np.argwhere((first != picture).any(axis=2))
    (top, left), (bottom, right) = changed.min(0), changed.max(0)
    assert bottom - top < 0.12 * 256
    assert right - left < 0.5 * 256
    assert top > 200 and left < 20  # below, on the left


@pytest.mark.parametrize(
    ("place", "row", "column"),
    [("bottom_left", 1, 0), ("bottom", 1, 1), ("bottom_right", 1, 2), ("top_left", 0, 0), ("top", 0, 1)],
)
def test_it_stands_where_it_is_told_to(place: str, row: int, column: int) -> None:
    ink, _ = ink_and_plate(LabelConfig(text="AI", place=place), 300)
    y, x = np.argwhere(ink).mean(axis=0)
    assert (int(y) // 150, int(x) // 100) == (row, column)


def test_many_words_are_wrapped_and_no_letter_is_cut() -> None:
    words = "This face is made by artificial intelligence and shows nobody who is there"
    ink, plate = ink_and_plate(LabelConfig(text=words), 256)
    rows, columns = np.argwhere(ink).T
    assert np.ptp(rows) > 40  # several lines
    assert columns.min() > 8 and columns.max() < 248
    assert 0 < plate.sum() < 256 * 256 / 2


def test_words_that_become_too_small_are_remarked() -> None:
    assert Label(LabelConfig(), 128).remark == ""
    assert "letters of 8 pixels on pictures of 64" in Label(LabelConfig(), 64).remark
    Label(LabelConfig(), 16).lay_over(np.zeros((16, 16, 3), np.uint8))  # there all the same


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (lambda: LabelConfig(text=" "), "label.text must say something"),
        (lambda: LabelConfig(text="\u200b."), "label.text must say something"),
        (lambda: LabelConfig(text="a" * 300), "at most 200 letters, got 300"),
        (lambda: LabelConfig(font=__file__), "label.font must be a TrueType or OpenType file"),
        (lambda: LabelConfig(text="\U0001f9ff"), "letters that no installed font has"),
    ],
)
def test_what_cannot_be_written_is_refused(config: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Label(config(), 256)


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(100, 200, (64, 64, 3), np.uint8)


def test_every_picture_of_an_avatar_carries_it_unless_it_is_told_not_to(picture: NDArray[np.uint8]) -> None:
    config = AvatarConfig(image_size=128)
    bare = Avatar(tiny_bundle(), picture, config, LabelConfig(shown=False))
    labelled = Avatar(tiny_bundle(), picture, config)
    for avatar in (bare, labelled):
        avatar.start(0)
    for without, with_label in zip(bare.step(10**9), labelled.step(10**9), strict=True):
        expected = Label(LabelConfig(), 128).lay_over(bare.render(without))
        assert np.array_equal(labelled.render(with_label), expected)
        assert not np.array_equal(bare.render(without), expected)


def test_a_font_of_ones_own_is_used(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    font = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf")
    ours, theirs = (ink_and_plate(LabelConfig(text="ИИ", font=name), 256)[0] for name in (font, ""))
    assert ours.any() and not np.array_equal(ours, theirs)


def test_a_label_that_is_off_is_a_complaint() -> None:
    assert LabelConfig().complaint() == ""
    assert "nothing visible says that the face is artificial" in LabelConfig(shown=False).complaint()
