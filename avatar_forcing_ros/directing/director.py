# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Directions over time: what was asked for and from when, eased in and out, and laid over the network's own motion.

Like all motion that the network did not generate, directions are not part of its past: it continues from its own.

* An expression without a stamp counts from the block that is decided next; one stamped when sent, from the first block
  decided `reorder_ms` after its stamp, whenever it arrives until then; one stamped ahead, from the frame that is
  presented at its stamp.
* The lips belong to speech: what an expression does to the mouth fades while something is said, and returns afterwards.
* The eyes reach a place first and the head follows. The eyes compensate for all other motion of the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.directing.expressions import MOUTH, FaceChange, face_of_feeling, face_of_name
from avatar_forcing_ros.directing.gaze import LookConfig, direction_of, eyes_of, gaze_of, head_of, reachable
from avatar_forcing_ros.motion.facemesh.channels import HIGH, INDEX, LOW, NAMES, SIZE
from avatar_forcing_ros.signals import NANOSECONDS, Expression, LookAt
from avatar_forcing_ros.timeline.grid import PLANNED_AHEAD_NS, first_frame_from

_TURN, _GAZE = [INDEX["yaw"], INDEX["pitch"]], [INDEX["gaze_x"], INDEX["gaze_y"]]
_LIDS = [INDEX["blink_right"], INDEX["blink_left"]]
_MOUTH = [INDEX[name] for name in MOUTH]


@dataclass(frozen=True)
class EasingConfig:
    """How fast a face follows. The time constants are in frames; two stages in a row make a soft beginning.

    Attributes:
        rise: time constant of an expression that appears: two thirds of it are there after 0.3 s.
        fall: time constant of one that goes, which takes people longer. Source: Ekman and Friesen, "Felt, false, and
            miserable smiles", 1982: felt expressions fade.
        eyes: time constant of the eyes in a look; 80 ms. Source: Bahill, Clark, Stark, "The main sequence", 1975.
        head: time constant of the head in a look; it follows the eyes. Source: Stahl, 1999.
        head_lives: share of the network's own turns of the head that remains while it looks somewhere.
        hush: frames in which the mouth of an expression gives way to speech.
        unhush: frames in which it returns.
        look: how head and eyes share the way.
    """

    rise: float = 3.5
    fall: float = 6.0
    eyes: float = 0.9
    head: float = 4.0
    head_lives: float = 0.4
    hush: int = 3
    unhush: int = 15
    look: LookConfig = field(default_factory=LookConfig)


@dataclass(frozen=True)
class _Wish:
    """One direction; of two, the one with the later moment counts.

    Attributes:
        moment_ns: its stamp, or when it arrived.
        due_ns: it counts for blocks that are decided at this time or later.
        from_frame: first frame of such blocks for which it counts.
        target: what is wanted from then on.
    """

    moment_ns: int
    due_ns: int
    from_frame: int
    target: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Eased:
    """How far things have got at a frame.

    Attributes:
        face: (2, 36) both stages of what is added and held.
        head: (2, 3) both stages of (share, share * yaw, share * pitch).
        eyes: (3,) the same for the direction of gaze.
        spoken: how much of the mouth speech has, 0 to 1.
    """

    face: NDArray[np.float64]
    head: NDArray[np.float64]
    eyes: NDArray[np.float64]
    spoken: float


_AT_REST = _Eased(np.zeros((2, 2 * SIZE)), np.zeros((2, 3)), np.zeros(3), 0.0)


