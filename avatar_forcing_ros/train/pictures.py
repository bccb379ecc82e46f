"""Pictures of a run: generated motion against the truth, with what both people say above it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.metrics.speech_motion import log_energy
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.simulation.conversation import Conversation
from avatar_forcing_ros.simulation.pulses import FRAME_RATE

_PANELS: tuple[tuple[str, ...], ...] = (
    ("jaw_open", "press"),
    ("stretch", "pucker", "upper_lip"),
    ("smile",),
    ("brow_raise",),
    ("blink_left", "gaze_x", "gaze_y"),
    ("yaw", "pitch", "roll"),
    ("x", "y", "scale"),
)
_USER_TOO = ("smile", "brow_raise")


def draw_curves(
    conversation: Conversation, generated: NDArray[np.float32], path: Path, start_s: float = 0.0, length_s: float = 20.0
) -> None:
    """Save a picture of one conversation.

    Args:
        conversation: the truth.
        generated: (T, 18) motion generated for it.
        path: of the PNG.
        start_s: first moment shown.
        length_s: how much is shown.
    """
    from matplotlib.figure import Figure

    shown = slice(int(start_s * FRAME_RATE), min(int((start_s + length_s) * FRAME_RATE), len(generated)))
    seconds = np.arange(shown.start, shown.stop) / FRAME_RATE
    figure = Figure(figsize=(16, 20), layout="constrained")
    axes = figure.subplots(len(_PANELS) + 1, 1, sharex=True)
    for sound, colour, label in (
        (conversation.avatar_sound, "tab:blue", "avatar"),
        (conversation.user_sound, "tab:red", "user"),
    ):
        axes[0].plot(seconds, log_energy(sound)[shown], colour, label=label)
    axes[0].set_ylabel("level, dB")
    for axis, names in zip(axes[1:], _PANELS, strict=True):
        for name, colour in zip(names, ("tab:blue", "tab:orange", "tab:green"), strict=False):
            axis.plot(seconds, generated[shown, INDEX[name]], colour, label=name)
            axis.plot(seconds, conversation.motion[shown, INDEX[name]], colour, linestyle=":", alpha=0.8)
            if name in _USER_TOO:
                axis.plot(seconds, conversation.user_motion[shown, INDEX[name]], "tab:red", label="user", linewidth=0.8)
    for axis in axes:
        axis.legend(loc="upper right")
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("seconds; solid: generated, dotted: truth")
    figure.savefig(path, dpi=65)
