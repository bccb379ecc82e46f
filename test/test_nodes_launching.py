# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch files do what their arguments say. Where `launch` is missing, what they use of it is stood in for here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from avatar_forcing_ros.graph.environment import shared_memory_profile
from avatar_forcing_ros.testing.bags import conversation, write_bag


class Recording:
    """An entity of launch that remembers what it was made of."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.positional, self.named = positional, named


class Context:
    """Values of launch arguments."""

    def __init__(self, given: dict[str, str], file: str = "", argv: Sequence[str] = ()) -> None:
        self.launch_configurations, self.argv, self._file = given, argv, file

    def get_locals_as_dict(self) -> dict[str, str]:
        return {"current_launch_file_path": self._file}


class Configuration(Recording):
    def perform(self, context: Context) -> str:
        return context.launch_configurations[self.positional[0]]


STOOD_IN: dict[str, dict[str, type]] = {
    "launch": {name: type(name, (Recording,), {}) for name in ("LaunchDescription", "LaunchDescriptionEntity")},
    "launch.actions": {
        name: type(name, (Recording,), {})
        for name in (
            *("DeclareLaunchArgument", "SetEnvironmentVariable", "OpaqueFunction", "RegisterEventHandler"),
            *("Shutdown", "ExecuteProcess", "TimerAction", "LogInfo"),
        )
    },
    "launch.event_handlers": {"OnProcessExit": type("OnProcessExit", (Recording,), {})},
    "launch.substitutions": {"LaunchConfiguration": Configuration},
    "launch_ros": {},
    "launch_ros.actions": {"Node": type("Node", (Recording,), {})},
}


@pytest.fixture
def load(repository: Path, monkeypatch: pytest.MonkeyPatch):
    """Loads a launch file; with what stands for launch, since ROS's own has no wheels."""
    for name, contents in STOOD_IN.items():
        module = ModuleType(name)
        vars(module).update({"LaunchContext": Context} if name == "launch" else {}, **contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "avatar_forcing_ros.nodes.launching", raising=False)

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"{name}_launch", repository / "launch" / f"{name}.launch.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    sys.modules.pop("avatar_forcing_ros.nodes.launching", None)


def described(module: ModuleType) -> SimpleNamespace:
    """Arguments with their defaults, variables, and the function that makes the nodes."""
    entities = module.generate_launch_description().positional[0]
    kinds = [type(entity).__name__ for entity in entities]
    return SimpleNamespace(
        arguments={
            e.positional[0]: e.named["default_value"]
            for e, kind in zip(entities, kinds, strict=True)
            if kind == "DeclareLaunchArgument"
        },
        variables={e.positional[0] for e in entities if type(e).__name__ == "SetEnvironmentVariable"},
        nodes=next(e.named["function"] for e in entities if type(e).__name__ == "OpaqueFunction"),
    )


def launched(module: ModuleType, **given: str) -> list[Any]:
    """The actions that a launch file gives for some arguments."""
    file = described(module)
    assert set(given) <= set(file.arguments)
    return file.nodes(Context({**file.arguments, **given}))


def parameters(actions: list[Any]) -> dict[str, dict[str, Any]]:
    """Node -> what the launch file sets on it."""
    nodes = [action for action in actions if type(action).__name__ == "Node"]
    return {node.named["executable"]: node.named["parameters"][-1] for node in nodes}


def test_the_live_launch_file_hands_on_all_it_is_given(load, repository: Path) -> None:
    portrait = str(repository / "models" / "portraits" / "milo.png")
    found = parameters(
        launched(
            load("avatar"), model="m", portrait=portrait, webcam="2", microphone="true", speaker="True", barge_in="true"
        )
    )

    assert found["generator_node"]["avatar.barge_in.enabled"] is True
    assert {found[name]["model"] for name in ("generator_node", "motion_extraction_node")} == {"m"}
    assert found["generator_node"]["portrait"] == portrait
    assert found["display_node"]["speaker"] is True
    assert found["media_source_node"] == {"webcam": 2, "microphone": True}


