# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Passes robot_face/expression and robot_face/look_at to a session, with points transformed to the face's own frame.

hri_msgs and tf2_ros are optional; they are imported here only, if they are installed.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import ExitStack
from typing import Any

import numpy as np
from geometry_msgs.msg import PointStamped, TransformStamped
from numpy.typing import NDArray
from rclpy.time import Time

from avatar_forcing_ros.messages.directions import EXPRESSION, LOOK_AT, frame_of, to_expression, to_look_at
from avatar_forcing_ros.motion.facemesh.channels import NAMES
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.msg import Expression
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.session.session import Session


def expression_type() -> type:
    """The type of robot_face/expression: hri_msgs/Expression if it is installed, else our own with the same fields."""
    if importlib.util.find_spec("hri_msgs") is not None:
        found = getattr(importlib.import_module("hri_msgs.msg"), "Expression", None)
        if found is not None and set(Expression.get_fields_and_field_types()) <= set(
            found.get_fields_and_field_types()
        ):
            return found
    return Expression


class Directions:
    """Listens for directions until the node is deactivated.

    Args:
        node: the subscriber.
        session: receives the directions.
        space: the avatar's motion space; without named channels it takes no directions, and the log says so once.
        face_frame: name of the face's frame in the tf tree.
        undo: ends the subscription to transforms.

    Attributes:
        complaint: why the latest direction could not be followed, in one line, or empty.
    """

    def __init__(
        self, node: ManagedNode, session: Session, space: MotionSpace, face_frame: str, undo: ExitStack
    ) -> None:
        self._node, self._session, self._face_frame = node, session, face_frame
        self._knows = tuple(space.names) == NAMES
        self._said: set[str] = set()
        self.complaint = ""
        self._frames = Frames(node, undo) if self._knows else None
        node.listen(expression_type(), EXPRESSION, self._express, qos.STREAM)
        node.listen(PointStamped, LOOK_AT, self._look, qos.STREAM)

    def _express(self, message: Any) -> None:
        if self._can(EXPRESSION):
            self._session.express(to_expression(message))

    def _look(self, message: PointStamped) -> None:
        if not self._can(LOOK_AT):
            return
        frame = frame_of(message)
        if self._frames is not None and frame not in ("", self._face_frame):
            try:
                message = in_frame(message, self._frames.lookup(self._face_frame, message))
            except LookupError as error:
                self._complain(f"{LOOK_AT}: the frame {frame!r} is not known: {error}; the look stays", key=frame)
                return
        self.complaint = ""
        self._session.look_at(to_look_at(message, self._face_frame))

    def _can(self, topic: str) -> bool:
        if not self._knows:
            self._complain(
                f"{topic}: this model's motion has no named channels (facemesh), so it follows no directions"
            )
        return self._knows

    def _complain(self, line: str, key: str = "") -> None:
        """Keep a complaint for diagnostics, and log it once for each key."""
        self.complaint = line
        if key not in self._said:
            self._said.add(key)
            self._node.get_logger().warning(line)


class Frames:
    """The robot's tf tree, if tf2_ros is installed.

    Args:
        node: subscribes to /tf and /tf_static.
        undo: ends the subscriptions.
    """

    def __init__(self, node: ManagedNode, undo: ExitStack) -> None:
        self._tf2: Any = None
        if importlib.util.find_spec("tf2_ros") is None:
            return
        self._tf2 = importlib.import_module("tf2_ros")
        self._buffer = self._tf2.Buffer()
        listener = self._tf2.TransformListener(self._buffer, node)
        undo.callback(listener.unregister)

    def lookup(self, target: str, message: PointStamped) -> TransformStamped:
        """The transform from a point's frame to another frame at the point's time, or else the latest one.

        Raises:
            LookupError: if there is none; its message says why in one line.
        """
        if self._tf2 is None:
            raise LookupError(f"tf2_ros is not installed, and only {target!r} is known without it")
        try:
            try:
                return self._buffer.lookup_transform(target, frame_of(message), Time.from_msg(message.header.stamp))
            except self._tf2.ExtrapolationException:  # the tree is slightly older than the point
                return self._buffer.lookup_transform(target, frame_of(message), Time())
        except self._tf2.TransformException as error:
            raise LookupError(one_line(error)) from None


def in_frame(message: PointStamped, transform: TransformStamped) -> PointStamped:
    """The point, transformed to the transform's target frame."""
    moved, turned, point = transform.transform.translation, transform.transform.rotation, message.point
    place = rotate(np.array([turned.x, turned.y, turned.z, turned.w]), np.array([point.x, point.y, point.z]))
    there = PointStamped()
    there.header.stamp, there.header.frame_id = message.header.stamp, transform.header.frame_id
    there.point.x, there.point.y, there.point.z = (float(v) for v in place + np.array([moved.x, moved.y, moved.z]))
    return there


def rotate(quaternion: NDArray[np.float64], vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector, (3,), rotated by a unit quaternion (x, y, z, w)."""
    axis, w = quaternion[:3], quaternion[3]
    across = 2 * np.cross(axis, vector)
    return vector + w * across + np.cross(axis, across)
