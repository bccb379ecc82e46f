# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the avatar is given to say: noise that lasts reads as silence, voices as they are, in any chunks."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from avatar_forcing_ros.audio.log_mel import SILENT_MEAN, LogMel, log_mel_frames
from avatar_forcing_ros.audio.spoken import SpokenConfig, SpokenStream, spoken_frames
from avatar_forcing_ros.evaluation.noises import noises
from avatar_forcing_ros.files.media import read_audio
from avatar_forcing_ros.files.resources import resource

FRAME = 640


def voice() -> np.ndarray:
    """A recorded voice of the demo, at 16 kHz."""
    clip = read_audio(resource("examples", "demo", "user.flac"))
    return soxr.resample(clip.samples, clip.sample_rate, 16_000).astype(np.float32)


@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("name", ["white noise -30 dBFS", "pink noise -45 dBFS", "mains hum -30 dBFS"])
def test_noise_that_lasts_is_silence(name: str, before: int) -> None:
    """From the first frame on where a block shows enough of it, else from the next block on."""
    sound = np.concatenate([np.zeros(before * FRAME, np.float32), noises(2.0)[name]])
    plain, rows = log_mel_frames(sound), spoken_frames(sound)
    unknown = slice(before, 4) if 4 - before <= SpokenConfig().patience_frames else slice(0, 0)
    np.testing.assert_array_equal(rows[unknown], plain[unknown])
    later = np.delete(np.arange(len(rows)), np.arange(len(rows))[unknown])
    assert (rows[later] == LogMel().silence).all()


def test_hiss_at_the_threshold_does_not_flicker() -> None:
    sound = noises(2.0)["white noise -60 dBFS"]
    heard = log_mel_frames(sound).mean(axis=1) >= SILENT_MEAN
    assert 0.1 < heard.mean() < 0.9, "now above it, now below"
    assert (spoken_frames(sound)[8:] == LogMel().silence).all()


def test_a_voice_is_heard_as_it_is() -> None:
    sound = voice()
    np.testing.assert_array_equal(spoken_frames(sound), log_mel_frames(sound))


def test_a_voice_in_noise_is_heard_from_its_block_on() -> None:
    said = voice()
    loudest = int(np.argmax(np.convolve(said**2, np.ones(8000), "valid")))
    sound = np.concatenate([noises(2.08)["pink noise -45 dBFS"], said[loudest : loudest + 8000]])
    rows, plain = spoken_frames(sound), log_mel_frames(sound)
    assert (rows[48:52] == LogMel().silence).all()
    np.testing.assert_array_equal(rows[52:], plain[52:])


def test_chunks_within_a_block_make_no_difference_to_what_is_judged_together() -> None:
    sound = np.concatenate([np.zeros(3000, np.float32), noises(1.0)["white noise -30 dBFS"], voice()[:40_000]])
    stream, rows = SpokenStream(), []
    for start in range(0, len(sound), 4 * FRAME):
        block = sound[start : start + 4 * FRAME]
        assert len(stream.push(block[:500])) == 0
        rows.append(stream.push(block[500:]))
    np.testing.assert_array_equal(np.concatenate(rows), spoken_frames(sound))


def test_digital_silence_lets_a_sound_begin_anew() -> None:
    hiss, stream = noises(1.0)["white noise -30 dBFS"], SpokenStream()
    silent = np.concatenate(
        [stream.push(hiss), stream.push(np.zeros(5 * FRAME, np.float32)), stream.push(hiss[:FRAME])]
    )
    silent = silent.mean(axis=1) < SILENT_MEAN
    assert silent[:-1].all() and not silent[-1]
