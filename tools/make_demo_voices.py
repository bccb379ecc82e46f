# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes the two voices of the demo conversation, examples/demo/user.flac and avatar.flac, with flite.

    python tools/make_demo_voices.py        (needs the program flite; Debian: apt-get install flite)

Both files are as long as the conversation and start together; each is silent while the other one speaks.
"""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.media import read_audio

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "demo"
SAMPLE_RATE = 16_000
PAUSE_S = 0.5
"""Between the speakers: what people leave, and enough to see the avatar change from listening to speaking."""
LOUDNESS = 0.08
"""Root mean square of speech, -22 dBFS, as a microphone at arm's length gives it."""
VOICES = {"user": ("rms", 1.0), "avatar": ("slt", 1.03)}
"""flite's voice and how much it is slowed down."""


@dataclass(frozen=True)
class Line:
    """What one of the two says."""

    speaker: str
    text: str


CONVERSATION = (
    Line("user", "Hi Aria. I am on my way home, and I have good news."),
    Line("avatar", "Hello! You look happy. Tell me, what happened today?"),
    Line("user", "My daughter took her first steps this morning. All the way to the dog!"),
    Line("avatar", "Oh, how wonderful! And what did the dog think about it?"),
    Line("user", "He just licked her face, and she could not stop laughing."),
    Line("avatar", "I wish I had seen that. Give her a hug from me."),
)


def main() -> None:
    """Write both files."""
    tracks: dict[str, list[NDArray[np.float32]]] = {speaker: [silence(PAUSE_S)] for speaker in VOICES}
    for line in CONVERSATION:
        spoken = say(line)
        for speaker, pieces in tracks.items():
            pieces += [spoken if speaker == line.speaker else np.zeros_like(spoken), silence(PAUSE_S)]
    for speaker, pieces in tracks.items():
        write_flac(FOLDER / f"{speaker}.flac", np.concatenate([*pieces, silence(0.6)]))


def say(line: Line) -> NDArray[np.float32]:
    """One line spoken by flite, (N,) at 16 kHz."""
    voice, stretch = VOICES[line.speaker]
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-t", line.text, "-o", file.name]
        subprocess.run(command, check=True)
        clip = read_audio(file.name)
    if clip.sample_rate != SAMPLE_RATE:
        raise ValueError(f"flite's voice {voice} must speak at {SAMPLE_RATE} Hz, got {clip.sample_rate}")
    return loudness_set(without_edges(clip.samples))


def without_edges(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the silence that flite puts before and after."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[max(loud[0] - 400, 0) : loud[-1] + 800]


def loudness_set(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """As loud as `LOUDNESS` says."""
    return np.clip(samples * (LOUDNESS / np.sqrt(np.mean(samples**2))), -0.95, 0.95).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    """Nothing, for so long."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def write_flac(path: Path, samples: NDArray[np.float32]) -> None:
    """A mono FLAC file of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        integers = np.rint(samples * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(integers, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    print(f"{path.name}: {len(samples) / SAMPLE_RATE:.1f} s, {path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
