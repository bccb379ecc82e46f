"""How fast the avatar reacts: the user's face changes -> the first changed frame is presented.

    python bench/reaction.py [--model NAME] [--phases 200] [--transport-ms 30]

The core runs in virtual time with its real settings (lead, reorder window, block). The user's face changes at a random
moment, which falls anywhere between two camera pictures and between two decisions; a camera of 25 fps sees it in its
next picture; that picture's motion reaches the generator `transport-ms` after its exposure, which is more than
transport and face tracking take in the running graph (bench/graph.py measures that part). The same conversation is run
without the change, with the same noise; the first frame that differs from it has reacted, and its presentation time
counts. Not included: the camera's own delay before its stamp, and the display's after presentation.
The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.media import read_image
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.resources import default_portrait
from avatar_forcing_ros.signals import AvatarFrame, MotionSample

MS = 1_000_000
CAMERA_NS = 40 * MS
START_NS = 1_000_000 * MS
CHANGE_NS = START_NS + 640 * MS
"""Earliest change: the avatar has been at it for some blocks by then."""
LONGEST_NS = 1000 * MS
SMILE = 0.8
CHANGED = 0.01
"""Difference in standard deviations of a channel from which on a frame counts as changed."""


@dataclass(frozen=True)
class Reaction:
    """One reaction in milliseconds.

    Attributes:
        waiting: from the change to the exposure of the next picture.
        total: from the change to the presentation of the first changed frame.
    """

    waiting: float
    total: float


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    args = parse_arguments()
    torch.set_num_threads(1)
    avatar = Avatar(load_bundle(args.model), read_image(args.portrait or default_portrait()))
    random = np.random.default_rng(args.seed)
    unmoved = latents(conversation(avatar, user(0, None), args.transport_ms * MS))
    reactions = [
        reaction(avatar, unmoved, int(random.integers(CAMERA_NS)), random.integers(160 * MS), args.transport_ms * MS)
        for _ in range(args.phases)
    ]
    report(args, [r.waiting for r in reactions], [r.total for r in reactions])


def reaction(
    avatar: Avatar,
    unmoved: dict[int, NDArray[np.float32]],
    camera_phase_ns: int,
    change_phase_ns: int,
    transport_ns: int,
) -> Reaction:
    """One reaction.

    Raises:
        RuntimeError: no frame changed within a second.
    """
    change_ns = CHANGE_NS + int(change_phase_ns)
    pictures = user(camera_phase_ns, change_ns)
    exposure_ns = next(sample.stamp_ns for sample in user(camera_phase_ns, change_ns) if sample.stamp_ns >= change_ns)
    scale = avatar.bundle.latent_std
    for stamp_ns, latent in latents(conversation(avatar, pictures, transport_ns)).items():
        if np.max(np.abs(latent - unmoved[stamp_ns]) / scale) > CHANGED:
            return Reaction((exposure_ns - change_ns) / MS, (stamp_ns - change_ns) / MS)
    raise RuntimeError("no frame of the avatar changed within a second of the user's change")


def user(camera_phase_ns: int, change_ns: int | None) -> Iterator[MotionSample]:
    """What a camera sees of a user who smiles from `change_ns` on; it has run for a second when the avatar starts."""
    stamp_ns = START_NS - 1000 * MS + camera_phase_ns
    while True:
        latent = np.zeros(len(INDEX), np.float32)
        latent[INDEX["smile"]] = SMILE if change_ns is not None and stamp_ns >= change_ns else 0.0
        yield MotionSample(stamp_ns, latent)
        stamp_ns += CAMERA_NS


def conversation(avatar: Avatar, pictures: Iterator[MotionSample], transport_ns: int) -> list[AvatarFrame]:
    """The avatar's frames in virtual time; every decision sees what has arrived by then."""
    avatar.start(START_NS)
    frames: list[AvatarFrame] = []
    sample = next(pictures)
    while avatar.next_decision_ns < CHANGE_NS + LONGEST_NS:
        now_ns = avatar.next_decision_ns
        while sample.stamp_ns + transport_ns <= now_ns:
            avatar.push_user_motion(sample)
            sample = next(pictures)
        frames += avatar.step(now_ns)
    return frames


def latents(frames: list[AvatarFrame]) -> dict[int, NDArray[np.float32]]:
    """Motion latents by presentation time."""
    return {frame.stamp_ns: frame.latent for frame in frames}


def report(args: argparse.Namespace, waiting: list[float], total: list[float]) -> None:
    """Print the figures."""
    rows = {"change -> next camera picture": waiting, "change -> first changed frame presented": total}
    print(f"{len(total)} random phases, {args.transport_ms} ms from picture to generator, model {args.model}")
    print(f"{'':<42}{'median':>8}{'95 %':>8}{'most':>8}")
    for name, values in rows.items():
        p50, p95 = np.percentile(values, [50, 95])
        print(f"{name:<42}{p50:>8.0f}{p95:>8.0f}{max(values):>8.0f}  ms")
    p50, p95 = np.percentile(total, [50, 95]).round(1)
    figures = {"p50_ms": p50, "p95_ms": p95, "max_ms": round(max(total), 1), "reach": {"p50_ms": 250, "p95_ms": 350}}
    machine = platform.processor() or platform.machine()
    setting = {"phases": len(total), "transport_ms": args.transport_ms, "model": args.model}
    print(json.dumps({"bench": "reaction", "machine": machine, **setting, **figures}))


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="name or folder of a model bundle")
    parser.add_argument("--portrait", default="", help="picture of a face (default: our own character)")
    parser.add_argument("--phases", type=int, default=200, help="how many changes")
    parser.add_argument("--transport-ms", type=int, default=30, help="from exposure to arrival in the generator")
    parser.add_argument("--seed", type=int, default=0, help="of the phases")
    return parser.parse_args()


if __name__ == "__main__":
    main()
