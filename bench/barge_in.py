# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How promptly the avatar stops when it is interrupted, and begins when it is given speech.

    python bench/barge_in.py [--model NAME] [--interrupts 50]

Virtual time, the real model; a minute and a half on one core. Three measurements:

* stopping: utterances are interrupted at random moments; the real session runs on a virtual
  machine that takes 25 ms for a block and 5 ms for a picture. Counted is the end of the last frame and of the last
  sample of the old utterance that are published, after the interrupt, and whether each has exactly one true ending.
* the mouth: how long after the interrupt the jaw is nearer to rest than a tenth of its opening in speech (95 %), for
  good, and the largest step of any lip channel at the seam, against the 99th percentile of the same channel in speech.
* beginning: speech comes at a random moment; its first frame is presented that much later. All at once without a stamp,
  the same stamped with the moment when it was sent, and in pieces of 40 ms in real time.

The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, ModelBundle, load_bundle
from avatar_forcing_ros.files.media import read_audio
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait, resource
from avatar_forcing_ros.messages.making import stamp_ns
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.testing.sessions import Speed, VirtualMachine
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.playback import Playback

MS = 1_000_000
START_NS = 1_000 * NANOSECONDS
SPEECH_S = 3.0
LIPS = [INDEX[name] for name in ("jaw_open", "stretch", "pucker", "press", "upper_lip")]
REST_SHARE = 0.1


def main() -> None:
    """Measure, print for people, then one line for machines."""
    args = parse_arguments()
    torch.set_num_threads(1)
    bundle, rng = load_bundle(args.model), np.random.default_rng(args.seed)
    figures: dict[str, object] = {}
    for measure in (beginning, mouth, stopping):  # the last one makes the model's time the virtual machine's
        print(f"{measure.__name__}: {args.interrupts} times ...", file=sys.stderr, flush=True)
        found = measure(bundle, rng, args.interrupts)
        figures |= found
        for name, value in found.items():
            print(f"{name:<32}{value}", flush=True)
    reach = {"last_frame_ms": 100, "last_sample_ms": 100, "rest_ms": 200, "first_frame_ms": [200, 300]}
    machine = platform.processor() or platform.machine()
    print(json.dumps({"bench": "barge_in", "machine": machine, "model": args.model, **figures, "reach": reach}))


