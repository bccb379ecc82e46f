# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The ten handed cases of inputs that went wrong, each as its user would run it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_forcing_ros import cli, signals
from avatar_forcing_ros.commands import render, replay
from avatar_forcing_ros.files.media import read_audio, read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.signals import VideoFrame
from avatar_forcing_ros.testing import speech_like, tiny_bundle

pytestmark = pytest.mark.shared
SIZE = 128


@pytest.fixture
def cases(shared: Path) -> Path:
    return shared / "cases"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, dict[str, Any]]]:
    """A command: its status, what it said, and its JSON where it made something."""

    def command(*arguments: object) -> tuple[int, str, dict[str, Any]]:
        status = cli.main([*map(str, arguments), "--json"])
        told = capsys.readouterr()
        lines = told.out.strip().splitlines()
        assert "Traceback" not in told.err
        return status, told.out + told.err, json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    return command


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A second of speech, so that films are short."""
    path = tmp_path / "words.mp4"
    with MovieWriter(path, 64, 64) as movie:
        for _ in range(25):
            movie.write_image(np.zeros((64, 64, 3), np.uint8))
        movie.write_sound(speech_like(1.0))
    return path


def roll_of_face(image: NDArray[np.uint8]) -> float:
    """How far the face in a picture is tilted, in radians."""
    encoder = FaceMeshSpace().make_encoder()
    try:
        sample = encoder.encode(VideoFrame(1, cv2.resize(image, (512, 512), interpolation=cv2.INTER_CUBIC)))
    finally:
        encoder.close()
    assert sample.valid
    return float(sample.latent[FaceMeshSpace().names.index("roll")])


@pytest.mark.parametrize("name", ["exif3.jpg", "exif6.jpg"])
def test_a_phone_photo_is_shown_upright(name: str, cases: Path, tmp_path: Path, words: Path, run: Any) -> None:
    film = tmp_path / "film.mp4"
    status, _, _ = run("render", "--portrait", cases / name, "--speech", words, "--size", SIZE, "--output", film)
    assert status == 0
    assert abs(roll_of_face(next(read_video(film)).image)) < 0.3


def test_a_cut_photo_is_refused(cases: Path, tmp_path: Path, words: Path, run: Any) -> None:
    film = tmp_path / "film.mp4"
    status, told, _ = run("render", "--portrait", cases / "truncated.jpg", "--speech", words, "--output", film)
    assert status == 1 and not film.exists()
    assert told.count("\n") == 1 and "truncated.jpg" in told and "damaged" in told


def test_the_user_is_seen_whatever_the_clock_of_the_file(cases: Path, tmp_path: Path, words: Path, run: Any) -> None:
    seen = {}
    for name in ("clock_from_zero.mp4", "clock_from_1.4_s.ts", "clock_from_1_h.ts"):
        given = ("--speech", words, "--user-video", cases / name, "--size", 64, "--output", tmp_path / "film.mp4")
        status, _, made = run("render", *given)
        seen[name] = made["user_seen_frames"] / made["frames"]
        assert status == 0
    assert min(seen.values()) > 0.8 and max(seen.values()) - min(seen.values()) < 0.06, seen


def test_sound_that_begins_late_is_beside_its_pictures(cases: Path) -> None:
    clip = read_audio(cases / "sound_begins_late.mp4")
    loud = np.flatnonzero(np.abs(clip.samples) > 0.02)[0] / clip.sample_rate
    assert 0.95 < loud < 1.3
    assert abs(next(read_video(cases / "sound_begins_late.mp4")).time_s) < 0.05


def test_the_channels_of_stereo_are_averaged(cases: Path, tmp_path: Path, run: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(render, "load_bundle", lambda *_: tiny_bundle())
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64, 3), 90, np.uint8))
    given = ("--speech", cases / "stereo.wav", "--portrait", tmp_path / "grey.png", "--size", 64)
    status, _, _ = run("render", *given, "--output", tmp_path / "film.mp4")
    assert status == 0
    assert np.abs(read_audio(tmp_path / "film.mp4").samples).max() == pytest.approx(0.97, abs=0.06)


def test_a_recording_is_not_replaced_by_the_avatar(words: Path, run: Any) -> None:
    before = words.read_bytes()
    status, told, _ = run("render", "--speech", words, "--output", words)
    assert status == 1 and told.count("\n") == 1 and "would be overwritten" in told
    assert words.read_bytes() == before


def test_pieces_of_a_recorder_that_died_play_as_with_the_file_that_was_lost(
    cases: Path, tmp_path: Path, run: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(replay, "load_bundle", lambda *_: tiny_bundle())
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 64, 3), 90, np.uint8))
    whole = tmp_path / "whole"
    shutil.copytree(cases / "bag_split_without_metadata", whole)
    whole.chmod(0o755)
    shutil.copy(cases / "bag_split_metadata.yaml", whole / "metadata.yaml")
    made = {}
    for bag in (cases / "bag_split_without_metadata", whole):
        given = ("--portrait", tmp_path / "grey.png", "--size", 64, "--pictures", "none")
        status, told, made[bag.name] = run("replay", bag, tmp_path / f"{bag.name}_out", *given)
        assert status == 0, told
    one, other = made.values()
    assert one["sha256"] == other["sha256"] and one["inputs"] == other["inputs"]
    assert "metadata.yaml is missing" in one["remark"] and not other["remark"]


def test_mp3_in_messages_of_samples_is_refused_with_what_mends_it(cases: Path, tmp_path: Path, run: Any) -> None:
    given = ("--size", 64, "--pictures", "none")
    status, told, _ = run("replay", cases / "bag_mp3_in_audiodata", tmp_path / "out", *given)
    assert status == 1 and "got MP3" in told and "format:=wave" in told


@pytest.mark.ros
@pytest.mark.parametrize(
    "habit",
    [
        lambda n, seq, last: ("same", seq, last),  # one utterance_id for all sentences
        lambda n, seq, last: (f"sentence {n}", 0, last),  # seq never filled in
        lambda n, seq, last: (f"sentence {n}", seq, True),  # end_of_utterance on every chunk
        lambda n, seq, last: ("", seq, False),  # no id, and seq from 0 each time
    ],
)
def test_simple_publishers_of_speech_are_said_and_their_mistake_too(habit: Any) -> None:
    from avatar_forcing_ros.msg import AudioChunk
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

    from avatar_forcing_ros.nodes.audio_messages import AudioReader, from_chunk
    from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph

    sentences = [speech_like(0.4), speech_like(0.4, seed=1)]
    with TestGraph() as graph:
        stage = AvatarStage(graph)
        reports = graph.listen(DiagnosticArray, "/diagnostics")
        stage.play(15)
        for n, sentence in enumerate(sentences):
            for seq, piece in enumerate(np.split(sentence, 4)):
                who, number, ends = habit(n, seq, seq == 3)
                graph.send(AudioChunk, "speech", from_chunk(signals.AudioChunk(None, piece, 16_000, who, number, ends)))
        stage.settle()
        stage.play(50)
        stage.settle()
        heard = np.concatenate([AudioReader("AudioChunk").read(message).samples for message in stage.spoken])
        said = np.concatenate(sentences)
        np.testing.assert_allclose(heard[np.abs(heard) > 0.01], said[np.abs(said) > 0.01], atol=2e-4)
        warned = [s.message for report in reports for s in report.status if s.level == DiagnosticStatus.WARN]
        assert any(line.startswith("speech ") for line in warned), warned


# The tenth case, disks that fill up, has no file: test_commands_full_disk.py.
