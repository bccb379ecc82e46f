# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How fast a bag is replayed without ROS: `python bench/replay.py [--seconds 20] [--runs 3]`; the last line is JSON.

The bag is a conversation of the demo's clips: a camera of 640x480, a microphone, and speech that an interrupt cuts off.
It is replayed as it is, and without its pictures but with the motion that was read from them, which all variants must
make the same pictures of. Reading, generating, drawing, hashing and writing count, loading the model does not. The
processor time is that of all threads; two cores need at least half of it for a frame.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.audio.resample import Resampler
from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags.bag import BagReader, BagWriter, Storage
from avatar_forcing_ros.bags.bag_outlet import Pictures
from avatar_forcing_ros.bags.inputs import survey
from avatar_forcing_ros.bags.offline import replay
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.files.media import read_audio, read_video
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.messages import images
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.testing.bags import BEGIN_NS, KINDS, MS, Sent, cut, interrupt, make, sound, write_bag
from avatar_forcing_ros.timeline.grid import SAMPLE_RATE

REACH_TIMES_REAL_TIME = 4.0
CAMERA = "/camera/image_raw"


@dataclass(frozen=True)
class Variant:
    """One way to replay the conversation."""

    name: str
    bag: str
    storage: Storage = "sqlite3"
    pictures: Pictures = "raw"


VARIANTS = (
    Variant("camera", "camera"),
    Variant("user motion", "motion"),
    Variant("user motion, mcap", "motion", storage="mcap"),
    Variant("user motion, jpeg", "motion", pictures="compressed"),
    Variant("user motion, no pictures", "motion", pictures="none"),
)


@dataclass(frozen=True)
class Run:
    """One replay: seconds of conversation in a second, processor time of a frame, and the hash of what was shown."""

    times_real_time: float
    processor_ms: float
    sha256: str


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    args = parse_arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bag(folder / "camera", list(conversation(args.seconds)))
        run(VARIANTS[0], folder, args)  # reads the user's motion; also pays what is paid once
        without_pictures(folder)
        runs = {variant.name: [run(variant, folder, args) for _ in range(args.runs)] for variant in VARIANTS}
    report(args, runs)


def conversation(seconds: float) -> Iterator[Sent]:
    """What camera and microphone saw and heard, what the avatar shall say, and somebody who stops it half way."""
    clips = recorded_conversation()
    pictures = [cv2.resize(frame.image, (640, 480)) for frame in islice(read_video(clips.video), 240)]
    there_and_back = pictures + pictures[::-1]
    for k in range(int(25 * seconds)):
        stamp = BEGIN_NS + k * 40 * MS
        picture = images.from_rgb(make, there_and_back[k % len(there_and_back)], stamp)
        yield Sent(CAMERA, stamp, stamp + 9 * MS, picture)
    yield from sound("/user_audio", cut(voice(clips.audio, seconds), BEGIN_NS - 40 * MS, 40 * MS, 640))
    yield from sound("/speech", cut(voice(clips.speech, seconds), BEGIN_NS, 100 * MS, SAMPLE_RATE // 10, "speech"))
    yield interrupt(int(500 * seconds) * MS)


def voice(path: str, seconds: float) -> NDArray[np.float32]:
    """The first seconds of a recording, at 16 kHz."""
    clip = read_audio(path)
    return Resampler(clip.sample_rate).push(clip.samples.astype(np.float32))[: int(seconds * SAMPLE_RATE)]


def without_pictures(folder: Path) -> None:
    """The bag `motion`: that of the camera with the motion, which the replay wrote, instead of pictures."""
    with BagReader(folder / "camera") as told, BagReader(folder / "out") as seen, BagWriter(folder / "motion") as bag:
        kept = [*told.messages(set(told.topics) - {CAMERA}), *seen.messages({"/user_motion"})]
        for topic in sorted({message.topic for message in kept}):
            bag.add_topic(topic, KINDS[topic])
        for message in sorted(kept, key=lambda message: message.time_ns):
            bag.write_bytes(message.topic, message.time_ns, message.data)


def run(variant: Variant, folder: Path, args: argparse.Namespace) -> Run:
    """Replay a bag into `out`."""
    avatar = Avatar(load_bundle(args.model), read_image(default_portrait()), AvatarConfig(image_size=args.size))
    with BagReader(folder / variant.bag) as source:
        found = survey(source)
        writer = BagWriter(folder / "out", variant.storage, replace=True)
        wall, processor = time.perf_counter(), time.process_time()
        result = replay(source, found, writer, avatar, "", variant.pictures)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    length_s = (found.closes_ns - found.opens_ns) / NANOSECONDS
    return Run(length_s / wall, 1e3 * processor / result.frames, result.sha256)


def report(args: argparse.Namespace, runs: dict[str, list[Run]]) -> None:
    """Print the figures.

    Raises:
        SystemExit: the variants do not show the same.
    """
    shown = {run.sha256 for variant in runs.values() for run in variant}
    if len(shown) > 1:
        raise SystemExit(f"expected the same pictures of all variants, got {len(shown)} hashes: {runs}")
    print(f"{args.seconds:.0f} s, pictures of {args.size}x{args.size}, {args.runs} runs")
    print(f"{'':<26}{'times real time':>18}{'processor ms a frame':>23}")
    print(f"{'':<26}{'most':>9}{'median':>9}{'least':>14}{'median':>9}")
    figures = {}
    for name, variant in runs.items():
        speed, cost = [run.times_real_time for run in variant], [run.processor_ms for run in variant]
        most, middle = round(max(speed), 2), round(statistics.median(speed), 2)
        least, usual = round(min(cost), 1), round(statistics.median(cost), 1)
        print(f"{name:<26}{most:>9.2f}{middle:>9.2f}{least:>14.1f}{usual:>9.1f}")
        figures[name] = {"most": most, "median": middle, "processor_ms": {"least": least, "median": usual}}
    machine = platform.processor() or platform.machine()
    setting = {"seconds": args.seconds, "size": args.size, "runs": args.runs, "sha256": shown.pop()}
    reach = {"times_real_time": REACH_TIMES_REAL_TIME}
    print(json.dumps({"bench": "replay", "machine": machine, **setting, "variants": figures, "reach": reach}))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="name or folder of a model bundle")
    parser.add_argument("--size", type=int, default=512, help="side of the pictures in pixels")
    parser.add_argument("--seconds", type=float, default=20, help="length of the conversation")
    parser.add_argument("--runs", type=int, default=3, help="of each variant")
    return parser.parse_args()


if __name__ == "__main__":
    main()
