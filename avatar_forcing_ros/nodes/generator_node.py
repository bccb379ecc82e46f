# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Turns user motion, user audio and speech into the avatar's pictures and voice, on one presentation clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
from rclpy.parameter import Parameter
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, ModelBundle, load_bundle
from avatar_forcing_ros.compute.config import ComputeConfig
from avatar_forcing_ros.files.pictures import PictureLimits
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.space import naming_portrait
from avatar_forcing_ros.msg import LeadingRole, MotionLatents, PlaybackEvent, Stage
from avatar_forcing_ros.nodes import params, qos
from avatar_forcing_ros.nodes.audio_messages import AudioInput, Rivals, listen_audio
from avatar_forcing_ros.nodes.diagnostics import PERIOD_S, DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.directions import Directions
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.messenger import Messenger
from avatar_forcing_ros.nodes.motion_messages import to_sample
from avatar_forcing_ros.nodes.recording_notice import RecordingNotice
from avatar_forcing_ros.nodes.ros_outlet import RosOutlet, publish_from
from avatar_forcing_ros.nodes.ros_time import ClockWaiter
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.nodes.speak_action import SpeakAction
from avatar_forcing_ros.nodes.stage_messages import to_ending, to_word
from avatar_forcing_ros.nodes.stage_outlet import StageOutlet
from avatar_forcing_ros.portraits.consent import Consent, Permitted, open_first_portrait
from avatar_forcing_ros.portraits.process import PortraitReader, Request
from avatar_forcing_ros.session.inputs import InputWatch
from avatar_forcing_ros.session.outbox import Outbox
from avatar_forcing_ros.session.outlet import Outlet, OutputConfig
from avatar_forcing_ros.session.quality import QualityConfig, QualityLadder
from avatar_forcing_ros.session.session import Session, SessionConfig
from avatar_forcing_ros.session.stage import Lease
from avatar_forcing_ros.session.worker import Mailbox
from avatar_forcing_ros.signals import NANOSECONDS
from avatar_forcing_ros.srv import SetPortrait
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.understudy.face import forget

_MOST_DELAYED_S = 60.0
_DAYS_AHEAD = 14
"""A warning is given this many days before a consent ends."""