@pytest.mark.parametrize(("given", "expected"), [("", None), ("false", False), ("true", True)])
def test_whether_consent_is_required_reaches_both_nodes_that_show_a_face(
    load, repository: Path, given: str, expected: object
) -> None:
    portrait = str(repository / "models" / "portraits" / "milo.png")
    found = parameters(launched(load("avatar"), portrait=portrait, require_consent=given))
    for name in ("generator_node", "understudy_node"):
        assert found[name].get("require_consent") == expected
        assert found[name]["portrait"] == portrait


def test_a_portrait_that_cannot_be_shown_is_refused_before_anything_starts(
    load, repository: Path, tmp_path: Path
) -> None:
    """Nodes that refuse it would be restarted for ever."""
    with pytest.raises(ValueError, match=r"nobody\.png: no such file"):
        launched(load("avatar"), portrait=str(tmp_path / "nobody.png"))
    portrait = tmp_path / "face.png"
    portrait.write_bytes((repository / "models" / "portraits" / "aria.png").read_bytes())
    with pytest.raises(ValueError, match=r"no face\.png\.yaml beside it"):
        launched(load("kiosk"), portrait=str(portrait))
    assert launched(load("kiosk"), portrait=str(portrait), require_consent="false")


def test_without_devices_the_live_launch_file_leaves_them_to_drivers(load) -> None:
    found = parameters(launched(load("avatar")))

    assert "media_source_node" not in found
    assert found["display_node"] == {}
    assert not {"model", "portrait"} & set(found["generator_node"])


def test_either_side_of_an_avatar_whose_card_is_elsewhere(load) -> None:
    sides = {side: launched(load("avatar"), side=side, webcam="0") for side in ("robot", "card")}

    names = {side: set(parameters(actions)) for side, actions in sides.items()}
    assert names["card"] == {"generator_node", "motion_extraction_node"}
    assert names["robot"] == {"understudy_node", "display_node", "media_source_node"}
    for actions in sides.values():
        variables = dict(a.positional for a in actions if type(a).__name__ == "SetEnvironmentVariable")
        assert {variables[name].rpartition("/")[2] for name in shared_memory_profile()} == {"fastdds_remote.xml"}
    for action in (action for actions in sides.values() for action in actions if type(action).__name__ == "Node"):
        assert any(str(file).endswith("remote.yaml") for file in action.named["parameters"][:-1])
    with pytest.raises(ValueError, match="side must be one of both, robot, card, got 'gpu'"):
        launched(load("avatar"), side="gpu")


@pytest.mark.parametrize(
    ("distribution", "names"),
    [
        ("humble", {"FASTRTPS_DEFAULT_PROFILES_FILE"}),
        ("jazzy", {"FASTRTPS_DEFAULT_PROFILES_FILE"}),
        ("kilted", {"FASTDDS_DEFAULT_PROFILES_FILE"}),
        ("lyrical", {"FASTDDS_DEFAULT_PROFILES_FILE"}),
    ],
)
def test_the_middleware_is_told_by_the_name_that_it_knows(
    distribution: str, names: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distribution)
    assert set(shared_memory_profile()) == names


def test_every_launch_file_sets_what_the_middleware_reads(load) -> None:
    for name in ("avatar", "demo", "replay"):
        assert {*shared_memory_profile(), "OMP_NUM_THREADS"} <= described(load(name)).variables


@pytest.fixture(params=["avatar", "demo", "replay"])
def every_file(request: pytest.FixtureRequest, load, tmp_path: Path):
    """Launches any of the files, with what it cannot do without."""
    needed = {"bag": str(write_bag(tmp_path / "in", conversation()))} if request.param == "replay" else {}
    return lambda **given: [
        action for action in launched(load(request.param), **needed, **given) if type(action).__name__ == "Node"
    ]


