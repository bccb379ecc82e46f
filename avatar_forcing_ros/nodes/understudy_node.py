# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The understudy: a small process that has the portrait and idles on avatar/image_raw while the generator is silent.

It says who is on stage (`stage`), continues from the generator's last motion and blends into the generator's motion
when that returns. It ends utterances that the generator can no longer end, and kills a generator that hangs, so that
its keeper restarts it. It never loads the network: a second process of the same size would fail for the same reasons.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rclpy.clock import Clock, ClockType

from avatar_forcing_ros.disclosure.label import Label
from avatar_forcing_ros.graph.keeping import Restarted
from avatar_forcing_ros.messages.outlet import USER
from avatar_forcing_ros.motion.space import naming_portrait
from avatar_forcing_ros.msg import AudioChunk, AvatarState, LeadingRole, PlaybackEvent, Stage
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.diagnostics import HOST, PID, DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.links import no_events
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.messenger import Messenger
from avatar_forcing_ros.nodes.recording_notice import RecordingNotice
from avatar_forcing_ros.nodes.ros_outlet import publish_from
from avatar_forcing_ros.nodes.ros_time import ClockWaiter, stamp_ns
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.nodes.stage_messages import from_ending, from_word, to_report
from avatar_forcing_ros.portraits.consent import open_first_portrait
from avatar_forcing_ros.session.endings import Endings, Owner
from avatar_forcing_ros.session.outlet import DEGRADED, AvatarStatus, OutputConfig, Provenance, Shown
from avatar_forcing_ros.session.stage import UNDERSTUDY, Cue, Watch, is_found
from avatar_forcing_ros.signals import FPS, NANOSECONDS, AvatarFrame
from avatar_forcing_ros.srv import SetPortrait
from avatar_forcing_ros.timeline.grid import FRAME_NS, stamp_of
from avatar_forcing_ros.understudy.face import FACEMESH, Face, first_face, motion_space_of
from avatar_forcing_ros.understudy.faces import Faces
from avatar_forcing_ros.understudy.movement import StandInMovement
from avatar_forcing_ros.understudy.processes import (
    Life,
    Stopped,
    has_just_begun,
    is_ours,
    program_of,
    with_stopped_parent,
)

_LISTENS_FIRST_S = 0.5
"""A generator may be on stage already, and the middleware takes a while to discover it."""
_LISTENS_LONGER_S = 3.0
"""The same for an understudy that was restarted alone: the generator is probably on stage."""
_EMPTIES_S = 0.1
_PORTRAIT_PATIENCE_S = 8.0
_READERS_PATIENCE_S = 6.0
"""A subscription of a killed process is counted for up to 20 s, and a new generator will never find it."""
_SILENT_S = 3.5
_TOLD_EVERY_S = 10.0  # the log does not repeat it sooner; /diagnostics counts
_HANGS_S = 8.0
"""A node whose diagnostics have been missing for this long hangs, however busy the machine is."""
_COMES_S = 15.0
"""Nodes that are expected have this long to start."""
_LOOKS_S, _CONTINUES_S = 1.0, 1.0
"""How often to look for stopped processes, and how much later one is continued than a silent generator is killed."""
_OFTEN, _OFTEN_S = 3, 600.0
_NICE = -10
_FINAL = (PlaybackEvent.FINISHED, PlaybackEvent.INTERRUPTED)


@dataclass(frozen=True)
class UnderstudyConfig:
    """Parameters of the understudy.

    Attributes:
        model: the generator's model; only its motion space is read.
        portrait: picture of the face until the generator shows another; empty is the project's own character.
        require_consent: whether that portrait needs a sidecar that says that its face may be shown, like the
            generator's.
        image_size: side of the pictures in pixels, like the generator's `avatar.image_size`.
        seed: seed of its idle motion.
        patience_ms: steps in after this long without a frame; use more than 100 if a network lies in between.
        fade_ms: time to blend into the generator's motion before handing back to it; less if it was hardly away.
        expects: names of nodes, separated by spaces, to be reported as missing if they do not appear on /diagnostics;
            so is any node that appeared once.
        stop_silent_after_s: a generator of this machine that has been silent for this long is killed, as is a node of
            `expects` whose diagnostics have been missing for 8 s; one that is stopped (SIGSTOP) is continued a second
            later. 0 never does.
        output: how the avatar is published, like the generator's.
    """

    model: str = FACEMESH
    portrait: str = ""
    require_consent: bool = True
    image_size: int = field(default=512, metadata={"range": (64, 2048)})
    seed: int = field(default=0, metadata={"range": (0, 2**63 - 1)})
    patience_ms: int = field(default=100, metadata={"range": (100, 5000)})
    fade_ms: int = field(default=240, metadata={"range": (40, 2000)})
    expects: str = ""
    stop_silent_after_s: float = field(default=2.0, metadata={"range": (0.0, 3600.0)})
    output: OutputConfig = field(default_factory=OutputConfig)


