# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The graphs as data, and the demo as a user runs it: processes, a video with sound, figures."""

from __future__ import annotations

import importlib
import importlib.util
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy")
import av

from avatar_forcing_ros.files.media import read_audio, read_video
from avatar_forcing_ros.graph import settings as graph
from avatar_forcing_ros.graph.demo_files import recorded_conversation
from avatar_forcing_ros.metrics.latency import FrameTimes, Spread, report
from avatar_forcing_ros.nodes import demo, params
from avatar_forcing_ros.nodes.bag_player_node import BagPlayerConfig
from avatar_forcing_ros.nodes.display_node import DisplayConfig
from avatar_forcing_ros.nodes.generator_node import GeneratorNodeConfig
from avatar_forcing_ros.nodes.media_source_node import MediaSourceConfig
from avatar_forcing_ros.nodes.motion_extraction_node import MotionExtractionConfig
from avatar_forcing_ros.nodes.understudy_node import UnderstudyConfig
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.train.export import write_bundle
from avatar_forcing_ros.train.scaling import LatentScale

pytestmark = pytest.mark.ros

CONFIGS = {
    "motion_extraction": MotionExtractionConfig(),
    "generator": GeneratorNodeConfig(),
    "bag_player": BagPlayerConfig(),
    "display": DisplayConfig(),
    "understudy": UnderstudyConfig(),
    "media_source": MediaSourceConfig(),
}
CONVERSATION = graph.Recorded("v.mp4", "a.wav", "s.wav", "no")
WITH_CAMERA = {"camera/image_raw": "sensor_msgs/msg/Image", "user_audio": "audio_common_msgs/msg/AudioStamped"}
CHOICE = graph.AvatarChoice("another model", "another portrait", require_consent=True)
GRAPHS = {
    "live": graph.live(CHOICE, webcam=0, microphone=True, speaker=True, barge_in=True),
    "demo": graph.demo(CHOICE, CONVERSATION, "o.mp4"),
    "replay": graph.replay(CHOICE, graph.PlayedBag("in", "out"), WITH_CAMERA, "o.mp4"),
}


def test_a_demo_never_records_over_a_file_that_it_plays(tmp_path: Path) -> None:
    film = tmp_path / "user.mp4"
    film.write_bytes(b"a film")
    (tmp_path / "link.mp4").symlink_to(film)
    with pytest.raises(ValueError, match="would be overwritten"):
        graph.demo(CHOICE, graph.Recorded(str(film), "a.wav", "s.wav", "no"), str(tmp_path / "link.mp4"))


def config_of(node: graph.NodeProcess) -> object:
    return CONFIGS[node.executable.removesuffix("_node")]


def settings_of(path: Path, node: graph.NodeProcess) -> dict[str, object]:
    """What a settings file says for a node."""
    sections = yaml.safe_load(path.read_text())
    return sections.get(f"/**/{node.executable.removesuffix('_node')}", {}).get("ros__parameters", {})


@pytest.mark.parametrize("name", GRAPHS)
def test_whose_face_and_which_model_reach_every_node_that_asks(name: str) -> None:
    for node in GRAPHS[name]:
        asks = {key: value for key, value in vars(CHOICE).items() if key in params.values(config_of(node))}
        assert {key: value for key, value in node.parameters.items() if key in asks} == asks


@pytest.mark.parametrize("name", GRAPHS)
def test_all_nodes_of_a_graph_expect_the_same_sound(name: str, repository: Path) -> None:
    kinds = {}
    for node in GRAPHS[name]:
        said = {**params.values(config_of(node)), **settings_of(node.settings, node), **node.parameters}
        kinds |= {node.executable: said["user_audio.kind"]} if "user_audio.kind" in said else {}
    assert len(kinds) == 2
    assert set(kinds.values()) == {"AudioStamped" if name == "replay" else "AudioChunk"}


@pytest.mark.parametrize("name", GRAPHS)
def test_every_parameter_of_a_graph_exists(name: str) -> None:
    for node in GRAPHS[name]:
        known = {*params.values(CONFIGS[node.executable.removesuffix("_node")]), "use_sim_time"}
        assert set(node.parameters) <= known


@pytest.mark.parametrize("name", GRAPHS)
def test_every_parameter_of_a_settings_file_exists_and_differs_from_its_default(name: str, repository: Path) -> None:
    settings = yaml.safe_load((repository / "config" / f"{name}.yaml").read_text())
    for pattern, section in settings.items():
        if pattern == "/**":
            assert section == {"ros__parameters": {"use_sim_time": True}}
            continue
        config = CONFIGS[pattern.removeprefix("/**/")]
        defaults = params.values(config)
        assert set(section["ros__parameters"]) <= set(defaults)
        unchanged = {key for key, value in section["ros__parameters"].items() if value == defaults[key]}
        assert unchanged == set()


@pytest.mark.parametrize("name", GRAPHS)
def test_every_executable_is_installed_and_its_module_has_a_main(name: str, repository: Path) -> None:
    for node in GRAPHS[name]:
        assert (repository / "scripts" / node.executable).is_file()
        assert callable(importlib.import_module(node.module).main)


