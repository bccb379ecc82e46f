# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing replay`: a bag in, a bag out, without ROS, faster than real time, and equal to what nodes do."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags import inputs
from avatar_forcing_ros.bags.bag import BagReader, BagWriter
from avatar_forcing_ros.bags.inputs import Survey, survey
from avatar_forcing_ros.bags.offline import Replayed, replay
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.commands.arguments import (
    add_label_arguments,
    check_place,
    input_file,
    label_config,
    portrait_file,
)
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.files.outputs import typed_path
from avatar_forcing_ros.motion.space import naming_portrait
from avatar_forcing_ros.signals import NANOSECONDS

MOST_LOST = 0.1
"""Largest share of an input that may be lost; with more, the avatar did not hear or see what the bag holds."""
_LATE = {inputs.MOTION: "user_motion_late", inputs.CAMERA: "user_motion_late", inputs.COMPRESSED: "user_motion_late"}
_LATE |= {inputs.USER_AUDIO: "user_audio_late", inputs.SPEECH: "speech_late"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    defaults = AvatarConfig()
    parser.add_argument("bag_in", type=typed_path, help="rosbag2 bag to read: folder, .db3 or .mcap")
    parser.add_argument("bag_out", type=typed_path, help="folder of the bag to write")
    parser.add_argument("--force", action="store_true", help="replace BAG_OUT if it is a bag")
    parser.add_argument(
        "--allow-losses", action="store_true", help="succeed even if more than a tenth of an input was dropped"
    )
    parser.add_argument("--storage", choices=("sqlite3", "mcap"), default="sqlite3", help="format of BAG_OUT")
    parser.add_argument(
        "--pictures",
        choices=("raw", "compressed", "none"),
        default="raw",
        help="how to write pictures; raw ones of 512x512 take 20 MB a second. The hash always covers the raw ones",
    )
    parser.add_argument(
        "--camera", action="store_true", help="read the camera pictures again even if the bag has user_motion"
    )
    parser.add_argument(
        "--remap", action="append", default=[], metavar="INPUT:=TOPIC", help="topic of an input in the bag"
    )
    parser.add_argument("--portrait", type=input_file, help="picture of a face (default: the project's own character)")
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="name or folder of a model bundle")
    parser.add_argument("--size", type=int, default=defaults.image_size, help="side of the picture in pixels")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="seed of all noise")
    add_label_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Replay the bag; what was done, for --json."""
    cv2.setNumThreads(1)
    _check_apart(args.bag_out, (args.bag_in, args.portrait))
    check_place(args.bag_out)
    remap = _remappings(args.remap)
    with BagReader(args.bag_in) as source:
        found = survey(source, remap, args.camera)
        writer = BagWriter(args.bag_out, args.storage, args.force)
        portrait = portrait_file(args.portrait)
        config = AvatarConfig(seed=args.seed, image_size=args.size)
        bundle = load_bundle(args.model, ComputeConfig(threads=1))
        with naming_portrait(portrait.path):
            avatar = Avatar(bundle, portrait.image, config, label_config(args))
        began = time.perf_counter()
        result = replay(source, found, writer, avatar, portrait.sha256, args.pictures)
        seconds = time.perf_counter() - began
    length = (found.closes_ns - found.opens_ns) / NANOSECONDS
    lost = losses(found, result)
    speed = f"{length:.1f} s in {seconds:.1f} s, {length / seconds:.1f} times real time"
    _say(args, found, result, source.remark, speed, source.topics | source.unknown)
    for share, text in lost:
        allowed = share <= MOST_LOST or args.allow_losses
        print(text if allowed else f"{text}: more than a tenth is an error; --allow-losses accepts it")
    return {
        "ok": not result.damage and (args.allow_losses or not any(share > MOST_LOST for share, _ in lost)),
        "output": str(args.bag_out),
        "sha256": result.sha256,
        "frames": result.frames,
        "seconds": round(length, 3),
        "times_real_time": round(length / seconds, 2),
        "inputs": dict(found.counts),
        "skipped": dict(found.skipped),
        "refused": dict(result.refused),
        "counters": result.counters,
        "damage": result.damage,
        "remark": source.remark,
    }


def losses(found: Survey, result: Replayed) -> list[tuple[float, str]]:
    """Share and wording of what was thrown away of each input: too late for its place, or not to be read."""
    lost = []
    for name, count in found.counts.items():
        late, refused = result.counters.get(_LATE.get(name, ""), 0), result.refused[name]
        if late or refused:
            text = f"{late} of {count} messages of {name} came too late and were dropped, {refused} cannot be read"
            lost.append(((late + refused) / max(count, 1), text))
    return lost


def _check_apart(output: Path, inputs: Iterable[Path | None]) -> None:
    """Refuse to replace the folder that is read."""
    target = output.resolve()
    for source in (path.resolve() for path in inputs if path is not None):
        if target == source or target in source.parents or source in target.parents:
            raise ValueError(f"{output}: this is where {source} is read; give the output a place of its own")


def _remappings(texts: Iterable[str]) -> dict[str, str]:
    remap: dict[str, str] = {}
    for name, topic in map(_remapping, texts):
        if remap.setdefault(name, topic) != topic:
            raise ValueError(f"--remap gives {name} two topics, {remap[name]} and {topic}: expected one")
    return remap


def _remapping(text: str) -> tuple[str, str]:
    name, separator, topic = text.partition(":=")
    if not separator or not topic:
        raise ValueError(f"--remap must be INPUT:=TOPIC, got {text!r}")
    return name.strip("/"), topic


def _say(
    args: argparse.Namespace, found: Survey, result: Replayed, remark: str, speed: str, kinds: Mapping[str, str]
) -> None:
    """What a person wants to know, above the JSON."""
    print(f"{args.bag_out}: {result.frames} frames, {speed}")
    print(f"sha256 of pictures and stamps: {result.sha256}")
    for topic, count in found.skipped.items():
        kind = kinds.get(topic, "of no type that is known")
        print(f"skipped {topic} ({kind}): {count} messages that the avatar does not listen to or that cannot be read")
    for name, count in found.foreign.items():
        print(
            f"{name}: {count} of {found.counts[name]} messages are stamped more than a second from when the bag "
            "received them: they come from another clock, or were late"
        )
    for name, count in result.refused.items():
        print(f"refused {name}: {count} messages, the first because: {result.reasons[name]}")
    if remark:
        print(f"{args.bag_in}: {remark}")
    if result.damage:
        print(f"the bag is damaged; what could be read was replayed: {result.damage}")
