# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who of several people is the user, by what ROS4HRI tells."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from avatar_forcing_ros.messages.people import to_place
from avatar_forcing_ros.session.people import DISENGAGED, DISENGAGING, ENGAGED, ENGAGING, People
from avatar_forcing_ros.signals import NANOSECONDS, FacePlace


def people(**widths: float) -> People:
    """Faces of these widths, seen at 0."""
    found = People(timeout_ns=NANOSECONDS)
    see(found, 0, **widths)
    return found


def see(found: People, now_ns: int, **widths: float) -> None:
    found.track_faces(widths)
    for name, width in widths.items():
        found.place(FacePlace(name, (0.1, 0.1), (0.1 + width, 0.4)), now_ns)


def user(found: People, now_ns: int = 0) -> str | None:
    place = found.user(now_ns)
    return None if place is None else place.name


def persons(found: People, **levels: int) -> None:
    """Person `pa` has face `a`."""
    found.track_persons([f"p{face}" for face in levels])
    for face, level in levels.items():
        found.match(f"p{face}", face)
        found.engage(f"p{face}", level)


def test_without_engagement_the_widest_is_the_user_until_another_is_clearly_wider() -> None:
    found = people(a=0.2, b=0.18)
    assert user(found) == "a"
    see(found, 1, a=0.2, b=0.23)
    assert user(found, 1) == "a"
    see(found, 2, a=0.2, b=0.25)
    assert user(found, 2) == "b"


def test_the_engaged_person_is_the_user_however_small_and_stays_it_among_engaged_people() -> None:
    found = people(a=0.4, b=0.1, c=0.3)
    persons(found, a=DISENGAGED, b=ENGAGED)
    assert user(found) == "b" and found.engagement("b") == ENGAGED
    persons(found, a=ENGAGED, b=ENGAGED)
    assert user(found) == "b"
    persons(found, a=ENGAGED, b=DISENGAGING)
    assert user(found) == "a"
    persons(found, a=DISENGAGING, b=ENGAGING)
    assert user(found) == "a"  # who turns away is the user until somebody else is engaged
    persons(found, a=DISENGAGED, b=DISENGAGED, c=DISENGAGED)
    place = found.user(0)
    assert place is not None and place.is_nowhere  # everybody is disengaged: nobody is read
    persons(found, a=DISENGAGED, b=DISENGAGED)
    assert user(found) == "c"  # of whom nothing is known


def test_a_person_stays_the_user_under_a_new_name_of_the_face() -> None:
    found = people(a=0.2, b=0.2)
    persons(found, a=ENGAGED, b=ENGAGED)
    chosen = user(found)
    assert chosen is not None
    see(found, 1, new=0.1, **{"b" if chosen == "a" else "a": 0.3})
    found.match(f"p{chosen}", "new")
    assert user(found, 1) == "new"


def test_faces_that_are_not_tracked_or_not_placed_any_more_are_not_there() -> None:
    found = people(a=0.3, b=0.2)
    assert user(found) == "a"
    found.track_faces(["b"])
    assert user(found) == "b"
    assert user(found, NANOSECONDS + 1) is None


def test_regions_become_places_and_what_is_wrong_is_refused() -> None:
    region = SimpleNamespace(xmin=0.25, ymin=0.5, xmax=0.75, ymax=1.0, c=0.9)
    place = to_place("a", region)
    assert (place.name, place.low, place.high) == ("a", (0.25, 0.5), (0.75, 1.0))
    with pytest.raises(ValueError, match="ordered, finite shares"):
        to_place("a", SimpleNamespace(xmin=0.5, ymin=0.5, xmax=0.25, ymax=1.0))
    with pytest.raises(ValueError, match="ordered, finite shares"):
        to_place("a", SimpleNamespace(xmin=0.5, ymin=float("nan"), xmax=0.75, ymax=1.0))
    with pytest.raises(ValueError, match="level of engagement must be 0 to 4, got 9"):
        People(1).engage("p", 9)
