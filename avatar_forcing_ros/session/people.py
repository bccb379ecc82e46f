# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the user among several people, from the faces and engagement that ROS4HRI (REP 155) reports.

The rule, from what is known now and who has been the user so far:

* people who are engaged come first, then those engaging or disengaging, then those of unknown engagement;
* among equals, the current user stays, recognised by person or by face; otherwise the widest face is chosen;
* while nobody's engagement is known, another face takes over if it is clearly wider;
* if everybody in sight is disengaged, nobody is the user.

Source of the topics and levels: hri_msgs, and libhri, which subscribes to them.
"""

from __future__ import annotations

from collections.abc import Iterable

from avatar_forcing_ros.signals import FacePlace

UNKNOWN, DISENGAGED, ENGAGING, ENGAGED, DISENGAGING = range(5)  # the constants of hri_msgs/EngagementLevel
_RANKS = {ENGAGED: 3, ENGAGING: 2, DISENGAGING: 2, UNKNOWN: 1, DISENGAGED: 0}
_LARGER = 1.2
"""How many times wider another face must be to take over, as in the tracker that works without ROS4HRI."""


class People:
    """The people in front of one camera.

    Args:
        timeout_ns: a face whose place has not been reported for longer is gone.

    Attributes:
        faces: place of each tracked face by name, with the time at which it was reported.
    """

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self.faces: dict[str, tuple[int, FacePlace]] = {}
        self._face_of: dict[str, str] = {}
        self._levels: dict[str, int] = {}
        self._face, self._person = "", ""

    def track_faces(self, names: Iterable[str]) -> None:
        """Forget all faces but these."""
        kept = set(names)
        self.faces = {name: told for name, told in self.faces.items() if name in kept}

    def track_persons(self, names: Iterable[str]) -> None:
        """Forget all persons but these."""
        kept = set(names)
        self._face_of = {name: face for name, face in self._face_of.items() if name in kept}
        self._levels = {name: level for name, level in self._levels.items() if name in kept}

    def place(self, place: FacePlace, now_ns: int) -> None:
        """Note where a face is now."""
        self.faces[place.name] = now_ns, place

    def match(self, person: str, face: str) -> None:
        """Note which face belongs to a person; an empty name means that it is not in sight."""
        self._face_of[person] = face

    def engage(self, person: str, level: int) -> None:
        """Note how engaged a person is, as one of the constants above.

        Raises:
            ValueError: there is no such level.
        """
        if level not in _RANKS:
            raise ValueError(f"a level of engagement must be 0 to {max(_RANKS)}, got {level}")
        self._levels[person] = level

    def user(self, now_ns: int) -> FacePlace | None:
        """Where the user's face is: a place that is nowhere if nobody is the user, None if no face is reported."""
        here = {name: place for name, (told_ns, place) in self.faces.items() if now_ns - told_ns <= self._timeout_ns}
        if not here:
            return None
        persons = {face: person for person, face in self._face_of.items() if face}
        ranks = {name: _RANKS[self._levels.get(persons.get(name, ""), UNKNOWN)] for name in here}
        best = max(ranks.values())
        if best == _RANKS[DISENGAGED]:
            self._face = self._person = ""
            return FacePlace("")
        chosen = self._chosen([name for name in here if ranks[name] == best], here, persons, best == _RANKS[UNKNOWN])
        self._face, self._person = chosen, persons.get(chosen, "")
        return here[chosen]

    def engagement(self, face: str) -> int:
        """How engaged the person of a face is."""
        person = next((person for person, its in self._face_of.items() if its == face), "")
        return self._levels.get(person, UNKNOWN)

    def _chosen(
        self, names: list[str], here: dict[str, FacePlace], persons: dict[str, str], wider_takes_over: bool
    ) -> str:
        widest = max(names, key=lambda name: here[name].width)
        for name in names:
            is_user = name == self._face or (self._person and persons.get(name) == self._person)
            if is_user and not (wider_takes_over and here[widest].width > _LARGER * here[name].width):
                return name
        return widest
