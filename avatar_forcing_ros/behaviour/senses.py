# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an avatar hears and sees, on the frame grid: the user's voice and face, and its own voice.

It turns timelines of stamped input into what the network is conditioned on, position by position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.barge_in import BargeIn
from avatar_forcing_ros.audio.bilabials import PAST_FRAMES, Bilabials
from avatar_forcing_ros.audio.echo_gate import EchoGate
from avatar_forcing_ros.audio.log_mel import SILENT_MEAN
from avatar_forcing_ros.behaviour.alignment import Alignment
from avatar_forcing_ros.behaviour.config import AvatarConfig
from avatar_forcing_ros.behaviour.user_activity import LAUGH_ANSWERED_FRAMES, LOOK_BACK, activities, laughed_lately
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.generator.motion_engine import Sensed
from avatar_forcing_ros.signals import MILLISECOND, UserActivity
from avatar_forcing_ros.timeline.ear import Ear
from avatar_forcing_ros.timeline.feature_track import FeatureTrack
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, first_frame_from, stamp_of
from avatar_forcing_ros.timeline.speech import SpeechFrame
from avatar_forcing_ros.timeline.user_audio import UserAudioTimeline
from avatar_forcing_ros.timeline.user_motion import MotionWindow, UserMotionTimeline

_SILENCE = np.zeros(FRAME_SAMPLES, np.float32)


