# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every test finds: a ROS graph of its own, checked message fields, a reason when something it needs is absent."""

from __future__ import annotations

import gc
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from avatar_forcing_ros.graph.environment import claim_domain, local_graph

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

# Read when rclpy and OpenCV are first imported, hence here. Two test runs on one machine take different domains.
os.environ.update(local_graph(claim_domain()), ROS_PYTHON_CHECK_FIELDS="1")
os.environ.update(OMP_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")  # as in live use

# Of what is imported nothing becomes garbage: looking for it took a third of the collection.
gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


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


NODES = "nodes"
"""Group of the tests of whole nodes and of the page, whose time is the clock on the wall."""
_PLACED = pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests of whole nodes and of the page in one process, and run one of them that fails once more.

    Their processes share the cores with whatever else runs here. The summary names every test that needed a second
    chance; `-p no:rerunfailures` gives none. Other files are handed to the processes of `-n` whole, as are nodes whose
    time the test moves. What takes long comes first, so that no process has much left when the others are done.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    live = set()
    for item in items:
        of_nodes = item.get_closest_marker("ros") or item.get_closest_marker("browser")
        if of_nodes:
            item.add_marker(pytest.mark.flaky(reruns=1))
            if not item.get_closest_marker("simulated_time"):
                live.add(item)
        item.add_marker(pytest.mark.xdist_group(NODES if item in live else item.path.stem))
    items.sort(key=lambda item: (item not in live, item.path not in slow))


def _give_way(item: pytest.Item) -> None:
    """Let the process of `NODES`, whose tests come first, go before the others of `-n`: they compute while it waits."""
    if "PYTEST_XDIST_WORKER" in os.environ and not item.config.stash.get(_PLACED, False):
        group = item.get_closest_marker("xdist_group")
        if group is None or group.args != (NODES,):
            os.nice(10)
    item.config.stash[_PLACED] = True


def pytest_runtest_setup(item: pytest.Item) -> None:
    _give_way(item)
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


@pytest.fixture(scope="session")
def voices() -> dict[str, np.ndarray]:
    """The two voices of the demo at 16 kHz, without their pauses."""
    from avatar_forcing_ros.audio.resample import Resampler
    from avatar_forcing_ros.files.media import read_audio
    from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES

    read = {}
    for name in ("avatar", "user"):
        clip = read_audio(REPOSITORY / "examples" / "demo" / f"{name}.flac")
        sound = Resampler(clip.sample_rate).push(clip.samples)
        frames = sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
        read[name] = frames[np.abs(frames).max(1) > 0.01].ravel()
        read[name].flags.writeable = False  # all tests share it
    return read
