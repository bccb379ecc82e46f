# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An avatar on a machine whose speed is a number: the real session, in virtual time. For tests and benches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags.bag_types import BagTypes
from avatar_forcing_ros.bundle import ModelBundle
from avatar_forcing_ros.messages.outlet import MessageOutlet
from avatar_forcing_ros.session.quality import QualityConfig
from avatar_forcing_ros.session.session import SessionConfig
from avatar_forcing_ros.session.virtual import VirtualRun
from avatar_forcing_ros.session.worker import Faults
from avatar_forcing_ros.signals import MILLISECOND, NANOSECONDS, AvatarFrame


@dataclass
class Speed:
    """How fast a virtual machine is.

    Attributes:
        evaluation_ms: one evaluation of the network; a block takes one for each solver step.
        picture_ms: drawing one picture.
        slowness: factor on both.
    """

    evaluation_ms: float = 5.0
    picture_ms: float = 5.0
    slowness: float = 1.0


class _SlowAvatar(Avatar):
    """An avatar whose pictures take virtual time."""

    pay: Callable[[], None] = staticmethod(lambda: None)

    def drawing(self, frame: AvatarFrame) -> Callable[[], NDArray[np.uint8]]:
        draw = super().drawing(frame)

        def paid() -> NDArray[np.uint8]:
            self.pay()
            return draw()

        return paid


class VirtualMachine:
    """One avatar on a virtual machine.

    Args:
        bundle: the model.
        portrait: (H, W, 3) uint8 RGB.
        speed: may be changed while it runs.
        config: behaviour of the avatar in time.
        quality: what is left out when the machine cannot keep up.
        start_ns: when it begins.
        every_frame: late frames are shown, too, as in a replay.

    Attributes:
        published: messages by topic.
        published_ns: when each of them was, by topic.
        errors: what was logged.
        faults: errors so far.
        avatar: the avatar.
        session: takes what comes in.
    """

    def __init__(
        self,
        bundle: ModelBundle,
        portrait: NDArray[np.uint8],
        speed: Speed | None = None,
        config: AvatarConfig | None = None,
        quality: QualityConfig | None = None,
        start_ns: int = 1_000 * NANOSECONDS,
        every_frame: bool = False,
    ) -> None:
        self.speed = speed or Speed()
        self.published: defaultdict[str, list[Any]] = defaultdict(list)
        self.published_ns: defaultdict[str, list[int]] = defaultdict(list)
        self.errors: list[str] = []
        self.faults = Faults(self)
        self.avatar = _SlowAvatar(bundle, portrait, config)
        outlet = MessageOutlet(
            BagTypes().make, self._keep, lambda: self.now_ns, bundle.space.name, tuple(bundle.space.names)
        )
        session = SessionConfig(every_frame=every_frame)
        self._run = VirtualRun(
            self.avatar, start_ns, outlet, self.faults.report, "", session, quality or QualityConfig()
        )
        self.session = self._run.session
        self.avatar.pay = lambda: self._pay(self.speed.picture_ms)
        bundle.network.transformer.register_forward_pre_hook(lambda *_: self._pay(self.speed.evaluation_ms))
        self.at = self._run.at

    @property
    def now_ns(self) -> int:
        """Virtual time."""
        return self._run.now_ns

    def run(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._run.run_until(self.now_ns + round(seconds * NANOSECONDS))

    def set_clock(self, by_s: float) -> None:
        """Set virtual time forward or back at once; arrivals that were scheduled never come."""
        self._run.set_clock(self.now_ns + round(by_s * NANOSECONDS))

    def error(self, message: str) -> None:
        """Keep what is logged."""
        self.errors.append(message)

    def debug(self, message: str) -> None:
        """The origin of errors is for readers of a log."""

    def _keep(self, topic: str, _stamp_ns: int, build: Callable[[], Any]) -> None:
        self.published[topic].append(build())
        self.published_ns[topic].append(self.now_ns)

    def _pay(self, cost_ms: float) -> None:
        self._run.spend(round(cost_ms * self.speed.slowness * MILLISECOND))
