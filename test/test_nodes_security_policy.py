# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The SROS2 policy allows what the nodes do, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

REPOSITORY = Path(__file__).resolve().parents[1]
POLICY = REPOSITORY / "config" / "sros2_policy.xml"


@pytest.mark.ros
@pytest.mark.slow
def test_the_policy_is_current() -> None:
    """If this fails: .venv/bin/python tools/security_policy.py"""
    command = [sys.executable, str(REPOSITORY / "tools" / "security_policy.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_who_sees_and_hears_the_user_is_told_by_name() -> None:
    readers: dict[str, set[str]] = {}
    for enclave in ElementTree.parse(POLICY).getroot().iter("enclave"):
        for topics in enclave.iter("topics"):
            if topics.get("subscribe") == "ALLOW":
                for topic in topics:
                    readers.setdefault(topic.text, set()).add(enclave.get("path"))
    assert readers["camera/image_raw"] == readers["camera/image_raw/compressed"] == {"/avatar/motion_extraction"}
    assert readers["user_audio"] == {"/avatar/generator", "/avatar/voice_agent"}
    assert readers["user_motion"] == {"/avatar/generator", "/avatar/web"}  # the engineer's page draws its curves