def test_values_reach_the_command_line_as_what_they_are() -> None:
    node = graph.NodeProcess("x_node", Path("c.yaml"), {"a": True, "b": 1.5, "c": "no", "d": 'say "hi"'})

    assert node.ros_arguments()[3:] == [
        *("-p", "a:=true", "-p", "b:=1.5", "-p", 'c:="no"', "-p", 'd:="say \\"hi\\""'),
    ]


def test_a_replay_of_motion_reads_no_camera() -> None:
    types = {"user_motion": "avatar_forcing_ros/msg/MotionLatents", "speech": "audio_common_msgs/msg/AudioData"}
    generator, player = graph.replay(graph.AvatarChoice(), graph.PlayedBag("in"), types)

    assert (generator.executable, player.executable) == ("generator_node", "bag_player_node")
    assert generator.parameters == {"speech.kind": "AudioData"}


def frame(n: int, late_ms: float = 1.0, age_ms: float | None = 200.0, block_ms: float = 30.0) -> FrameTimes:
    stamp = n * 40_000_000
    seen = None if age_ms is None else stamp - round(age_ms * 1e6)
    received = None if seen is None else seen + 10_000_000
    return FrameTimes(
        stamp, stamp + round(late_ms * 1e6), seen, received, stamp, stamp + round(block_ms * 1e6), (0, n // 4)
    )


def test_the_report_counts_what_is_missing_and_spreads_what_is_there() -> None:
    result = report([frame(n) for n in range(100) if n not in (10, 20)], 40_000_000)

    assert (result.frames, result.missing) == (98, 2)
    assert result.fps == pytest.approx(97 / 99 * 25)
    assert result.motion_age == Spread(200.0, 200.0)
    assert result.motion_on_its_way == Spread(10.0, 10.0)


def test_a_block_took_as_long_as_its_slowest_frame() -> None:
    frames = [frame(n, block_ms=10.0 * (n % 4 + 1)) for n in range(8)]

    assert report(frames, 40_000_000).block == Spread(40.0, 40.0)


def test_frames_without_a_user_have_no_age() -> None:
    assert np.isnan(report([frame(n, age_ms=None) for n in range(3)], 40_000_000).motion_age.p50)


def test_a_report_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        report([frame(0)], 40_000_000)


def test_files_that_are_not_given_are_ours(tmp_path: Path) -> None:
    ours = recorded_conversation()
    assert (ours.repeat, Path(ours.video).name) == ("ping-pong", "carphone_pristine.mp4")
    assert 20 < ours.length_s < 30
    silent_video = recorded_conversation(video=ours.video)
    assert (silent_video.repeat, silent_video.audio) == ("no", ours.audio)


def write_sound(path: Path, seconds: float) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        samples = (speech_like(seconds) * 32767).astype(np.int16)[None]
        sound = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of the facemesh space, on disk."""
    folder = tmp_path_factory.mktemp("model")
    tiny = tiny_bundle()
    scale = LatentScale(tiny.latent_mean, tiny.latent_std)
    write_bundle(folder, "tiny", tiny.network, scale, tiny.manifest.sampler, "random numbers")
    return folder


@pytest.mark.slow
def test_the_demo_makes_a_video_with_sound_and_a_table(
    tmp_path: Path, model: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voice, output = tmp_path / "voice.wav", tmp_path / "out" / "demo.mp4"
    write_sound(voice, 6.0)
    portrait = next((repository / "models" / "portraits").glob("*.png"))
    arguments = ["--output", output, "--user-audio", voice, "--speech", voice, "--portrait", portrait, "--model", model]

    status = demo.main([*map(str, arguments), "--json"])

    printed = capsys.readouterr()
    assert status == 0, printed.err
    result = json.loads(printed.out.splitlines()[-1])
    assert result["latency"]["frames"] >= 2  # how many more is a matter of the machine, and of the bench
    nodes = {f"{name}_node" for name in CONFIGS} - {"bag_player_node", "understudy_node"}
    assert "generator_node" in result["cpu_percent"]
    assert set(result["cpu_percent"]) <= nodes  # whose process had ended when it was looked at is missing
    assert "frames per second held" in printed.out
    frames, sound = list(read_video(output)), read_audio(output)
    assert frames[0].image.shape == (512, 1024, 3)
    assert frames[-1].time_s > 1.0
    assert len(sound.samples) / sound.sample_rate == pytest.approx(frames[-1].time_s + 0.04, abs=0.1)
    assert np.abs(sound.samples).max() > 0.02


@pytest.mark.slow
def test_a_demo_that_cannot_run_says_why_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = demo.main(["--output", str(tmp_path / "d.mp4"), "--model", "/no/such/model"])

    error = capsys.readouterr().err.splitlines()[-1]
    assert status == 1
    assert error.startswith("error: ")
    assert "no model '/no/such/model'" in error


def test_a_missing_video_is_said_before_anything_is_started(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--user-video", str(tmp_path / "gone.mp4")]) == 1
    assert "gone.mp4: no such file" in capsys.readouterr().err


def test_reports_can_be_written_as_json() -> None:
    result = demo.RunReport(report([frame(n) for n in range(9)], 40_000_000), {"x": 1.0}, {"x": 2.0})

    assert json.loads(json.dumps(asdict(result)))["latency"]["missing"] == 0
    assert "all nodes" in demo.table(result)