class Senses:
    """What the avatar of one conversation hears and sees.

    Attributes:
        motion: the user's face.
        audio: the user's voice, without the avatar's own.
        next_listening_ns: when to decide next whether the user interrupts; None: never.
    """

    def __init__(self, bundle: ModelBundle, config: AvatarConfig, first_frame: int, now_ns: int) -> None:
        self._bundle = bundle
        names, wanted = tuple(bundle.space.names), ("smile", "jaw_open")
        self._smile_and_jaw = [names.index(name) for name in wanted] if set(wanted) <= set(names) else None
        self._reorder_ns = config.reorder_ms * MILLISECOND
        self._alignment = Alignment.of(config, bundle.manifest.network.block_frames)
        self._said: dict[int, NDArray[np.float32]] = {}
        self._barge_in = BargeIn(config.barge_in) if config.barge_in.enabled else None
        gate = EchoGate(config.echo_gate) if config.echo_gate.enabled else None
        ear = Ear(lambda n: self._said.get(n, _SILENCE), gate, self._barge_in)
        timeout_ns, features = config.input_timeout_ms * MILLISECOND, bundle.manifest.network.audio_feature_size
        self.motion = UserMotionTimeline(bundle.space.user_size, timeout_ns)
        self.audio = UserAudioTimeline(bundle.make_audio_stream, features, timeout_ns, clean=ear.hear)
        self._voice = FeatureTrack(bundle.make_speech_stream, features)
        self._voice.restart(first_frame, np.zeros(0, np.float32))
        self.next_listening_ns: int | None = None
        if self._barge_in is not None:
            self.next_listening_ns = stamp_of(first_frame_from(now_ns))

    # --- what goes in ----------------------------------------------------------------------------------------------

    def say(self, frames: range, spoken: Sequence[SpeechFrame]) -> None:
        """Note what the avatar itself says during a block."""
        self._voice.push(np.concatenate([frame.samples for frame in spoken]))
        self._said.update((n, frame.samples) for n, frame in zip(frames, spoken, strict=True))

    def attend(self, frames: range) -> None:
        """Close the user's input up to the condition positions of frames; whatever comes later is late."""
        until_ns = self._user_stamps(frames)[-1]
        self.audio.advance(until_ns)
        self.motion.close(until_ns)

    def wants_to_interrupt(self, now_ns: int, speaking: bool) -> bool:
        """Listen to the user until now: whether the user interrupts what the avatar says."""
        if self._barge_in is None:
            return False
        self.next_listening_ns = stamp_of(first_frame_from(now_ns + 1))
        self.audio.listen(now_ns - self._reorder_ns)
        if speaking:
            return self._barge_in.wanted
        self._barge_in.forget()
        return False

    def skip_to(self, now_ns: int) -> None:
        """Do not listen to time that was lost."""
        if self._barge_in is not None:
            self.next_listening_ns = stamp_of(first_frame_from(now_ns))

    def unsay(self, first_frame: int) -> None:
        """Forget what was to be said from a frame on, because it is not said."""
        for n in [n for n in self._said if n >= first_frame]:
            del self._said[n]
        self._voice.restart(first_frame, self._said.get(first_frame - 1, _SILENCE))

    def forget(self, before_frame: int) -> None:
        """Drop what was said before a frame."""
        for n in [n for n in self._said if n < before_frame]:
            del self._said[n]

    # --- what comes out --------------------------------------------------------------------------------------------

    def sensed(self, frames: range) -> Sensed:
        """What the frames depend on, including what the network recalls of the user from before them."""
        age, sizes = self._alignment.audio_frames, self._bundle.manifest.network
        recalling = range(frames.start - sizes.recalled_frames, frames.stop)
        return Sensed(
            own_voice=self._voice.read(frames),
            user_voice=self.audio.features.read(range(recalling.start - age, recalling.stop - age)),
            user_heard=self._hears(frames),
            user_motion=self._user_latents(recalling),
        )

    def silent(self, frames: range) -> NDArray[np.bool_]:
        """(T,) whether the avatar says nothing and nothing makes it laugh."""
        quiet = self.quiet(frames)
        return quiet & ~self._user_laughed(frames) if quiet.any() else quiet

    def quiet(self, frames: range) -> NDArray[np.bool_]:
        """(T,) whether the avatar's own voice is silent, between or within utterances."""
        return self._voice.read(frames).mean(axis=-1) < SILENT_MEAN

    def bilabials(self, frames: range) -> Bilabials | None:
        """What is heard of p, b and m in the newest frames of the avatar's own speech; None: it cannot be told."""
        if self._bundle.bilabials is None:
            return None
        return self._bundle.bilabials(self._voice.read(range(frames.start - PAST_FRAMES, frames.stop)))

    def _user_laughed(self, frames: range) -> NDArray[np.bool_]:
        """(T,) whether the user has laughed shortly before; always false if the motion has no names."""
        if self._smile_and_jaw is None:
            return np.zeros(len(frames), np.bool_)
        before = LAUGH_ANSWERED_FRAMES
        window = self.seen(range(frames.start - before, frames.stop))
        smile, jaw = self._bundle.space.expand_user(window.latents)[:, self._smile_and_jaw].T
        return laughed_lately(smile, jaw, window.valid)[before:]

    def nobody(self, frames: range) -> bool:
        """Whether no face is seen and no voice heard at the condition positions of frames."""
        heard = self._heard_level(frames) >= SILENT_MEAN
        return not self.seen(frames).valid.any() and not (self._hears(frames) and heard.any())

    def seen(self, frames: range) -> MotionWindow:
        """The user's motion at the condition positions of frames."""
        return self.motion.read(self._user_stamps(frames))

    def face(self, frames: range, before: int) -> NDArray[np.float32]:
        """(before + T, M) the user's face at the condition positions of frames and before; zeros if it was not seen."""
        window = self.seen(range(frames.start - before, frames.stop))
        return np.where(window.valid[:, None], self._bundle.space.expand_user(window.latents), 0).astype(np.float32)

    def smile(self, frames: range, before: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """(before + T,) the user's smile where `face` looks, and whether it was seen; None: without names."""
        if self._smile_and_jaw is None:
            return None
        window = self.seen(range(frames.start - before, frames.stop))
        return self._bundle.space.expand_user(window.latents)[:, self._smile_and_jaw[0]], window.valid

    def user_does(self, frames: range) -> list[UserActivity]:
        """What the user does at the condition positions of frames; if motion has no names, only whether one is seen."""
        watched = range(frames.start - LOOK_BACK, frames.stop)
        window = self.seen(watched)
        if self._smile_and_jaw is None:
            return [UserActivity(seen=bool(valid)) for valid in window.valid[LOOK_BACK:]]
        smile, jaw = self._bundle.space.expand_user(window.latents)[:, self._smile_and_jaw].T
        level = self._heard_level(watched) if self._hears(frames) else None
        return activities(smile, jaw, window.valid, level)[LOOK_BACK:]

    def _heard_level(self, frames: range) -> NDArray[np.floating]:
        """(T,) mean of the log-mel features of the user's sound at the condition positions of frames."""
        age = self._alignment.audio_frames
        return self.audio.features.read(range(frames.start - age, frames.stop - age)).mean(axis=-1)

    def heard_until_ns(self, frames: range) -> int | None:
        """End of the newest user audio that frames depend on, or None; more may have been heard already."""
        if not self._hears(frames):
            return None
        age = self._alignment.audio_frames
        return stamp_of(min(frames.stop - age, self.audio.features.next_frame))

    def counters(self) -> dict[str, int]:
        """How often input was refused or repaired, by name."""
        return {
            "user_motion_late": self.motion.late,
            "user_motion_repeated": self.motion.repeated,
            "user_motion_future": self.motion.future,
            "user_audio_late": self.audio.late,
            "user_audio_gaps": self.audio.gaps,
            "user_audio_overlaps": self.audio.overlaps,
            "user_audio_repeated": self.audio.repeated,
            "user_audio_future": self.audio.future,
        }

    def _hears(self, frames: range) -> bool:
        return self.audio.present(self._user_stamps(frames)[-1])

    def _user_stamps(self, frames: range) -> list[int]:
        """Time of the user's motion at the condition positions of some frames."""
        return [stamp_of(n - self._alignment.motion_frames) for n in frames]

    def _user_latents(self, frames: range) -> NDArray[np.float32]:
        """(T, M) the user's motion as the network sees it; zeros if nobody was seen."""
        window = self.seen(frames)
        latents = self._bundle.normalize(self._bundle.space.expand_user(window.latents))
        return np.where(window.valid[:, None], latents, 0).astype(np.float32)
