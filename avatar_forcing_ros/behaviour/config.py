# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How an avatar behaves in time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from avatar_forcing_ros.audio.barge_in import BargeInConfig
from avatar_forcing_ros.audio.echo_gate import EchoGateConfig
from avatar_forcing_ros.signals import MILLISECOND
from avatar_forcing_ros.timeline.grid import FRAME_NS
from avatar_forcing_ros.timeline.waiting import SpeechLimits


@dataclass(frozen=True)
class Expressiveness:
    """How much of what the network does is shown, around the portrait's own face; 1 is what was learnt.

    Needs a motion space with named channels. Lids, gaze and pressed lips are never scaled, so that eyes close and p, b
    and m stay shut.

    Attributes:
        pose: scale of the head's turns and shifts.
        face: scale of smile and brows.
        mouth: scale of the jaw and the shape of the lips.
    """

    pose: float = field(default=1.0, metadata={"range": (0.0, 2.0)})
    face: float = field(default=1.0, metadata={"range": (0.0, 2.0)})
    mouth: float = field(default=1.0, metadata={"range": (0.0, 2.0)})

    def __post_init__(self) -> None:
        for name, share in vars(self).items():
            if not 0 <= share <= 2:
                raise ValueError(f"expressiveness.{name} must be within 0 and 2, got {share}")


@dataclass(frozen=True)
class AvatarConfig:
    """How the avatar behaves in time; sizes and weights are the bundle's.

    Attributes:
        seed: seed of all noise; the same seed and input give the same output.
        image_size: side of the pictures in pixels.
        lead_ms: a block is decided this long before its first frame is presented; generation and rendering of that
            frame must fit in.
        reorder_ms: user input counts when it is stamped this long before the decision, so that what is still on its
            way cannot matter.
        interrupt_lead_ms: after an interrupt, the old motion and speech end this much later, plus up to one frame; what
            a loudspeaker has by then cannot be stopped.
        input_timeout_ms: a user or microphone that has been silent for this long counts as absent.
        patience_ms: how long speech waits for a whole block of it, at the start of an utterance and after a stall.
        behind_ms: if decisions are this late, the frames in between are dropped and the avatar continues in the
            present; what it was saying is interrupted.
        idle_after_s: after this long with nobody seen or heard and nothing said, the face idles without the network, at
            a third of the work; 0 never does. Models whose faces cannot idle ignore it.
        steps: solver steps per block; 0 takes the bundle's.
        guidance_avatar: guidance scale of the avatar's own voice; negative takes the bundle's.
        guidance_user: guidance scale of the user's voice and motion; negative takes the bundle's.
        speech_limits: what may wait to be said.
        expressiveness: how much of the motion is shown.
        laughs_along: whether to answer every hearty laugh of the user with a laugh; the network alone answers half.
            Only with named channels.
        mirrors_smile: share of the smile that follows the user's directly; the rest is the network's, which comes later
            and lasts. Only with named channels.
        echo_gate: keeps the avatar's own voice out of what it hears.
        barge_in: lets the user's voice interrupt the avatar.
    """

    seed: int = field(default=0, metadata={"range": (0, 2**63 - 1)})
    image_size: int = field(default=512, metadata={"range": (16, 2048)})
    lead_ms: int = field(default=80, metadata={"range": (0, 10_000)})
    reorder_ms: int = field(default=40, metadata={"range": (0, 10_000)})
    interrupt_lead_ms: int = field(default=40, metadata={"range": (1, 10_000)})
    input_timeout_ms: int = field(default=500, metadata={"range": (40, 60_000)})
    patience_ms: int = field(default=160, metadata={"range": (0, 10_000)})
    behind_ms: int = field(default=1000, metadata={"range": (200, 86_400_000)})
    idle_after_s: float = field(default=5.0, metadata={"range": (0.0, 86_400.0)})
    steps: int = field(default=0, metadata={"range": (0, 1000)})
    guidance_avatar: float = field(default=-1.0, metadata={"range": (-1.0, 100.0)})
    guidance_user: float = field(default=-1.0, metadata={"range": (-1.0, 100.0)})
    speech_limits: SpeechLimits = field(default_factory=SpeechLimits)
    expressiveness: Expressiveness = field(default_factory=Expressiveness)
    laughs_along: bool = True
    mirrors_smile: float = field(default=0.45, metadata={"range": (0.0, 1.0)})
    echo_gate: EchoGateConfig = field(default_factory=EchoGateConfig)
    barge_in: BargeInConfig = field(default_factory=BargeInConfig)

    def __post_init__(self) -> None:
        for name in ("lead_ms", "reorder_ms"):
            if getattr(self, name) < 0 or getattr(self, name) % 40:
                raise ValueError(f"{name} must be a whole number of 40 ms frames, got {getattr(self, name)}")
        if not 0 < self.interrupt_lead_ms <= self.lead_ms:
            raise ValueError(f"interrupt_lead_ms must be within 1 and lead_ms, got {self.interrupt_lead_ms}")
        if self.idle_after_s < 0:
            raise ValueError(f"idle_after_s must be at least 0, got {self.idle_after_s}")
        if self.behind_ms < 200:
            raise ValueError(f"behind_ms must be at least 200, got {self.behind_ms}")
        for setting in fields(self):
            low, high = setting.metadata.get("range", (None, None))
            value = getattr(self, setting.name)
            if low is not None and not low <= value <= high:
                raise ValueError(f"{setting.name} must be within {low} and {high}, got {value}")

    @property
    def lead_ns(self) -> int:
        """`lead_ms` in nanoseconds."""
        return self.lead_ms * MILLISECOND

    def user_delay_frames(self, block_frames: int) -> int:
        """Frames between the user's motion at a condition position and that position's presentation."""
        return (self.lead_ms + self.reorder_ms) * MILLISECOND // FRAME_NS + block_frames - 1

    def undone_frames(self, block_frames: int) -> int:
        """Most frames that an interrupt takes back: those of a block and its lead, and one of rounding."""
        return -(-self.lead_ns // FRAME_NS) + block_frames + 1