def test_every_launch_file_hands_the_standard_arguments_to_every_node(every_file, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("/**:\n  ros__parameters:\n    avatar.seed: 3\n")
    nodes = every_file(
        namespace="left", params_file=str(mine), use_sim_time="true", log_level="WARN", autostart="false"
    )

    assert len(nodes) >= 3
    for node in nodes:
        settings, given, said = node.named["parameters"]
        assert node.named["namespace"] == "left"
        assert node.named["ros_arguments"] == ["--log-level", "warn"]
        assert (Path(settings).suffix, given) == (".yaml", str(mine))
        assert said["autostart"] is False
        assert said["use_sim_time"] is (node.named["executable"] != "bag_player_node")


def test_each_node_has_an_enclave_of_its_own(every_file) -> None:
    for node in every_file(enclaves="/avatar/"):
        name = node.named["executable"].removesuffix("_node")
        assert node.named["ros_arguments"][2:] == ["--enclave", f"/avatar/{name}"]


def test_what_no_argument_says_is_left_to_the_parameter_files(every_file) -> None:
    for node in every_file():
        assert len(node.named["parameters"]) == 2
        assert "autostart" not in node.named["parameters"][-1]
        assert node.named["namespace"] == ""


@pytest.mark.parametrize("name", ["avatar", "demo", "kiosk"])
def test_one_process_runs_all_but_the_understudy_and_the_voice_agent(load, name: str) -> None:
    apart, (together, *others) = (
        [action for action in launched(load(name), one_process=said) if type(action).__name__ == "Node"]
        for said in ("false", "true")
    )
    words = together.named["arguments"]
    named = {words[at + 1] for at, word in enumerate(words) if word == "--node"}
    assert together.named["executable"] == "one_process"
    outside = {node.named["executable"] for node in others}
    assert outside == ({"voice_agent_node"} if name == "kiosk" else set())
    assert named == {node.named["executable"] for node in apart} - {"understudy_node"} - outside


def test_who_answers_in_the_kiosk_can_be_chosen(load, tmp_path: Path) -> None:
    def files(who: str) -> list[list[str]]:
        nodes = [action for action in launched(load("kiosk"), voice_agent=who) if type(action).__name__ == "Node"]
        mine = [node.named["parameters"] for node in nodes if node.named["executable"] == "voice_agent_node"]
        return [[Path(file).name for file in parameters if isinstance(file, str)] for parameters in mine]

    (tmp_path / "mine.yaml").write_text("{}")
    assert files("none") == []
    assert files("offline") == files("") == [["kiosk.yaml"]]
    assert files(str(tmp_path / "mine.yaml")) == [["kiosk.yaml", "mine.yaml"]]
    with pytest.raises(FileNotFoundError, match="voice_agent must be offline, none or a parameter file"):
        files("nowhere.yaml")


def test_the_demo_ends_with_its_source(load) -> None:
    *nodes, end = launched(load("demo"), output="o.mp4")

    assert end.positional[0].named["on_exit"]
    assert parameters(nodes)["display_node"]["output"] == "o.mp4"
    assert end.positional[0].named["target_action"].named["executable"] == "media_source_node"


def watched(actions: list[Any]) -> dict[str, Any]:
    """Node -> what happens when it ends, given (event, context)."""
    handlers = [action.positional[0].named for action in actions if type(action).__name__ == "RegisterEventHandler"]
    return {named["target_action"].named["executable"]: named["on_exit"] for named in handlers}


def ended(status: int) -> SimpleNamespace:
    return SimpleNamespace(returncode=status)


def test_a_live_node_that_fails_is_started_anew_later_and_later(load) -> None:
    runs, shuts_down = SimpleNamespace(is_shutdown=False), SimpleNamespace(is_shutdown=True)
    actions = launched(load("avatar"), webcam="0")
    assert set(watched(actions)) == {
        f"{name}_node" for name in ("understudy", "generator", "motion_extraction", "display", "media_source")
    }
    again = watched(actions)["generator_node"]
    assert not again(ended(-9), shuts_down)
    assert not again(ended(0), shuts_down)
    said, _ = watched(actions)["understudy_node"](ended(0), runs)  # SIGTERM of somebody who watches the memory
    assert "ended with status 0; restart 1 in 0 s" in said.named["msg"]

    delays = []
    for number in range(1, 5):
        said, timer = again(ended(-9), runs)
        delays.append(timer.named["period"])
        actions = timer.named["actions"][0].named["function"](runs)
        again = watched(actions)["generator_node"]
        assert "was killed by signal 9" in said.named["msg"]
        (variable,) = actions[0].named["additional_env"].values()
        assert variable.startswith(f"{number} ") and variable.endswith("was killed by signal 9")
    assert delays == [0.0, 0.5, 1.0, 2.0]


def test_a_recording_whose_node_fails_is_no_success(load) -> None:
    runs = SimpleNamespace(is_shutdown=False)
    on_exit = watched(launched(load("demo"))[:-1])["generator_node"]

    on_exit(ended(0), runs)
    with pytest.raises(RuntimeError, match="generator_node ended with status -9"):
        on_exit(ended(-9), runs)


@pytest.mark.parametrize("with_camera", [True, False])
def test_a_replay_reads_pictures_only_where_it_must(load, tmp_path: Path, with_camera: bool) -> None:
    bag = write_bag(tmp_path / "in", conversation(with_camera))
    actions = launched(load("replay"), bag=str(bag), record="out", rate="2.5", show="false")
    found = parameters(actions)

    assert ("motion_extraction_node" in found) == with_camera
    assert "display_node" not in found
    assert (found["bag_player_node"]["rate"], found["bag_player_node"]["output"]) == (2.5, "out")
    assert actions[-1].positional[0].named["target_action"].named["executable"] == "bag_player_node"


def test_ros2_bag_play_takes_the_place_of_our_player(load, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", conversation())
    actions = launched(load("replay"), bag=str(bag), player="rosbag2", rate="0.5", delay_s="3")

    assert "bag_player_node" not in parameters(actions)
    (delayed,) = [action for action in actions if type(action).__name__ == "TimerAction"]
    assert delayed.named["period"] == 3.0
    command = delayed.named["actions"][0].named["cmd"]
    assert command[-4:] == ["--clock", "100", "--rate", "0.5"] and str(bag) in command


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"microphone": "yes"}, "microphone must be true or false, got 'yes'"),
        ({"webcam": "/dev/video0"}, r"webcam must be a number \(int\), got '/dev/video0'"),
        ({"log_level": "loud"}, "log_level must be one of debug, info, warn, error, fatal, got 'loud'"),
        ({"params_file": "/no/such.yaml"}, "params_file must be a file, got '/no/such.yaml'"),
    ],
)
def test_what_cannot_be_understood_is_refused(load, given: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        launched(load("avatar"), **given)


def test_a_misspelt_argument_is_refused_where_our_file_is_the_one_that_was_typed(
    load, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = described(load("avatar"))
    path, typed = str(repository / "launch" / "avatar.launch.py"), ["webcm:=0", "launch-prefix:=nice"]
    monkeypatch.setattr(sys, "argv", ["ros2", "launch", "avatar_forcing_ros", "avatar.launch.py", *typed])
    with pytest.raises(ValueError, match=r"avatar\.launch\.py has no argument webcm: did you mean webcam\?"):
        file.nodes(Context(file.arguments, path, typed))
    with pytest.raises(ValueError, match="no argument zzz: there are autostart, barge_in"):
        file.nodes(Context(file.arguments, path, ["zzz:=1"]))
    assert file.nodes(Context(file.arguments, path, ["webcam:=0"]))
    monkeypatch.setattr(sys, "argv", ["ros2", "launch", "my_robot", "robot.launch.py", *typed])
    assert file.nodes(Context(file.arguments, path, typed))


def test_a_replay_is_not_played_on_another_clock_nor_into_another_namespace(load, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", conversation())
    with pytest.raises(ValueError, match="use_sim_time must be true"):
        launched(load("replay"), bag=str(bag), use_sim_time="false")
    with pytest.raises(ValueError, match="player must be ours in a namespace"):
        launched(load("replay"), bag=str(bag), player="rosbag2", namespace="left")


def test_an_unknown_player_is_refused(load, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", conversation())
    with pytest.raises(ValueError, match="player must be ours or rosbag2, got 'mine'"):
        launched(load("replay"), bag=str(bag), player="mine")


def test_the_hall_is_one_server_that_is_started_again_with_every_avatar_in_its_namespace(load) -> None:
    given = {"namespaces": "kiosk_1, /kiosk_2", "model": "m", "namespace": "/museum"}
    (server,) = [action for action in launched(load("hall"), **given) if type(action).__name__ == "Node"]
    assert server.named["executable"] == "generator_server"
    assert server.named["arguments"] == ["--namespaces", "museum/kiosk_1,museum/kiosk_2"]
    assert server.named["namespace"] == ""
    assert server.named["parameters"][-1]["model"] == "m"
    assert server.named["additional_env"]
