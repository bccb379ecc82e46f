# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Portraits are read by a process of its own, whose death costs nobody anything but the picture that killed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

from avatar_forcing_ros.files.pictures import PictureLimits, read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.portraits import process as portrait_process
from avatar_forcing_ros.portraits.consent import Consent, open_portrait, sha256_of_file
from avatar_forcing_ros.portraits.process import PortraitReader, Request
from avatar_forcing_ros.testing import BarsSpace

SIZE = 64


@pytest.fixture
def reader() -> Iterator[PortraitReader]:
    reader = PortraitReader(SIZE)
    yield reader
    reader.close()


def picture(path: Path, grey: int = 90, **said: object) -> Path:
    cv2.imwrite(str(path), np.full((96, 96, 3), grey, np.uint8))
    consent = Consent("Ada", "camera", "internal", "signed", sha256_file=sha256_of_file(path), **said)
    consent.write(path.with_name(path.name + ".yaml"))
    return path


def test_it_draws_what_is_drawn_without_it(reader: PortraitReader, tmp_path: Path) -> None:
    image, space = read_image(default_portrait()), FaceMeshSpace()
    image[:10, :10] = 77  # no picture that is kept
    path = tmp_path / "stranger.png"
    cv2.imwrite(str(path), image[..., ::-1])
    read = reader.read(Request(str(path), require_consent=False), space)
    here = space.load_portrait(image, SIZE)
    assert read.file.path == path and read.file.consent is None
    assert read.portrait.remarks == here.remarks
    for frame in (0, 30):
        latent = np.full(len(here.reference), 0.2, np.float32)
        assert np.array_equal(read.portrait.render(latent, frame), here.render(latent, frame))


def test_it_says_what_the_sidecar_says_and_refuses_in_the_same_words(reader: PortraitReader, tmp_path: Path) -> None:
    path = picture(tmp_path / "face.png", expires=date(2999, 1, 2))
    chosen = open_portrait(path)
    read = reader.pixels(Request(str(path)))
    assert (read.path, read.sha256, read.consent) == (chosen.path, chosen.sha256, chosen.consent)
    assert np.array_equal(read.image, chosen.image)
    cases = [
        Request(str(tmp_path / "gone.png")),
        Request(str(path), limits=PictureLimits(pixels=5000)),
        Request(str(path), folder=str(tmp_path / "elsewhere")),
        Request(str(picture(tmp_path / "old.png", expires=date(2001, 1, 1)))),
    ]
    for asked in cases:
        with pytest.raises(ValueError) as here:  # noqa: PT011 (their words are compared)
            open_portrait(asked.path, asked.require_consent, asked.limits, asked.folder)
        with pytest.raises(ValueError) as apart:  # noqa: PT011
            reader.read(asked, BarsSpace())
        assert str(apart.value) == str(here.value)


def test_one_that_was_killed_while_it_waited_or_worked_is_replaced(reader: PortraitReader, tmp_path: Path) -> None:
    asked = Request(str(picture(tmp_path / "face.png")))
    reader.read(asked, BarsSpace())
    assert reader._process is not None
    reader._process.kill()
    reader._process.wait()
    reader.read(asked, BarsSpace())
    os.kill(reader._process.pid, signal.SIGSTOP)
    read: list[object] = []
    asking = threading.Thread(target=lambda: read.append(reader.read(asked, BarsSpace())))
    asking.start()
    os.kill(reader._process.pid, signal.SIGKILL)
    asking.join(60)
    assert len(read) == 1


def test_a_picture_that_kills_it_or_never_ends_is_refused_in_a_line(
    reader: PortraitReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(code: str) -> subprocess.Popen[bytes]:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", f"import os, time; input(); {code}"], bufsize=0, **pipes)

    asked = Request(str(picture(tmp_path / "face.png")))
    monkeypatch.setattr(portrait_process, "_start", lambda: start("os.kill(os.getpid(), 11)"))
    with pytest.raises(ValueError, match=r"face.png: the process that reads portraits ended: out of memory, or"):
        reader.read(asked, BarsSpace())
    monkeypatch.setattr(portrait_process, "_start", lambda: start("time.sleep(600)"))
    monkeypatch.setattr(portrait_process, "PATIENCE_S", 0.5)
    with pytest.raises(ValueError, match=r"face.png: not read within"):
        reader.read(asked, BarsSpace())
    assert reader._process is None
    monkeypatch.undo()
    reader.read(asked, BarsSpace())


def test_its_memory_is_given_back_when_nothing_more_is_asked(
    reader: PortraitReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portrait_process, "KEEPS_S", 0.1)
    reader.read(Request(str(picture(tmp_path / "face.png"))), BarsSpace())
    assert reader._idle is not None
    reader._idle.join(60)
    assert reader._process is None


def test_a_node_that_ends_does_not_wait_for_it(reader: PortraitReader, tmp_path: Path) -> None:
    asked = Request(str(picture(tmp_path / "face.png")))
    reader.read(asked, BarsSpace())
    assert reader._process is not None
    os.kill(reader._process.pid, signal.SIGSTOP)
    said: list[str] = []

    def ask() -> None:
        try:
            reader.read(asked, BarsSpace())
        except ValueError as error:
            said.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    reader.close()
    asking.join(60)
    assert "the node ends" in said[0]
