# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the avatar says about its pictures and speech: where a frame came from, and what was played of an utterance."""

from __future__ import annotations

from typing import Any

from avatar_forcing_ros.messages.making import Make, duration, header, time
from avatar_forcing_ros.session.outlet import Provenance
from avatar_forcing_ros.signals import AvatarFrame
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

_EVENTS = {Playback.STARTED: 0, Playback.FINISHED: 1, Playback.INTERRUPTED: 2, Playback.STALLED: 3, Playback.REFUSED: 4}


def frame_info(make: Make, frame: AvatarFrame, provenance: Provenance, frame_id: str = "") -> Any:
    """Where a frame came from; `published` and `lateness_ms` are filled in when it is published."""
    spoken = bool(frame.utterance_id)
    return make(
        "avatar_forcing_ros/FrameInfo",
        header=header(make, frame.stamp_ns, frame_id),
        epoch=frame.epoch,
        frame_index=frame.index,
        block_index=frame.block,
        utterance_id=frame.utterance_id,
        user_audio_until=time(make, frame.user_audio_until_ns),
        user_motion_until=time(make, frame.user_motion_until_ns),
        camera_received=time(make, provenance.motion_received_ns),
        avatar_audio_from=time(make, frame.stamp_ns if spoken else None),
        avatar_audio_until=time(make, frame.stamp_ns + FRAME_NS if spoken else None),
        compute_start=time(make, provenance.compute_start_ns),
        compute_end=time(make, provenance.compute_end_ns),
        deadline=time(make, frame.stamp_ns),
        quality_level=provenance.quality_level,
        portrait_sha256=provenance.portrait_sha256,
        ai_generated=True,
        on_stage=provenance.on_stage,
        user_share=frame.user_share,
        speech_share=frame.speech_share,
    )


def user_activity(make: Make, frame: AvatarFrame) -> Any:
    """What the user did, as far as a frame could know."""
    assert frame.user is not None
    return make("avatar_forcing_ros/UserActivity", header=header(make, frame.stamp_ns), **vars(frame.user))


def playback_event(make: Make, event: PlaybackEvent) -> Any:
    """What happened to an utterance."""
    return make(
        "avatar_forcing_ros/PlaybackEvent",
        header=header(make, event.stamp_ns),
        utterance_id=event.utterance_id,
        event=_EVENTS[event.kind],
        position=duration(make, event.position_ns),
        reason=event.reason,
    )


def to_playback(event: int) -> Playback:
    """The meaning of the number in a PlaybackEvent.

    Raises:
        ValueError: it has none.
    """
    for kind, number in _EVENTS.items():
        if number == event:
            return kind
    raise ValueError(f"PlaybackEvent.event must be one of {sorted(_EVENTS.values())}, got {event}")
