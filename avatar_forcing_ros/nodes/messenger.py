# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Publishes messages in a thread of their own, so that pictures need not wait for them."""

from __future__ import annotations

from collections.abc import Callable

from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.session.worker import Mailbox

_CAPACITY = 256


class Messenger:
    """Runs the actions that it is given, one after the other, until the node is deactivated.

    The middleware locks a publisher while it connects a new subscription, for up to a third of a second, and publishing
    waits meanwhile. If the thread that shows pictures waited, the face would freeze.

    Args:
        node: runs the thread. Make the messenger after the publishers that it uses, so that it ends before them.
        name: name of the thread.
    """

    def __init__(self, node: ManagedNode, name: str) -> None:
        self._letters: Mailbox[Callable[[], None]] = Mailbox(_CAPACITY)
        node.work(name, self._deliver, self._letters.close)

    def send(self, act: Callable[[], None]) -> None:
        """Queue an action."""
        self._letters.put(act)

    def _deliver(self) -> None:
        if (act := self._letters.take()) is not None:
            act()
