# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing doctor`: what works on this machine and what does not, each line with what to do about it."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, load_bundle
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.signals import FPS, VideoFrame

MEASURED_BLOCKS = 25
FRAME_MS = 1000 // FPS
GRAPH_PATIENCE_S = 400.0
LEAST_SHM_MB = 200


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the thing.
        ok: it is well.
        detail: what was found, in one line.
        needed: it must be well for the avatar to run.
        mend: the command that mends it.
    """

    name: str
    ok: bool
    detail: str
    needed: bool = True
    mend: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--model", default=DEFAULT_BUNDLE, help="name or folder of a model bundle")
    parser.add_argument(
        "--quick", action="store_true", help="skip the measurement of the smallest safe lead_ms, which runs the nodes"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print the findings; `ok` is false when something needed is missing."""
    findings = []
    for finding in _findings(args.model, args.quick):
        verdict = "ok" if finding.ok else "MISSING" if finding.needed else "note"
        print(f"{verdict:8} {finding.name}: {finding.detail}")
        if finding.mend and not finding.ok:
            print(f"         -> {finding.mend}")
        findings.append(finding)
    ok = all(finding.ok for finding in findings if finding.needed)
    return {"ok": ok, "healthy": ok, "findings": [vars(finding) for finding in findings]}


def _findings(model: str, quick: bool) -> Iterator[Finding]:
    yield Finding("machine", True, f"{platform.machine()}, Python {platform.python_version()}")
    here = "make setup, or without a checkout: pip install --upgrade avatar_forcing_ros"
    torch = "make setup TORCH_BACKEND=cpu, or without a checkout: pip install torch"
    sourced = "make setup, or on a machine with ROS: source /opt/ros/$ROS_DISTRO/setup.bash"
    built = "make setup, or on a machine with ROS: colcon build && source install/setup.bash"
    sound = f"{_pip()} install sounddevice && sudo apt-get install -y libportaudio2"
    yield _try("torch", _torch, needed=False, mend=torch)
    yield _try("GPU", _gpu, needed=False)
    nodes = find_spec("avatar_forcing_ros.nodes") is not None
    if nodes:
        yield _try("ROS 2", lambda: _imported("rclpy"), mend=sourced)
        yield _try("messages", _messages, mend=built)
        audio = "on a machine with ROS: sudo apt-get install -y ros-$ROS_DISTRO-audio-common-msgs"
        yield _try("audio_common_msgs", _audio_common, needed=False, mend=audio)
    else:
        build = "a checkout of the source, there: make setup, or colcon build"
        yield Finding("nodes", False, "not in the pip package, which works without ROS", needed=False, mend=build)
    yield _try("microphone and speaker", _sound_devices, needed=False, mend=sound)
    yield _try("camera", _cameras, needed=False, mend="sudo usermod -aG video $USER, then log in again")
    yield _try("shared memory", _shared_memory, needed=False, mend="docker run --shm-size=1g ... (podman the same)")
    yield _try("cache", _cache, needed=False, mend="export XDG_CACHE_HOME=/var/cache/avatar_forcing_ros")
    ours = f"avatar-forcing doctor --model {DEFAULT_BUNDLE}"
    yield _try("model", lambda: _model(model), mend=ours)
    yield _try("user's face", lambda: _encoding(model), mend=here)
    slow = "end other programs and try again"
    yield _try("speed", lambda: _speed(model), needed=False, mend=slow)
    if nodes and not quick:
        yield _try("playout delay", lambda: _playout_delay(model), needed=False, mend=slow)


def _try(name: str, look: Callable[[], str], needed: bool = True, mend: str = "") -> Finding:
    """What a look at something says; an error is a finding, not an end."""
    try:
        return Finding(name, True, look(), needed, mend)
    except Exception as error:  # whatever is broken is what the user wants to read here
        return Finding(name, False, " ".join(str(error).split()) or type(error).__name__, needed, mend)


def _pip() -> str:
    """The pip of this interpreter, as one types it here."""
    python = Path(sys.executable)
    return f"{python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python} -m pip"


def _torch() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise RuntimeError("not installed; only training and the authors' weights need it") from None


def _audio_common() -> str:
    try:
        return _imported("audio_common_msgs.msg")
    except ModuleNotFoundError:
        raise RuntimeError("not installed; only drivers that send its messages need it") from None


def _model(model: str) -> str:
    manifest = load_bundle(model).manifest
    return f"{manifest.name}, made by {manifest.origin}"


def _gpu() -> str:
    try:
        import torch  # takes seconds to load
    except ModuleNotFoundError:
        raise RuntimeError("not used without torch; the bundled model runs on the CPU") from None

    from avatar_forcing_ros.compute.lost import why_none

    if not torch.cuda.is_available():
        raise RuntimeError(
            f"none{why_none()}; the bundled model runs on the CPU, the authors' weights would be far from real time"
        )
    return torch.cuda.get_device_name()


def _imported(module: str) -> str:
    return str(importlib.import_module(module).__file__)


def _messages() -> str:
    try:
        return str(sys.modules[importlib.import_module("avatar_forcing_ros.msg").FrameInfo.__module__].__file__)
    except (ImportError, AttributeError):  # the folder alone is found as a package, too
        raise RuntimeError("not built, or not where this Python looks") from None


