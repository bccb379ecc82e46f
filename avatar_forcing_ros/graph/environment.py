"""What the middleware reads from the environment, said once for the launch files, the demo and the tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from avatar_forcing_ros.resources import resource


def shared_memory_profile() -> dict[str, str]:
    """Variables that give Fast DDS shared memory large enough for pictures; config/fastdds.xml says why.

    Jazzy reads the first name, Kilted the second.
    """
    path = str(resource("config", "fastdds.xml"))
    return {"FASTRTPS_DEFAULT_PROFILES_FILE": path, "FASTDDS_DEFAULT_PROFILES_FILE": path}


def local_graph(domain: int) -> dict[str, str]:
    """Variables of a graph that nobody else joins: for the demo and the tests, on this machine only.

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


def _prefix() -> dict[str, str]:
    """Where packages are looked up: what a sourced ROS setup has said, else the environment that `make setup` made."""
    if os.environ.get("AMENT_PREFIX_PATH") or not (Path(sys.prefix) / "share" / "ament_index").is_dir():
        return {}
    return {"AMENT_PREFIX_PATH": sys.prefix, "ROS_DISTRO": os.environ.get("ROS_DISTRO", "jazzy"), "ROS_VERSION": "2"}
