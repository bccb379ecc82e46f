# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Writes config/sros2_policy.xml from the graph that the nodes themselves make: who may publish, hear and ask what.

.venv/bin/python tools/security_policy.py            # writes the policy
.venv/bin/python tools/security_policy.py --check    # ends with status 1 when it is not current

SECURITY.md says what to do with it.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

from avatar_forcing_ros.graph.environment import claim_domain

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
os.environ["ROS_DOMAIN_ID"] = str(claim_domain())  # a node of the same name elsewhere would be taken for ours

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.testing import tiny_bundle

POLICY = Path(__file__).resolve().parents[1] / "config" / "sros2_policy.xml"
HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- written by tools/security_policy.py from what the nodes do; SECURITY.md says how it is used -->
"""
ENCLAVES = "/avatar"
GLOBAL = {"/diagnostics", "/parameter_events", "/rosout", "/clock"}
ON_STAGE = {"understudy": {("topic", "publish", "/avatar/state")}}
"""What a node does at times only: whether the understudy is on stage while this looks is chance."""
PATIENCE_S = 60.0
Found = set[tuple[str, str, str]]
"""(kind of access, "ALLOW" of what, name)."""


def live_nodes(folder: Path) -> list[tuple[str, dict[str, Any], dict[str, object]]]:
    """Module, arguments and parameters of every node that `avatar.launch.py` and `kiosk.launch.py` may start.

    Files stand for camera and microphone of the media source, which have the same topics.
    """
    clip, words = folder / "clip.mp4", str(resource("examples", "demo", "user.flac"))
    with MovieWriter(clip, 64, 64) as movie:
        for _ in range(25):
            movie.write_image(np.zeros((64, 64, 3), np.uint8))
    sound = {"user_audio.kind": "AudioChunk"}
    generator = {"understudy": True, "output.compressed": True, "avatar.image_size": 64, **sound}
    understudy = {"image_size": 64, "output.compressed": True}
    return [
        ("generator", {"open_model": lambda *_: tiny_bundle()}, generator),
        ("understudy", {}, understudy),
        ("motion_extraction", {}, {}),
        ("motion_extraction", {}, {"compressed": True}),
        ("display", {}, {"window": "no", **sound}),
        ("media_source", {}, {"video": str(clip), "repeat": "loop", "audio": words, "speech": words}),
        ("web", {}, {"server.access.port": 0}),
        ("voice_agent", {}, {"recogniser.kind": "none", "voice.kind": "espeak", "agent.greeting": "", **sound}),
    ]


def found() -> dict[str, Found]:
    """Node -> what it does, from a graph that runs."""
    context = Context()
    rclpy.init(context=context)
    watcher = Node("watcher", context=context)
    executor = SingleThreadedExecutor(context=context)
    nodes = []
    folder = tempfile.TemporaryDirectory()
    try:
        executor.add_node(watcher)
        for name, arguments, values in live_nodes(Path(folder.name)):
            module = importlib.import_module(f"avatar_forcing_ros.nodes.{name}_node")
            node_type = getattr(module, "".join(part.capitalize() for part in f"{name}_node".split("_")))
            overrides = [Parameter(key, value=value) for key, value in values.items()]
            node = node_type(context=context, parameter_overrides=overrides, **arguments)
            nodes.append(node)
            executor.add_node(node)
            if not node.start():
                raise RuntimeError(f"{name} did not start")
        before: dict[str, Found] = {}
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            until = time.monotonic() + 2.0
            while time.monotonic() < until:
                executor.spin_once(timeout_sec=0.05)
            names = [node.get_name() for node in nodes]
            now = {name: accesses(watcher, name) | ON_STAGE.get(name, set()) for name in names}
            if now == before:
                return now
            before = now
        raise TimeoutError(f"the graph has not come to rest after {PATIENCE_S:.0f} s")
    finally:
        for node in nodes:
            executor.remove_node(node)
            node.close()
        watcher.destroy_node()
        folder.cleanup()
        rclpy.shutdown(context=context)


def accesses(watcher: Node, name: str) -> Found:
    """What one node publishes, hears, offers and asks for."""
    ways: dict[tuple[str, str], Callable[[str, str], list[tuple[str, list[str]]]]] = {
        ("topic", "publish"): watcher.get_publisher_names_and_types_by_node,
        ("topic", "subscribe"): watcher.get_subscriber_names_and_types_by_node,
        ("service", "reply"): watcher.get_service_names_and_types_by_node,
        ("service", "request"): watcher.get_client_names_and_types_by_node,
    }
    seen = {(kind, access, what) for (kind, access), ask in ways.items() for what, _types in ask(name, "/")}
    actions = {("action", "execute", what.partition("/_action/")[0]) for _, _, what in seen if "/_action/" in what}
    return {access for access in seen if "/_action/" not in access[2]} | actions


def policy(graph: dict[str, Found]) -> str:
    """The policy, an enclave a node."""
    root = ElementTree.Element("policy", version="0.2.0")
    enclaves = ElementTree.SubElement(root, "enclaves")
    for name, allowed in sorted(graph.items()):
        enclave = ElementTree.SubElement(enclaves, "enclave", path=f"{ENCLAVES}/{name}")
        profile = ElementTree.SubElement(ElementTree.SubElement(enclave, "profiles"), "profile", ns="/", node=name)
        for kind, access in sorted({(kind, access) for kind, access, _ in allowed}):
            group = ElementTree.SubElement(profile, f"{kind}s", {access: "ALLOW"})
            for what in sorted(what for *way, what in allowed if tuple(way) == (kind, access)):
                own = what.removeprefix(f"/{name}/")
                moved = f"~/{own}" if own != what else what.lstrip("/")  # relative, so that a namespace moves it
                ElementTree.SubElement(group, kind).text = what if what in GLOBAL else moved
    ElementTree.indent(root)
    return HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def main() -> int:
    """Write the policy, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if not parser.parse_args().check:
        POLICY.write_text(policy(found()), encoding="utf-8")
        return 0
    written = POLICY.read_text(encoding="utf-8") if POLICY.is_file() else ""
    needed = policy(found())
    if written == needed:
        return 0
    print(f"{POLICY.name} is not current: run tools/security_policy.py", file=sys.stderr)
    sys.stderr.writelines(difflib.unified_diff(written.splitlines(True), needed.splitlines(True), "is", "should be"))
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
