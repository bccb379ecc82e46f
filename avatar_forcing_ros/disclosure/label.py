# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The visible label on the avatar's pictures: drawn once, and laid over each frame in integers, so bit for bit.

It has light letters on a dark plate, so that they can be read on any picture, even small and after lossy coding.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Place = Literal["bottom_left", "bottom", "bottom_right", "top_left", "top", "top_right"]

LEAST_READABLE_PX = 11
"""Smaller letters cannot be read on a picture after JPEG at quality 50."""
LEAST_PX, MOST_LETTERS = 14, 200
MOST_SHARE = 0.92
"""Share of a picture's width that the label may take; it may take half of the height."""
_Colour = tuple[int, int, int]
_PLATE, _RED, _INK = (16, 16, 16), (150, 0, 0), (255, 255, 255)
_OPACITY = 0.72
_FINER = 4
_OPPOSITE: dict[Place, Place] = {
    "bottom_left": "top_right",
    "bottom": "top",
    "bottom_right": "top_left",
    "top_left": "bottom_right",
    "top": "bottom",
    "top_right": "bottom_left",
}
_OTHERS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf")  # where this machine's fonts lie, Pillow knows


@dataclass(frozen=True)
class LabelConfig:
    """The visible label on the avatar's pictures, which says that nobody is there.

    Attributes:
        shown: show the label on every picture.
        text: text of the label, in the language of the people who see it.
        place: where the label stands in the picture.
        share: height of its letters, relative to the side of the picture; at least 14 pixels if that fits.
        font: TrueType or OpenType font file; empty takes Pillow's own, or DejaVu Sans for letters that Pillow's lacks.
        recording: text of a second label, in red, while somebody records the camera or microphone.
    """

    shown: bool = True
    text: str = "AI-generated"
    place: Place = "bottom_left"
    share: float = field(default=0.055, metadata={"range": (0.03, 0.2)})
    font: str = ""
    recording: str = "Recording"

    def __post_init__(self) -> None:
        for name, text in (("text", self.text), ("recording", self.recording)):
            if self.shown and not any(unicodedata.category(letter)[0] in "LNS" for letter in text):
                raise ValueError(f"label.{name} must say something while the label is shown, got nothing")
            if len(text) > MOST_LETTERS:
                raise ValueError(f"label.{name} must have at most {MOST_LETTERS} letters, got {len(text)}")

    def complaint(self) -> str:
        """A warning in one line if nothing visible says that the face is artificial; else empty."""
        return "" if self.shown else "nothing visible says that the face is artificial: label.shown is false"


