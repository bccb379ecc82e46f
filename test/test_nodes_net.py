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
from avatar_forcing_ros.nodes.managed_node import run

def make():
    return [][{index}]

sys.exit(run(make, {arguments}))
"""


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_a_node_that_breaks_in_an_unforeseen_way_says_so_in_one_line(arguments: list[str]) -> None:
    program = PROGRAM.format(index=3, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=os.environ)
    told = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert told[-1].startswith("error: unexpected IndexError: list index out of range")
    assert ("Traceback" in done.stderr) is bool(arguments)
    assert arguments or (len(told) == 1 and "--debug" in told[0])