@dataclass(frozen=True)
class GeneratorNodeConfig:
    """Parameters of the generator node.

    Attributes:
        model: name of a shipped model, or folder of a model bundle.
        portrait: picture of the face to animate; empty is the project's own character.
        require_consent: whether a portrait needs a sidecar that says that its face may be shown (docs/disclosure.md).
        portrait_folder: folder in which portraits set at run time must lie, after following links; empty allows any.
        portrait_limits: largest portrait file to read.
        understudy: whether an understudy stands in on avatar/image_raw while this node is silent, and decides which
            of the two is on stage.
        compute: how the networks are computed.
        user_audio: kind and layout of the messages on user_audio.
        speech: kind and layout of the messages on speech.
        avatar: the avatar's behaviour in time.
        output: how the avatar is published.
        quality: what to leave out when the machine cannot keep up.
    """

    model: str = DEFAULT_BUNDLE
    portrait: str = ""
    require_consent: bool = True
    portrait_folder: str = ""
    portrait_limits: PictureLimits = field(default_factory=PictureLimits)
    understudy: bool = False
    compute: ComputeConfig = field(default_factory=lambda: ComputeConfig(threads=1))
    user_audio: AudioInput = field(default_factory=AudioInput)
    speech: AudioInput = field(default_factory=lambda: AudioInput(kind="AudioChunk"))
    avatar: AvatarConfig = field(default_factory=AvatarConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    quality: QualityConfig = field(default_factory=QualityConfig)

    def __post_init__(self) -> None:
        if self.output.speech_ahead_ms > self.avatar.interrupt_lead_ms:
            raise ValueError(
                "output.speech_ahead_ms must be at most avatar.interrupt_lead_ms, because published speech cannot be "
                f"interrupted, got {self.output.speech_ahead_ms} and {self.avatar.interrupt_lead_ms}"
            )


class GeneratorNode(ManagedNode[GeneratorNodeConfig]):
    """Converts messages and passes them to a `Session`, which decides and draws in threads of its own.

    Args:
        open_model: opens the model that the parameter `model` names, as `load_bundle` does.
    """

    live = (  # with the next block
        "avatar.expressiveness.", "avatar.guidance_avatar", "avatar.guidance_user", "avatar.mirrors_smile",
    )  # fmt: skip

    def __init__(
        self, open_model: Callable[[str, ComputeConfig], ModelBundle] = load_bundle, **node_arguments: Any
    ) -> None:
        super().__init__("generator", GeneratorNodeConfig(), **node_arguments)
        self._open_model = open_model

    def setup(self, undo: ExitStack) -> None:
        """Open the model and the portrait."""
        cv2.setNumThreads(1)
        self._bundle = self._open_model(self.config.model, self.config.compute)
        chosen, ended = open_first_portrait(
            self.config.portrait, self.config.require_consent, self.config.portrait_limits
        )
        self._warn_of(chosen)
        self._ended: Consent | None = None
        if ended is not None:
            self._ended = ended.consent
            forget(ended.sha256)
            self.get_logger().error(f"{ended}; our own character is shown instead")
        self._chosen: Permitted = chosen
        with naming_portrait(chosen.path):
            self._avatar = Avatar(self._bundle, chosen.image, self.config.avatar, self.config.output.label)

    def begin(self, undo: ExitStack) -> None:
        """Start the session, then subscribe."""
        presenting, deciding = ClockWaiter(self.get_clock()), ClockWaiter(self.get_clock())
        outbox = Outbox(presenting)
        lease = self._lease = Lease(self.config.understudy)
        output = self.config.output
        replays = is_replay(self.config, bool(self.get_parameter("use_sim_time").value))
        self._session = Session(
            self._avatar,
            deciding,
            outbox,
            self._quality_ladder(replays),
            self.faults.report,
            self._chosen.sha256,
            SessionConfig(speech_ahead_ms=output.speech_ahead_ms, every_frame=replays),
            lease,
        )
        publishing = publish_from(self, self._bundle.space, output)
        self._stage = self._shared_stage(publishing, lease, undo) if lease.shared else None
        outlet: Outlet = self._stage or publishing
        outlet.changed(self._session.status, deciding.now_ns())
        self._session.outlets.append(outlet)
        self.work("presentation", outbox.turn, presenting.close)
        self.work("generation", self._session.turn, deciding.close)
        self._ending: Mailbox[Permitted] = Mailbox()
        self.work("consent", self._leave_portrait, self._ending.close)
        self._recording = RecordingNotice(self, self._avatar.label)
        self._reader = PortraitReader(self.config.avatar.image_size)
        self._listen()
        undo.callback(self._reader.close)  # before the thread that waits for it is joined is joined
        self._directions = Directions(self, self._session, self._bundle.space, output.frame_id, undo)
        speak = SpeakAction(self, self._session)
        speak.open()
        undo.callback(speak.close)
        undo.callback(params.when_set(self, self.guard("parameters", self._turn_dials)))
        self._asked_ns, self._shown_before = deciding.now_ns(), 0
        undo.callback(DiagnosticsPublisher(self, self._health).close)

    def _shared_stage(self, publishing: RosOutlet, lease: Lease, undo: ExitStack) -> StageOutlet:
        reports = self.advertise(LeadingRole, "stage/leader", qos.STREAM)
        farewell = undo.enter_context(ExitStack())  # unwound after the messenger, so that nothing follows the farewell
        messenger = Messenger(self, "reports")
        now_ns = lambda: self.get_clock().now().nanoseconds  # noqa: E731
        stage = StageOutlet(publishing, lease, reports, messenger, now_ns, str(self._chosen.path))
        farewell.callback(stage.leave)
        self.listen(Stage, "stage", lambda message: lease.hear(to_word(message)), qos.LATCHED)
        self.listen(PlaybackEvent, "stage/endings", lambda message: stage.sign(to_ending(message)), qos.EVENTS)
        return stage

    @property
    def inputs(self) -> dict[str, InputWatch]:
        """Watches on camera, microphone and dialogue manager, by name; only while the node is active."""
        inputs = self._session.inputs
        return {watch.name: watch for watch in (inputs.camera, inputs.microphone, inputs.speech)}

    def _quality_ladder(self, replays: bool) -> QualityLadder:
        config = self.config.quality
        if config.fixed < 0 and replays:
            config = replace(config, fixed=0)
        return QualityLadder(config, self._bundle.manifest.network.block_frames * FRAME_NS / NANOSECONDS)

    def _listen(self) -> None:
        space = self._bundle.space.name
        hear, refuse_sound = self._session.hear, lambda _id, reason: self._session.refuse_sound(reason)
        self._rivals = Rivals(self, "user_audio")
        listen_audio(self, "user_audio", self.config.user_audio, qos.MICROPHONE, hear, refuse_sound)
        say, refuse = self._session.say, self._session.refuse_speech
        listen_audio(self, "speech", self.config.speech, qos.SPEECH, say, refuse)
        self.listen(Empty, "speech/interrupt", lambda _message: self._session.interrupt(), qos.STREAM)
        self.listen(MotionLatents, "user_motion", lambda m: self._session.see(to_sample(m, space)), qos.STREAM)

        self.serve(Trigger, "~/interrupt", lambda _request: self._session.interrupt())
        self.serve(Trigger, "~/settle", lambda _request: self._settle())
        self.serve(Trigger, "~/reset", lambda _request: self._session.reset())
        self.serve_apart(SetPortrait, "~/set_portrait", self._set_portrait)

    def _turn_dials(self, changes: list[Parameter]) -> None:
        """Apply changed dials with the next block."""
        if any(change.name.startswith(self.live) for change in changes):
            self._session.use_dials(params.read(self, GeneratorNodeConfig).avatar)

    def _settle(self) -> None:
        self.take_all()
        self._session.settle()

    def _set_portrait(self, request: SetPortrait.Request) -> str:
        remarks = self._show(request.path, self.config.portrait_folder)
        self._ended = None
        return "; ".join(remarks)

    def _warn_of(self, chosen: Permitted) -> None:
        if chosen.consent is None:
            self.get_logger().warning(f"{chosen.path}: no sidecar says that this face may be shown")

    def _show(self, path: str, folder: str = "") -> tuple[str, ...]:
        """Have another process read a portrait, and animate it; returns remarks on its quality."""
        asked = Request(path, self.config.require_consent, self.config.portrait_limits, folder)
        read = self._reader.read(asked, self._bundle.space)
        chosen = read.file
        self._warn_of(chosen)
        self._session.use_portrait(read.portrait, chosen.sha256)
        self._chosen = chosen
        if self._stage is not None:
            self._stage.portrait = str(chosen.path)
        return read.portrait.remarks

    def _leave_portrait(self) -> None:
        """Show our own character in place of a face whose consent has ended."""
        chosen = self._ending.take()
        if chosen is not None and chosen is self._chosen and chosen.consent is not None:
            self._show(str(default_portrait()))
            self._ended = chosen.consent
            forget(chosen.sha256)
            self.get_logger().error(f"{chosen.path}: {_consent_complaint(chosen.consent)}; it is no longer shown")

    def _portrait_complaint(self) -> str:
        """What is wrong with the consent to show this face, in one line, or empty; if it has ended, leave the face."""
        if self._ended is not None:
            return f"{_consent_complaint(self._ended)}: our own character is shown instead"
        if self._chosen.consent is None:
            return ""
        if self._chosen.consent.has_ended():
            self._ending.put(self._chosen)
        return _consent_complaint(self._chosen.consent)

    def _health(self) -> Health:
        now_ns, shown = self.get_clock().now().nanoseconds, self._session.frames_shown
        fps = rate_hz(shown - self._shown_before, (now_ns - self._asked_ns) / NANOSECONDS)
        self._asked_ns, self._shown_before = now_ns, shown
        values: dict[str, Any] = {"fps": fps, **self._session.figures(), "label": self.config.output.label.shown}
        values |= {"recording": self._recording.look(), "faults": self.faults.count, "last_fault": self.faults.last}
        alone = "no sign of life from the understudy: nothing stands in if this node dies" * self._lease.is_alone
        parts = {**self._session.complaints(), "directions": self._directions.complaint, "understudy": alone}
        parts["microphone"] = parts["microphone"] or self._rivals.complaint(values.get("user_audio_overlaps", 0))
        parts["portrait"] = self._portrait_complaint()
        parts["disclosure"] = self.config.output.label.complaint()
        if not fps:
            return Health(Level.ERROR, "no frame in the last second", values, parts)
        complaint = "; ".join(filter(None, parts.values()))
        return Health(Level.DEGRADED if complaint else Level.OK, complaint or "running", values, parts)


def rate_hz(shown: int, elapsed_s: float) -> float:
    """Frames a second since the last report, a second ago unless it was delayed; a clock that was set cannot say."""
    return shown / (elapsed_s if 0 < elapsed_s < _MOST_DELAYED_S else PERIOD_S)


def is_replay(config: GeneratorNodeConfig, on_simulated_time: bool) -> bool:
    """Whether the result must not depend on the speed of the machine: all frames, at full quality, however late.

    An understudy shows the face while frames are late, so whoever has one wants them in time, as from a live robot in
    a simulator.
    """
    return on_simulated_time and not config.understudy


def _consent_complaint(consent: Consent) -> str:
    days = consent.days_left()
    if days is None or days > _DAYS_AHEAD:
        return ""
    return f"the consent of {consent.who} {'ended' if days < 0 else 'ends'} on {consent.last_day}"


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(GeneratorNode, args, prepare=_prepare)


def _prepare() -> None:
    """Import the drawing code before forking, so that a restarted child need not import it again."""
    from avatar_forcing_ros.motion.facemesh import portrait  # noqa: F401


if __name__ == "__main__":
    raise SystemExit(main())
