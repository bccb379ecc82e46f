# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an avatar presents, as messages by topic, equal on the network and in a bag."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from avatar_forcing_ros.messages import audio, images, motion, presented
from avatar_forcing_ros.messages.making import Make, header, time
from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.session.outlet import AvatarStatus, OutputConfig, Picture, Shown
from avatar_forcing_ros.signals import MILLISECOND, AudioChunk, UserActivity
from avatar_forcing_ros.timeline.playback import PlaybackEvent

IMAGE, COMPRESSED = "avatar/image_raw", "avatar/image_raw/compressed"
FRAME_INFO, MOTION, SPEECH = "avatar/frame_info", "avatar/motion", "avatar/speech"
BLENDSHAPES = "avatar/blendshapes"
PLAYBACK, STATE, USER = "avatar/playback", "avatar/state", "user_activity"
LATCHED = (STATE, USER)
"""Topics whose last message is sent to late subscribers."""
KINDS_OF_PICTURES = {IMAGE: "sensor_msgs/Image", COMPRESSED: "sensor_msgs/CompressedImage"}
OUTPUTS = {
    FRAME_INFO: "avatar_forcing_ros/FrameInfo",
    MOTION: "avatar_forcing_ros/MotionLatents",
    BLENDSHAPES: "avatar_forcing_ros/MotionLatents",
    SPEECH: "avatar_forcing_ros/AudioChunk",
    PLAYBACK: "avatar_forcing_ros/PlaybackEvent",
    STATE: "avatar_forcing_ros/AvatarState",
    USER: "avatar_forcing_ros/UserActivity",
}
"""What there is besides pictures, and its kinds; blendshapes only of motion whose numbers have names."""

Emit = Callable[[str, int, Callable[[], Any]], None]
"""Sends a message: its topic, its stamp, and what makes it, now or in another thread."""


class MessageOutlet:
    """An `Outlet` that makes messages.

    Args:
        make: makes messages.
        emit: sends them.
        now_ns: gives the time, for `published` and lateness.
        space_name: name of the motion space.
        space_names: names of its numbers; empty if they have none.
        config: what to publish.
    """

    def __init__(
        self,
        make: Make,
        emit: Emit,
        now_ns: Callable[[], int],
        space_name: str,
        space_names: tuple[str, ...] = (),
        config: OutputConfig | None = None,
    ) -> None:
        self._make, self._emit, self._now_ns = make, emit, now_ns
        self._space_name, self._space_names, self._config = space_name, space_names, config or OutputConfig()
        self._user: UserActivity | None = None

    def shown(self, shown: Shown) -> None:
        """Send a picture and the messages that accompany it."""
        make, frame, config = self._make, shown.frame, self._config
        stamp_ns, picture = frame.stamp_ns, cache(shown.picture)
        if config.raw:
            self._emit(IMAGE, stamp_ns, lambda: self._image(picture(), stamp_ns))
        if config.compressed:
            jpeg = partial(images.compressed_from_rgb, make)
            self._emit(COMPRESSED, stamp_ns, lambda: jpeg(picture(), stamp_ns, config.frame_id, config.jpeg_quality))
        published_ns = self._now_ns()
        self._emit(FRAME_INFO, stamp_ns, lambda: self._frame_info(shown, published_ns))
        self._emit(MOTION, stamp_ns, lambda: motion.from_frame(make, frame, self._space_name, self._space_names))
        if self._space_names == NAMES:
            self._emit(BLENDSHAPES, stamp_ns, lambda: motion.blendshapes(make, frame))
        if frame.user is not None and frame.user != self._user:
            self._user = frame.user
            self._emit(USER, stamp_ns, lambda: presented.user_activity(make, frame))

    def _image(self, picture: Picture, stamp_ns: int) -> Any:
        return images.from_rgb(self._make, picture, stamp_ns, self._config.frame_id)

    def _frame_info(self, shown: Shown, published_ns: int) -> Any:
        info = presented.frame_info(self._make, shown.frame, shown.provenance, self._config.frame_id)
        info.published = time(self._make, published_ns)
        info.lateness_ms = (published_ns - shown.frame.stamp_ns) / MILLISECOND
        return info

    def said(self, chunk: AudioChunk) -> None:
        """Send a piece of speech."""
        assert chunk.stamp_ns is not None
        self._emit(SPEECH, chunk.stamp_ns, lambda: audio.from_chunk(self._make, chunk))

    def happened(self, event: PlaybackEvent) -> None:
        """Send what happened to an utterance."""
        self._emit(PLAYBACK, event.stamp_ns, lambda: presented.playback_event(self._make, event))

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None:
        """Send the avatar's state."""
        self._emit(
            STATE,
            stamp_ns,
            lambda: self._make(OUTPUTS[STATE], header=header(self._make, stamp_ns), **vars(status)),
        )
