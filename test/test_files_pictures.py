# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures as people have them: right, or refused in one line."""

from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from avatar_forcing_ros.files import pictures
from avatar_forcing_ros.files.media import MediaError
from avatar_forcing_ros.files.pictures import read_image

ORIENTATION = 0x0112
CORNERS = np.array([[[250, 10, 10], [10, 250, 10]], [[10, 10, 250], [240, 240, 240]]], np.uint8)
UPRIGHT = np.kron(CORNERS, np.ones((40, 64, 1), np.uint8))  # 80 x 128, four colours
STORED = {  # what a camera stores under each orientation, so that a viewer shows UPRIGHT (EXIF 2.32, tag 274)
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "tif": "TIFF", "avif": "AVIF"}


def save(folder: Path, image: NDArray[np.uint8], ending: str = "png", **options: object) -> Path:
    path = folder / f"picture.{ending}"
    Image.fromarray(np.ascontiguousarray(image)).save(path, FORMATS.get(ending), **options)
    return path


def textured() -> NDArray[np.uint8]:
    """A picture whose file is long enough to be cut anywhere."""
    return np.random.default_rng(3).integers(0, 255, (160, 120, 3), np.uint8)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_is_shown_upright(orientation: int, ending: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = read_image(save(tmp_path, STORED[orientation], ending, exif=exif, quality=95))
    assert image.shape == UPRIGHT.shape
    assert np.abs(image[20::40, 32::64].astype(int) - CORNERS).max() < 20


def test_a_damaged_tag_is_no_tag(tmp_path: Path) -> None:
    path = save(tmp_path, UPRIGHT, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert np.array_equal(read_image(path), UPRIGHT)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif", "avif", "bmp", "gif"])
@pytest.mark.parametrize("share", [0.02, 0.45, 0.95])
def test_a_cut_picture_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    path = save(tmp_path, textured(), ending)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(MediaError, match=rf"picture\.{ending}: ") as refused:
        read_image(path)
    assert "\n" not in str(refused.value)


def test_a_jpeg_with_a_hole_in_it_is_refused(tmp_path: Path) -> None:
    """Pillow and OpenCV pass over it; half of the picture is then grey or shifted."""
    path = save(tmp_path, textured(), "jpg", quality=95)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\x55" * 400
    path.write_bytes(content)
    with pytest.raises(MediaError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC: save it as JPEG"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"\xef\xbb\xbf\n<!doctype html><html></html>", "a web page"),
        (b"\x00\x00\x00\x18ftyphevc\x00\x00\x00\x00msf1hevc", "HEIC: save it as JPEG"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42", "a video"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),  # which Pillow would have run
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"no picture at all", "something else"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=words):
        read_image(path)


def test_the_small_preview_in_a_cameras_raw_data_is_not_taken_for_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "face.dng"
    Image.fromarray(UPRIGHT).save(path, "TIFF", tiffinfo={254: 1})
    with pytest.raises(MediaError, match="raw data: develop it"):
        read_image(path)


def test_a_folder_or_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="got a folder"):
        read_image(tmp_path)
    with pytest.raises(MediaError, match="no such file"):
        read_image(tmp_path / "face.png")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = save(tmp_path, UPRIGHT)
    header = b"IHDR" + struct.pack(">II", 40_000, 30_000) + path.read_bytes()[24:29]  # an image of 80 x 128 follows
    path.write_bytes(path.read_bytes()[:12] + header + struct.pack(">I", zlib.crc32(header)) + path.read_bytes()[33:])
    with pytest.raises(MediaError, match="at most 200000000 pixels"):
        read_image(path)


def test_a_large_photo_is_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LARGEST_SIDE", 64)
    for ending in ("jpg", "png"):
        image = read_image(save(tmp_path, UPRIGHT, ending))
        assert image.shape == (40, 64, 3)
        assert np.abs(image[10::20, 16::32].astype(int) - CORNERS).max() < 20


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_a_large_picture_is_read_without_stopping_other_threads(mode: str, tmp_path: Path) -> None:
    """While another thread reads, this one gets its turn: an interrupt that comes meanwhile is taken up at once."""
    path = tmp_path / "large.png"
    Image.new("RGBA", (4096, 4096), (200, 100, 0, 128)).convert(mode).save(path, compress_level=1)
    read_image(save(tmp_path, UPRIGHT))  # what is imported for it
    assert any(longest_stop_s(lambda: read_image(path)) < 0.07 for _ in range(3))


def longest_stop_s(work: Callable[[], object]) -> float:
    """The longest that other threads do not run, in seconds of the processor's time spent on `work`."""
    began, done, clock = threading.Event(), threading.Event(), []

    def run() -> None:
        clock.append(time.pthread_getcpuclockid(threading.get_ident()))
        began.set()
        work()
        spent.append(time.thread_time())
        done.set()
        ended.wait()  # its clock goes with it

    ended, spent = threading.Event(), list[float]()
    thread = threading.Thread(target=run)
    thread.start()
    began.wait()
    while not done.wait(0.002):
        spent.append(time.clock_gettime(clock[0]))
    ended.set()
    thread.join()
    return float(np.diff(sorted(spent)).max(initial=0.0))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_pixel_gives_the_same_picture(mode: str, tmp_path: Path) -> None:
    """Black on white, by whatever numbers."""
    black = np.zeros((80, 80), bool)
    black[20:60, 20:60] = True
    grey = Image.fromarray(np.where(black, 0, 255).astype(np.uint8))
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "F") else "picture.png")
    if mode == "I;16":
        Image.fromarray(np.where(black, 0, 65535).astype(np.uint16)).save(path)
    elif mode == "F":
        Image.fromarray(np.where(black, 0.0, 1.0).astype(np.float32)).save(path)
    else:
        (grey.convert("RGB") if mode in ("RGBA", "CMYK") else grey).convert(mode).save(path)
    image = read_image(path)
    assert image.dtype == np.uint8 and image.shape == (80, 80, 3)
    assert image[40, 40].max() < 10 and image[5, 5].min() > 245


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    clear = np.zeros((64, 64, 4), np.uint8)
    assert (read_image(save(tmp_path, clear)) == 255).all()


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    for ending in ("gif", "png", "webp"):
        frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], duration=100)
        assert read_image(tmp_path / f"a.{ending}")[32, 32].argmax() == 0


def test_colours_of_another_profile_become_those_of_the_screen(tmp_path: Path) -> None:
    """A grey in linear light is lighter on a screen; as numbers it would look too dark."""
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    plain = read_image(save(tmp_path, UPRIGHT, icc_profile=linear.tobytes()))
    assert np.abs(plain.astype(int) - UPRIGHT).max() <= 2
    lab = io.BytesIO(b"not a profile")
    assert np.array_equal(read_image(save(tmp_path, UPRIGHT, icc_profile=lab.getvalue())), UPRIGHT)


@pytest.mark.shared
def test_handed_phone_photos_stand_upright(shared: Path) -> None:
    """Both were stored turned; the background above the head is lighter than the clothes below."""
    for name in ("exif3.jpg", "exif6.jpg"):
        image = read_image(shared / "cases" / name)
        assert image.shape == (512, 512, 3)
    with pytest.raises(MediaError, match=r"truncated\.jpg: the picture is damaged"):
        read_image(shared / "cases" / "truncated.jpg")
