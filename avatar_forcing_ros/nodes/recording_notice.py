# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who stands before the avatar sees that they are recorded: in its pictures, on whatever screen they are.

Our display says so on the topic `recording` while it records; `ros2 bag record` is known by the name of its node.
"""

from __future__ import annotations

from std_msgs.msg import Bool

from avatar_forcing_ros.disclosure.label import Label
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.managed_node import ManagedNode

RECORDING = "recording"
_RECORDERS = ("rosbag2_recorder",)


class RecordingNotice:
    """Marks the pictures of a node while somebody records.

    Args:
        node: listens until it is deactivated.
        label: of its pictures.
    """

    def __init__(self, node: ManagedNode, label: Label) -> None:
        self._node, self._label, self._announced = node, label, False
        node.listen(Bool, RECORDING, self._hear, qos.LATCHED)

    def look(self) -> bool:
        """Whether somebody records; call it once a second, because a recorder that was killed says nothing."""
        self._announced = self._announced and self._node.count_publishers(RECORDING) > 0
        recorders = any(name.startswith(_RECORDERS) for name in self._node.get_node_names())
        on_simulated_time = bool(self._node.get_parameter("use_sim_time").value)  # what is replayed was told then
        self._label.recording = self._announced or (recorders and not on_simulated_time)
        return self._label.recording

    def _hear(self, message: Bool) -> None:
        self._announced = message.data
        self.look()