class Director:
    """Directions given in one conversation.

    Args:
        names: names of the numbers of a latent.
        reorder_ns: see `AvatarConfig.reorder_ms`.
        undone_frames: most frames that `resume` takes back.
        config: how fast a face follows.

    Attributes:
        expression: the newest expression that was asked for, or None.
        look: the newest place that was asked for, or None.
    """

    def __init__(
        self, names: Sequence[str], reorder_ns: int, undone_frames: int = 60, config: EasingConfig | None = None
    ) -> None:
        self._knows = tuple(names) == NAMES
        self._reorder_ns, self._config = reorder_ns, config or EasingConfig()
        self._kept_frames = undone_frames + 1  # with the frame to go on from
        self._faces: list[_Wish] = []
        self._looks: list[_Wish] = []
        self._eased: dict[int, _Eased] = {}
        self._newest = _AT_REST
        self.expression: Expression | None = None
        self.look: LookAt | None = None

    def express(self, wanted: Expression, received_ns: int) -> None:
        """Show an expression until another one is asked for.

        Raises:
            ValueError: there is no such expression, or this model's motion has no names.
        """
        self._check()
        face = _face_of(wanted)
        self._ask(self._faces, wanted.stamp_ns, received_ns, np.concatenate([face.added, face.held]))
        self.expression = wanted

    def look_at(self, wanted: LookAt, received_ns: int) -> None:
        """Look at a place until another one is asked for; without a place, look where the network does.

        Raises:
            ValueError: the place is not one, or this model's motion has no names.
        """
        self._check()
        target = np.zeros(3)
        if wanted.place is not None:
            direction = reachable(direction_of(np.asarray(wanted.place, np.float64)), self._config.look)
            target = np.array([1.0, *direction])
        self._ask(self._looks, wanted.stamp_ns, received_ns, target)
        self.look = wanted

    def show(
        self, frames: range, latents: NDArray[np.float32], spoken: NDArray[np.bool_], decided_ns: int
    ) -> NDArray[np.float32]:
        """Motion with the directions laid over it.

        Args:
            frames: frames of the block, on the grid.
            latents: (B, M) as generated.
            spoken: (B,) whether something is said.
            decided_ns: when the block is decided.
        """
        if not (self._faces or self._looks):
            return latents
        shown = latents.astype(np.float64)
        for row, (frame, said) in enumerate(zip(frames, spoken, strict=True)):
            eased = self._ease(frame, bool(said), decided_ns)
            shown[row] = self._lay_over(shown[row], eased)
        self._eased = {frame: eased for frame, eased in self._eased.items() if frame >= frames.stop - self._kept_frames}
        return shown.astype(np.float32)

    def resume(self, first_frame: int) -> None:
        """Forget how far things had got from a frame on, because other motion is shown."""
        self._eased = {frame: eased for frame, eased in self._eased.items() if frame < first_frame}
        self._newest = self._eased[max(self._eased)] if self._eased else _AT_REST

    # --- what counts when ------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self._knows:
            raise ValueError("this model's motion has no named channels (facemesh): it takes no expression and no look")

    def _ask(self, wishes: list[_Wish], stamp_ns: int | None, received_ns: int, target: NDArray[np.float64]) -> None:
        if stamp_ns is None or received_ns > stamp_ns + self._reorder_ns:  # late, or of a clock that is behind
            wish = _Wish(received_ns, received_ns, 0, target)
        elif stamp_ns <= received_ns:
            wish = _Wish(stamp_ns, stamp_ns + self._reorder_ns, 0, target)
        elif stamp_ns <= received_ns + PLANNED_AHEAD_NS:
            wish = _Wish(stamp_ns, received_ns, first_frame_from(stamp_ns), target)
        else:
            raise ValueError(
                f"a direction may be stamped {PLANNED_AHEAD_NS // NANOSECONDS} s ahead, "
                f"got {(stamp_ns - received_ns) / NANOSECONDS:.0f} s: it comes from another clock"
            )
        wishes.append(wish)
        wishes.sort(key=lambda wish: wish.moment_ns)  # stable: of one moment, what came last counts

    # --- easing ----------------------------------------------------------------------------------------------------

    def _ease(self, frame: int, said: bool, decided_ns: int) -> _Eased:
        """Ease one frame further than the newest."""
        config, old = self._config, self._newest
        face = self._wanted(self._faces, frame, decided_ns, 2 * SIZE)
        look = self._wanted(self._looks, frame, decided_ns, 3)
        goes = np.abs(face[:SIZE]).sum() < np.abs(old.face[1, :SIZE]).sum()
        head = look.copy()
        if look[0]:
            head[1:] = look[0] * head_of(look[1:], config.look)
        change = 1 / config.hush if said else -1 / config.unhush
        self._newest = self._eased[frame] = _Eased(
            face=_two_stages(old.face, face, config.fall if goes else config.rise),
            head=_two_stages(old.head, head, config.head),
            eyes=old.eyes + (1 - np.exp(-1 / config.eyes)) * (look - old.eyes),
            spoken=float(np.clip(old.spoken + change, 0, 1)),
        )
        return self._newest

    def _wanted(self, wishes: list[_Wish], frame: int, decided_ns: int, size: int) -> NDArray[np.float64]:
        """(N,) what is wanted at a frame; zeros if nothing was asked for. What it replaces for good is dropped."""
        counts = [k for k, wish in enumerate(wishes) if wish.due_ns <= decided_ns and wish.from_frame <= frame]
        if not counts:
            return np.zeros(size)
        target = wishes[counts[-1]].target
        if len(counts) > 1 and frame - max(wishes[k].from_frame for k in counts) > self._kept_frames:
            del wishes[: counts[-1]]
        return target

    def _lay_over(self, drawn: NDArray[np.float64], eased: _Eased) -> NDArray[np.float64]:
        """(18,) the network's motion -> what is shown."""
        added, held = eased.face[1, :SIZE].copy(), eased.face[1, SIZE:].copy()
        quiet = 1 - eased.spoken
        added[_MOUTH] *= quiet
        held[_MOUTH] *= quiet
        shown = (1 - held) * drawn + added
        shown[_LIDS] = 1 - (1 - drawn[_LIDS]) * (1 - added[_LIDS])  # lids that hang shut entirely for a blink
        share, way = eased.head[1, 0], eased.head[1, 1:]
        shown[_TURN] = shown[_TURN] * (1 - share * (1 - self._config.head_lives)) + way
        shown = np.clip(shown, LOW, HIGH)
        share, way = eased.eyes[0], eased.eyes[1:]
        if share > 1e-3:
            eyes = way - share * shown[_TURN] + (1 - share) * eyes_of(shown[_GAZE])
            shown[_GAZE] = np.clip(gaze_of(eyes), -1, 1)
        return shown


def _two_stages(old: NDArray[np.float64], target: NDArray[np.float64], frames: float) -> NDArray[np.float64]:
    """(2, N) both stages one frame further towards the target; the second follows the first."""
    share = 1 - np.exp(-1 / frames)
    first = old[0] + share * (target - old[0])
    return np.stack([first, old[1] + share * (first - old[1])])


def _face_of(wanted: Expression) -> FaceChange:
    if wanted.name:
        return face_of_name(wanted.name, wanted.intensity)
    return face_of_feeling(wanted.valence, wanted.arousal, wanted.intensity)
