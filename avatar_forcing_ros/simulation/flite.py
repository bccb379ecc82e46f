# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Speech with phoneme times from flite, whose voices are built from recordings and sound more human.

Flite is optional: without it, the simulation uses espeak-ng alone.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOICES = ("slt", "rms", "awb", "kal16")

_IPA = {
    "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "ay": "aɪ", "b": "b", "ch": "tʃ", "d": "d",
    "dh": "ð", "eh": "ɛ", "er": "ɚ", "ey": "eɪ", "f": "f", "g": "ɡ", "hh": "h", "ih": "ɪ", "iy": "i", "jh": "dʒ",
    "k": "k", "l": "l", "m": "m", "n": "n", "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s",
    "sh": "ʃ", "t": "t", "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
    "pau": "",
}  # fmt: skip


def available() -> bool:
    """Whether the program is installed."""
    return shutil.which("flite") is not None


def say(text: str, voice: str, stretch: float = 1.0) -> tuple[NDArray[np.float32], int, list[tuple[float, str, bool]]]:
    """Speak an English text.

    Args:
        text: what to say.
        voice: one of VOICES.
        stretch: duration of the speech relative to the voice's own.

    Returns:
        (N,) float32 samples in [-1, 1], the sample rate, and (start in seconds, IPA symbol, False) for each phoneme.
        An empty symbol is a pause. Flite does not say where words begin.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch:.3f}", "-psdur"]
        done = subprocess.run(
            [*command, "-t", text, "-o", str(path)], check=True, capture_output=True, text=True, timeout=60
        )
        with wave.open(str(path)) as reader:
            rate = reader.getframerate()
            samples = np.frombuffer(reader.readframes(reader.getnframes()), np.int16)
    return samples.astype(np.float32) / np.float32(32768), rate, _starts(done.stdout)


def _starts(segments: str) -> list[tuple[float, str, bool]]:
    """Start times from flite's list of "phone:end_time"."""
    begin, starts = 0.0, []
    for segment in segments.split():
        phone, end = segment.split(":")
        starts.append((begin, _IPA[phone], False))
        begin = float(end)
    return starts
