# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nothing of the user is kept, sent or published beyond the declared topics: a whole run is watched.

`strace` writes down every file that any process of the live graph opens to write, makes, links or renames, and every
address that one sends to, while the avatar watches a recorded user and speaks.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import FrameInfo

from avatar_forcing_ros.files.pictures import read_image, sha256_of_pixels
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.nodes.testing import TestGraph

CALLS = "open,openat,openat2,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,truncate"
CALLS += ",mknod,mknodat,connect,sendto,sendmsg,sendmmsg"
LIVE = """
import os, signal, time
from avatar_forcing_ros.graph import settings
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.graph.environment import local_graph
from avatar_forcing_ros.graph.processes import ProcessGroup

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
choice = settings.AvatarChoice()
nodes = [node for node in settings.live(choice) if node.executable != "display_node"]
nodes.append(settings.demo(choice, recorded_conversation("", "", ""), "")[-1])  # a camera and a microphone
with ProcessGroup(nodes, local_graph(int(os.environ["ROS_DOMAIN_ID"])) | settings.PROCESS_ENVIRONMENT) as processes:
    while os.getppid() != 1:
        processes.check()
        time.sleep(0.1)
"""
EVERY_NODE = {"/diagnostics", "/rosout", "/parameter_events"}
AVATAR = {f"/avatar/{name}" for name in ("image_raw", "image_raw/compressed", "frame_info", "motion", "blendshapes")}
AVATAR |= {f"/avatar/{name}" for name in ("speech", "playback", "state")} | {"/user_activity"}
DECLARED = {
    "generator": AVATAR | {"/stage/leader", "/speak/_action/feedback", "/speak/_action/status"},
    "understudy": AVATAR | {"/stage", "/stage/endings"},
    "motion_extraction": {"/user_motion"},
    "media_source": {"/camera/image_raw", "/user_audio", "/speech"},
}
"""Node -> what it may publish; README.md explains each."""


@dataclass(frozen=True)
class Run:
    """What a run of the live graph did.

    Attributes:
        folder: its home, temporary and working folder lie in there.
        calls: its system calls, a line each.
        published: node -> topics.
    """

    folder: Path
    calls: list[str]
    published: dict[str, set[str]]


def can_trace() -> bool:
    return (
        bool(shutil.which("strace"))
        and subprocess.run(["strace", "-o", os.devnull, "true"], check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not can_trace():
        pytest.skip("no strace that may watch processes: apt install strace")
    folder = tmp_path_factory.mktemp("run")
    for name in ("home", "tmp", "cwd", "calls"):
        (folder / name).mkdir()
    environment = {**os.environ, "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("XDG_CACHE_HOME", "ROS_HOME", "ROS_LOG_DIR", "ORT_DISABLE_TELEMETRY"):
        environment.pop(name, None)
    tracer = [
        "strace",
        "-ff",
        "-y",
        "--seccomp-bpf",
        "-qq",
        "-s",
        "300",
        "-o",
        str(folder / "calls" / "of"),
        "-e",
        CALLS,
    ]
    with TestGraph() as graph:
        infos = graph.listen_to_come(FrameInfo, "avatar/frame_info")
        live = subprocess.Popen([*tracer, sys.executable, "-c", LIVE], env=environment, cwd=folder / "cwd")
        try:
            graph.spin_until(lambda: infos and infos[-1].on_stage == FrameInfo.LEADER, patience_s=180)
            graph.spin_until(lambda: infos[-1].user_motion_until.sec and infos[-1].utterance_id, patience_s=60)
            graph.spin(2.0)
            graph.spin_until(lambda: set(DECLARED) <= set(dict(published_topics(graph))), patience_s=60)
            published = dict(published_topics(graph))
        finally:
            for child in Path(f"/proc/{live.pid}/task/{live.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGINT)  # strace itself takes none
            try:
                live.wait(60)
            except subprocess.TimeoutExpired:
                live.kill()  # the nodes end when they have lost it; others must not share the cores with them
                raise
    calls = [line for file in (folder / "calls").iterdir() for line in file.read_text(errors="replace").splitlines()]
    return Run(folder, calls, published)


def published_topics(graph: TestGraph) -> Iterator[tuple[str, set[str]]]:
    for name, namespace in graph.node.get_node_names_and_namespaces():
        if name != graph.node.get_name():
            found = graph.node.get_publisher_names_and_types_by_node(name, namespace)
            yield name, {topic for topic, _ in found if not topic.endswith("/transition_event")}


def written(run: Run) -> set[str]:
    """Every path that was opened to write, made, linked, renamed or cut, whether that worked or not."""
    found = set()
    for line in run.calls:
        call, _, arguments = line.partition("(")
        if call.startswith(("connect", "send")):
            continue
        if call.startswith("open") and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments):
            continue
        for folder, name in re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"((?:[^"\\]|\\.)*)"', arguments):
            found.add(os.path.normpath(Path(folder or "/") / name))
    return found


@pytest.mark.ros
@pytest.mark.slow
def test_no_file_is_written_but_logs_shared_memory_and_the_portrait_at_rest(run: Run) -> None:
    home, temporary = re.escape(str(run.folder / "home")), re.escape(str(run.folder / "tmp"))
    sha256 = sha256_of_pixels(read_image(default_portrait()))
    allowed = (
        r"/dev/(null|tty|urandom)",
        r"/proc/self/oom_score_adj",  # who goes first when memory runs out
        r"/dev/shm/(sem\.)?(fastrtps_|fastdds_)?\w+",
        rf"{home}/\.ros(/log(/python_[\d_]+\.log)?)?",
        rf"{home}/\.cache(/avatar_forcing_ros(/faces(/{sha256[:32]}-512(\.\d+)?\.png)?)?)?",
        rf"{home}/\.cache/avatar_forcing_ros/(tmp\w+\.part|{sha256[:16]}-512-\w+\.npz)",  # our own character
        rf"{temporary}/avatar_forcing_\w+(/\w+_node\.log)?",
        rf"{temporary}/\w{{8}}",  # Python tries whether it may write there
    )
    found = written(run)
    assert any(path.endswith("generator_node.log") for path in found)  # it sees what is written
    assert sorted(path for path in found if not re.fullmatch("|".join(allowed), path)) == []
    left = [path for path in run.folder.rglob("*") if path.is_file() and path.parent.name != "calls"]
    assert sum(path.stat().st_size for path in left if path.suffix == ".log") < 100_000


@pytest.mark.ros
@pytest.mark.slow
def test_nothing_is_sent_out_of_this_machine(run: Run) -> None:
    text = "\n".join(line for line in run.calls if line.startswith(("connect", "send")))
    addresses = set(re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', text))
    assert {"".join(pair) for pair in addresses} == {"127.0.0.1"}
    local = set(re.findall(r'sun_path=@?"([^"]+)"', text))
    assert {path for path in local if not re.search(r"/nscd/socket$|/lttng-ust-sock", path)} == set()


@pytest.mark.ros
@pytest.mark.slow
def test_nodes_publish_what_is_declared_and_nothing_else(run: Run) -> None:
    assert set(DECLARED) <= set(run.published)
    for node, topics in DECLARED.items():
        assert run.published[node] - EVERY_NODE - topics == set(), node
