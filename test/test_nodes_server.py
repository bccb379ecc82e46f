# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several avatars of one process on one model: each a complete generator, none disturbed by what befalls another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.msg import AvatarState, FrameInfo, MotionLatents
from rclpy.parameter import Parameter
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from avatar_forcing_ros.generator.block_generator import BlockGenerator
from avatar_forcing_ros.nodes import generator_server
from avatar_forcing_ros.nodes.generator_server import GeneratorServer, parse
from avatar_forcing_ros.nodes.testing import TestGraph
from avatar_forcing_ros.sharing import FIRST_GUESS_BYTES, Admission, NoRoomError, SharedModels
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.grid import FRAME_NS

pytestmark = pytest.mark.ros
START_NS = 1_000 * NANOSECONDS
HALL = ["kiosk_1", "kiosk_2", "kiosk_3", "kiosk_4"]


@pytest.fixture
def graph() -> Iterator[TestGraph]:
    with TestGraph() as graph:
        yield graph


def server_of(graph: TestGraph, admission: Admission | None = None, **parameters: object) -> GeneratorServer:
    said = {"avatar.image_size": 64, "user_audio.kind": "AudioChunk", "quality.fixed": 0, **parameters}
    return GeneratorServer(
        SharedModels(len(HALL), lambda *_: tiny_bundle()),
        admission,
        reads_faces=False,
        context=graph.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in said.items()],
    )


def play(graph: TestGraph, server: GeneratorServer, frames: int) -> None:
    """Let simulated time pass, as fast as all avatars follow it."""
    for _ in range(frames):
        graph.now_ns = getattr(graph, "now_ns", START_NS) + FRAME_NS
        graph.set_clock(graph.now_ns)
        for name in server.kiosks:
            assert graph.call(Trigger, f"/{name}/generator/settle", Trigger.Request()).success


def test_four_avatars_live_on_one_model_and_an_interrupt_is_one_ones(
    graph: TestGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[BlockGenerator] = []
    begin = BlockGenerator.__init__

    def counted(self: BlockGenerator, *rest: object, **more: object) -> None:
        made.append(self)
        begin(self, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(BlockGenerator, "__init__", counted)
    server = server_of(graph, use_sim_time=True)
    try:
        assert [server.open(namespace) for namespace in HALL] == [True] * 4
        assert len({generator.network for generator in made}) == 1
        assert len(made) == 1  # one engine for all
        infos = {name: graph.listen(FrameInfo, f"/{name}/avatar/frame_info") for name in HALL}
        states = {name: graph.listen(AvatarState, f"/{name}/avatar/state", latched=True) for name in HALL}
        motions = {name: graph.listen(MotionLatents, f"/{name}/avatar/motion") for name in HALL}
        play(graph, server, 20)
        assert all(states.values())
        before = {name: infos[name][-1].epoch for name in HALL}
        graph.send(Empty, "/kiosk_2/speech/interrupt", Empty())
        play(graph, server, 10)
        assert {name: infos[name][-1].epoch - before[name] for name in HALL} == dict.fromkeys(HALL, 0) | {"kiosk_2": 1}
        assert all(np.isfinite(heard[-1].latent).all() for heard in motions.values())
        server.kiosks["kiosk_3"].nodes[0].finish()
        server.tend()
        assert list(server.kiosks) == ["kiosk_1", "kiosk_2", "kiosk_4"]
        count = {name: len(infos[name]) for name in HALL}
        play(graph, server, 10)
        assert {name for name in HALL if len(infos[name]) >= count[name] + 8} == set(server.kiosks)
    finally:
        assert server.close()


def test_one_that_cannot_start_leaves_the_others_as_they_are(graph: TestGraph, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((64, 64, 3), np.uint8))
    server = server_of(graph)
    try:
        assert server.open("kiosk_1")
        good = server._node_arguments["parameter_overrides"]
        server._node_arguments["parameter_overrides"] = [
            *good,
            Parameter("portrait", value=str(tmp_path / "black.png")),
        ]
        assert not server.open("kiosk_2")
        server._node_arguments["parameter_overrides"] = good
        assert server.open("kiosk_3")
        for name in ("kiosk_1", "kiosk_3"):
            heard = graph.listen(FrameInfo, f"/{name}/avatar/frame_info")
            graph.spin_until(lambda heard=heard: len(heard) > 5)
    finally:
        assert server.close()


def test_the_one_for_which_there_is_no_memory_is_told_how_many_fit(
    graph: TestGraph, caplog: pytest.LogCaptureFixture
) -> None:
    free = [8_000_000_000, 1_000_000_000, 1_000_000_000, 300_000_000, 300_000_000]
    server = server_of(graph, Admission(lambda: free.pop(0)))
    try:
        with caplog.at_level(logging.ERROR, "avatar_forcing_ros"):
            logging.getLogger("avatar_forcing_ros").propagate = True
            assert [server.open(name) for name in HALL[:3]] == [True, True, False]
        assert caplog.messages == [
            "kiosk_3: no memory for another avatar: 2 fit on this GPU, number 3 needs about 0.84 GB and 0.30 GB are "
            "free"
        ]
        assert list(server.kiosks) == HALL[:2]
    finally:
        assert server.close()


def test_what_one_needs_is_learnt_from_those_that_came_before() -> None:
    free = [10.0, 6.0, 6.0, 5.9, 5.9, 5.7]
    admission = Admission(lambda: int(free.pop(0) * 1e9))
    for _ in range(3):
        assert admission.admit(lambda: "begun") == "begun"
    assert admission._needed_bytes == pytest.approx(1.2 * 0.2e9, rel=1e-6)
    admission._free_bytes = lambda: int(0.2e9)
    with pytest.raises(NoRoomError, match=r"3 fit on this GPU, number 4 needs about 0\.24 GB and 0\.20 GB are free"):
        admission.admit(lambda: "begun")
    assert admission.admitted == 3


def test_without_a_gpu_nobody_counts_memory() -> None:
    admission = Admission(lambda: None)
    assert [admission.admit(lambda: True) for _ in range(50)] == [True] * 50
    assert admission._needed_bytes == FIRST_GUESS_BYTES


@pytest.mark.parametrize(
    "said", [[], ["--namespaces"], ["--namespaces", "a,,b"], ["--namespaces", "a,a"], ["--x", "a"]]
)
def test_a_wrong_list_of_namespaces_is_one_line(said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert generator_server.main(said) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1 and told[0].startswith("error: ") and "--namespaces" in told[0]


def test_the_list_is_taken_out_of_the_command_line() -> None:
    said = ["--namespaces", "kiosk_1, /kiosk_2", "--ros-args", "-p", "model:=facemesh"]
    assert parse(said) == (["kiosk_1", "kiosk_2"], ["--ros-args", "-p", "model:=facemesh"])