class UnderstudyNode(ManagedNode[UnderstudyConfig]):
    """One thread ticks on the frame grid and draws; callbacks note what the generator does."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("understudy", UnderstudyConfig(), **node_arguments)

    def setup(self, undo: ExitStack) -> None:
        """Read the portrait; the rest is loaded while the first frames are shown."""
        cv2.setNumThreads(1)
        self._space = motion_space_of(self.config.model)
        chosen, ended = open_first_portrait(self.config.portrait, self.config.require_consent)
        if ended is not None:
            self.get_logger().error(f"{ended}; our own character is shown instead")
        self._path = chosen.path
        with naming_portrait(chosen.path):
            self._first: Face = first_face(chosen.image, self.config.image_size)
        self._label = Label(self.config.output.label, self.config.image_size)

    def begin(self, undo: ExitStack) -> None:
        """Subscribe to the generator, then start to tick."""
        self._lock = threading.Lock()
        self._watch = Watch(
            patience_s=self.config.patience_ms / 1e3, fade_frames=max(1, round(self.config.fade_ms / 40))
        )
        self._endings = Endings(self._watch, self._is_gone)
        self._ledger = self._endings.ledger
        self._lives: dict[Owner, Life] = {}
        self._sleepers, self._looked_s = Stopped(), 0.0
        self._emptied_s = time.monotonic()
        self._movement = StandInMovement(self.config.seed)
        self._role: LeadingRole | None = None
        self._asked_pid, self._asked_s = 0, 0.0
        self._unseen_since_s: float | None = None
        self._stopped_pid = 0
        self._stopped = 0
        self._entries_s: deque[float] = deque(maxlen=100)
        self._on_stage_since_s = time.monotonic()
        comes_s = time.monotonic() + _COMES_S - _SILENT_S
        self._pids: dict[str, int] = {}
        self._others_s = dict.fromkeys(self.config.expects.split(), comes_s)
        self._frames = 0
        self._begun_s = time.monotonic()
        restarted = Restarted.of_this_process().count and not has_just_begun("generator_node")
        self._listens_s = _LISTENS_LONGER_S if restarted else _LISTENS_FIRST_S
        self._topics = _UnderstudyTopics(self, undo)
        self._shows = publish_from(self._topics, _SpaceName(self._space), self.config.output, never={USER})
        self._status: AvatarStatus | None = None
        self._say = self.advertise(Stage, "stage", qos.LATCHED)
        self._playback = self.advertise(PlaybackEvent, "avatar/playback", qos.EVENTS)
        self._asks = self.advertise(PlaybackEvent, "stage/endings", qos.EVENTS)
        self._messenger = Messenger(self, "messages")
        self._set_portrait = self.create_client(SetPortrait, "generator/set_portrait")
        undo.callback(self.destroy_client, self._set_portrait)
        self._recording = RecordingNotice(self, self._label)
        self.listen(LeadingRole, "stage/leader", self._hear_leader, qos.STREAM)
        self.listen(PlaybackEvent, "avatar/playback", self._hear_playback, qos.EVENTS)
        self.listen(AudioChunk, "avatar/speech", self._hear_spoken, qos.STREAM)
        self.listen(AudioChunk, "speech", self._hear_sent, qos.SPEECH)
        self.listen(DiagnosticArray, "/diagnostics", self._hear_diagnostics, qos.STREAM)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        emptying = self.create_timer(_EMPTIES_S, self.guard("queues", self._empty_queues), clock=steady)
        undo.callback(self.destroy_timer, emptying)
        clock = ClockWaiter(self.get_clock())
        self._waiter = clock
        self._ticked_ns = 0
        self._faces = Faces(self._first, self._path, self._space, self.config.image_size, self.faults.report)
        undo.callback(self._close_faces)
        self.work("portrait", self._faces.load, self._faces.stop_loading)
        self.work("understudy", self._turn, clock.close)
        undo.callback(DiagnosticsPublisher(self, self._health).close)

    # --- what is heard ---------------------------------------------------------------------------------------------

    def _hear_leader(self, message: LeadingRole) -> None:
        report, now_s = to_report(message), time.monotonic()
        with self._lock:
            before = self._role
            is_new = before is not None and (before.pid, before.host) != (message.pid, message.host)
            if before is None or is_new:
                self._see(message)
            # a process that changes its portrait was told to; a new one starts with that of its parameters
            told = before is not None and not is_new and before.portrait_sha256 != message.portrait_sha256
            self._role = message
            self._watch.hear(report, now_s)
            self._endings.hear((message.host, message.pid), report, now_s)
            if report.on_stage:
                self._movement.follow(np.array(message.latent, np.float32))
            if report.on_stage or told:
                self._faces.want(message.portrait, message.portrait_sha256)

    def _see(self, role: LeadingRole) -> None:
        """Under the lock: remember the process of a new generator on this machine, to notice its end."""
        owner = (role.host, role.pid)
        if role.host == platform.node() and (role.pid == os.getpid() or is_ours(role.pid)):
            self._lives = {who: life for who, life in self._lives.items() if life.goes_on()}
            self._lives[owner] = Life.of(role.pid)

    def _hear_playback(self, message: PlaybackEvent) -> None:
        with self._lock:
            if message.event in _FINAL:
                self._ledger.over(message.utterance_id)
            elif message.event == PlaybackEvent.STARTED:
                self._ledger.began(message.utterance_id, stamp_ns(message.header.stamp), time.monotonic())
            elif message.event == PlaybackEvent.STALLED:
                self._ledger.stalled(message.utterance_id, stamp_ns(message.position))

    def _hear_spoken(self, message: AudioChunk) -> None:
        length_ns = len(message.data) // (2 if message.encoding == AudioChunk.S16LE else 4) * NANOSECONDS
        with self._lock:
            self._ledger.said(
                message.utterance_id, stamp_ns(message.header.stamp), length_ns // message.sample_rate, time.monotonic()
            )

    def _hear_sent(self, message: AudioChunk) -> None:
        with self._lock:
            self._ledger.sent(message.utterance_id, time.monotonic())

    def _hear_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            namespace, _, name = status.hardware_id.rpartition("/")
            if (namespace or "/") != self.get_namespace() or not status.name.endswith(": health"):
                continue
            if status.level == Level.INACTIVE.value:  # it is not expected to say anything
                self._others_s.pop(name, None)
                self._pids.pop(name, None)
                continue
            self._others_s[name] = time.monotonic()
            values = {value.key: value.value for value in status.values}
            if values.get(HOST) == platform.node() and name in self.config.expects.split():
                self._pids[name] = int(values.get(PID, "0"))

    # --- the tick --------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        now_ns = self._waiter.now_ns()
        due_ns = stamp_of(now_ns // FRAME_NS + 1)
        if self._ticked_ns and 0 < due_ns - self._ticked_ns <= FPS * FRAME_NS:
            due_ns = self._ticked_ns + FRAME_NS
        if not self._waiter.wait_until(due_ns):
            return
        stamp = stamp_of(self._waiter.now_ns() // FRAME_NS)
        self._ticked_ns = stamp
        now_s = time.monotonic()
        if now_s - self._begun_s < self._listens_s and self._role is None:
            return
        with self._lock:
            cue = self._watch.tick(stamp, now_s, self._portrait_fits(now_s) and self._readers_are_found(now_s))
            self._end_what_is_over(now_s)
            if cue.says:
                self._say_word()
        self._faces.tend(now_s)  # also while the generator is on stage, for hours
        if cue.plays:
            self._show(cue, stamp)
        if not self._watch.on_stage and self._status is not None:
            self._status = None
            self._messenger.send(self._topics.forget_state)
        self._note_entry(cue, now_s)
        self._stop_who_hangs(now_s)

    def _show(self, cue: Cue, stamp: int) -> None:
        number = stamp // FRAME_NS
        began_ns = self._waiter.now_ns()
        latent = self._move(cue, number)
        face, drawn = self._faces.draw(latent, number)
        picture = self._label.lay_over(drawn)
        frame = AvatarFrame(stamp, self._frames, 0, self._watch.epoch, latent)
        self._frames += 1
        made = Provenance(None, began_ns, self._waiter.now_ns(), face.sha256, on_stage=UNDERSTUDY)
        self._shows.shown(Shown(frame, lambda: picture, made))
        status = AvatarStatus(
            DEGRADED, self._watch.epoch, detail=f"the understudy: {self._watch.why}", on_stage=UNDERSTUDY
        )
        if status != self._status:
            self._status = status
            self._messenger.send(partial(self._shows.changed, status, stamp))

    def _move(self, cue: Cue, number: int) -> NDArray[np.float32]:
        """The motion to draw: idling, blended with what is left of the generator's motion or with its next one."""
        if self._space != FACEMESH:
            return np.zeros(0, np.float32)
        with self._lock:
            lead = None if self._role is None else np.array(self._role.latent, np.float32)
            return self._movement.move(number, cue.steps_in, cue.share, lead)

    # --- who is gone -----------------------------------------------------------------------------------------------

    def _end_what_is_over(self, now_s: float) -> None:
        """Under the lock: announce the endings that are ours, and ask the generator for the others; see `stage`."""
        ends, asks = self._endings.tick(now_s, self._emptied_s)
        now_ns = self._waiter.now_ns()
        for ending in ends:
            self._messenger.send(partial(self._playback.publish, from_ending(ending, now_ns, asks=False)))
            played_s = ending.position_ns / NANOSECONDS
            self.get_logger().warning(f"{ending.utterance_id} was cut off after {played_s:.2f} s")
        for ending in asks:
            self._messenger.send(partial(self._asks.publish, from_ending(ending, now_ns, asks=True)))
        if ends:
            self._say_word()

    def _empty_queues(self) -> None:
        """In the executor's thread: take in all messages that have arrived, however many wait."""
        now_s = time.monotonic()
        self.take_all()
        with self._lock:
            self._emptied_s = now_s
        if now_s - self._looked_s > _LOOKS_S:
            self._looked_s = now_s
            self._continue_who_is_stopped(now_s)

    def _continue_who_is_stopped(self, now_s: float) -> None:
        """A process that was stopped before it said anything, or that starts the others, is missed by nobody else."""
        patience_s = self.config.stop_silent_after_s
        if not patience_s:
            return
        for pid in self._sleepers.overdue(now_s, patience_s + _CONTINUES_S):
            self.get_logger().error(f"process {pid} has been stopped and is continued: {program_of(pid)}")
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)

    def _is_gone(self, owner: Owner) -> bool | None:
        """Under the lock: whether the process of a generator has ended; None if it cannot be observed from here."""
        life = self._lives.get(owner)
        return None if life is None else not life.goes_on()

    def _say_word(self) -> None:
        word = from_word(self._watch.word(tuple(self._ledger.ended)))
        self._messenger.send(partial(self._say.publish, word))

    def _stop_who_hangs(self, now_s: float) -> None:
        patience_s = self.config.stop_silent_after_s
        if not patience_s or not self._watch.knows(now_s):
            return
        role = self._role
        ours = role is not None and not role.leaving and role.host == platform.node()
        if role and ours and self._watch.silence_s(now_s) > patience_s and role.pid not in (0, self._stopped_pid):
            self._stopped_pid = role.pid
            self._stop("generator", role.pid)
        for name, pid in list(self._pids.items()):
            if name != "generator" and now_s - self._others_s[name] > max(patience_s, _HANGS_S):
                del self._pids[name]
                self._stop(name, pid)

    def _stop(self, name: str, pid: int) -> None:
        """Kill a process that hangs, and its keeper if that is stopped, too; do nothing if it has ended already."""
        if not is_ours(pid):
            return
        self._stopped += 1
        self.get_logger().error(f"{name} (process {pid}) hangs and is killed")
        for each in with_stopped_parent(pid):
            os.kill(each, signal.SIGKILL)

    # --- the portrait ----------------------------------------------------------------------------------------------

    def _close_faces(self) -> None:
        self._first = self._faces.close()

    def _portrait_fits(self, now_s: float) -> bool:
        """Whether a waiting generator has the portrait that was shown last; if not, it is told once."""
        role = self._role
        if role is None or self._faces.wanted is None or not self._watch.on_stage:
            return True
        path, sha256 = self._faces.wanted
        if role.portrait_sha256 == sha256:
            return True
        if self._asked_pid != role.pid:
            self._asked_pid, self._asked_s = role.pid, now_s
            if self._set_portrait.service_is_ready():
                self._set_portrait.call_async(SetPortrait.Request(path=path))
        return now_s - self._asked_s > _PORTRAIT_PATIENCE_S

    def _readers_are_found(self, now_s: float) -> bool:
        """Whether a waiting generator has found all our subscribers; those that have died delay it only briefly."""
        role = self._role
        if role is None or not self._watch.on_stage or is_found(role.readers, self._shows.readers()):
            self._unseen_since_s = None
            return True
        self._unseen_since_s = now_s if self._unseen_since_s is None else self._unseen_since_s
        return now_s - self._unseen_since_s > _READERS_PATIENCE_S

    # --- health ----------------------------------------------------------------------------------------------------

    def _note_entry(self, cue: Cue, now_s: float) -> None:
        if cue.steps_in and cue.says:
            self._entries_s.append(now_s)
            self._on_stage_since_s = now_s
            why = f"the understudy is on stage: {self._watch.why}"
            self.get_logger().warning(why, throttle_duration_sec=_TOLD_EVERY_S)

    def _health(self) -> Health:
        now_s = time.monotonic()
        often = sum(now_s - at_s < _OFTEN_S for at_s in self._entries_s)
        silent = sorted(name for name, at_s in self._others_s.items() if now_s - at_s > _SILENT_S)
        values = {
            "on_stage": self._watch.on_stage,
            "term": self._watch.term,
            "entries": self._watch.entries,
            "entries_in_10_minutes": often,
            "killed": self._stopped,
            "silent_nodes": " ".join(silent),
            "recording": self._recording.look(),
            "faults": self.faults.count,
            "last_fault": self.faults.last,
        }
        on_stage_s = now_s - self._on_stage_since_s if self._watch.on_stage else 0.0
        stage = f"on stage for {on_stage_s:.0f} s: {self._watch.why}" if self._watch.on_stage else ""
        falls = f"the generator has fallen silent {often} times in 10 minutes" if often >= _OFTEN else ""
        nodes = f"no sign of life from {', '.join(silent)}" if silent else ""
        face = f"the face is a still picture that breathes: {self.faults.last}" * self._faces.is_still
        parts = {"stage": "; ".join(filter(None, (stage, falls))), "nodes": nodes, "face": face}
        parts["disclosure"] = self.config.output.label.complaint()
        complaint = "; ".join(filter(None, parts.values()))
        bad = falls or on_stage_s > 30
        level = Level.ERROR if bad else Level.DEGRADED if complaint else Level.OK
        return Health(level, complaint or "the generator leads", values, parts)


