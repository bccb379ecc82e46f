# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the rules around the network know of the user when a block is decided.

`Senses.user` reads it once for each block. Idling, the lips at rest, laughing along, mimicry and the report of what the
user does all take their part of it, so they see the user as late as the network does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import SILENT_MEAN
from avatar_forcing_ros.behaviour.user_activity import LOOK_BACK, activities, laughed_lately
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.signals import UserActivity


@dataclass(frozen=True)
class UserWindow:
    """The user at the condition positions of a block of B frames, and of the `LOOK_BACK` frames before it.

    Attributes:
        valid: (LOOK_BACK + B,) whether a face was found.
        stamps_ns: LOOK_BACK + B stamps of the motion samples used; None where there was none.
        face: (LOOK_BACK + B, 18) the face's named channels, zeros where none was found; None if the model's motion has
            no names.
        level: (LOOK_BACK + B,) mean of the log-mel features of what was heard; None without a microphone.
        heard_until_ns: end of the newest sound that the block depends on; None without a microphone.
    """

    valid: NDArray[np.bool_]
    stamps_ns: Sequence[int | None]
    face: NDArray[np.float32] | None
    level: NDArray[np.floating] | None
    heard_until_ns: int | None

    @property
    def is_seen(self) -> bool:
        """Whether a face was found at any position of the block."""
        return bool(self.valid[LOOK_BACK:].any())

    @property
    def is_there(self) -> bool:
        """Whether a face was found or anything was heard at any position of the block."""
        return self.is_seen or (self.level is not None and bool((self.level[LOOK_BACK:] >= SILENT_MEAN).any()))

    @property
    def seen_until_ns(self) -> int | None:
        """Stamp of the newest motion sample used for the block; None if there was none."""
        return next((stamp_ns for stamp_ns in reversed(self.stamps_ns[LOOK_BACK:]) if stamp_ns is not None), None)

    def activities(self) -> list[UserActivity]:
        """What the user does at each position of the block; without named channels, only whether a face was found."""
        if self.face is None:
            return [UserActivity(seen=bool(valid)) for valid in self.valid[LOOK_BACK:]]
        smile, jaw = self.face[:, INDEX["smile"]], self.face[:, INDEX["jaw_open"]]
        return activities(smile, jaw, self.valid, self.level)[LOOK_BACK:]

    def laughed_lately(self) -> NDArray[np.bool_]:
        """(B,) whether the user has laughed shortly before; never without named channels."""
        if self.face is None:
            return np.zeros(len(self.valid) - LOOK_BACK, np.bool_)
        smile, jaw = self.face[:, INDEX["smile"]], self.face[:, INDEX["jaw_open"]]
        return laughed_lately(smile, jaw, self.valid)[LOOK_BACK:]
