# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing render`: the avatar of the nodes, run in virtual time on files, faster than real time."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, ModelBundle, load_bundle
from avatar_forcing_ros.commands.arguments import (
    add_label_arguments,
    check_output,
    input_file,
    label_config,
    portrait_file,
)
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.disclosure.metadata import AVATAR
from avatar_forcing_ros.files.media import AudioClip, has_audio, read_audio, read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.outputs import replacing, typed_path
from avatar_forcing_ros.motion.space import CountingEncoder, naming_portrait
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, AvatarFrame, MotionSample, VideoFrame
from avatar_forcing_ros.timeline.grid import FRAME_NS, SAMPLE_RATE
from avatar_forcing_ros.timeline.waiting import SpeechLimits

T = TypeVar("T")

START_NS = 10 * NANOSECONDS
"""Virtual time of the first picture; what is before it lets the avatar come to life first."""
RUN_UP_NS = 2 * NANOSECONDS
"""How long before the first picture the conversation begins."""
_TOLD_CHANGES = 5
SILENT = 0.001
"""Between the highest and the lowest sample: -66 dBFS, far below any voice."""
MICROPHONE_CHUNK_NS = 20_000_000
MOUTH_COMES_TO_REST_NS = 480_000_000
"""Shown after the end of speech, so that the video does not end on an open mouth."""


