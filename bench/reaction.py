# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How fast the avatar reacts: the user's face changes -> the first changed frame is presented.

    python bench/reaction.py [--model NAME] [--phases 200] [--transport-ms 30]

The core runs in virtual time with its real settings (lead, reorder window, block). The user's face changes at a random
moment, which falls anywhere between two camera pictures and between two decisions; a camera of 25 fps sees it in its
next picture; that picture's motion reaches the generator `transport-ms` after its exposure, which is more than
transport and face tracking take in the running graph (bench/graph.py measures that part). The same conversation is run
without the change, with the same noise; the first frame that differs from it in any bit has reacted, and its
presentation time counts. A second row says when the difference has grown to what one may see. Not included: the
camera's own delay before its stamp, and the display's after presentation. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from avatar_forcing_ros.avatar import Avatar
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.signals import AvatarFrame, MotionSample

MS = 1_000_000
CAMERA_NS = 40 * MS
START_NS = 1_000_000 * MS
CHANGE_NS = START_NS + 640 * MS
"""Earliest change: the avatar has been at it for some blocks by then."""
LONGEST_NS = 1000 * MS
SMILE = 0.8
VISIBLE = 0.05
"""Difference, in standard deviations of a channel, that one may see."""


@dataclass(frozen=True)
class Reaction:
    """One reaction in milliseconds.

    Attributes:
        waiting: from the change to the exposure of the next picture.
        first: from the change to the presentation of the first frame that differs.
        visible: from the change to the presentation of the first frame that differs visibly, or a second.
    """

    waiting: float
    first: float
    visible: float


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    args = parse_arguments()
    torch.set_num_threads(1)
    avatar = Avatar(load_bundle(args.model), read_image(args.portrait or default_portrait()))
    random = np.random.default_rng(args.seed)
    reactions = [
        reaction(avatar, int(random.integers(CAMERA_NS)), int(random.integers(160 * MS)), args.transport_ms * MS)
        for _ in range(args.phases)
    ]
    report(args, reactions)


def reaction(avatar: Avatar, camera_phase_ns: int, change_phase_ns: int, transport_ns: int) -> Reaction:
    """One reaction.

    Raises:
        RuntimeError: no frame changed within a second.
    """
    change_ns = CHANGE_NS + change_phase_ns
    exposure_ns = next(s.stamp_ns for s in user(camera_phase_ns, None) if s.stamp_ns >= change_ns)
    unmoved = conversation(avatar, user(camera_phase_ns, None), transport_ns)
    moved = conversation(avatar, user(camera_phase_ns, change_ns), transport_ns)
    scale = avatar.bundle.latent_std
    differences = [np.abs(a.latent - b.latent) / scale for a, b in zip(unmoved, moved, strict=True)]
    after_ms = [(frame.stamp_ns - change_ns) / MS for frame in moved]
    first = next((ms for ms, d in zip(after_ms, differences, strict=True) if d.any()), None)
    if first is None:
        raise RuntimeError("no frame of the avatar changed within a second of the user's change")
    visible = next((ms for ms, d in zip(after_ms, differences, strict=True) if d.max() > VISIBLE), LONGEST_NS / MS)
    return Reaction((exposure_ns - change_ns) / MS, first, visible)


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


def report(args: argparse.Namespace, reactions: list[Reaction]) -> None:
    """Print the figures."""
    rows = {
        "change -> next camera picture": [r.waiting for r in reactions],
        "change -> first changed frame presented": [r.first for r in reactions],
        "change -> first visibly changed frame presented": [r.visible for r in reactions],
    }
    print(f"{len(reactions)} random phases, {args.transport_ms} ms from picture to generator, model {args.model}")
    print(f"{'':<50}{'median':>8}{'95 %':>8}{'most':>8}")
    for name, values in rows.items():
        p50, p95 = np.percentile(values, [50, 95])
        print(f"{name:<50}{p50:>8.0f}{p95:>8.0f}{max(values):>8.0f}  ms")
    _, first, visible = (np.percentile(values, [50, 95]).round(1).tolist() for values in rows.values())
    figures = {"first_ms": first, "visible_ms": visible, "reach": {"first_ms": [250, 350]}}
    machine = platform.processor() or platform.machine()
    setting = {"phases": len(reactions), "transport_ms": args.transport_ms, "model": args.model}
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
