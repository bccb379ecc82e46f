# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faces of ROS4HRI, from hri_msgs/NormalizedRegionOfInterest2D."""

from __future__ import annotations

from typing import Any

from avatar_forcing_ros.signals import FacePlace

FACES_TRACKED, PERSONS_TRACKED = "/humans/faces/tracked", "/humans/persons/tracked"
"""Lists of names. Source: REP 155."""


def roi_of(face: str) -> str:
    """Topic of a face's place."""
    return f"/humans/faces/{face}/roi"


def face_of(person: str) -> str:
    """Topic of the name of a person's face."""
    return f"/humans/persons/{person}/face_id"


def engagement_of(person: str) -> str:
    """Topic of a person's engagement."""
    return f"/humans/persons/{person}/engagement_status"


def to_place(face: str, message: Any) -> FacePlace:
    """Where a face is.

    Raises:
        ValueError: the region's edges are not in order.
    """
    return FacePlace(face, (message.xmin, message.ymin), (message.xmax, message.ymax))
