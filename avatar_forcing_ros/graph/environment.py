# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the middleware reads from the environment, in one place for the launch files, the demo and the tests."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import sys
import tempfile
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from avatar_forcing_ros.files.resources import resource

_FIRST_PORT, _PORTS, _OF_A_PROCESS, _SPARE = 7400, 250, 10, 249
"""DDS of domain n uses the ports from 7400 + 250 n; its first process has the 10th, and none has the last.
Source: DDSI-RTPS 2.2, section 9.6.1."""
_claims: list[socket.socket] = []


def shared_memory_profile(far: bool = False) -> dict[str, str]:
    """Variables that give Fast DDS enough shared memory for pictures; config/fastdds.xml says why.

    Args:
        far: whether there are nodes on other computers; config/fastdds_remote.xml says what they need.
    """
    path = str(resource("config", "fastdds_remote.xml" if far else "fastdds.xml"))
    # Jazzy and older know only the first name; Kilted and newer complain about it.
    older = distribution() in ("humble", "iron", "jazzy", None)
    newer = distribution() not in ("humble", "iron", "jazzy")
    return ({"FASTRTPS_DEFAULT_PROFILES_FILE": path} if older else {}) | (
        {"FASTDDS_DEFAULT_PROFILES_FILE": path} if newer else {}
    )


_LEAVE_OUT_OWN = """<rtps>
      <propertiesPolicy><properties><property>
        <name>fastdds.ignore_local_endpoints</name><value>true</value>
      </property></properties></propertiesPolicy>"""


def apart_from_itself() -> dict[str, str]:
    """The same variables for a process whose nodes hand messages to each other, which Fast DDS then ignores.

    Empty if Fast DDS cannot do so (Humble); then all messages pass through it.
    """
    if distribution() in ("humble", "iron"):
        return {}
    profile = resource("config", "fastdds.xml").read_text(encoding="utf-8").replace("<rtps>", _LEAVE_OUT_OWN)
    folder = Path(tempfile.mkdtemp(prefix="avatar_forcing_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "fastdds.xml").write_text(profile, encoding="utf-8")
    return dict.fromkeys(shared_memory_profile(), str(folder / "fastdds.xml"))


def distribution() -> str | None:
    """The ROS distribution in use: the sourced one, or that of the wheels in this environment, or unknown."""
    return os.environ.get("ROS_DISTRO") or _of_wheels()


@cache
def _of_wheels() -> str | None:
    """They bring a metapackage `ros-<distribution>-rclpy`."""
    parts = [(dist.metadata["Name"] or "").split("-") for dist in distributions()]
    return next((part[1] for part in parts if len(part) == 3 and part[0] == "ros" and part[2] == "rclpy"), None)


def local_graph(domain: int) -> dict[str, str]:
    """Variables of a graph on this machine that no other nodes join, for the demo and the tests.

    Args:
        domain: ROS domain, 0 to 101 (higher numbers meet Linux's own ports).

    Raises:
        ValueError: the domain is out of range.
    """
    if not 0 <= domain <= 101:
        raise ValueError(f"expected a ROS domain from 0 to 101, got {domain}")
    return {
        **shared_memory_profile(),
        **_prefix(),
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }


def own_domain() -> int:
    """ROS_DOMAIN_ID if it is set, or else a domain that nothing on this machine uses, until this process ends."""
    said = os.environ.get("ROS_DOMAIN_ID")
    return int(said) if said else claim_domain()


def claim_domain() -> int:
    """A ROS domain, 1 to 100, that nothing on this machine uses; this process keeps it until it ends.

    Raises:
        OSError: all are in use.
    """
    for place in range(100):
        domain = 1 + (os.getpid() + place) % 100
        if _claim(domain):
            return domain
    raise OSError("all ROS domains from 1 to 100 are in use on this machine: set ROS_DOMAIN_ID")


def _claim(domain: int) -> bool:
    """Take the domain's last port, if neither that nor the port of a domain's first process is in use."""
    first = _FIRST_PORT + _PORTS * domain
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as look:
        try:
            claim.bind(("127.0.0.1", first + _SPARE))
            look.bind(("", first + _OF_A_PROCESS))
        except OSError:
            claim.close()
            return False
    _claims.append(claim)
    return True


def _prefix() -> dict[str, str]:
    """Where to look for packages: where a sourced ROS setup says, or else in the environment of `make setup`."""
    if os.environ.get("AMENT_PREFIX_PATH") or not (Path(sys.prefix) / "share" / "ament_index").is_dir():
        return {}
    return {"AMENT_PREFIX_PATH": sys.prefix, "ROS_DISTRO": distribution() or "jazzy", "ROS_VERSION": "2"}
