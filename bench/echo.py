# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Does the avatar's own echo interrupt it, and do people? Rates over echo level, delay and reverberation.

    python bench/echo.py [--minutes 2] [--seed 0] [--voice-frames 4 --window-frames 6]

A simulated avatar (espeak-ng, and flite where it is installed) talks with pauses; what it says reaches the microphone
through a loudspeaker that distorts and has a band of its own, a room (delay, early reflections, a tail), with noise.
In every condition it talks alone, and again with a user who speaks into its utterances, at two levels. Sound goes
through the same `Ear` as in the avatar, in frames, with no knowledge of the condition, and every run begins without
any knowledge of the room. Counted are interruptions while nobody spoke, interruptions within the user's phrase or 0.3 s
after it, and the level of what the gate gives on as the user's while only the avatar spoke. The two minutes of every
level, alone and with each user, take five minutes on one core; a run is a sixth of `--minutes`, so that less of them
measures mostly how the gate learns a room. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, fftconvolve, sosfilt

from avatar_forcing_ros.audio.barge_in import BargeIn, BargeInConfig
from avatar_forcing_ros.audio.echo_gate import EchoGate
from avatar_forcing_ros.audio.silero import SileroNetwork
from avatar_forcing_ros.audio.voice_activity import VoiceActivity
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.espeak import Espeak, SpeechEngineError
from avatar_forcing_ros.simulation.voices import Speaker, random_voice
from avatar_forcing_ros.timeline.ear import Ear
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, SAMPLE_RATE

Sound = NDArray[np.float32]
AVATAR_DBFS = -20.0
USER_DBFS = (-24.0, -34.0)
"""A user close to the microphone, and one at two metres."""
NOISE_DBFS = -60.0
LEVELS_DB = (-6.0, -13.0, -20.0)
DELAYS_MS = (0, 150, 300)
ROOMS_S = (0.2, 0.5)
ANSWERS = (
    "I can show you the way to the exhibition on the second floor, it takes about three minutes.",
    "The museum opens at nine in the morning and closes at six in the evening, every day but Monday.",
    "There are many things that I would like to tell you about this old building and its garden.",
    "We have coffee, tea and cold water, and some very good chocolate cake.",
)
PHRASES = (
    "Wait a moment, please.",
    "No, that is not what I asked.",
    "Stop, I have another question.",
    "Excuse me, where is the exit?",
    "Hang on, can you say that again?",
)


@dataclass(frozen=True)
class Condition:
    """How the echo reaches the microphone."""

    level_db: float
    delay_ms: int
    room_s: float


