# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How surely laughing, talking and smiling of the user are told apart: `python bench/perception.py [VIDEO ...]`.

    python bench/perception.py [--conversations 12] [--filmed 6] [--seed 888000] [VIDEO ...]

Simulated users whose voices training has not heard say what they did: `--conversations` with the camera's errors
imagined, `--filmed` drawn, seen by a webcam and read by the live encoder. A laugh is found when it is told between its
first call and a third of a second after its last; one that is told further than .8 s from any laugh is false. Noises,
music and coughs sound behind a face at rest. Of each video a row of letters says what was told every 80 ms: L laughs,
T talks, s smiles, B talks with a smile. Frames without a face are left out, and so are laughs with such. The last line
is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import log_mel_frames
from avatar_forcing_ros.behaviour.user_activity import activities
from avatar_forcing_ros.evaluation.noises import noises
from avatar_forcing_ros.files.media import MediaError, read_audio, read_video
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.facemesh.reading.encoder import FaceMeshEncoder
from avatar_forcing_ros.signals import FPS, NANOSECONDS, UserActivity, VideoFrame
from avatar_forcing_ros.simulation.conversation import Conversation, ConversationConfig, ConversationSimulator
from avatar_forcing_ros.timeline.grid import SAMPLE_RATE

HEARTY = 0.4
"""Heartiness of a laugh from which it should be found; a chuckle hardly opens the mouth."""
AFTER, ASIDE = 8, 20
"""Frames after a laugh within which it may be told, and around one within which no laugh is false."""


@dataclass(frozen=True)
class Told:
    """What was told of one user: (T,) each."""

    laughing: NDArray[np.bool_]
    talking: NDArray[np.bool_]
    smiling: NDArray[np.bool_]


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--conversations", type=int, default=12, help="with imagined cameras (%(default)s)")
    parser.add_argument("--filmed", type=int, default=6, help="with filmed users (%(default)s)")
    parser.add_argument("--seed", type=int, default=888_000, help="of the simulation (%(default)s)")
    parser.add_argument("videos", nargs="*", type=Path)
    args = parser.parse_args()
    report: dict[str, object] = {}
    for name, count, share in (("imagined camera", args.conversations, 0.0), ("filmed", args.filmed, 1.0)):
        if count:
            report[name] = on_conversations(simulated(count, args.seed, share))
            print(f"{name}: {report[name]}")
    report["sounds behind a face at rest, share of time told as talk"] = on_sounds()
    print(f"sounds: {report['sounds behind a face at rest, share of time told as talk']}")
    for video in args.videos:
        report[video.name] = letters(video)
        print(f"{video.name}: {report[video.name]}")
    print(json.dumps(report))


def simulated(count: int, seed: int, filmed_share: float) -> list[Conversation]:
    """Conversations with voices that no training has heard."""
    config = replace(ConversationConfig(), held_out_voices=True, flite_share=0.0, filmed_share=filmed_share)
    simulator = ConversationSimulator(config, seed)
    return [simulator.make(index) for index in range(count)]


