# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The avatar: signals with stamps go in, motion on the frame grid comes out. No ROS, no clock, no files.

    avatar = Avatar(load_bundle(), portrait_image)
    avatar.start(now_ns)
    avatar.push_user_audio(chunk); avatar.push_user_motion(sample); avatar.push_speech(chunk, received_ns)
    for frame in avatar.step(now_ns):
        show(avatar.render(frame), at=frame.stamp_ns)

A block of frames is decided `lead_ms` before its first frame is presented, from user input stamped no later than
`reorder_ms` before that. What was pushed later does not count for it, so equal stamps give equal frames. Whether the
user's voice interrupts the avatar is decided on every frame of the grid, by the same rule.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.bilabials import Bilabials
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.behaviour.dials import Dials
from avatar_forcing_ros.behaviour.idling import HELD_FRAMES, Idling
from avatar_forcing_ros.behaviour.movement import Movement
from avatar_forcing_ros.behaviour.senses import Senses
from avatar_forcing_ros.behaviour.user_window import UserWindow
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.directing.closures import with_closures
from avatar_forcing_ros.directing.director import Director
from avatar_forcing_ros.directing.laughter import SharedLaughter
from avatar_forcing_ros.directing.mimicry import with_mimicry
from avatar_forcing_ros.disclosure.label import Label, LabelConfig
from avatar_forcing_ros.generator.causes import Causes, causes_of
from avatar_forcing_ros.generator.motion_engine import MotionEngine
from avatar_forcing_ros.generator.noise import block_noise
from avatar_forcing_ros.generator.sampler import SamplerConfig
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.space import BlockPortrait, Portrait
from avatar_forcing_ros.signals import (
    FPS,
    MILLISECOND,
    NANOSECONDS,
    AudioChunk,
    AvatarFrame,
    Expression,
    LookAt,
    MotionSample,
)
from avatar_forcing_ros.timeline.grid import FRAME_NS, first_frame_from, stamp_of
from avatar_forcing_ros.timeline.playback import PlaybackEvent
from avatar_forcing_ros.timeline.speech import SpeechFrame, SpeechTimeline

_log = logging.getLogger(__name__)
_LONGEST_HEARD_NS = 10 * NANOSECONDS
_KEPT_FRAMES = 50
"""What was said is kept for two seconds at least: a microphone's gap of one second may be filled, and echo is late."""


class GenerationError(RuntimeError):
    """A block could not be generated; the cause is chained.

    Attributes:
        frames: what `step` would have returned. Where the block is missing, the face holds still and speech continues.
    """

    def __init__(self, cause: Exception, frames: list[AvatarFrame]) -> None:
        super().__init__(f"a block could not be generated: {cause}")
        self.frames = frames


@dataclass
class _Conversation:
    """Everything one conversation remembers."""

    senses: Senses
    movement: Movement
    director: Director
    laughter: SharedLaughter
    idling: Idling
    speech: SpeechTimeline
    epoch: int
    first_frame: int
    next_decision_ns: int
    next_frame: int
    block: int = 0
    events: list[PlaybackEvent] = field(default_factory=list)
    failure: Exception | None = None
    newest: NDArray[np.float32] | None = None
    held_frames: int = 0


class _Together:
    """Pictures of one portrait that are drawn when the first of them is asked for, by whichever thread."""

    def __init__(self, portrait: BlockPortrait, label: Label, latents: NDArray[np.float32]) -> None:
        self._portrait, self._label, self._latents = portrait, label, latents
        self._drawn: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def picture(self, place: int) -> NDArray[np.uint8]:
        with self._lock:
            self._drawn = self._drawn or self._portrait.render_together(self._latents)
        return self._label.lay_over(self._drawn[place].copy())


