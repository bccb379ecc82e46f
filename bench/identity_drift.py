# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Is the face after half an hour of conversation still the portrait's, as it was in the beginning?

    python bench/identity_drift.py --minutes 30      # on a virtual clock; with --json FILE each picture's figures, too

The real model and session talk with simulated users, a minute with each, and in the last minute as in the first one:
what is compared is answered alike. In windows of 20 s around the tenth second and every five minutes pictures are drawn
and read by the face mesh of the camera's side. Two distances from the portrait at rest: of the shape, over points that
neither jaw nor brows move, once size and pose are taken out (in interocular distances), and of the skin's colour there
(grey levels). Identity drift is the distance in the last window, divided by that in the first.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.disclosure.label import LabelConfig
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.motion.facemesh.landmarks import CHEEKS, OVAL, RIGID, fit_head
from avatar_forcing_ros.motion.facemesh.portrait import load_portrait
from avatar_forcing_ros.motion.facemesh.reading.detect import find_face
from avatar_forcing_ros.session.outlet import AvatarStatus, Picture, Shown
from avatar_forcing_ros.session.session import SessionConfig
from avatar_forcing_ros.session.virtual import VirtualRun
from avatar_forcing_ros.signals import FPS, NANOSECONDS, AudioChunk, MotionSample
from avatar_forcing_ros.simulation.conversation import Conversation, ConversationConfig, ConversationSimulator
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES, SAMPLE_RATE
from avatar_forcing_ros.timeline.playback import PlaybackEvent

START_NS = 1_700_000_000 * NANOSECONDS
WINDOW_S, EVERY_FRAMES = 20, 4
SAYS_S = 58
"""Of each minute: what is said must not pile up."""
AIM = 1.2
STILL = np.unique(np.concatenate([RIGID, CHEEKS, OVAL[:10], OVAL[-9:]]))
"""Nose, corners of the eyes, cheeks, and the face's outline above the mouth."""


@dataclass
class Likeness:
    """Measures how far a picture is from the portrait at rest."""

    shape: NDArray[np.float64]
    colour: NDArray[np.float64]

    @classmethod
    def of(cls, picture: Picture) -> Likeness:
        """Of the portrait at rest."""
        points = find_face(picture)
        return cls(_shape(points), _colour(picture, points))

    def distances(self, picture: Picture) -> tuple[float, float]:
        """Of shape, in interocular distances, and colour, in grey levels."""
        points = find_face(picture)
        shape = np.sqrt(np.square(_shape(points) - self.shape).sum(1).mean())
        return float(shape), float(np.abs(_colour(picture, points) - self.colour).mean())


def _shape(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, 2) the points that stay, seen from the front, in interocular distances."""
    return fit_head(points).invert(points[STILL])[:, :2]


def _colour(picture: Picture, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(P, 3) the skin around nose and cheeks, means of 5 x 5 pixels."""
    at = np.concatenate([RIGID[:4], CHEEKS])
    places = np.clip(np.rint(points[at, :2]).astype(int), 2, np.array(picture.shape[1::-1]) - 3)
    return np.array([picture[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1)) for x, y in places])


@dataclass
class Witness:
    """An outlet that draws and reads some of the pictures: `found` are (second, shape, colour)."""

    likeness: Likeness
    windows_s: list[float]
    found: list[tuple[float, float, float]] = field(default_factory=list)
    unread: int = 0

    def shown(self, shown: Shown) -> None:
        """A frame."""
        at_s = (shown.frame.stamp_ns - START_NS) / NANOSECONDS
        if shown.frame.stamp_ns // FRAME_NS % EVERY_FRAMES or not any(
            abs(at_s - middle) <= WINDOW_S / 2 for middle in self.windows_s
        ):
            return
        try:
            self.found.append((at_s, *self.likeness.distances(shown.picture())))
        except ValueError:
            self.unread += 1

    def said(self, chunk: AudioChunk) -> None:
        """Speech."""

    def happened(self, event: PlaybackEvent) -> None:
        """An event."""

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None:
        """A status."""


def converse(run: VirtualRun, talk: Conversation, minute: int) -> None:
    """A minute passes."""
    session = run.session
    for second in range(SAYS_S):
        piece = talk.avatar_sound[second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE]
        session.say(AudioChunk(None, piece, SAMPLE_RATE, f"minute-{minute}", second, second == SAYS_S - 1))
    for frame in range(60 * FPS):
        if talk.user_valid[frame]:
            session.see(MotionSample(run.now_ns, talk.user_motion[frame], 1.0))
        sound = talk.user_sound[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES]
        session.hear(AudioChunk(run.now_ns - FRAME_NS, sound, SAMPLE_RATE))
        run.run_until(run.now_ns + FRAME_NS)


def means_of(found: list[tuple[float, float, float]], middle_s: float) -> NDArray[np.float64]:
    """(2,) mean distances of shape and colour in a window."""
    every = np.array(found)
    mean: NDArray[np.float64] = every[np.abs(every[:, 0] - middle_s) <= WINDOW_S / 2, 1:].mean(0)
    return mean


def main() -> int:
    """Run it; the exit status is 0 when the aim is reached."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--portrait", type=Path, default=resource("models", "portraits", "milo.png"))
    parser.add_argument("--size", type=int, default=256, help="of the pictures, in pixels")
    parser.add_argument("--seed", type=int, default=888_000)
    parser.add_argument("--json", type=Path, help="file for the figures of every picture")
    args = parser.parse_args()
    config = AvatarConfig(image_size=args.size)
    bundle = load_bundle(DEFAULT_BUNDLE, ComputeConfig(threads=1))
    avatar = Avatar(bundle, read_image(args.portrait), config, LabelConfig(shown=False))
    rest = Likeness.of(load_portrait(read_image(args.portrait), args.size).render(np.zeros(18, np.float32)))
    windows_s = [10.0, *(60.0 * minute + 10 for minute in range(5, args.minutes, 5)), 60.0 * args.minutes + 10]
    witness, faults = Witness(rest, windows_s), list[str]()
    quiet = SessionConfig(every_frame=True, draws_ahead=False)
    run = VirtualRun(avatar, START_NS, witness, lambda where, error: faults.append(f"{where}: {error}"), "", quiet)
    alike = ConversationConfig(duration_s=60, held_out_voices=True, flite_share=0.0, filmed_share=0.0)
    simulator, began = ConversationSimulator(alike, args.seed), time.perf_counter()
    for minute in range(args.minutes + 1):
        converse(run, simulator.make(minute % args.minutes), minute)
        if 60.0 * minute + 10 in windows_s:
            print(f"minute {minute}: {means_of(witness.found, 60 * minute + 10)}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s; {witness.unread} pictures not read; {len(faults)} faults {faults[:1]}")
    if args.json:
        args.json.write_text(json.dumps(witness.found))
    means = [means_of(witness.found, middle_s) for middle_s in windows_s]
    print(f"{'second':>8}{'shape':>9}{'colour':>8}   of the first window")
    for middle, (shape, colour) in zip(windows_s, means, strict=True):
        print(f"{middle:8.0f}{shape:9.4f}{colour:8.2f}   {shape / means[0][0]:.2f} {colour / means[0][1]:.2f}")
    return 0 if np.all(means[-1] / means[0] <= AIM) and not faults else 1


if __name__ == "__main__":
    raise SystemExit(main())