def _sound_devices() -> str:
    try:
        sounddevice = importlib.import_module("sounddevice")
    except (ImportError, OSError):  # OSError: the system lacks PortAudio's library
        raise RuntimeError("the package sounddevice or the library PortAudio is not installed") from None
    names = {kind: sounddevice.query_devices(kind=kind)["name"] for kind in ("input", "output")}
    return f"input {names['input']}, output {names['output']}"


def _cameras() -> str:
    found = sorted(Path("/dev").glob("video*"))
    if not found:
        return "no device here: it comes from a driver's topic or a browser"
    if not any(os.access(path, os.R_OK | os.W_OK) for path in found):
        raise RuntimeError(f"{found[0]} may not be opened by this user")
    return ", ".join(map(_camera_name, found))


def _camera_name(device: Path) -> str:
    name = Path("/sys/class/video4linux") / device.name / "name"
    return f"{device.name} ({name.read_text().strip()})" if name.is_file() else device.name


def _shared_memory() -> str:
    free_mb = shutil.disk_usage("/dev/shm").free / 2**20
    if free_mb < LEAST_SHM_MB:
        raise RuntimeError(f"{free_mb:.0f} MB free in /dev/shm: the nodes take 17 MB each, expected {LEAST_SHM_MB} MB")
    return f"{free_mb:.0f} MB free in /dev/shm"


def _cache() -> str:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        raise RuntimeError(f"{folder} is not writable: every start begins with a simpler face")
    return str(folder)


def _default_portrait() -> np.ndarray:
    return read_image(default_portrait())


def _encoding(model: str) -> str:
    encoder = load_bundle(model).space.make_encoder()
    image = _default_portrait()
    times = []
    for n in range(10):
        began = time.perf_counter()
        sample = encoder.encode(VideoFrame(n * 40_000_000, image))
        times.append(time.perf_counter() - began)
    encoder.close()
    if not sample.valid:
        raise RuntimeError("the face tracker does not find the face of the default portrait")
    return f"read in {1000 * float(np.median(times)):.1f} ms a frame"


def _speed(model: str) -> str:
    """Generation and rendering, with nothing beside them."""
    avatar = Avatar(load_bundle(model, ComputeConfig(threads=1)), _default_portrait(), AvatarConfig())
    avatar.start(0)
    generate, render = [], []
    for _ in range(MEASURED_BLOCKS):
        began = time.perf_counter()
        frames = avatar.step(avatar.next_decision_ns)
        decided = time.perf_counter()
        avatar.render(frames[0])
        generate.append(decided - began)
        render.append(time.perf_counter() - decided)
    block_ms = FRAME_MS * len(frames)
    work_ms = 1000 * (float(np.median(generate)) + len(frames) * float(np.median(render)))
    if work_ms > block_ms:
        raise RuntimeError(f"a block of {block_ms} ms takes {work_ms:.0f} ms: too slow to be live at full quality")
    return (
        f"a block of {block_ms} ms takes {1000 * float(np.median(generate)):.0f} ms, a picture "
        f"{1000 * float(np.median(render)):.1f} ms, with nothing beside them"
    )


def _playout_delay(model: str) -> str:
    """The smallest lead with which pictures are in time, measured on the running nodes.

    Raises:
        RuntimeError: the nodes did not run, or this machine does not keep up with them.
    """
    print("         ... the nodes run on a recorded conversation for a minute", file=sys.stderr)
    latency = _run_nodes(model)["latency"]
    return delay_in_words(latency["spare_ms"], latency["reduced"] / latency["frames"], AvatarConfig().lead_ms)


def delay_in_words(spare_ms: float, reduced: float, lead_ms: int) -> str:
    """What the measured spare time means for a robot.

    Args:
        spare_ms: 99 of 100 blocks had every picture ready this long before its time.
        reduced: share of frames at less than full quality.
        lead_ms: with which that was measured.

    Raises:
        RuntimeError: this machine does not keep up.
    """
    smallest = max(FRAME_MS, -int((spare_ms - lead_ms) // FRAME_MS) * FRAME_MS)
    if reduced > 0.01:
        raise RuntimeError(
            f"this machine cannot keep up while camera, face tracking and recording run: {reduced:.0%} of the frames "
            "were made at less than full quality"
        )
    measured = f"99 of 100 blocks were ready {abs(spare_ms):.0f} ms {'before' if spare_ms >= 0 else 'after'} their time"
    if smallest == lead_ms:
        advice = "leave it as it is"
    elif smallest > lead_ms:
        advice = f"set it, or pictures will sometimes be late; reactions come {smallest - lead_ms} ms later"
    else:
        advice = f"with it the avatar reacts {lead_ms - smallest} ms sooner"
    return f"smallest safe avatar.lead_ms is {smallest} (it is {lead_ms}): {advice}. With all nodes running {measured}"


def _run_nodes(model: str) -> dict[str, Any]:
    """What the demo measures: all nodes, camera and recording included."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["-m", "avatar_forcing_ros.nodes.demo", "--json", "--output", str(Path(folder) / "doctor.mp4")]
        done = subprocess.run(
            [sys.executable, *command, "--model", model], capture_output=True, text=True, timeout=GRAPH_PATIENCE_S
        )
    if done.returncode:
        raise RuntimeError(f"the nodes did not run: {' '.join(done.stderr.splitlines()[-1:])}")
    return json.loads(done.stdout.splitlines()[-1])
