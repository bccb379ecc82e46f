# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which nodes, with which parameters, make up the live avatar, the kiosk, the demo and a replay. Launch files use it.

Each value is set in one of three places and only there: as a default in the dataclass of its node, as the change that a
setting (live, kiosk, demo, replay) makes in `config/<setting>.yaml`, or by the caller of the functions below. No ROS
here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from avatar_forcing_ros.files.outputs import refuse_to_overwrite
from avatar_forcing_ros.files.resources import PACKAGE, resource
from avatar_forcing_ros.graph.demo_files import Recorded
from avatar_forcing_ros.graph.keeping import AFTER, KEEP

Value = bool | int | float | str
Side = Literal["both", "robot", "card"]
_COMPUTES = ("motion_extraction_node", "generator_node")
_AGENT = "voice_agent_node"
NODE = "--node"
"""Word on the command line of `one_process`; a node's executable and its parameters as JSON follow."""
NAMESPACES = "--namespaces"
"""Word on the command line of `generator_server`; the namespaces of its avatars follow, separated by commas."""

PROCESS_ENVIRONMENT = {
    # Each process has one thread that computes; more would take the cores from the others.
    "OMP_NUM_THREADS": "1",
    # glibc would return and fetch the memory of each picture again: 11,000 page faults a second in the display.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""Environment variables of every process, besides those of the middleware in `environment.py`."""

_USER_COMES_AFTER_S = 3.0
"""On two cores, the face and its voice start a second sooner if reading the user's face starts a little later."""


@dataclass(frozen=True)
class NodeProcess:
    """A process with one node or several.

    Attributes:
        executable: its name in lib/avatar_forcing_ros, and that of its module in `avatar_forcing_ros.nodes`.
        settings: parameter file.
        more_settings: further parameter files, which override it.
        parameters: the caller's parameters, which override the files.
        parts: the nodes of a process with several (`one_process`).
        namespaces: namespaces of the avatars of a process with several (`generator_server`).
        kept: whether it starts its own successor when it is killed, from what it has loaded.
        after_s: how much later than the others it loads when everything starts.
        respawns: whether to restart it when it ends, even without a fault, as on SIGTERM of somebody who watches the
            memory; otherwise everything ends with it.
    """

    executable: str
    settings: Path
    parameters: Mapping[str, Value] = field(default_factory=dict)
    parts: tuple[NodeProcess, ...] = ()
    namespaces: tuple[str, ...] = ()
    kept: bool = False
    after_s: float = 0.0
    respawns: bool = False
    more_settings: tuple[Path, ...] = ()

    @property
    def module(self) -> str:
        """The module whose `main` the executable calls."""
        return f"{PACKAGE}.nodes.{self.executable}"

    @property
    def own_arguments(self) -> list[str]:
        """The part of its command line that is not for ROS."""
        parts = [word for part in self.parts for word in (NODE, part.executable, json.dumps(dict(part.parameters)))]
        parts += [NAMESPACES, ",".join(self.namespaces)] if self.namespaces else []
        return parts + [KEEP] * self.kept + ([AFTER, f"{self.after_s:g}"] if self.after_s else [])

    def ros_arguments(self) -> list[str]:
        """The command line of the process, after its name."""
        arguments = [*self.own_arguments, "--ros-args"]
        for file in (self.settings, *self.more_settings):
            arguments += ["--params-file", str(file)]
        for name, value in self.parameters.items():
            arguments += ["-p", f"{name}:={json.dumps(value)}"]  # rcl reads YAML, of which JSON is a part
        return arguments


@dataclass(frozen=True)
class AvatarChoice:
    """Whose face and which model; empty takes the default of the generator node.

    Attributes:
        model: name of a shipped model, or folder of a model bundle.
        portrait: picture of the face to animate.
        require_consent: whether the portrait needs a sidecar that allows showing it.
    """

    model: str = ""
    portrait: str = ""
    require_consent: bool | Literal[""] = ""


def live(
    avatar: AvatarChoice,
    webcam: int = -1,
    camera: str = "",
    microphone: bool = False,
    speaker: bool = False,
    barge_in: bool = False,
    side: Side = "both",
) -> list[NodeProcess]:
    """The avatar on a robot: camera and microphone come from its drivers, or from this machine's own devices.

    Args:
        avatar: whose face and which model.
        webcam: number of a camera device to open; negative leaves the camera to a driver.
        camera: path of a camera device to open instead.
        microphone: open this machine's microphone.
        speaker: play the avatar's voice on this machine.
        barge_in: let the user's voice interrupt the avatar.
        side: which nodes: "robot" for those that people see and hear, with the understudy, which idles when no pictures
            arrive; "card" for those that compute; "both" for all.
    """
    interrupts = {"avatar.barge_in.enabled": True} if barge_in else {}
    own = {"user_audio.kind": "AudioChunk"} if microphone else {}  # what our media source sends; drivers send others
    others = [_node("display_node", "live", **({"speaker": True} if speaker else {}), **own)]
    # what was not asked for is not said, so that a parameter file may say it
    devices: dict[str, Value] = {"webcam": webcam} if webcam >= 0 else {}
    devices |= {"camera_device": camera} if camera else {}
    devices |= {"microphone": True} if microphone else {}
    others += [_node("media_source_node", "live", **devices)] if devices else []
    nodes = _with_understudy("live", avatar, others, **own, **interrupts)
    if side == "both":
        return nodes
    return [
        replace(node, more_settings=(resource("config", "remote.yaml"),))
        for node in nodes
        if (node.executable in _COMPUTES) == (side == "card")
    ]


def kiosk(avatar: AvatarChoice, voice_agent: str = "offline", **access: Value) -> list[NodeProcess]:
    """The avatar in browsers, whose camera and microphone are the user's; the voice interrupts.

    Args:
        avatar: whose face and which model.
        voice_agent: who answers: "offline" needs no server, "none" leaves it to another dialogue manager, and anything
            else is a parameter file such as examples/voice_agent/local_servers.yaml.
        access: where and to whom it is served, see `web.access.AccessConfig`; empty values and 0 are left out.
    """
    said = {f"server.access.{name}": value for name, value in access.items() if value}
    return [*_with_understudy("kiosk", avatar, [_node("web_node", "kiosk", **said)]), *_voice_agent(voice_agent)]


def hall(model: str, namespaces: Sequence[str]) -> list[NodeProcess]:
    """Several avatars on one model in one process, for displays on other computers.

    Args:
        model: name of a shipped model, or folder of a model bundle.
        namespaces: namespaces of the avatars; a parameter file gives their portraits and other differences.
    """
    server = _node("generator_server", "hall", model=model)
    return [replace(server, namespaces=tuple(namespaces), respawns=True)]


def demo(avatar: AvatarChoice, recorded: Recorded, output: str) -> list[NodeProcess]:
    """The same nodes on a recorded conversation; the display records, and the source ends with the conversation.

    Raises:
        ValueError: the recording would take the place of one of the files that are played.
    """
    given = [recorded.video, recorded.audio, recorded.speech, avatar.portrait]
    refuse_to_overwrite(Path(output).expanduser(), [Path(name).expanduser() for name in given if name])
    source = _node("media_source_node", "demo", **vars(recorded))
    return [*_motion_and_generator("demo", avatar), _node("display_node", "demo", output=output), source]


@dataclass(frozen=True)
class PlayedBag:
    """A bag that is played to the avatar.

    Attributes:
        bag: its folder.
        output: folder of a new bag for what the avatar presents; empty records nothing.
        rate: highest speed, in seconds of the bag per second.
        step_by_step: the clock waits for the nodes.
        camera: play pictures even when the bag has user_motion.
    """

    bag: str
    output: str = ""
    rate: float = 1.0
    step_by_step: bool = True
    camera: bool = False


def replay(
    avatar: AvatarChoice, played: PlayedBag, types: Mapping[str, str], video: str | None = None, **more: Value
) -> list[NodeProcess]:
    """The avatar on a bag's time.

    Args:
        avatar: whose face and which model.
        played: the bag.
        types: input -> type of its messages in the bag, see `bags.inputs.Survey`; without pictures nothing reads faces.
        video: mp4 file to record to; empty for a window, if there is a screen; None shows nothing.
        more: parameters of the generator.
    """
    kinds = {f"{name}.kind": types[name].rpartition("/")[2] for name in ("user_audio", "speech") if name in types}
    compressed = "camera/image_raw/compressed" in types
    nodes = [
        _node("generator_node", "replay", **vars(avatar), **kinds, **more),
        _node("bag_player_node", "replay", **vars(played), use_sim_time=False),
    ]
    if compressed or "camera/image_raw" in types:
        nodes.insert(0, _node("motion_extraction_node", "replay", model=avatar.model, compressed=compressed))
    if video is not None:
        heard = {"user_audio.kind": kinds["user_audio.kind"]} if "user_audio" in types else {}
        nodes.append(_node("display_node", "replay", output=video, **heard))
    return nodes


def one_process(nodes: Sequence[NodeProcess]) -> list[NodeProcess]:
    """The same nodes in one process.

    The understudy is left out, because it could not outlive the others. The voice agent stays in a process of its own,
    because its recogniser would delay the pictures.
    """
    alone = {"generator_node": {"understudy": False}}
    parts = tuple(
        replace(node, parameters={**node.parameters, **alone.get(node.executable, {})})
        for node in nodes
        if node.executable not in ("understudy_node", _AGENT)
    )
    apart = [node for node in nodes if node.executable == _AGENT]
    whole = NodeProcess("one_process", parts[0].settings, parts=parts, respawns=any(part.respawns for part in parts))
    return [whole, *apart]


def _with_understudy(
    setting: str, avatar: AvatarChoice, others: Sequence[NodeProcess], **more: Value
) -> list[NodeProcess]:
    """The essential nodes with an understudy, and others; a process that ends is restarted."""
    motion, generator = _motion_and_generator(setting, avatar, **more)
    others = [replace(generator, kept=True), replace(motion, kept=True, after_s=_USER_COMES_AFTER_S), *others]
    expects = " ".join(node.executable.removesuffix("_node") for node in others)
    understudy = _node("understudy_node", setting, **vars(avatar), expects=expects)
    return [replace(node, respawns=True) for node in (understudy, *others)]  # its face is there before the others are


def _voice_agent(who: str) -> list[NodeProcess]:
    """Who answers in the kiosk; see `kiosk`.

    Raises:
        FileNotFoundError: a parameter file that is not there.
    """
    if who == "none":
        return []
    agent = replace(_node(_AGENT, "kiosk"), respawns=True)
    if who in ("", "offline"):
        return [agent]
    path = Path(who).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"voice_agent must be offline, none or a parameter file, got {who!r}")
    return [replace(agent, more_settings=(path,))]


def _motion_and_generator(setting: str, avatar: AvatarChoice, **more: Value) -> list[NodeProcess]:
    """The node that sees the user and the one that is the avatar; the model defines how they exchange a face."""
    motion = _node("motion_extraction_node", setting, model=avatar.model)
    return [motion, _node("generator_node", setting, **vars(avatar), **more)]


def _node(executable: str, setting: str, **parameters: Value) -> NodeProcess:
    said = {name: value for name, value in parameters.items() if value != ""}
    return NodeProcess(executable, resource("config", f"{setting}.yaml"), said)