def speeches(rng: np.random.Generator, seconds: float = SPEECH_S) -> Iterator[AudioChunk]:
    """Random stretches of the demo's recorded answers, each an utterance of its own."""
    clip = read_audio(resource("examples", "demo") / "avatar.flac")
    frames = clip.samples[: len(clip.samples) // 640 * 640].reshape(-1, 640)
    voice = frames[np.abs(frames).max(1) > 0.01].ravel()
    for number in count():
        length = int(seconds * clip.sample_rate)
        begin = int(rng.integers(0, len(voice) - length))
        samples = voice[begin : begin + length].copy()
        yield AudioChunk(None, samples, clip.sample_rate, f"utterance {number}", 0, True)


def stopping(bundle: ModelBundle, rng: np.random.Generator, interrupts: int) -> dict[str, object]:
    """Interrupts in a row on a virtual machine."""
    portrait = read_image(default_portrait())
    stage = VirtualMachine(bundle, portrait, Speed(5.0, 5.0), AvatarConfig(image_size=64), start_ns=START_NS)
    stage.run(1.0)
    asked: dict[str, int] = {}
    for speech, _ in zip(speeches(rng), range(interrupts), strict=False):
        begin_ns = stage.now_ns + int(rng.integers(40 * MS))
        asked_ns = begin_ns + int(rng.uniform(250, 2500) * MS)
        asked[speech.utterance_id] = asked_ns
        stage.at(begin_ns, partial(stage.session.say, speech))
        stage.at(asked_ns, stage.session.interrupt)
        stage.run((asked_ns - stage.now_ns) / NANOSECONDS + float(rng.uniform(0.1, 0.4)))
    stage.run(1.0)
    published = stage.published
    return {
        "interrupts": interrupts,
        "last_frame_ms": most_after(published["avatar/frame_info"], asked),
        "last_sample_ms": most_after(published["avatar/speech"], asked),
        "one_true_ending_each": all(has_one_true_ending(published, name) for name in asked),
    }


def most_after(messages: list[Any], asked: dict[str, int]) -> float:
    """How long after its interrupt the last message of an utterance ends, at most, in ms."""
    ends = {m.utterance_id: stamp_ns(m.header.stamp) + FRAME_NS for m in messages}
    return round(max(ends.get(name, at_ns) - at_ns for name, at_ns in asked.items()) / MS, 1)


def has_one_true_ending(published: dict[str, list[Any]], name: str) -> bool:
    """Whether one ending was told, and its position is what was published as speech, to a frame."""
    events = [e for e in published["avatar/playback"] if e.utterance_id == name]
    endings = [e for e in events if e.event in (e.FINISHED, e.INTERRUPTED)]
    pieces = sum(m.utterance_id == name for m in published["avatar/speech"])
    return len(endings) == 1 and 0 <= pieces * FRAME_NS - stamp_ns(endings[0].position) < FRAME_NS


class Talk:
    """An avatar in virtual time, and its newest motion by presentation time."""

    def __init__(self, bundle: ModelBundle) -> None:
        self.avatar = Avatar(bundle, read_image(default_portrait()), AvatarConfig(image_size=64))
        self.now_ns = START_NS
        self.motion: dict[int, NDArray[np.float32]] = {}
        self.avatar.start(self.now_ns)

    def run(self, duration_ns: int) -> None:
        """Let time pass, to the nanosecond."""
        end_ns = self.now_ns + duration_ns
        while self.avatar.next_decision_ns <= end_ns:
            self.motion |= {frame.stamp_ns: frame.latent for frame in self.avatar.step(self.avatar.next_decision_ns)}
        self.now_ns = end_ns

    def interrupt(self) -> int:
        """Presentation time of the first frame after it."""
        cut_ns = self.avatar.interrupt(self.now_ns)
        self.motion = {at: latent for at, latent in self.motion.items() if at < cut_ns}
        return cut_ns


def mouth(bundle: ModelBundle, rng: np.random.Generator, interrupts: int) -> dict[str, object]:
    """How the lips come to rest."""
    talk = Talk(bundle)
    talk.run(2 * NANOSECONDS)
    cuts: list[tuple[int, int]] = []
    for speech, _ in zip(speeches(rng), range(interrupts), strict=False):
        talk.avatar.push_speech(speech, talk.now_ns)
        talk.run(int(rng.uniform(600, 2500) * MS))
        cuts.append((talk.now_ns, talk.interrupt()))
        talk.run(800 * MS)
    stamps = np.array(sorted(talk.motion))
    lips = np.stack([talk.motion[at] for at in stamps])[:, LIPS]
    steps = np.abs(np.diff(lips, axis=0))
    spoken = np.any([(stamps > cut_ns - 500 * MS) & (stamps < cut_ns) for _, cut_ns in cuts], axis=0)
    rest = REST_SHARE * np.percentile(lips[spoken, 0], 95)
    usual = np.percentile(steps[spoken[1:]], 99, axis=0)
    seams = np.searchsorted(stamps, [cut_ns for _, cut_ns in cuts])
    rest_ms = [
        (closed_from(stamps, lips[:, 0] < rest, seam) - asked_ns) / MS
        for seam, (asked_ns, _) in zip(seams, cuts, strict=True)
    ]
    jumps = np.stack([steps[i - 1] for i in seams]) / usual
    return {
        "rest_ms": np.percentile(rest_ms, [50, 95, 100]).round(1).tolist(),
        "jump_of_usual": np.percentile(jumps.max(1), [50, 95, 100]).round(2).tolist(),
    }


def closed_from(stamps: NDArray[np.int64], closed: NDArray[np.bool_], seam: int) -> int:
    """Presentation time from which on the mouth stays closed for half a second after a seam."""
    window = slice(seam, seam + NANOSECONDS // 2 // FRAME_NS)
    still_open = np.flatnonzero(~closed[window])
    return int(stamps[seam + (still_open[-1] + 1 if len(still_open) else 0)])


def beginning(bundle: ModelBundle, rng: np.random.Generator, times: int) -> dict[str, object]:
    """From the first sample of speech to the first frame in which it is presented."""
    delays: dict[str, list[float]] = {}
    for how in ("unstamped", "stamped", "real_time"):
        talk = Talk(bundle)
        talk.run(NANOSECONDS)
        for speech, _ in zip(speeches(rng, seconds=0.4), range(times), strict=False):
            talk.run(int(rng.integers(1000 * MS)))
            sent_ns = talk.now_ns
            for chunk in pieces(speech) if how == "real_time" else [speech]:
                stamped = replace(chunk, stamp_ns=sent_ns if how == "stamped" else None)
                talk.avatar.push_speech(stamped, talk.now_ns)
                talk.run(40 * MS if how == "real_time" else 0)
            talk.run(600 * MS)
            started = [e for e in talk.avatar.take_events(1 << 62) if e.kind is Playback.STARTED]
            delays.setdefault(how, []).append((started[0].stamp_ns - sent_ns) / MS)
    return {f"first_frame_ms_{how}": np.percentile(d, [50, 95, 100]).round(0).tolist() for how, d in delays.items()}


def pieces(speech: AudioChunk) -> list[AudioChunk]:
    """A chunk in pieces of 40 ms."""
    length = speech.sample_rate // 25
    parts = [speech.samples[start : start + length] for start in range(0, len(speech.samples), length)]
    last = len(parts) - 1
    return [replace(speech, samples=part, seq=k, end_of_utterance=k == last) for k, part in enumerate(parts)]


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="name or folder of a model bundle")
    parser.add_argument("--interrupts", type=int, default=50, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args()


if __name__ == "__main__":
    main()
