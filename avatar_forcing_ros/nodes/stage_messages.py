# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Messages between generator and understudy; `session.stage` says what they mean."""

from __future__ import annotations

from avatar_forcing_ros.msg import LeadingRole, PlaybackEvent, Stage
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_duration, to_stamp
from avatar_forcing_ros.session.endings import Ending
from avatar_forcing_ros.session.stage import Report, Word
from avatar_forcing_ros.timeline import playback

_LOST = "no generator is known to have it"


def to_word(message: Stage) -> Word:
    """What the understudy says, from a message."""
    return Word(
        message.term,
        message.on_stage,
        stamp_ns(message.header.stamp),
        message.epoch,
        tuple(message.ended),
        message.detail,
    )


def from_word(word: Word) -> Stage:
    """What the understudy says, as a message."""
    message = Stage(
        term=word.term, on_stage=word.on_stage, epoch=word.epoch, ended=list(word.ended), detail=word.detail
    )
    message.header.stamp = to_stamp(word.from_ns)
    return message


def to_report(message: LeadingRole) -> Report:
    """What the generator says about a frame, from a message."""
    return Report(
        stamp_ns=stamp_ns(message.header.stamp),
        term=message.term,
        on_stage=message.on_stage,
        epoch=message.epoch,
        utterances=tuple(message.utterances),
        portrait_sha256=message.portrait_sha256,
        leaving=message.leaving,
        readers=tuple(message.readers),
    )


def to_ending(message: PlaybackEvent) -> playback.PlaybackEvent:
    """The ending that the understudy asks for."""
    position_ns, kind = stamp_ns(message.position), playback.Playback.INTERRUPTED
    return playback.PlaybackEvent(stamp_ns(message.header.stamp), message.utterance_id, kind, position_ns)


def from_ending(ending: Ending, now_ns: int, asks: bool) -> PlaybackEvent:
    """An ending as a message: one that the understudy tells, or one that it `asks` the generator for."""
    message = PlaybackEvent(
        utterance_id=ending.utterance_id, event=PlaybackEvent.INTERRUPTED, position=to_duration(ending.position_ns)
    )
    message.header.stamp = to_stamp(now_ns)
    if asks:
        message.reason = _LOST
    return message
