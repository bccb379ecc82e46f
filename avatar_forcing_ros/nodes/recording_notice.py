# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shows people in front of the avatar that they are being recorded: in its pictures, on whatever screen.

Our display announces a recording on the topic `recording`; `ros2 bag record` is recognised by the name of its node.
"""

from __future__ import annotations

from std_msgs.msg import Bool

from avatar_forcing_ros.disclosure.label import Label
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.managed_node import ManagedNode

RECORDING = "recording"
_RECORDERS = ("rosbag2_recorder",)


class RecordingNotice:
    """Marks a node's pictures while a recording is made.

    Args:
        node: subscribes until it is deactivated.
        label: the label on its pictures.
    """

    def __init__(self, node: ManagedNode, label: Label) -> None:
        self._node, self._label, self._announced = node, label, False
        node.listen(Bool, RECORDING, self._hear, qos.LATCHED)

    def look(self) -> bool:
        """Whether a recording is being made. Call it once a second: a recorder that was killed does not sign off."""
        self._announced = self._announced and self._node.count_publishers(RECORDING) > 0
        recorders = any(name.startswith(_RECORDERS) for name in self._node.get_node_names())
        on_simulated_time = bool(self._node.get_parameter("use_sim_time").value)  # nobody is recorded in a replay
        self._label.recording = self._announced or (recorders and not on_simulated_time)
        return self._label.recording

    def _hear(self, message: Bool) -> None:
        self._announced = message.data
        self.look()
