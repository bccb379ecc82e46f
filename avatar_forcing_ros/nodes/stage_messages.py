# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The words of generator and understudy as messages; `stage` says what they mean."""

from __future__ import annotations

from avatar_forcing_ros.msg import LeadingRole, Stage
from avatar_forcing_ros.nodes.ros_time import stamp_ns, to_stamp
from avatar_forcing_ros.session.stage import Report, Word


def to_word(message: Stage) -> Word:
    """What the understudy says."""
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
    """What the generator says of a frame."""
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
