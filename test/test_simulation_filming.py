# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Filmed users: what is read of drawn pictures follows the truth, and follows from the seed alone."""

from __future__ import annotations

import ctypes.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.simulation.camera import CameraConfig, Observed, observe
from avatar_forcing_ros.simulation.conversation import ConversationConfig
from avatar_forcing_ros.simulation.filming import FilmConfig, FilmStudio, Webcam
from avatar_forcing_ros.train.corpus import CorpusConfig, build_corpus

FRAMES = 150
FAULTLESS = CameraConfig(hold_share=0, late_share=0, loss_per_minute=0, absent_share=0)


@pytest.fixture(scope="module")
def studio() -> Iterator[FilmStudio]:
    studio = FilmStudio(FilmConfig(watched_s=(8.0, 8.0)))
    yield studio
    studio.close()


def moving(*names: str) -> np.ndarray:
    """(T, 18) at rest but for slow waves of some channels; all but yaw start from rest to one side."""
    motion = np.zeros((FRAMES, SIZE))
    for number, name in enumerate(names):
        wave = np.sin(2 * np.pi * np.arange(FRAMES) / (50 + 12 * number))
        motion[:, INDEX[name]] = 0.2 * wave if name == "yaw" else 0.65 * np.maximum(wave, 0)
    return motion


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    return moving("jaw_open", "smile", "yaw", "blink_right")


@pytest.fixture(scope="module")
def read(studio: FilmStudio, face: np.ndarray) -> Observed:
    return studio.film(np.random.default_rng(4), face)


@pytest.mark.parametrize("name", ["jaw_open", "smile", "yaw", "blink_right"])
def test_what_is_read_follows_the_truth(name: str, face: np.ndarray, read: Observed) -> None:
    true, seen = face[:, INDEX[name]], read.latent[:, INDEX[name]]
    assert np.corrcoef(true, seen)[0, 1] > 0.8
    gain = np.polyfit(true, seen, 1)[0]
    assert 0.5 < gain < 1.5


def test_every_frame_is_read(read: Observed) -> None:
    assert read.latent.shape == (FRAMES, SIZE) and read.valid.shape == (FRAMES,)
    assert read.valid.all() and np.isfinite(read.latent).all()


def test_the_generator_decides_what_is_read_whoever_was_filmed_before(studio: FilmStudio, face: np.ndarray) -> None:
    first = studio.film(np.random.default_rng(5), face[:30])
    other = studio.film(np.random.default_rng(6), face[:30])
    again = studio.film(np.random.default_rng(5), face[:30])
    assert np.array_equal(first.latent, again.latent) and np.array_equal(first.valid, again.valid)
    assert not np.array_equal(first.latent, other.latent)


def test_a_camera_that_knows_the_face_needs_no_time_to_fade_in(studio: FilmStudio, face: np.ndarray) -> None:
    cold = FilmStudio(replace(studio.config, watched_s=(0.0, 0.0)))
    unknown, known = (made.film(np.random.default_rng(3), face[20:24]).latent for made in (cold, studio))
    cold.close()
    jaw = INDEX["jaw_open"]
    assert unknown[0, jaw] < 0.5 * known[0, jaw]


def test_an_ideal_webcam_changes_nothing_but_the_size() -> None:
    ideal = FilmConfig(
        side_px=(100, 100), aspect=(1.2, 1.2), gamma=(1, 1), contrast=(1, 1), brightness=(0, 0), blur_px=(0, 0),
        noise=(0, 0), jpeg_quality=(100, 100),
    )  # fmt: skip
    grey = np.full((200, 200, 3), 90, np.uint8)
    picture = Webcam(np.random.default_rng(0), ideal).take(grey)
    assert picture.shape == (100, 120, 3) and np.abs(picture.astype(int) - 90).max() <= 2


def test_noise_of_the_webcam_has_its_size_and_differs_from_picture_to_picture() -> None:
    noisy = replace(FilmConfig(), noise=(6, 6), jpeg_quality=(100, 100), gamma=(1, 1), contrast=(1, 1))
    webcam = Webcam(np.random.default_rng(0), replace(noisy, brightness=(0, 0)))
    first, second = (webcam.take(np.full((200, 200, 3), 120, np.uint8)).astype(float) for _ in range(2))
    brightness = np.array([0.299, 0.587, 0.114])  # what a jpeg keeps in full
    assert (first @ brightness).std() == pytest.approx(6 * np.linalg.norm(brightness), rel=0.1)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_a_filmed_face_keeps_its_readings_but_for_the_cameras_timing_and_losses(face: np.ndarray) -> None:
    seen = Observed(np.full((FRAMES, SIZE), 0.05, np.float32), np.arange(FRAMES) >= 10)
    out = observe(np.random.default_rng(0), face, FAULTLESS, seen)
    assert np.array_equal(out.valid, seen.valid) and not out.latent[:10].any()
    assert (out.latent[10:] == np.float32(0.05)).all()
    late = observe(np.random.default_rng(0), face, replace(FAULTLESS, late_share=1.0), seen)
    assert np.array_equal(late.valid[1:], seen.valid[:-1])


@pytest.mark.skipif(ctypes.util.find_library("espeak-ng") is None, reason="espeak-ng is not installed")
def test_filming_changes_what_is_seen_of_the_user_and_nothing_else(tmp_path: Path) -> None:
    """In processes of their own, as corpora are made: what espeak-ng says depends a little on what it said before."""
    base = ConversationConfig(duration_s=4.0, flite_share=0.0, camera=FAULTLESS, film=FilmConfig(watched_s=(0, 2)))
    imagined, filmed = (
        build_corpus(CorpusConfig(1, seed=5, conversation=replace(base, filmed_share=share)), tmp_path)
        for share in (0.0, 1.0)
    )
    for name in ("motion", "reference", "avatar_features", "user_features"):
        assert np.array_equal(getattr(imagined, name), getattr(filmed, name)), name
    assert not np.array_equal(imagined.user_motion, filmed.user_motion)
