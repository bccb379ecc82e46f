# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What hearing costs and how well it tells voice from noise: `python bench/audio.py`; the last line is JSON.

Times are CPU milliseconds of one core per 40 ms of sound. Activity is the share of frames called speech: near 1 for
the voices (they hold pauses), 0 for everything else.
"""

from __future__ import annotations

import json
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import LogMelStream
from avatar_forcing_ros.audio.pcm import to_mono
from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.audio.voice_activity import VoiceActivity

RATE = 16_000
REPEATS = 200
SENTENCE = "She had nothing to say, but the people in the room listened anyway."


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    costs = {name: cost_ms(step) for name, step in steps().items()}
    activity = {name: speaking_share(samples) for name, samples in sounds().items()}
    print(f"{'per 40 ms of sound':<28}{'median ms':>10}{'least ms':>10}")
    for name, (median, least) in costs.items():
        print(f"{name:<28}{median:>10.3f}{least:>10.3f}")
    print(f"\n{'sound':<28}{'speaking':>10}")
    for name, share in activity.items():
        print(f"{name:<28}{share:>10.2f}")
    print(
        json.dumps(
            {
                "bench": "audio",
                "machine": platform.processor() or platform.machine(),
                "ms_per_frame": {name: round(median, 4) for name, (median, _) in costs.items()},
                "speaking_share": {name: round(share, 3) for name, share in activity.items()},
            }
        )
    )


def steps() -> dict[str, Callable[[], object]]:
    """What is timed: each callable takes 40 ms of sound."""
    hiss = np.random.default_rng(0).standard_normal(192_000).astype(np.float32) * 0.1
    measured: dict[str, Callable[[], object]] = {}
    for rate in (8000, 44_100, 48_000, 192_000):
        resampler, chunk = Resampler(rate), hiss[: rate // 25]
        measured[f"resample {rate} Hz"] = lambda resampler=resampler, chunk=chunk: resampler.push(chunk)
    log_mel, detector = LogMelStream(), VoiceActivity()
    measured["log-mel"] = lambda: log_mel.push(hiss[:640])
    measured["voice activity"] = lambda: detector.push(hiss[:640])
    return measured


def cost_ms(step: Callable[[], object]) -> tuple[float, float]:
    """(median, least) CPU milliseconds of a step."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        step()
        times.append((time.process_time() - start) * 1000)
    return statistics.median(times), min(times)


def sounds() -> dict[str, NDArray[np.float32]]:
    """Voices that this machine can make or finds, and sounds that are no voice; all at 16 kHz."""
    seconds = np.arange(6 * RATE) / RATE
    hiss = np.random.default_rng(1).standard_normal(len(seconds))
    clicks = np.where(np.random.default_rng(2).random(len(seconds)) < 0.0005, hiss, 0)
    found = {
        "white noise -60 dBFS": hiss * 1e-3, "white noise -20 dBFS": hiss * 0.1, "low noise": np.cumsum(hiss) * 1e-3,
        "hum": 0.05 * sum(np.sin(2 * np.pi * 50 * k * seconds) / k for k in (1, 2, 3, 5)),
        "tone": 0.1 * np.sin(2 * np.pi * 440 * seconds), "clicks": clicks,
    }  # fmt: skip
    if shutil.which("espeak-ng"):
        wav = subprocess.run(["espeak-ng", "--stdout", SENTENCE], capture_output=True, check=True).stdout
        found["espeak-ng"] = Resampler(22_050).push(to_mono(np.frombuffer(wav[44:], np.int16)))
    found |= {path.name: read(path) for path in Path("/usr/share/sounds/alsa").glob("*.wav")}
    return {name: np.asarray(samples, np.float32) for name, samples in found.items()}


def read(path: Path) -> NDArray[np.float32]:
    """A wav file at 16 kHz."""
    from scipy.io import wavfile

    rate, pcm = wavfile.read(path)
    return Resampler(rate).push(to_mono(pcm))


def speaking_share(samples: NDArray[np.float32]) -> float:
    """Share of frames that are called speech, hangover included."""
    return float(VoiceActivity().push(samples).speaking.mean())


if __name__ == "__main__":
    main()