@dataclass
class Score:
    """What came out under some conditions; `leaks_db` is the level of the gate's output against the echo's."""

    minutes: float = 0.0
    false: int = 0
    phrases: int = 0
    hits: int = 0
    reaction_s: list[float] = field(default_factory=list)
    leaks_db: list[float] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Count both."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Scene:
    """Draws what is said and how it sounds."""

    def __init__(self, seed: int) -> None:
        self._rng, espeak = np.random.default_rng(seed), Espeak()
        voices = [Speaker(random_voice(self._rng, 0.3, held_out=bool(k % 2)), espeak) for k in range(12)]
        self._answers = [voice.say(text).samples for voice in voices[::2] for text in ANSWERS]
        self._phrases = [voice.say(text).samples for voice in voices[1::2] for text in PHRASES]

    def avatar(self, seconds: float) -> Sound:
        """Utterances with pauses of 1 to 2.5 s."""
        sound, position = np.zeros(int(seconds * SAMPLE_RATE), np.float32), SAMPLE_RATE // 2
        while position < len(sound):
            answer = at_level(self._answers[self._rng.integers(len(self._answers))], AVATAR_DBFS)[
                : len(sound) - position
            ]
            sound[position : position + len(answer)] = answer
            position += len(answer) + int(self._rng.uniform(1, 2.5) * SAMPLE_RATE)
        return sound

    def echo(self, said: Sound, condition: Condition) -> Sound:
        """What the microphone hears of it."""
        played = sosfilt(butter(2, (150, 6500), "band", fs=SAMPLE_RATE, output="sos"), np.tanh(2 * said) / 2)
        heard = fftconvolve(played, self._room(condition))[: len(said)]
        gain = 10 ** (condition.level_db / 20) * level_of(said) / level_of(heard)
        return (gain * heard).astype(np.float32)

    def user(self, said: Sound, dbfs: float) -> tuple[Sound, list[tuple[int, int]]]:
        """Phrases into the avatar's utterances, 2 to 4 s apart, with their first and last sample."""
        sound, spans, position = np.zeros(len(said), np.float32), [], 2 * SAMPLE_RATE
        while position < len(said) - 3 * SAMPLE_RATE:
            phrase = at_level(self._phrases[self._rng.integers(len(self._phrases))], dbfs)
            if np.all(np.abs(said[position - 4800 : position + 16_000].reshape(-1, 1600)).max(1) > 1e-3):
                sound[position : position + len(phrase)] = phrase
                spans.append((position, position + len(phrase)))
                position += len(phrase) + int(self._rng.uniform(2, 4) * SAMPLE_RATE)
            position += 1600
        return sound, spans

    def noise(self, count: int) -> Sound:
        """Of the microphone and the room."""
        return (self._rng.standard_normal(count) * 10 ** (NOISE_DBFS / 20)).astype(np.float32)

    def _room(self, condition: Condition) -> NDArray[np.float64]:
        """Direct sound, four early reflections, and a tail of -2 to -8 dB."""
        count = int(condition.room_s * SAMPLE_RATE)
        response = self._rng.normal(size=count) * np.exp(-6.9 * np.arange(count) / count)
        response[:40] = 0
        response *= 10 ** (self._rng.uniform(-8, -2) / 20) / np.sqrt(np.square(response).sum())
        response[self._rng.integers(20, 400, 4)] += self._rng.normal(size=4) * 0.3
        response[0] = 1.0
        return np.concatenate([np.zeros(condition.delay_ms * SAMPLE_RATE // 1000), response])


def level_of(sound: NDArray) -> float:
    """Root mean square of the parts that are not silent."""
    power = uniform_filter1d(np.square(sound, dtype=np.float64), 480)
    return float(np.sqrt(np.square(sound[power > 0.1 * power.max()], dtype=np.float64).mean()))


def at_level(sound: Sound, dbfs: float) -> Sound:
    """The sound with its speech at a level."""
    return (sound * (10 ** (dbfs / 20) / level_of(sound))).astype(np.float32)


def measure(
    scene: Scene,
    condition: Condition,
    user_dbfs: float | None,
    seconds: float,
    network: SileroNetwork,
    config: BargeInConfig,
) -> Score:
    """One run of one condition."""
    said = scene.avatar(seconds)
    echo = scene.echo(said, condition)
    user, spans = (np.zeros_like(said), []) if user_dbfs is None else scene.user(said, user_dbfs)
    heard = echo + user + scene.noise(len(said))
    frames = np.concatenate([said, np.zeros(4 * FRAME_SAMPLES, np.float32)]).reshape(-1, FRAME_SAMPLES)
    barge_in = BargeIn(config, VoiceActivity(network=network))
    ear = Ear(
        lambda n: frames[n] if 0 <= n < len(frames) else np.zeros(FRAME_SAMPLES, np.float32), EchoGate(), barge_in
    )
    wanted, alone, began = [], [], time.process_time()
    for n in range(len(said) // FRAME_SAMPLES):
        alone.append(ear.hear(n, heard[n * FRAME_SAMPLES : (n + 1) * FRAME_SAMPLES]))
        wanted.append(barge_in.wanted)
    frame_ms = (time.process_time() - began) / len(wanted) * 1e3
    score = judge(np.array(wanted), spans, seconds / 60)
    score.frame_ms.append(frame_ms)
    if user_dbfs is None:
        score.leaks_db.append(20 * np.log10(np.std(np.concatenate(alone)) / np.std(echo)))
    return score


def judge(wanted: NDArray[np.bool_], spans: list[tuple[int, int]], minutes: float) -> Score:
    """Interruptions in phrases, and those where nobody spoke; within a second it is one."""
    score, free = Score(minutes=minutes, phrases=len(spans)), wanted.copy()
    for first, last in spans:
        begin, end = first * FPS // SAMPLE_RATE, last * FPS // SAMPLE_RATE
        found = np.flatnonzero(wanted[begin : end + 8])
        score.hits += bool(len(found))
        score.reaction_s += [(found[0] + 1) / FPS] if len(found) else []
        free[max(0, begin - 2) : end + 20] = False
    moments = np.flatnonzero(free)
    score.false = int(np.sum(np.diff(moments, prepend=-100) > FPS))
    return score


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    args = parse_arguments()
    try:
        scene = Scene(args.seed)
    except SpeechEngineError as error:
        print(json.dumps({"bench": "echo", "skipped": str(error)}))
        return
    config = BargeInConfig(enabled=True, voice_frames=args.voice_frames, window_frames=args.window_frames)
    network, total = SileroNetwork(), Score()
    runs = 1 + len(USER_DBFS)
    seconds = args.minutes * 60 / (len(DELAYS_MS) * len(ROOMS_S))
    hits: dict[float, list[int]] = {dbfs: [0, 0] for dbfs in USER_DBFS}
    print(f"{'echo':>6}  {'false a minute':>14}  {'found':>12}  {'reaction 50/95 %':>17}  {'own voice left':>14}")
    for level_db in LEVELS_DB:
        row = Score()
        for (delay_ms, room_s), dbfs in product(product(DELAYS_MS, ROOMS_S), (None, *USER_DBFS)):
            score = measure(scene, Condition(level_db, delay_ms, room_s), dbfs, seconds, network, config)
            row.add(score)
            if dbfs is not None:
                hits[dbfs] = [hits[dbfs][0] + score.hits, hits[dbfs][1] + score.phrases]
        p50, p95 = np.percentile(row.reaction_s, [50, 95])
        print(
            f"{level_db:>3.0f} dB  {row.false / row.minutes:>14.2f}  {row.hits:>5} of {row.phrases:<3}"
            f"  {p50:>8.2f} {p95:>6.2f} s  {np.mean(row.leaks_db):>11.0f} dB",
            flush=True,
        )
        total.add(row)
    print(", ".join(f"user at {dbfs:.0f} dBFS: {got} of {all_}" for dbfs, (got, all_) in hits.items()))
    print(f"{np.median(total.frame_ms):.2f} ms a frame of 40 ms on one core, voice activity included")
    figures = {
        "false_per_minute": round(total.false / total.minutes, 3),
        "found": round(total.hits / total.phrases, 4),
        "phrases": total.phrases,
        "minutes": round(total.minutes, 1),
        "reaction_s": np.percentile(total.reaction_s, [50, 95]).round(2).tolist(),
        "own_voice_left_db": round(float(np.mean(total.leaks_db)), 1),
        "frame_ms": round(float(np.median(total.frame_ms)), 2),
        "reach": {"false_per_minute": 1.0, "found": 0.95, "frame_ms": 2.0},
    }
    machine = platform.processor() or platform.machine()
    print(json.dumps({"bench": "echo", "machine": machine, "minutes_per_level": args.minutes * runs, **figures}))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=2.0, help="of each echo level, alone and at each user's level")
    parser.add_argument("--seed", type=int, default=0, help="of voices, rooms and times")
    defaults = BargeInConfig()
    parser.add_argument(
        "--voice-frames", type=int, default=defaults.voice_frames, help="that interrupt; the kiosk's are 2"
    )
    parser.add_argument(
        "--window-frames", type=int, default=defaults.window_frames, help="among these; the kiosk's are 4"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
