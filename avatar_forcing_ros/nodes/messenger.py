# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes in a thread of its own what pictures must not wait for."""

from __future__ import annotations

from collections.abc import Callable

from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.session.worker import Mailbox

_CAPACITY = 256


class Messenger:
    """Does what it is given, one after the other, until the node is deactivated.

    The middleware locks a publisher while it makes the way to a new subscription, a third of a second at worst, and
    whoever publishes meanwhile waits. Pictures whose thread waits are a face that stands still.

    Args:
        node: make this after the publishers that it uses; then it ends before them.
        name: of the thread.
    """

    def __init__(self, node: ManagedNode, name: str) -> None:
        self._letters: Mailbox[Callable[[], None]] = Mailbox(_CAPACITY)
        node.work(name, self._deliver, self._letters.close)

    def send(self, act: Callable[[], None]) -> None:
        """Have something done soon."""
        self._letters.put(act)

    def _deliver(self) -> None:
        if (act := self._letters.take()) is not None:
            act()