class _UnderstudyTopics:
    """Advertises the understudy's topics; its latched state is withdrawn when the generator leads."""

    def __init__(self, node: UnderstudyNode, undo: ExitStack) -> None:
        self._node = node
        self._state: Any = None
        self._state_arguments: tuple[Any, ...] = ()
        undo.callback(self.forget_state)

    def advertise(self, message_type: type, topic: str, profile: Any) -> Any:
        """A publisher; the one for the state exists only while the understudy has a state."""
        if message_type is not AvatarState:
            return self._node.advertise(message_type, topic, profile)
        self._state_arguments = (message_type, topic, profile)
        return self

    def get_clock(self) -> Any:
        """The node's clock."""
        return self._node.get_clock()

    def publish(self, message: AvatarState) -> None:
        """Publish the state."""
        if self._state is None:
            # without events: the executor waits for those, and fails when it is destroyed meanwhile by another thread
            self._state = self._node.create_publisher(*self._state_arguments, event_callbacks=no_events(publishes=True))
        self._state.publish(message)

    def forget_state(self) -> None:
        """Withdraw the state, so that a late subscriber does not get an outdated one."""
        if self._state is not None:
            self._node.destroy_publisher(self._state)
            self._state = None


@dataclass(frozen=True)
class _SpaceName:
    """As much of a motion space as publishing needs."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the numbers."""
        from avatar_forcing_ros.motion.facemesh.channels import NAMES

        return NAMES if self.name == FACEMESH else ()


def main(args: list[str] | None = None) -> int:
    """Run the node, with priority if permitted, so that its face never freezes on a busy machine."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    return run(UnderstudyNode, args)


if __name__ == "__main__":
    raise SystemExit(main())
