"""What every test finds: a ROS graph of its own, checked message fields, a reason when something it needs is absent."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from avatar_forcing_ros.nodes.environment import local_graph

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

# Read when rclpy is first imported, hence here. Two test runs on one machine take different domains.
os.environ.update(local_graph(domain=1 + os.getpid() % 100), ROS_PYTHON_CHECK_FIELDS="1", OMP_NUM_THREADS="1")


def _has_ros() -> bool:
    return all(importlib.util.find_spec(name) for name in ("rclpy", "avatar_forcing_ros.msg"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "ros": (_has_ros, "rclpy and the built messages are not here: run `make setup`"),
    "gpu": (_has_gpu, "no CUDA device"),
    "shared": (SHARED.is_dir, f"no folder {SHARED.name} beside the checkout"),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, (present, reason) in NEEDS.items():
        if item.get_closest_marker(marker) and not present():
            pytest.skip(reason)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of recordings beside the checkout; mark the test `shared`."""
    return SHARED
