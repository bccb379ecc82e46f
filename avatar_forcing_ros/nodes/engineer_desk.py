# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Behind the kiosk's engineer page: figures and events to see, the generator's portrait and dials to change."""

from __future__ import annotations

import base64
import math
import re
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters

from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.msg import FrameInfo, MotionLatents
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.signals import MILLISECOND, AudioChunk
from avatar_forcing_ros.srv import SetPortrait
from avatar_forcing_ros.web.facts import Facts, Processor, level_db, thumbnails
from avatar_forcing_ros.web.packets import PacketError

PERIOD_S = 0.2
CHANNELS = ("smile", "brow_raise", "jaw_open", "pitch", "yaw")
"""Channels of the user's and the avatar's motion to plot side by side, if the motion space has them."""
DIALS: Mapping[str, tuple[float, float, float]] = {
    "avatar.expressiveness.pose": (0.0, 2.0, 0.05),
    "avatar.expressiveness.face": (0.0, 2.0, 0.05),
    "avatar.expressiveness.mouth": (0.0, 2.0, 0.05),
    "avatar.guidance_user": (-1.0, 4.0, 0.1),
    "avatar.mirrors_smile": (0.0, 1.0, 0.05),
    "avatar.guidance_avatar": (-1.0, 4.0, 0.1),
}
"""Parameters of the generator that may change while it runs: minimum, maximum, step."""
_EVENTS_KEPT = 200
_GENERATOR = "generator"


