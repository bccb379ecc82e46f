# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reading of picture files as people have them, through Pillow: upright, in the screen's colours, and whole."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from avatar_forcing_ros.files.inputs import instead, require_file
from avatar_forcing_ros.files.media import MediaError

LARGEST_SIDE = 4096
"""Larger pictures are made smaller while they are read: no portrait is drawn larger than 2048 pixels."""
_A_PICTURE = "a picture (jpeg, png, webp, avif, tiff, bmp, gif)"
_EXPECTED = f"expected {_A_PICTURE}"
# Of all that Pillow knows: others are not pictures of people, and EPS is a program that Ghostscript would run.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF", "JPEG2000", "TGA", "ICO", "PCX", "PSD", "QOI", "AVIF")
# What people try besides; by the first bytes, or those after the first four.
_KNOWN = {
    b"%PDF": "a PDF: save the page as a picture",
    b"%!PS": "PostScript: save it as PNG",
    b"ftyphe": "HEIC: save it as JPEG",
    b"ftypmif1": "HEIF: save it as JPEG",
    b"ftypmsf1": "HEIF: save it as JPEG",
    b"\xff\x0a": "JPEG XL: save it as JPEG",
    b"JXL ": "JPEG XL: save it as JPEG",
    b"ftypcrx": "a camera's raw data: develop it and save it as JPEG",
    b"FUJIFILMCCD-RAW": "a camera's raw data: develop it and save it as JPEG",
    b"ftyp": "a video: save one picture of it",
    b"\x1a\x45\xdf\xa3": "a video: save one picture of it",
    b"<svg": "SVG: save it as PNG",
    b"<?xml": "SVG or another XML file: save it as PNG",
}
_IS_REDUCED, _SUBFILE_TYPE = 1, 254  # TIFF 6.0, NewSubfileType: the large picture is elsewhere in the file


@dataclass(frozen=True)
class PictureLimits:
    """What a picture file may ask for, checked before it is unpacked: a small one may hold gigabytes.

    Attributes:
        bytes: largest file, in bytes.
        pixels: largest picture, in pixels; the largest phone cameras take 200 million.
    """

    bytes: int = field(default=250_000_000, metadata={"range": (1000, 2**40)})
    pixels: int = field(default=200_000_000, metadata={"range": (4096, 2**40)})


def read_image(path: str | Path, limits: PictureLimits | None = None) -> NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB, turned as its orientation tag says; transparency is laid on white.

    Of an animation the first picture is taken, and colours of another profile are turned into those of sRGB.

    Raises:
        MediaError: no such file, not a picture, a damaged one, or one beyond the limits.
    """
    limits = limits or PictureLimits()
    content = _read(path, limits.bytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged tags that are not needed, and of sizes that are checked here
            with _opened(content) as image:
                if image.format == "TIFF" and image.tag_v2.get(_SUBFILE_TYPE, 0) & _IS_REDUCED:
                    raise MediaError(f"{path}: {_EXPECTED}, got a camera's raw data: develop it and save it as JPEG")
                pixels = _pixels(image, path, limits.pixels)
            if content.startswith(b"\xff\xd8"):
                _check_jpeg(content)
            return pixels
    except UnidentifiedImageError:
        raise MediaError(f"{path}: {_EXPECTED}, got {_guess(content)}") from None
    except MediaError:
        raise
    except Image.DecompressionBombError:
        raise MediaError(f"{path}: expected a picture of at most {limits.pixels} pixels") from None
    except Exception as error:  # Pillow's decoders raise what they like; whatever it is, the picture is not whole
        raise MediaError(f"{path}: the picture is damaged or truncated: {_first_line(error)}") from None


def sha256_of_pixels(image: NDArray[np.uint8]) -> str:
    """SHA-256 of a picture's pixels, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()


def _opened(content: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=_FORMATS)
    except KeyError:  # a Pillow without AVIF
        raise UnidentifiedImageError from None


def _read(path: str | Path, most_bytes: int) -> bytes:
    try:
        with require_file(path, _A_PICTURE, MediaError).open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > most_bytes:
        raise MediaError(f"{path}: expected a picture of at most {most_bytes} bytes, got more")
    return content


def _pixels(image: Image.Image, path: str | Path, most: int) -> NDArray[np.uint8]:
    width, height = image.size
    if width * height > most:
        raise MediaError(f"{path}: expected a picture of at most {most} pixels, got {width}x{height}")
    # a JPEG is decoded at a half or a quarter, in a fraction of the time
    image.draft(None, (LARGEST_SIDE, LARGEST_SIDE))
    image.load()
    return np.array(_on_white(_in_srgb(_turned(_smaller(image)))))


def _smaller(image: Image.Image) -> Image.Image:
    """At most `LARGEST_SIDE` on a side, before anything else: some of what follows stops all threads of Python."""
    if max(image.size) <= LARGEST_SIDE:
        return image
    if image.mode in ("P", "PA", "1", "LA"):  # colours that cannot be averaged as they are
        image = image.convert("RGBA")
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    return image


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image.convert("RGB"), mask=image.getchannel("A"))  # `alpha_composite` stops all threads for as long
    return white


def _check_jpeg(content: bytes) -> None:
    """Pillow passes over what libjpeg only warns of, and half of a face may then be grey.

    Raises:
        ValueError: what is wrong with it.
    """
    try:
        simplejpeg.decode_jpeg(content, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    except ValueError as error:
        if "Corrupt" in str(error) or "Premature" in str(error):  # else a kind of JPEG that only Pillow reads
            raise


def _turned(image: Image.Image) -> Image.Image:
    """As its orientation tag says, if it has one that can be read."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a damaged tag is no tag
        return image


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours of a profile that the file brings as sRGB; greys of 16 bits and more as 8."""
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return _eight_bits(image)
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB") or image
    except Exception:  # a damaged profile is no profile
        return image


def _eight_bits(image: Image.Image) -> Image.Image:
    grey = np.asarray(image).astype(np.float64)
    whole = image.mode.startswith("I") or float(np.nanmax(grey)) > 1.0
    scale = 255.0 if not whole else 255.0 / 65535.0 if float(grey.max()) > 255 else 1.0
    return Image.fromarray(np.nan_to_num(grey * scale).clip(0, 255).astype(np.uint8))


def _guess(content: bytes) -> str:
    begin = content[:1000].removeprefix(b"\xef\xbb\xbf").lstrip() if b"<" in content[:100] else content
    for head, name in _KNOWN.items():
        if begin[: len(head)].lower() == head.lower() or content[4 : 4 + len(head)] == head:
            return name
    return instead(content[:100]) or "something else"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def fit_square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle of a picture as a square of this side."""
    height, width = image.shape[:2]
    if (height, width) == (side, side):
        return image
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    middle = image[top : top + edge, left : left + edge]
    return cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA if edge > side else cv2.INTER_LINEAR)
