# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What nobody expected ends a node in one line and status 1; --debug shows where it arose."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("rclpy")

PROGRAM = """
import sys
from avatar_forcing_ros.nodes.running import run

def make():
    return [][{index}]

sys.exit(run(make, {arguments}))
"""


NODE = """
import sys, threading
from pathlib import Path
from std_msgs.msg import Empty
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionNode

class Node(MotionExtractionNode):
    def begin(self, undo):
        self.came = threading.Event()
        self.work("reader", self.read, self.came.set)
        self.listen(Empty, "ping", self.hear, qos.STREAM)
        self.pings = self.advertise(Empty, "ping", qos.STREAM)
        self.create_timer(0.1, lambda: self.pings.publish(Empty()))

    def hear(self, message):
        {{}}["heard"]

    def read(self):
        path = Path({path!r})
        self.came.wait(0.2)
        if not self.finished.done() and self.faults.count > 12:
            self.finish()
        [path][3]

sys.exit(run(lambda: Node(open_motion_space=lambda _model: FaceMeshSpace()), {arguments}))
"""


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_what_breaks_in_a_callback_or_a_worker_is_one_line_with_the_file_at_work(arguments: list[str]) -> None:
    program = NODE.format(path=__file__, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, env=os.environ)
    told = [line for line in done.stderr.splitlines() if "[ERROR]" in line]
    assert done.returncode == 0
    assert any(f"reader: unexpected IndexError at {__file__}: list index out of range" in line for line in told)
    assert any("ping: unexpected KeyError" in line and "heard" in line for line in told)
    assert ("Traceback" in done.stderr) is bool(arguments)
    assert arguments or len(done.stderr.splitlines()) <= 2 * len(told)


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_a_node_that_breaks_in_an_unforeseen_way_says_so_in_one_line(arguments: list[str]) -> None:
    program = PROGRAM.format(index=3, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ)
    told = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert told[-1].startswith("error: unexpected IndexError: list index out of range")
    assert ("Traceback" in done.stderr) is bool(arguments)
    assert arguments or (len(told) == 1 and "--debug" in told[0])
