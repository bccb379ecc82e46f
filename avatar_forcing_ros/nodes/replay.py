# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plays a bag to the live nodes, without ROS launch, and records their output into another bag.

    python -m avatar_forcing_ros.nodes.replay BAG_IN BAG_OUT --rate 2

The result equals that of `avatar-forcing replay`, which is faster; this command exists to compare the two.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from avatar_forcing_ros.bags.bag import BagReader
from avatar_forcing_ros.bags.digest import digest_of
from avatar_forcing_ros.bags.inputs import Survey, survey
from avatar_forcing_ros.files.outputs import typed_or_empty, typed_path
from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.environment import local_graph, own_domain
from avatar_forcing_ros.graph.processes import NodeFailedError, ProcessGroup

PLAYER = "bag_player_node"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the replay; the exit status is 0 only if the whole bag was played and recorded."""
    args = _parser().parse_args(argv)
    try:
        result = run(args)
    except (ValueError, OSError, NodeFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{args.bag_out}: {result['frames']} frames\nsha256 of pictures and stamps: {result['sha256']}")
    if args.json:
        print(json.dumps(result))
    return 0


def run(args: argparse.Namespace) -> dict[str, object]:
    """Play a bag to the nodes and record their output.

    Returns:
        The output's path, digest and number of frames, and the seconds that it took.

    Raises:
        BagError: if a bag cannot be read or written.
        NodeFailedError: if a node cannot start or does not keep up.
    """
    with BagReader(args.bag_in) as bag:
        found = survey(bag, camera=args.camera)
    nodes = _nodes(args, found)
    environment = local_graph(own_domain()) | graph.PROCESS_ENVIRONMENT
    began = time.monotonic()
    with ProcessGroup(nodes, environment) as processes:
        while not processes.ended(PLAYER):
            processes.check()
            time.sleep(0.2)
        processes.check()
    with BagReader(args.bag_out) as bag:
        digest = digest_of(bag)
    seconds = round(time.monotonic() - began, 1)
    return {"output": str(args.bag_out), "sha256": digest.hexdigest(), "frames": digest.frames, "wall_s": seconds}


def _nodes(args: argparse.Namespace, found: Survey) -> list[graph.NodeProcess]:
    played = graph.PlayedBag(str(args.bag_in), str(args.bag_out), args.rate, not args.free_running, args.camera)
    chosen = {"avatar.seed": args.seed, "avatar.image_size": args.size}
    return graph.replay(graph.AvatarChoice(args.model, args.portrait), played, found.types, **chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Play a bag to the live nodes and record what they present.")
    parser.add_argument("bag_in", type=typed_path, help="bag of rosbag2, sqlite3 or mcap")
    parser.add_argument("bag_out", type=typed_path, help="folder of the bag to write")
    parser.add_argument("--rate", type=float, default=1.0, help="seconds of the bag in a second, at most")
    parser.add_argument("--free-running", action="store_true", help="the clock does not wait for the nodes")
    parser.add_argument("--camera", action="store_true", help="read pictures again even when user_motion is there")
    parser.add_argument(
        "--portrait",
        type=typed_or_empty,
        default="",
        help="picture of the face to animate (default: our own character)",
    )
    parser.add_argument("--model", default="", help="name or folder of a model bundle")
    parser.add_argument("--size", type=int, default=512, help="side of the picture in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of all noise")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