class Label:
    """A label for pictures of one size.

    Args:
        config: see `LabelConfig`.
        side: S, side of the pictures in pixels.

    Attributes:
        remark: why it cannot be read, in one line; else empty.
        recording: whether somebody records; the pictures then say so, even if the label itself is not shown.

    Raises:
        ValueError: the font cannot be opened, or lacks letters of the text.
    """

    def __init__(self, config: LabelConfig, side: int) -> None:
        self.remark, self.recording = "", False
        self._patch: _Patch | None = None
        opposite = _OPPOSITE[config.place]
        self._red, _ = _drawn(config, config.recording or "Recording", opposite, _RED, side)
        if config.shown:
            self._patch, letters_px = _drawn(config, config.text, config.place, _PLATE, side)
            if letters_px < LEAST_READABLE_PX:
                self.remark = (
                    f"the label {config.text!r} has letters of {letters_px} pixels on pictures of {side}: expected "
                    f"{LEAST_READABLE_PX} at least; take larger pictures or fewer words"
                )

    def lay_over(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture, (S, S, 3) uint8, with the label laid over it in place."""
        if self._patch is not None:
            self._patch.lay_over(picture)
        if self.recording:
            self._red.lay_over(picture)
        return picture


@dataclass(frozen=True)
class _Patch:
    """What to lay over a picture: `under` is how much of the picture stays, of 256; `over` is added, times 256."""

    rows: slice
    columns: slice
    under: NDArray[np.uint16]
    over: NDArray[np.uint16]

    def lay_over(self, picture: NDArray[np.uint8]) -> None:
        part = picture[self.rows, self.columns]
        mixed = np.multiply(part, self.under, dtype=np.uint16)
        mixed += self.over
        mixed >>= 8
        part[...] = mixed


def _drawn(config: LabelConfig, text: str, place: Place, colour: _Colour, side: int) -> tuple[_Patch, int]:
    """A label and the size of its letters."""
    letters_px, file = max(LEAST_PX, round(config.share * side)), _font_file(config.font, text)
    while True:
        font = _font(file, letters_px)
        lines = _wrapped(text, font, MOST_SHARE * side - letters_px)
        plate = _plate(lines, font, letters_px, colour)
        if letters_px <= 1 or (plate.width <= MOST_SHARE * side and plate.height <= side / 2):
            break
        letters_px -= 1
    return _placed(plate, place, side), letters_px


def _font_file(path: str, text: str) -> str:
    """The font to write a text with; empty for Pillow's own, which has hardly more than ASCII.

    Raises:
        ValueError: it cannot be opened or lacks letters of the text.
    """
    if path:
        lacking = _lacking(text, _font(str(Path(path).expanduser()), LEAST_PX))
        if not lacking:
            return str(Path(path).expanduser())
        raise ValueError(f"label.font {path!r} has no {lacking} of label.text {text!r}")
    for found in ("", *_OTHERS):
        with suppress(ValueError):
            if not _lacking(text, _font(found, LEAST_PX)):
                return found
    raise ValueError(
        f"label.text {text!r} has letters that no installed font has: "
        "name a font file that has them in label.font, or install fonts-dejavu-core"
    )


def _font(path: str, size: int) -> ImageFont.FreeTypeFont:
    try:
        font = ImageFont.truetype(path, size) if path else ImageFont.load_default(size)
    except OSError as error:
        raise ValueError(f"label.font must be a TrueType or OpenType file, got {path!r}: {error}") from None
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise ValueError("a label needs Pillow with FreeType, which this one was built without")
    return font


def _lacking(text: str, font: ImageFont.FreeTypeFont) -> str:
    """Letters for which the font shows its sign for missing letters."""
    missing = _shape(chr(0x10FFFF), font)
    return " ".join(sorted({letter for letter in text if letter.strip() and _shape(letter, font) == missing}))


def _shape(letter: str, font: ImageFont.FreeTypeFont) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """The text in lines no wider than this, as far as its words allow."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _plate(lines: list[str], font: ImageFont.FreeTypeFont, letters_px: int, colour: _Colour) -> Image.Image:
    """A dark plate with the lines on it; its alpha says how much it covers the picture."""
    margin, line_px = round(0.45 * letters_px), round(1.25 * letters_px)
    width = int(max(font.getlength(line) for line in lines)) + 1 + 2 * margin
    height = line_px * len(lines) + 2 * (margin // 2)
    shape = Image.new("L", (width * _FINER, height * _FINER))
    ImageDraw.Draw(shape).rounded_rectangle(
        (0, 0, width * _FINER - 1, height * _FINER - 1), 0.3 * letters_px * _FINER, fill=round(255 * _OPACITY)
    )
    plate = Image.new("RGBA", (width, height), (*colour, 0))
    plate.putalpha(shape.resize(plate.size, Image.Resampling.BOX))
    ink = Image.new("RGBA", plate.size, (*_INK, 0))
    draw = ImageDraw.Draw(ink)
    for number, line in enumerate(lines):
        middle = margin // 2 + line_px * (number + 0.5)
        draw.text((margin, middle), line, font=font, fill=(*_INK, 255), anchor="lm")
    return Image.alpha_composite(plate, ink)


def _placed(plate: Image.Image, place: Place, side: int) -> _Patch:
    """The plate at its place, cut to the picture."""
    plate = plate.crop((0, 0, min(plate.width, side), min(plate.height, side)))
    margin = min(round(0.03 * side), side - plate.height)
    top = margin if place.startswith("top") else side - plate.height - margin
    left = {"left": margin, "right": side - plate.width - margin}.get(
        place.rpartition("_")[2] if "_" in place else "", (side - plate.width) // 2
    )
    left = min(max(left, 0), side - plate.width)
    pixels = np.asarray(plate).astype(np.uint32)
    alpha = np.repeat(pixels[..., 3:] * 256 // 255, 3, axis=2)  # in full: numpy is nine times as quick
    return _Patch(
        slice(top, top + plate.height),
        slice(left, left + plate.width),
        (256 - alpha).astype(np.uint16),
        (pixels[..., :3] * alpha).astype(np.uint16),
    )
