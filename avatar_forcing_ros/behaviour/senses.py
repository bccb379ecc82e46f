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
from avatar_forcing_ros.behaviour.user_activity import LOOK_BACK
from avatar_forcing_ros.behaviour.user_window import UserWindow
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.generator.motion_engine import Sensed
from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.signals import MILLISECOND
from avatar_forcing_ros.timeline.ear import Ear
from avatar_forcing_ros.timeline.feature_track import FeatureTrack
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES, first_frame_from, stamp_of
from avatar_forcing_ros.timeline.speech import SpeechFrame
from avatar_forcing_ros.timeline.user_audio import UserAudioTimeline
from avatar_forcing_ros.timeline.user_motion import UserMotionTimeline

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
        self._has_names = tuple(bundle.space.names) == NAMES
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
        recalling = range(frames.start - self._bundle.manifest.network.recalled_frames, frames.stop)
        window = self.motion.read(self._user_stamps(recalling))
        latents = self._bundle.normalize(self._bundle.space.expand_user(window.latents))
        return Sensed(
            own_voice=self._voice.read(frames),
            user_voice=self._user_voice(recalling),
            user_heard=self._hears(frames),
            user_motion=np.where(window.valid[:, None], latents, 0).astype(np.float32),
        )

    def quiet(self, frames: range) -> NDArray[np.bool_]:
        """(T,) whether the avatar's own voice is silent, between or within utterances."""
        return self._voice.read(frames).mean(axis=-1) < SILENT_MEAN

    def bilabials(self, frames: range) -> Bilabials | None:
        """What is heard of p, b and m in the newest frames of the avatar's own speech; None: it cannot be told."""
        if self._bundle.bilabials is None:
            return None
        return self._bundle.bilabials(self._voice.read(range(frames.start - PAST_FRAMES, frames.stop)))

    def user(self, frames: range) -> UserWindow:
        """The user as the rules around the network see them at a block; call it once, after `attend`."""
        watched, hears = range(frames.start - LOOK_BACK, frames.stop), self._hears(frames)
        window = self.motion.read(self._user_stamps(watched))
        heard_until = min(frames.stop - self._alignment.audio_frames, self.audio.features.next_frame)
        return UserWindow(
            valid=window.valid,
            stamps_ns=window.stamps_ns,
            face=self._bundle.space.expand_user(window.latents) if self._has_names else None,
            level=self._user_voice(watched).mean(axis=-1) if hears else None,
            heard_until_ns=stamp_of(heard_until) if hears else None,
        )

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
        """T times of the user's motion at the condition positions of frames."""
        return [stamp_of(n - self._alignment.motion_frames) for n in frames]

    def _user_voice(self, frames: range) -> NDArray[np.float32]:
        """(T, F) features of the user's sound at the condition positions of frames."""
        age = self._alignment.audio_frames
        return self.audio.features.read(range(frames.start - age, frames.stop - age))