class EngineerDesk:
    """Collects figures while an engineer's page is open, and carries out its requests.

    Args:
        node: provides topics and services.
        portraits: folder of pictures to choose from; empty uses the shipped ones.
        tell: sends a message to all engineers' pages, from any thread.
        is_looked_at: whether an engineer's page is open.
        undo: registers what must be closed.

    Raises:
        ValueError: if `portraits` is not a folder.
    """

    def __init__(
        self,
        node: ManagedNode,
        portraits: str,
        tell: Callable[[Mapping[str, Any]], None],
        is_looked_at: Callable[[], bool],
        undo: ExitStack,
    ) -> None:
        self._node, self._tell, self._is_looked_at = node, tell, is_looked_at
        self._folder = Path(portraits).expanduser() if portraits else resource("models", "portraits")
        if not self._folder.is_dir():
            raise ValueError(f"portraits must be a folder, got {portraits!r}")
        self._portraits = thumbnails(self._folder)
        self._facts, self._processor = Facts(), Processor()
        self._events: deque[Mapping[str, Any]] = deque(maxlen=_EVENTS_KEPT)
        self._complaints: dict[str, str] = {}
        self._dials_due = True
        self._clients = {
            name: node.create_client(kind, f"{_GENERATOR}/{name}")
            for name, kind in (
                ("set_portrait", SetPortrait),
                ("set_parameters", SetParameters),
                ("get_parameters", GetParameters),
            )
        }
        for client in self._clients.values():
            undo.callback(node.destroy_client, client)
        node.listen(FrameInfo, "avatar/frame_info", self._frame, qos.STREAM)
        node.listen(MotionLatents, "user_motion", lambda message: self._motion("user", message), qos.STREAM)
        node.listen(MotionLatents, "avatar/motion", lambda message: self._motion("avatar", message), qos.STREAM)
        node.listen(DiagnosticArray, "/diagnostics", self._diagnose, qos.STREAM)
        timer = node.create_timer(PERIOD_S, node.guard("engineer", self._report), clock=node.links.timer_clock)
        undo.callback(node.destroy_timer, timer)

    # --- what is seen ----------------------------------------------------------------------------------------------

    def welcome(self) -> list[Mapping[str, Any]]:
        """The first messages for a new page."""
        pictures = {name: base64.b64encode(jpeg).decode() for name, jpeg in self._portraits.items()}
        dials = [{"name": name, "range": limits} for name, limits in DIALS.items()]
        self._dials_due = True
        return [{"type": "desk", "portraits": pictures, "dials": dials, "channels": CHANNELS}, *self._events]

    def note(self, kind: str, text: str) -> None:
        """Add an event to the list and tell the pages."""
        event = {"type": "event", "at_ms": self._now_ms(), "kind": kind, "text": text}
        self._events.append(event)
        self._tell(event)

    def sound(self, whose: str, chunk: AudioChunk) -> None:
        """Note the level of a chunk of the user's or the avatar's voice."""
        if chunk.stamp_ns is not None and self._is_looked_at():
            self._facts.add(f"{whose}_level", chunk.stamp_ns / MILLISECOND, level_db(chunk.samples))

    def shown(self, page: str, stamp: int, shown: int, voice_behind_ms: float, uncertainty_ms: float) -> None:
        """Note when a page showed a picture; times in nanoseconds."""
        if self._is_looked_at():
            after_ms = (shown - stamp) / MILLISECOND
            self._facts.add("shown", stamp / MILLISECOND, after_ms, voice_behind_ms, page, uncertainty_ms)

    def _frame(self, message: FrameInfo) -> None:
        if not self._is_looked_at():
            return
        stamp = stamp_ns(message.header.stamp)
        motion, start, end = (
            stamp_ns(t) for t in (message.user_motion_until, message.compute_start, message.compute_end)
        )
        self._facts.add(
            "frames",
            stamp / MILLISECOND,
            message.lateness_ms,
            (stamp - motion) / MILLISECOND if motion else None,
            (end - start) / MILLISECOND if start else None,
            message.quality_level,
            message.on_stage,
            message.user_share,
            message.speech_share,
        )

    def _motion(self, whose: str, message: MotionLatents) -> None:
        if not self._is_looked_at():
            return
        values: list[float | None] = [None] * len(CHANNELS)
        if message.valid and message.names:
            latent = dict(zip(message.names, message.latent, strict=False))
            values = [latent.get(name) for name in CHANNELS]
        self._facts.add(whose, stamp_ns(message.header.stamp) / MILLISECOND, *values)

    def _diagnose(self, message: DiagnosticArray) -> None:
        """Record an event when a part fails or recovers; a complaint in which only numbers change is still the same."""
        for status in message.status:
            complaint = "" if status.level == DiagnosticStatus.OK else status.message
            gist = re.sub(r"\d+", "", complaint)
            if gist != self._complaints.get(status.name, ""):
                self._complaints[status.name] = gist
                self.note("health", f"{status.name}: {complaint or 'recovered'}")

    def _report(self) -> None:
        if self._is_looked_at():
            machine, own = self._processor.shares()
            self._facts.add("processor", self._now_ms(), machine, own)
            self._tell({"type": "facts", "now_ms": self._now_ms(), **self._facts.take()})
            self._ask_dials()

    # --- what is asked ---------------------------------------------------------------------------------------------

    def ask(self, what: str, words: Mapping[str, Any]) -> None:
        """Choose a portrait or turn a dial, as a page asks.

        Raises:
            PacketError: if there is no such portrait or dial, or the value is out of range.
        """
        if what == "portrait":
            self._choose(words.get("name"))
        else:
            self._turn(words.get("name"), words.get("value"))

    def _choose(self, name: object) -> None:
        if not isinstance(name, str) or name not in self._portraits:
            raise PacketError(f"expected one of {', '.join(self._portraits)}, got {name!r}")
        path = str((self._folder / name).resolve())
        self._call("set_portrait", SetPortrait.Request(path=path), lambda answer: self._chosen(name, answer))

    def _chosen(self, name: str, answer: SetPortrait.Response) -> None:
        text = f"{name}: {answer.message or 'shown from now on'}"
        self._answer("portrait", name, bool(answer.success), text)

    def _turn(self, name: object, value: object) -> None:
        limits = DIALS.get(str(name))
        if limits is None or isinstance(value, bool) or not isinstance(value, int | float):
            raise PacketError(f"expected a dial ({', '.join(DIALS)}) and a number, got {name!r} and {value!r}")
        if not limits[0] <= value <= limits[1] or not math.isfinite(value):
            raise PacketError(f"expected {limits[0]:g} to {limits[1]:g} for {name}, got {value:g}")
        changed = ParameterMessage(
            name=str(name), value=ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=float(value))
        )
        request = SetParameters.Request(parameters=[changed])
        self._call("set_parameters", request, lambda answer: self._turned(str(name), float(value), answer))

    def _turned(self, name: str, value: float, answer: SetParameters.Response) -> None:
        result = answer.results[0]
        text = f"{name} is {value:g}" if result.successful else f"{name} stays: {result.reason}"
        self._answer("dial", name, bool(result.successful), text)
        self._dials_due = True

    def _ask_dials(self) -> None:
        """Ask the generator for its dials as soon as it is there, and again after it has restarted."""
        ready = self._clients["get_parameters"].service_is_ready()
        if ready and self._dials_due:
            self._call("get_parameters", GetParameters.Request(names=list(DIALS)), self._told)
        self._dials_due = not ready

    def _told(self, answer: GetParameters.Response) -> None:
        values = {name: value.double_value for name, value in zip(DIALS, answer.values, strict=False) if value.type}
        self._tell({"type": "dials", "values": values})

    def _call(self, name: str, request: Any, then: Callable[[Any], None]) -> None:
        client = self._clients[name]
        if not client.service_is_ready():
            self._answer(name, "", False, "the generator is not running at the moment")
            return
        done = self._node.guard("engineer", lambda future: then(future.result()))
        client.call_async(request).add_done_callback(done)

    def _answer(self, to: str, name: str, success: bool, text: str) -> None:
        self._tell({"type": "answer", "to": to, "name": name, "success": success, "text": text})
        self.note(to, text)

    def _now_ms(self) -> float:
        return self._node.get_clock().now().nanoseconds / MILLISECOND