class Avatar:
    """One avatar in one conversation.

    Args:
        bundle: the model; several avatars may share it.
        portrait: (H, W, 3) uint8 RGB picture of the face to animate.
        config: behaviour in time.
        label: the label on its pictures, which is shown by default.

    Raises:
        PortraitError: the picture cannot be animated.
        ValueError: the label cannot be written.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        portrait: NDArray[np.uint8],
        config: AvatarConfig | None = None,
        label: LabelConfig | None = None,
    ) -> None:
        self.bundle = bundle
        self.config = config or AvatarConfig()
        self.label = Label(label or LabelConfig(), self.config.image_size)
        if self.label.remark:
            _log.warning("%s", self.label.remark)
        self._portrait: Portrait = bundle.space.load_portrait(portrait, self.config.image_size)
        self._tell_remarks()
        self._engines: dict[SamplerConfig, MotionEngine] = {}
        self._engine = self._engine_of(self._sampler())
        self._dials = Dials(bundle.space.names, self.config.expressiveness, bundle.manifest.gains)
        self._holds_still = False
        self._network = bundle.manifest.network
        self._conversation: _Conversation | None = None
        self._warm_up()

    def _warm_up(self) -> None:
        """Compile and allocate what the first block and picture need now, not when a frame is due."""
        self.start(0)
        self.render(self.step(self._running.next_decision_ns)[0])
        self._conversation = None

    # --- beginning -------------------------------------------------------------------------------------------------

    def start(self, now_ns: int, epoch: int = 0) -> None:
        """Begin a conversation; the first frame is presented within lead + one block.

        Args:
            now_ns: the time now.
            epoch: number of its first epoch, if others were presented before.
        """
        block = self._network.block_frames
        first = -(-first_frame_from(now_ns + self.config.lead_ns) // block) * block  # blocks lie alike in ROS time
        self._conversation = self._begin(first, now_ns, epoch)

    def reset(self, now_ns: int) -> int:
        """Forget the conversation and start again, also after time has jumped. The epoch increases by one.

        Speech that is being said or waits to be said is interrupted.

        Returns:
            Presentation time from which nothing of the old conversation may be presented.
        """
        old = self._running
        decided_ns = stamp_of(old.next_frame - self._network.block_frames) - self.config.lead_ns
        # as soon as an interrupt would, for speech up to then has been handed out; the clock may have been set back
        until = min(first_frame_from(max(now_ns, decided_ns) + self._interrupt_lead_ns), old.next_frame)
        interrupted = old.speech.clear(until, max(now_ns, old.next_decision_ns))
        first = first_frame_from(now_ns + self.config.lead_ns)  # at once: until then nobody is there
        self._conversation = self._begin(first, now_ns, epoch=old.epoch + 1)
        self._conversation.speech.forget_rests_of(old.speech)
        stamp_ns = min(stamp_of(until), self.silent_from_ns(now_ns))
        self._conversation.events = [replace(event, stamp_ns=stamp_ns) for event in interrupted]
        return stamp_of(until)

    def set_portrait(self, image: NDArray[np.uint8]) -> None:
        """Animate another picture from the next rendered frame on.

        Raises:
            PortraitError: the picture cannot be animated; the old one stays.
        """
        self.use_portrait(self.bundle.space.load_portrait(image, self.config.image_size))

    def use_portrait(self, portrait: Portrait) -> None:
        """Animate a portrait that was prepared elsewhere, which may take a second, from the next rendered frame on."""
        self._portrait = portrait
        self._tell_remarks()
        if self._conversation is not None:
            self._conversation.movement.begin_anew()

    def _tell_remarks(self) -> None:
        for remark in self._portrait.remarks:
            _log.warning("portrait: %s", remark)

    # --- what goes in ----------------------------------------------------------------------------------------------

    def push_user_audio(self, chunk: AudioChunk) -> None:
        """The user's voice; chunks may come in any order within `reorder_ms`."""
        if chunk.duration_ns > _LONGEST_HEARD_NS:
            raise ValueError(
                f"user audio must come in pieces of at most {_LONGEST_HEARD_NS // NANOSECONDS} s, "
                f"got {chunk.duration_ns / NANOSECONDS:.0f} s"
            )
        self._running.senses.audio.push(chunk)

    def push_user_motion(self, sample: MotionSample) -> None:
        """The user's face; samples may come in any order within `reorder_ms`."""
        self._running.senses.motion.push(sample)

    def push_speech(self, chunk: AudioChunk, received_ns: int) -> None:
        """Speech for the avatar to say; `received_ns` matters if it has no stamp or is later than `reorder_ms`."""
        self._running.speech.push(chunk, received_ns)

    def refuse_speech(self, utterance_id: str, reason: str, received_ns: int) -> None:
        """Refuse speech that cannot be read, for this reason; an event reports it."""
        self._running.speech.refuse(utterance_id, reason, received_ns)

    def express(self, wanted: Expression, received_ns: int) -> None:
        """Show an expression until another one is requested or the conversation is reset.

        Raises:
            ValueError: there is no such expression, or this model's motion has no named channels.
        """
        self._running.director.express(wanted, received_ns)

    def look_at(self, wanted: LookAt, received_ns: int) -> None:
        """Look at a place until told otherwise or the conversation is reset.

        Raises:
            ValueError: it is not a valid place, or this model's motion has no named channels.
        """
        self._running.director.look_at(wanted, received_ns)

    @property
    def directed(self) -> tuple[Expression | None, LookAt | None]:
        """The newest expression and look that were asked for in this conversation."""
        return self._running.director.expression, self._running.director.look

    def interrupt(self, now_ns: int) -> int:
        """Stop speaking and drop what was decided but is not presented yet.

        Returns:
            Presentation time of the first frame of the new epoch; frames and speech of older epochs with this stamp
            or a later one must not be presented.
        """
        return stamp_of(self._cut(now_ns, self._interrupt_lead_ns))

    def silent_from_ns(self, now_ns: int) -> int:
        """The latest presentation time that `interrupt(now_ns)` or `reset(now_ns)` may give."""
        return stamp_of(first_frame_from(now_ns + self._interrupt_lead_ns))

    def withdraw(self, utterance_id: str, now_ns: int) -> int | None:
        """Drop an utterance that still waits, or interrupt it if it has begun.

        Returns:
            None, or what `interrupt` gives.
        """
        c = self._running
        withdrawn = c.speech.withdraw(utterance_id, now_ns)
        if withdrawn is not None:
            c.events.append(withdrawn)
        going = withdrawn is None and c.speech.says(utterance_id, first_frame_from(now_ns))
        return self.interrupt(now_ns) if going else None

    def _cut(self, now_ns: int, lead_ns: int) -> int:
        """End what is being said; the first frame of the new epoch."""
        c = self._running
        cut = min(first_frame_from(now_ns + lead_ns), c.next_frame)
        self._end_speech(cut, c.speech.clear(cut, now_ns))
        self._resume(cut, decision_ns=now_ns)
        return cut

    def _end_speech(self, cut: int, ended: list[PlaybackEvent]) -> None:
        """These events take the place of all that were to happen after a frame."""
        c = self._running
        c.events = [event for event in c.events if event.stamp_ns <= stamp_of(cut)] + ended

    def present_later(self, from_ns: int, now_ns: int, interrupts: bool) -> int:
        """Frames from a presentation time on could not be presented: continue as soon as possible.

        Args:
            from_ns: that presentation time.
            now_ns: the time now.
            interrupts: whether speech is interrupted there; otherwise it continues from there.

        Returns:
            What `interrupt` gives.
        """
        c = self._running
        cut = min(from_ns // FRAME_NS, c.next_frame)
        self._end_speech(cut, c.speech.clear(cut, now_ns) if interrupts else c.speech.take_back(cut))
        c.senses.unsay(cut)
        self._resume(first_frame_from(now_ns + self.config.lead_ns), decision_ns=now_ns)
        return stamp_of(cut)

    # --- what comes out --------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Counts interrupts, resets and leaps over lost time."""
        return self._running.epoch

    @property
    def next_decision_ns(self) -> int:
        """When something is decided next: a block, or whether the user interrupts."""
        c = self._running
        listening_ns = c.senses.next_listening_ns
        return c.next_decision_ns if listening_ns is None else min(c.next_decision_ns, listening_ns)

    def step(self, until_ns: int) -> list[AvatarFrame]:
        """Frames of every block whose decision time has come by `until_ns`, in order of presentation.

        When the user has interrupted, the frames go on in a new epoch, in the past of some that were given before:
        frames and speech of older epochs with the stamp of its first frame, or a later one, must not be presented.

        Raises:
            GenerationError: a block could not be generated; the error has the frames, and the next block tries again.
        """
        if until_ns - self.next_decision_ns > self.config.behind_ms * MILLISECOND:
            c = self._running
            if c.speech.under_way(until_ns, c.next_frame):
                c.events += c.speech.clear(c.next_frame, until_ns)
            self._resume(first_frame_from(until_ns + self.config.lead_ns), decision_ns=until_ns)
            self._running.senses.skip_to(until_ns)
        frames: list[AvatarFrame] = []
        while (now_ns := self.next_decision_ns) <= until_ns:
            if self._user_interrupts(now_ns):
                cut = self._cut(now_ns, self.config.lead_ns)
                frames = [frame for frame in frames if frame.stamp_ns < stamp_of(cut)]
            if self._running.next_decision_ns <= now_ns:
                frames += self._decide()
        failure, self._running.failure = self._running.failure, None
        if failure is not None:
            raise GenerationError(failure, frames) from failure
        return frames

    @property
    def full_steps(self) -> int:
        """Solver steps per block, as configured."""
        return self._sampler().steps

    def use_steps(self, steps: int) -> None:
        """Generate blocks with another number of solver steps from the next one on; 0 holds the face still.

        Raises:
            ValueError: the number is negative.
        """
        if steps < 0:
            raise ValueError(f"steps must be at least 0, got {steps}")
        self._holds_still = not steps
        if steps not in (0, self._engine.sampler.steps):
            self._engine = self._engine_of(replace(self._sampler(), steps=steps))

    def _engine_of(self, sampler: SamplerConfig) -> MotionEngine:
        """The engine for a sampler; engines are kept, because recording their programs again takes a second."""
        if sampler not in self._engines:
            self._engines[sampler] = self.bundle.make_engine(sampler)
        return self._engines[sampler]

    def use_dials(self, config: AvatarConfig) -> None:
        """From the next block on, take guidance, mirroring and expressiveness of another configuration; all else stays.

        Raises:
            ValueError: this model's motion cannot be scaled.
        """
        dials = Dials(self.bundle.space.names, config.expressiveness, self.bundle.manifest.gains)
        guided = (config.guidance_avatar, config.guidance_user)
        new_guidance = guided != (self.config.guidance_avatar, self.config.guidance_user)
        self.config = replace(
            self.config,
            guidance_avatar=config.guidance_avatar,
            guidance_user=config.guidance_user,
            mirrors_smile=config.mirrors_smile,
            expressiveness=config.expressiveness,
        )
        self._dials = dials
        if new_guidance:
            steps = self._engine.sampler.steps
            self._engine = self._engine_of(replace(self._sampler(), steps=steps))
            if self._conversation is not None:  # the past is kept for each branch of guidance
                self._conversation.movement.begin_anew()

    def render(self, frame: AvatarFrame) -> NDArray[np.uint8]:
        """Picture of a frame with its label, (S, S, 3) uint8 RGB."""
        return self.drawing(frame)()

    def drawing(self, frame: AvatarFrame) -> Callable[[], NDArray[np.uint8]]:
        """A function that draws a frame, later and in any thread, with the current portrait."""
        portrait, label = self._portrait, self.label
        return lambda: label.lay_over(portrait.render(frame.latent, frame.stamp_ns // FRAME_NS - frame.repeats))

    def drawings(
        self, frames: Sequence[AvatarFrame], first_alone: bool = False
    ) -> list[Callable[[], NDArray[np.uint8]]]:
        """The same for several frames; those that are quicker together are drawn when the first of them is asked for.

        Args:
            frames: frames of one block, in order.
            first_alone: whether the first one is urgent and must not wait for the others.
        """
        portrait = self._portrait
        if not isinstance(portrait, BlockPortrait) or portrait.at_once == 1:
            return [self.drawing(frame) for frame in frames]
        alone = len(frames[:1]) if first_alone else 0
        made = [self.drawing(frame) for frame in frames[:alone]]
        for start in range(alone, len(frames), portrait.at_once):
            part = frames[start : start + portrait.at_once]
            together = _Together(portrait, self.label, np.stack([frame.latent for frame in part]))
            made += [partial(together.picture, place) for place in range(len(part))]
        return made

    def take_events(self, until_ns: int) -> list[PlaybackEvent]:
        """What happened to utterances by this presentation time; each event is given once."""
        c = self._running
        due = [event for event in c.events if event.stamp_ns <= until_ns]
        c.events = [event for event in c.events if event.stamp_ns > until_ns]
        return due

    def counters(self) -> dict[str, int]:
        """How often input was refused or repaired since the conversation began, by name."""
        c = self._running
        return c.senses.counters() | {
            "speech_lost": c.speech.lost,
            "speech_repeated": c.speech.repeated,
            "speech_orphans": c.speech.orphans,
            "speech_late": c.speech.late,
        }

    def speech_complaint(self) -> str:
        """What the publisher of speech got wrong lately, in one line, or empty."""
        return "; ".join(self._running.speech.mistakes.complaints())

    # --- one block -------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> _Conversation:
        if self._conversation is None:
            raise RuntimeError("the avatar has not been started: call start(now_ns) first")
        return self._conversation

    @property
    def _interrupt_lead_ns(self) -> int:
        return self.config.interrupt_lead_ms * MILLISECOND + 1  # what is due at this very moment may be on its way

    def _decide(self) -> list[AvatarFrame]:
        """Generate the next block: what is said in it, what the user did until then, and the motion that follows."""
        c, block = self._running, self._network.block_frames
        frames = range(c.next_frame, c.next_frame + block)
        spoken, events = c.speech.take(frames.start, block, c.next_decision_ns)
        c.events += events
        c.senses.say(frames, spoken)  # the avatar hears itself
        c.senses.attend(frames)
        user, quiet = c.senses.user(frames), c.senses.quiet(frames)
        said = np.array([bool(frame.utterance_id or frame.samples.any()) for frame in spoken])
        idles = c.idling.notice(frames, bool(said.any()) or user.is_there)
        rest = self.bundle.normalize(self._portrait.reference)
        causes, bilabials = Causes(), None
        try:
            if idles:
                drawn = c.idling.move(frames, c.movement.before(frames, rest))
                c.movement.begin_anew()
            elif self._holds_still:
                drawn = c.movement.hold(frames, rest)
            else:
                state = c.movement.state(self._engine, frames.start, rest)
                sensed = c.senses.sensed(range(frames.start - self._network.lookahead_frames, frames.stop))
                noise = block_noise(self.config.seed, c.epoch, c.block, (block, self._network.motion_size))
                drawn = self._engine.draw(state, sensed, noise, quiet & ~user.laughed_lately())
                if not np.isfinite(drawn).all():
                    raise ArithmeticError("the network gave numbers that are not finite")
                causes = causes_of(self._engine.moved(state), drawn, rest)
                bilabials = c.senses.bilabials(frames)
        except Exception as error:  # whatever it is: the block's speech was taken already, so its frames must come
            c.failure, drawn = error, c.movement.hold(frames, rest)  # `step` tells of it
        c.movement.remember(frames, drawn)
        latents = self._shown(frames, drawn, bilabials, user, quiet, said)
        made = self._frames(frames, latents, spoken, user, idles, causes)
        c.senses.forget(frames.stop - max(self._network.history_frames, _KEPT_FRAMES))
        c.newest, c.block, c.next_frame = latents[-1], c.block + 1, frames.stop
        c.next_decision_ns = stamp_of(c.next_frame) - self.config.lead_ns
        return made

    def _shown(
        self,
        frames: range,
        drawn: NDArray[np.float32],
        bilabials: Bilabials | None,
        user: UserWindow,
        quiet: NDArray[np.bool_],
        said: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """What is shown of a block: the network's motion under all the rules, of which its own past knows nothing.

        Args:
            frames: the B frames of the block.
            drawn: (B, M) as drawn, in network units.
            bilabials: where p, b and m are heard; None if that cannot be told.
            user: the user at the block.
            quiet: (B,) whether the avatar's voice is silent, even within an utterance.
            said: (B,) whether an utterance is being said.

        Returns:
            (B, M) motion latents.
        """
        c, rest, config = self._running, self._portrait.reference, self.config
        moved = self.bundle.denormalize(drawn)
        if bilabials is not None:
            moved = with_closures(moved, bilabials)
        if user.face is not None and config.mirrors_smile and config.guidance_user:  # a scale of 0 ignores the user
            moved = with_mimicry(moved, rest, user.face[:, INDEX["smile"]], user.valid, config.mirrors_smile)
        moved = self._dials.show(moved, rest)
        moved = c.laughter.show(frames, moved, user.face, speaks=~quiet)
        return c.director.show(frames, moved, said, c.next_decision_ns)

    def _frames(
        self,
        frames: range,
        latents: NDArray[np.float32],
        spoken: Sequence[SpeechFrame],
        user: UserWindow,
        idles: bool,
        causes: Causes,
    ) -> list[AvatarFrame]:
        """The frames of a block and what they were made from; an idle face does not move in every one."""
        c = self._running
        held = []
        for old, latent in zip([c.newest, *latents[:-1]], latents, strict=True):
            is_held = idles and old is not None and c.held_frames + 1 < HELD_FRAMES and bool((latent == old).all())
            c.held_frames = c.held_frames + 1 if is_held else 0
            held.append(c.held_frames)
        return [
            AvatarFrame(
                stamp_ns=stamp_of(n),
                index=n - c.first_frame,
                block=c.block,
                epoch=c.epoch,
                latent=latent,
                speech=words.samples,
                utterance_id=words.utterance_id,
                user_present=user.is_seen,
                user_motion_until_ns=user.seen_until_ns,
                user_audio_until_ns=user.heard_until_ns,
                repeats=repeats,
                user=activity,
                user_share=causes.user,
                speech_share=causes.speech,
            )
            for n, latent, repeats, words, activity in zip(
                frames, latents, held, spoken, user.activities(), strict=True
            )
        ]

    def _user_interrupts(self, now_ns: int) -> bool:
        """Listen to the user until now: whether the user interrupts the avatar."""
        c = self._running
        if c.senses.next_listening_ns is None or now_ns < c.senses.next_listening_ns:
            return False
        speaking = c.speech.under_way(now_ns, first_frame_from(now_ns + self.config.lead_ns))
        return c.senses.wants_to_interrupt(now_ns, speaking)

    # --- beginnings and resumptions --------------------------------------------------------------------------------

    def _begin(self, first: int, now_ns: int, epoch: int) -> _Conversation:
        """A conversation without a past that begins at a frame."""
        undone = self.config.undone_frames(self._network.block_frames)
        senses = Senses(self.bundle, self.config, first, now_ns)
        return _Conversation(
            senses=senses,
            movement=Movement(self._network.history_frames, undone, senses),
            director=Director(self.bundle.space.names, self.config.reorder_ms * MILLISECOND, undone),
            laughter=SharedLaughter(self.bundle.space.names, self.config.laughs_along, undone),
            idling=Idling(self.bundle, round(self.config.idle_after_s * FPS), first, self.config.seed),
            speech=SpeechTimeline(
                self.config.patience_ms * MILLISECOND,
                reorder_ns=self.config.reorder_ms * MILLISECOND,
                horizon_ns=undone * FRAME_NS,
                limits=self.config.speech_limits,
            ),
            epoch=epoch,
            first_frame=first,
            next_frame=first,
            next_decision_ns=stamp_of(first) - self.config.lead_ns,
        )

    def _resume(self, first_frame: int, decision_ns: int) -> None:
        """Begin a new epoch at a frame, with the frames presented before it as its past."""
        c = self._running
        c.movement.resume(first_frame)
        c.director.resume(first_frame)
        c.laughter.resume(first_frame)
        c.idling.wake(first_frame)
        c.newest = None
        c.senses.unsay(first_frame)
        c.epoch += 1
        c.block = 0
        c.first_frame = c.next_frame = first_frame
        c.next_decision_ns = decision_ns

    def _sampler(self) -> SamplerConfig:
        """The bundle's sampler with the changes of the configuration."""
        tuned, config = self.bundle.manifest.sampler, self.config
        return replace(
            tuned,
            steps=config.steps or tuned.steps,
            guidance_avatar=tuned.guidance_avatar if config.guidance_avatar < 0 else config.guidance_avatar,
            guidance_user=tuned.guidance_user if config.guidance_user < 0 else config.guidance_user,
        )