@dataclass(frozen=True)
class Inputs:
    """What a rendering is made from; None where there is none."""

    speech: AudioClip
    user_audio: AudioClip | None
    user_motion: list[MotionSample]
    duration_ns: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    defaults = AvatarConfig()
    parser.add_argument("--portrait", type=input_file, help="picture of a face (default: the project's own character)")
    parser.add_argument("--speech", type=input_file, required=True, help="what the avatar says: sound or video file")
    parser.add_argument("--user-video", type=input_file, help="video of the user, as the camera sees them")
    parser.add_argument("--user-audio", type=input_file, help="what the user says (default: the sound of --user-video)")
    parser.add_argument("--output", type=typed_path, required=True, help="mp4 file to write")
    parser.add_argument("--motion", type=typed_path, help="npz file to write the motion latents to")
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="name or folder of a model bundle")
    parser.add_argument(
        "--step-by-step", action="store_true", help="on a GPU: run step by step instead of as recorded programs; slower"
    )
    parser.add_argument("--half", action="store_true", help="on a CPU: round large weights to float16; twice as fast")
    parser.add_argument("--size", type=int, default=defaults.image_size, help="side of the picture in pixels")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="seed of all noise")
    parser.add_argument(
        "--steps", type=int, default=defaults.steps, help="solver steps per block (default: 0, the model's own)"
    )
    parser.add_argument(
        "--guidance-avatar",
        type=float,
        default=defaults.guidance_avatar,
        help="weight of the avatar's voice (default: -1, the model's own)",
    )
    parser.add_argument(
        "--guidance-user",
        type=float,
        default=defaults.guidance_user,
        help="weight of the user (default: -1, the model's own)",
    )
    add_label_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Render the video; what was done, for --json."""
    inputs_given = (args.portrait, args.speech, args.user_video, args.user_audio)
    check_output(args.output, ".mp4", inputs_given)
    if args.motion:
        check_output(args.motion, ".npz", (*inputs_given, args.output))
    if args.size % 2:
        raise ValueError(f"--size must be even, as pictures of an mp4 are, got {args.size}")
    config = AvatarConfig(
        seed=args.seed,
        speech_limits=SpeechLimits(waiting_s=0),  # a file waits as a whole
        image_size=args.size,
        steps=args.steps,
        guidance_avatar=args.guidance_avatar,
        guidance_user=args.guidance_user,
    )
    compute = ComputeConfig(threads=1, captured=not args.step_by_step, half=args.half)
    bundle = load_bundle(args.model, compute)
    portrait = portrait_file(args.portrait)
    with naming_portrait(portrait.path):
        avatar = Avatar(bundle, portrait.image, config, label_config(args))
    inputs = _read_inputs(args, bundle)
    began = time.perf_counter()
    frames = _write(avatar, inputs, args)
    seconds = time.perf_counter() - began
    length = inputs.duration_ns / NANOSECONDS
    tqdm.write(f"{args.output}: {length:.1f} s of video in {seconds:.1f} s, {length / seconds:.1f} times real time")
    seen = sum(frame.user_present for frame in frames)
    if args.user_video:
        found = (
            f"a face was seen in {seen} of {len(frames)} frames" if seen else "no face was found; nobody is reacted to"
        )
        tqdm.write(f"{args.user_video}: {found}")
    return {
        "output": str(args.output),
        "frames": len(frames),
        "seconds": round(length, 3),
        "times_real_time": round(length / seconds, 2),
        "compute": vars(compute),
        "user_seen_frames": seen,
    }


def _read_inputs(args: argparse.Namespace, bundle: ModelBundle) -> Inputs:
    speech = _heard(args.speech)
    user_audio = args.user_audio or (args.user_video if args.user_video and has_audio(args.user_video) else None)
    spoken_ns = len(speech.samples) * NANOSECONDS // speech.sample_rate
    frames = -(-(spoken_ns + MOUTH_COMES_TO_REST_NS) // FRAME_NS)
    return Inputs(
        speech=speech,
        user_audio=_heard(user_audio) if user_audio else None,
        user_motion=_user_motion(args.user_video, bundle, frames * FRAME_NS) if args.user_video else [],
        duration_ns=frames * FRAME_NS,
    )


def _heard(path: Path) -> AudioClip:
    """The sound of a file; one that has none in it was recorded from a muted microphone, or from the wrong one."""
    clip = read_audio(path)
    if len(clip.samples) and np.ptp(clip.samples) < SILENT:
        print(f"{path}: silent from beginning to end; was the right microphone recorded, and was it on?")
    return clip


def _user_motion(path: Path, bundle: ModelBundle, duration_ns: int) -> list[MotionSample]:
    """The user's motion in as much of a video as is needed."""
    encoder, whose = bundle.space.make_encoder(), Whose()
    samples = []
    try:
        for frame in _progress(read_video(path), "watching the user", duration_ns // FRAME_NS):
            stamp_ns = START_NS + round(frame.time_s * NANOSECONDS)
            if stamp_ns > START_NS + duration_ns:
                break
            samples.append(encoder.encode(VideoFrame(stamp_ns, frame.image)))
            if isinstance(encoder, CountingEncoder):
                whose.note(encoder, samples[-1].valid, frame.time_s)
    finally:
        encoder.close()
    for line in whose.told():
        tqdm.write(f"{path}: {line}")
    return samples


class Whose:
    """Whose faces a film shows, and which of them is read."""

    def __init__(self) -> None:
        self._most = self._still = 0
        self._person: int | None = None
        self._changes_s: list[float] = []

    def note(self, encoder: CountingEncoder, is_seen: bool, time_s: float) -> None:
        """What the encoder tells after the picture at this moment of the film."""
        self._most, self._still = max(self._most, encoder.people), max(self._still, encoder.still)
        if is_seen and encoder.person != self._person:
            if self._person is not None:
                self._changes_s.append(time_s)
            self._person = encoder.person

    def told(self) -> list[str]:
        """What is worth knowing about them, one line each."""
        lines = []
        if self._most > 1:
            lines.append(f"up to {self._most} faces at once; the largest is read until it is gone")
        if self._changes_s:
            times = ", ".join(f"{time_s:.1f}" for time_s in self._changes_s[:_TOLD_CHANGES])
            more = len(self._changes_s) - _TOLD_CHANGES
            lines.append(f"another face, or a cut, at {times} s" + (f" and {more} more times" if more > 0 else ""))
        if self._still:
            lines.append("a face that never moves, as on a poster, is not read")
        return lines


def _write(avatar: Avatar, inputs: Inputs, args: argparse.Namespace) -> list[AvatarFrame]:
    frames = []
    with ExitStack() as stack:
        motion = stack.enter_context(replacing(args.motion)) if args.motion else None  # gets its name after the film
        movie = stack.enter_context(
            MovieWriter(args.output, args.size, args.size, SAMPLE_RATE, tags=AVATAR.tags, xmp=AVATAR.xmp)
        )
        total = inputs.duration_ns // FRAME_NS
        blocks = presented_blocks(avatar, inputs)
        drawn = chain.from_iterable(zip(block, avatar.drawings(block), strict=True) for block in blocks)
        for frame, draw in _progress(drawn, "rendering", total):
            movie.write_image(draw())
            movie.write_sound(frame.speech)
            frames.append(frame)
        if motion is not None:
            save_motion(motion, frames, avatar.bundle)
    return frames


def _progress(frames: Iterator[T], what: str, total: int) -> Iterator[T]:
    return iter(tqdm(frames, total=total, desc=what, unit="frame", leave=False, mininterval=0.5))


def presented_frames(avatar: Avatar, inputs: Inputs) -> Iterator[AvatarFrame]:
    """Run the conversation in virtual time; the frames from START_NS on."""
    return chain.from_iterable(presented_blocks(avatar, inputs))


def presented_blocks(avatar: Avatar, inputs: Inputs) -> Iterator[list[AvatarFrame]]:
    """The same, block by block."""
    avatar.start(START_NS - RUN_UP_NS)
    for sample in inputs.user_motion:
        avatar.push_user_motion(sample)
    if inputs.user_audio:
        for chunk in _chunks(inputs.user_audio):
            avatar.push_user_audio(chunk)
    speech = inputs.speech
    avatar.push_speech(AudioChunk(START_NS, speech.samples, speech.sample_rate, "speech", 0, True), received_ns=0)
    end_ns = START_NS + inputs.duration_ns
    while avatar.next_decision_ns < end_ns:
        yield [f for f in avatar.step(avatar.next_decision_ns) if START_NS <= f.stamp_ns < end_ns]


def _chunks(clip: AudioClip) -> Iterator[AudioChunk]:
    """A clip as a microphone gives it."""
    size = clip.sample_rate * MICROPHONE_CHUNK_NS // NANOSECONDS
    for seq, start in enumerate(range(0, len(clip.samples), size)):
        stamp_ns = START_NS + start * NANOSECONDS // clip.sample_rate
        yield AudioChunk(stamp_ns, clip.samples[start : start + size], clip.sample_rate, seq=seq)


def save_motion(path: Path, frames: list[AvatarFrame], bundle: ModelBundle) -> None:
    """Write the motion to an npz file: `latents` (T, M), `times_s` (T,), `names` (M,) where the numbers have names."""
    latents: NDArray[np.float32] = np.stack([frame.latent for frame in frames])
    times = np.array([(frame.stamp_ns - START_NS) / NANOSECONDS for frame in frames])
    names = np.array(bundle.space.names, dtype=str)
    with replacing(path) as part:
        np.savez(part, latents=latents, times_s=times, names=names, motion_space=bundle.space.name)
