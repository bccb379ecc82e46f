# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Plots of a run: generated motion against the truth, below the loudness of both voices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.metrics.speech_motion import log_energy
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.conversation import Conversation

_PANELS: tuple[dict[str, int], ...] = tuple(
    {name: INDEX[name] for name in names.split()}
    for names in (
        "jaw_open press",
        "stretch pucker upper_lip",
        "smile",
        "brow_raise",
        "blink_left gaze_x gaze_y",
        "yaw pitch roll",
        "x y scale",
    )
)
_NAMELESS_PANELS = 7
_USER_TOO = ("smile", "brow_raise")


@dataclass(frozen=True)
class Take:
    """Generated motion and the truth.

    Attributes:
        truth: (T, M).
        generated: (T, M).
        user: (T, M), as the camera tracks it.
        levels: loudness of each voice by name, (T,) in dB; may be empty.
    """

    truth: NDArray[np.float32]
    generated: NDArray[np.float32]
    user: NDArray[np.float32]
    levels: Mapping[str, NDArray[np.float64]]


def take_of(conversation: Conversation, generated: NDArray[np.float32]) -> Take:
    """Motion generated for a simulated conversation, (T, 18), with its truth."""
    sounds = {"avatar": conversation.avatar_sound, "user": conversation.user_sound}
    levels = {name: log_energy(sound) for name, sound in sounds.items()}
    return Take(conversation.motion, generated, conversation.user_motion, levels)


def require_drawing() -> None:
    """Fail now, rather than after hours of training, if nothing can be drawn.

    Raises:
        ValueError: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise ValueError("pictures need matplotlib, which is not installed: pip install 'avatar_forcing_ros[pictures]'")


def draw_curves(take: Take, path: Path, start_s: float = 0.0, length_s: float = 20.0) -> None:
    """Save a plot of a take: named channels in groups, or, without names, the numbers that move most.

    Args:
        take: the motion to draw.
        path: path of the PNG.
        start_s: where the plot begins.
        length_s: how much it shows.
    """
    from matplotlib.figure import Figure

    shown = slice(int(start_s * FPS), min(int((start_s + length_s) * FPS), len(take.generated)))
    seconds = np.arange(shown.start, shown.stop) / FPS
    panels = _PANELS if take.truth.shape[1] == SIZE else _most_moving(take.truth[shown])
    figure = Figure(figsize=(16, 20), layout="constrained")
    axes = figure.subplots(len(panels) + 1, 1, sharex=True)
    for (name, level), colour in zip(take.levels.items(), ("tab:blue", "tab:red"), strict=False):
        axes[0].plot(seconds, level[shown], colour, label=name)
    axes[0].set_ylabel("level, dB")
    for axis, channels in zip(axes[1:], panels, strict=True):
        for (name, number), colour in zip(channels.items(), ("tab:blue", "tab:orange", "tab:green"), strict=False):
            axis.plot(seconds, take.generated[shown, number], colour, label=name)
            axis.plot(seconds, take.truth[shown, number], colour, linestyle=":", alpha=0.8)
            if name in _USER_TOO:
                axis.plot(seconds, take.user[shown, number], "tab:red", label="user", linewidth=0.8)
    for axis in axes:
        if axis.lines:
            axis.legend(loc="upper right")
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("seconds; solid: generated, dotted: truth")
    figure.savefig(path, dpi=65)


def _most_moving(truth: NDArray[np.float32]) -> tuple[dict[str, int], ...]:
    """One panel for each of the unnamed numbers that vary most."""
    order = np.argsort(-truth.var(axis=0))[:_NAMELESS_PANELS]
    return tuple({f"number {number}": int(number)} for number in order)