def on_conversations(conversations: Sequence[Conversation]) -> dict[str, float | int]:
    """Laughs found and false, talk found and false, smiles found and false, delays; how truly the smile is read."""
    laughs = hearty = found = hearty_found = false = 0
    minutes, delays, talk, no_talk, smiles, no_smiles = 0.0, [], [], [], [], []
    read, true, talks = [], [], []
    for conversation in conversations:
        valid = conversation.user_valid
        if not valid.any():
            continue
        told = tell(conversation.user_motion, valid, conversation.user_features.mean(axis=-1))
        minutes += float(valid.sum()) / FPS / 60
        near = np.zeros(len(valid) + AFTER, np.bool_)
        for laugh in conversation.user_laughs:
            begin, end = int(laugh.start_s * FPS), int(laugh.end_s * FPS) + AFTER
            near[max(0, begin - ASIDE) : end + ASIDE] = True
            if not valid[begin:end].all():
                continue
            is_found, is_hearty = bool(told.laughing[begin:end].any()), laugh.heartiness > HEARTY
            laughs, found = laughs + 1, found + is_found
            hearty, hearty_found = hearty + is_hearty, hearty_found + (is_found and is_hearty)
            if is_found:
                delays.append(int(np.argmax(told.laughing[begin:end])) / FPS)
        onsets = np.flatnonzero(np.diff(told.laughing.astype(int), prepend=0) == 1)
        false += int((~near[onsets]).sum())
        near = near[: len(valid)]
        says = conversation.user_talk.speaking(FPS)[: len(valid)]
        shows = conversation.user_true_motion[:, INDEX["smile"]]
        talk.append(told.talking[says & ~near & valid])
        no_talk.append(told.talking[~_around(says, FPS) & ~near & valid])
        smiles.append(told.smiling[(shows > 0.5) & ~near & valid])
        no_smiles.append(told.smiling[~_around(shows > 0.1, FPS // 2) & ~near & valid])
        read.append(conversation.user_motion[valid, INDEX["smile"]])
        true.append(shows[valid])
        talks.append(says[valid])
    return {
        "minutes": round(minutes, 1),
        "laughs": laughs,
        "found": found,
        "hearty": hearty,
        "hearty found": hearty_found,
        "median delay s": round(float(np.median(delays)), 2) if delays else float("nan"),
        "false laughs a minute": round(false / minutes, 2),
        "talk told %": _percent(talk),
        "silence told as talk %": _percent(no_talk),
        "smiles told %": _percent(smiles),
        "no smile told as one %": _percent(no_smiles),
        **smile_errors(np.concatenate(read), np.concatenate(true), np.concatenate(talks)),
    }


def smile_errors(read: NDArray, true: NDArray, talks: NDArray[np.bool_]) -> dict[str, float]:
    """How the smile that is read (N,) differs from the true one (N,): rms, while they talk and not; correlation."""
    errors = (read - true) ** 2
    return {
        "error of the smile, talking": round(float(np.sqrt(errors[talks].mean())), 3),
        "silent": round(float(np.sqrt(errors[~talks].mean())), 3),
        "correlation of the smile": round(float(np.corrcoef(read, true)[0, 1]), 2),
    }


def tell(motion: NDArray, valid: NDArray[np.bool_], level: NDArray | None) -> Told:
    """What is told of a user's face (T, 18) and voice."""
    told = activities(motion[:, INDEX["smile"]], motion[:, INDEX["jaw_open"]], valid, level)
    return Told(*(np.array([getattr(one, name) for one in told]) for name in ("laughing", "talking", "smiling")))


def on_sounds() -> dict[str, float]:
    """Share of time in which sounds that are no talk are told as such, behind a face at rest and with nobody seen."""
    found: dict[str, float] = {}
    sounds = noises(10.0) | {"music": music(10.0)}
    for seen in (True, False):
        for name, sound in sounds.items():
            level = log_mel_frames(sound.astype(np.float32)).mean(axis=-1)
            told = tell(np.zeros((len(level), len(INDEX))), np.full(len(level), seen), level)
            share = round(float(told.talking[2 * FPS :].mean()), 2)
            if share or name == "music":
                found[f"{name}, {'a face' if seen else 'nobody'} seen"] = share
    return found


def music(seconds: float) -> NDArray[np.float32]:
    """A chord that changes twice a second, with a decay, at about -20 dBFS."""
    rng, beat = np.random.default_rng(0), SAMPLE_RATE // 2
    times = np.arange(beat) / SAMPLE_RATE
    bars = []
    for _ in range(round(2 * seconds)):
        root = 220 * 2 ** (rng.integers(0, 12) / 12)
        chord = sum(np.sin(2 * np.pi * root * step * times) for step in (1, 1.26, 1.5, 2))
        bars.append(0.1 * chord * np.exp(-4 * times))
    return np.concatenate(bars).astype(np.float32)


def letters(video: Path) -> str:
    """What is told of the person in a video, a letter every two frames."""
    encoder = FaceMeshEncoder()
    samples = [encoder.encode(VideoFrame(round(f.time_s * NANOSECONDS), f.image)) for f in read_video(video)]
    times = np.round(np.arange(0, samples[-1].stamp_ns / NANOSECONDS, 1 / FPS), 4)
    place = np.searchsorted([s.stamp_ns / NANOSECONDS for s in samples], times + 1e-6, side="right") - 1
    motion, valid = np.stack([samples[n].latent for n in place]), np.array([samples[n].valid for n in place])
    level = heard(video, len(motion))
    told = activities(motion[:, INDEX["smile"]], motion[:, INDEX["jaw_open"]], valid, level)
    return "".join(letter(one) for one in told[::2])


def heard(video: Path, frames: int) -> NDArray[np.float64] | None:
    """(T,) level of a video's sound; None without any."""
    try:
        clip = read_audio(video)
    except MediaError:
        return None
    level = log_mel_frames(soxr.resample(clip.samples, clip.sample_rate, SAMPLE_RATE).astype(np.float32)).mean(axis=-1)
    return np.pad(level.astype(np.float64), (0, max(0, frames - len(level))), constant_values=-1)[:frames]


def letter(told: UserActivity) -> str:
    """One of L, B, T, s and a dot."""
    if told.laughing:
        return "L"
    return ("B" if told.smiling else "T") if told.talking else "s" if told.smiling else "."


def _around(what: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    return np.convolve(what, np.ones(2 * frames + 1), "same") > 0.5


def _percent(parts: Sequence[NDArray[np.bool_]]) -> float:
    joined = np.concatenate(parts)
    return round(100 * float(joined.mean()), 1) if len(joined) else float("nan")


if __name__ == "__main__":
    main()
