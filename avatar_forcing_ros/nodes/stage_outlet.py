# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Stands between a generator and its outlet if there is an understudy."""

from __future__ import annotations

import os
import platform
from array import array
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from avatar_forcing_ros.msg import LeadingRole
from avatar_forcing_ros.nodes.messenger import Messenger
from avatar_forcing_ros.nodes.ros_outlet import RosOutlet
from avatar_forcing_ros.nodes.ros_time import to_stamp
from avatar_forcing_ros.session.outlet import AvatarStatus, Shown
from avatar_forcing_ros.session.stage import Lease
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.timeline.playback import Playback, PlaybackEvent

_HELD = 256
_FINAL = (Playback.FINISHED, Playback.INTERRUPTED)


class StageOutlet:
    """An `Outlet` that passes on what the lease allows, and reports each frame to the understudy.

    Args:
        inner: the outlet that publishes.
        lease: says whether the generator is on stage.
        reports: publisher of LeadingRole messages.
        messenger: sends the reports in its own thread.
        now_ns: the node's clock.
        portrait: file of the portrait.

    Attributes:
        portrait: file of the current portrait; set it when the portrait changes.
    """

    def __init__(
        self,
        inner: RosOutlet,
        lease: Lease,
        reports: Any,
        messenger: Messenger,
        now_ns: Callable[[], int],
        portrait: str,
    ) -> None:
        self._inner, self._lease, self._reports, self._now_ns = inner, lease, reports, now_ns
        self._messenger = messenger
        self.portrait = portrait
        self._held: deque[tuple[PlaybackEvent, bool]] = deque(maxlen=_HELD)
        self._status: AvatarStatus | None = None
        self._said: AvatarStatus | None = None
        self._newest: LeadingRole | None = None

    def shown(self, shown: Shown) -> None:
        """Publish a frame if the generator is on stage; report it in any case."""
        stamp_ns = shown.frame.stamp_ns
        on_stage = self._lease.may_show(stamp_ns, self._now_ns())
        if on_stage:
            self._inner.shown(shown)
            self._say_status(stamp_ns)
        self._report(shown, on_stage)
        while on_stage and self._held:
            self._tell(*self._held.popleft())

    def said(self, chunk: AudioChunk) -> None:
        """Pass on speech unless it is over."""
        if not self._lease.has_ended(chunk.utterance_id):
            self._inner.said(chunk)

    def happened(self, event: PlaybackEvent) -> None:
        """Publish an event, or keep it until the generator is on stage again; its utterance may have ended by then."""
        self._tell(event, signed=False)

    def sign(self, event: PlaybackEvent) -> None:
        """Publish an ending that the understudy asks for, unless there is or will be another one; see `Lease.sign`."""
        if self._lease.sign(event.utterance_id):
            self._tell(event, signed=True)

    def _tell(self, event: PlaybackEvent, signed: bool) -> None:
        """Publish an event unless its utterance has ended already; a `signed` ending has been claimed before."""
        lease, name = self._lease, event.utterance_id
        if lease.is_told(name) if signed else lease.has_ended(name):
            return
        if not lease.on_stage:
            self._held.append((event, signed))
        elif event.kind not in _FINAL:
            if event.kind is Playback.STARTED:
                lease.began(name)
            self._inner.happened(event)
        elif signed or lease.claim(name):
            self._inner.happened(event)
            lease.told(name)  # only now, because an utterance that is no longer listed counts as told

    def changed(self, status: AvatarStatus, stamp_ns: int) -> None:
        """Publish the status while on stage; after the understudy's turn, publish the latest one again."""
        self._status = status
        if self._lease.on_stage:
            self._say_status(stamp_ns)
        else:
            self._said = None

    def leave(self) -> None:
        """Tell the understudy that the generator is leaving on purpose and will send no more frames."""
        if self._newest is not None:
            self._newest.leaving, self._newest.on_stage = True, False
            self._newest.utterances = self._lease.utterances
            self._reports.publish(self._newest)

    def _say_status(self, stamp_ns: int) -> None:
        if self._status is not None and self._status != self._said:
            self._said = self._status
            self._inner.changed(self._status, stamp_ns)

    def _report(self, shown: Shown, on_stage: bool) -> None:
        if not on_stage:
            self._said = None
        frame = shown.frame
        report = LeadingRole(
            term=self._lease.term,
            on_stage=on_stage,
            epoch=frame.epoch,
            readers=[] if on_stage else list(self._inner.readers()),
            latent=array("f", frame.latent.astype(np.float32)),
            utterances=self._lease.utterances,
            portrait=self.portrait,
            portrait_sha256=shown.provenance.portrait_sha256,
            host=platform.node(),
            pid=os.getpid(),
        )
        report.header.stamp = to_stamp(frame.stamp_ns)
        self._newest = report
        self._messenger.send(partial(self._reports.publish, report))
