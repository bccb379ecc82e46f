# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A disk that is full at any moment: an error in one line, the status says so, and nothing of the attempt stays."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import wavfile

from avatar_forcing_ros import cli
from avatar_forcing_ros.bags.bag import BagError
from avatar_forcing_ros.commands import render, replay
from avatar_forcing_ros.devices.movie import Recorder, RecordingConfig
from avatar_forcing_ros.files.media import read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.testing import bags as testing_bags
from avatar_forcing_ros.testing import speech_like, tiny_bundle

FRACTIONS = (0.0, 0.01, 0.3, 0.7, 0.95, 1.0)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow over a size, as on a disk with no more room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise(n: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 255, (side, side, 3), np.uint8)


def write_movie(path: Path) -> None:
    with MovieWriter(path, 64, 64) as movie:
        for n in range(50):
            movie.write_image(noise(n))
            movie.write_sound(speech_like(0.04, seed=n))


def write_bag(path: Path) -> None:
    sent = list(testing_bags.user_motion(4.0))
    testing_bags.write_bag(path, sent, "mcap" if path.suffix == ".mcap_bag" else "sqlite3")


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_movie, "film.mp4"), (write_bag, "bag"), (write_bag, "bag.mcap_bag")],
    ids=["movie", "sqlite3", "mcap"],
)
def test_nothing_stays_wherever_the_room_ends(write: Callable[[Path], None], name: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole" / name
    write(whole)
    largest = max(file.stat().st_size for file in [whole, *whole.rglob("*")] if file.is_file())
    for fraction in FRACTIONS:
        place = tmp_path / "full"
        place.mkdir(exist_ok=True)
        with room_for(int(largest * fraction) - (fraction == 1.0)), pytest.raises((OSError, BagError)):
            write(place / name)
        assert list(place.iterdir()) == [], fraction
    with room_for(largest):
        write(tmp_path / "full" / name)
    assert [path.name for path in (tmp_path / "full").iterdir()] == [name]


def test_replay_on_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay, "load_bundle", lambda *_: tiny_bundle())
    bag = testing_bags.write_bag(tmp_path / "in", list(testing_bags.user_motion(0.4)))
    cv2.imwrite(str(tmp_path / "portrait.png"), noise(0))
    options = ["--portrait", str(tmp_path / "portrait.png"), "--size", "64"]
    for size in (0, 100_000, 300_000):
        with room_for(size):
            assert cli.main(["replay", str(bag), str(tmp_path / "new" / "out"), *options]) == 1
        told = capsys.readouterr().err.strip().splitlines()
        assert len(told) == 1 and "out" in told[0] and "cannot be written" in told[0], told
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "portrait.png"]


def test_render_on_a_full_disk_leaves_neither_film_nor_motion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(render, "load_bundle", lambda *_: tiny_bundle())
    wavfile.write(tmp_path / "speech.wav", 16_000, speech_like(1.0))
    cv2.imwrite(str(tmp_path / "portrait.png"), noise(0))
    given = ["--speech", str(tmp_path / "speech.wav"), "--portrait", str(tmp_path / "portrait.png"), "--size", "64"]

    def write(folder: Path) -> int:
        return cli.main(["render", *given, "--output", str(folder / "a.mp4"), "--motion", str(folder / "m.npz")])

    assert write(tmp_path / "whole") == 0
    largest = max(file.stat().st_size for file in (tmp_path / "whole").iterdir())
    capsys.readouterr()
    for size in (0, 100, largest // 2, largest * 9 // 10):
        with room_for(size):
            assert write(tmp_path / "full") == 1
        assert re.search(r"avatar-forcing render: \[Errno \d+\] [\w ]+: '\S+/full/[am]\.\w+'$", capsys.readouterr().err)
        assert not (tmp_path / "full").exists()


def test_a_recording_that_cannot_be_joined_leaves_no_film_and_names_its_pictures(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    recorder = Recorder(film, RecordingConfig(side=64))
    for n in range(50):
        recorder.add_avatar_picture(10**9 + n * 40_000_000, noise(n))
    with room_for(1000), pytest.raises(OSError, match=r"film\.mp4: cannot be written.*film\.part\.mkv"):
        recorder.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["film.part.mkv"]


def test_two_recordings_with_one_name_do_not_touch_each_other_and_a_killed_one_stays(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.with_suffix(".part.mkv").write_bytes(b"of a killed process")
    recorders = [Recorder(film, RecordingConfig(side=64)) for _ in range(2)]
    for n in range(10):
        for recorder in recorders:
            recorder.add_avatar_picture(10**9 + n * 40_000_000, noise(n))
    for recorder in recorders:
        assert recorder.finish() == film
        assert len(list(read_video(film))) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "film.part.mkv"]
    assert film.with_suffix(".part.mkv").read_bytes() == b"of a killed process"


@pytest.mark.parametrize("name", ["film.webm", "film", "folder.mp4"])
def test_a_recording_of_another_kind_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ValueError, match="mp4 file"):
        Recorder(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.mp4"]


@pytest.mark.parametrize("name", ["evaluation.json", "recording/said.wav", "recording/avatar.mp4", "curves_0.png"])
def test_evaluate_never_writes_over_what_it_reads(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "out" / name
    source.parent.mkdir(parents=True)
    source.write_bytes(b"precious")
    (tmp_path / "link.mp4").symlink_to(source)
    command = ["evaluate", "--speech", str(tmp_path / "link.mp4"), "--output", str(tmp_path / "out")]
    assert cli.main(command) == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert source.read_bytes() == b"precious"


def test_prepare_never_writes_over_its_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "manifest.jsonl"
    listed.write_text("precious")
    for output, told in ((tmp_path, "would be overwritten"), (listed, "got a file")):
        assert cli.main(["prepare", str(listed), "--output", str(output)]) == 1
        assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.jsonl"]
    assert listed.read_text() == "precious"
