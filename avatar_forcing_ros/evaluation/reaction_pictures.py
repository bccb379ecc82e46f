# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of the avatar's reactions: curves of both people over time, and a strip of frames around a smile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait, resource
from avatar_forcing_ros.metrics.nods import nods
from avatar_forcing_ros.metrics.reaction import OnsetConfig, onsets
from avatar_forcing_ros.metrics.speech_motion import log_energy
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.motion.space import MotionSpace
from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.conversation import Conversation

_USER, _AVATAR, _TRUTH = "tab:red", "tab:blue", "0.55"
STRIP_FRAMES, STRIP_STEP_S, STRIP_LEAD_S = 9, 0.4, 0.4
STRIP_SIZE = 320
_FACE = (slice(30, 260), slice(45, 275))
"""The rows and columns of a frame that are shown."""


def draw_reaction(
    conversation: Conversation, generated: NDArray[np.float32], path: Path, start_s: float = 0.0, length_s: float = 20.0
) -> None:
    """Save curves of user and avatar: voices, jaw against log energy, smiles, nods, blinks, gaze.

    Args:
        conversation: what both do and say.
        generated: (T, 18) the avatar's motion.
        path: PNG file to write.
        start_s: first moment shown, in seconds.
        length_s: length of what is shown, in seconds.
    """
    from matplotlib.figure import Figure

    shown = slice(int(start_s * FPS), min(int((start_s + length_s) * FPS), len(generated)))
    seconds = np.arange(shown.start, shown.stop) / FPS
    figure = Figure(figsize=(16, 15), layout="constrained")
    axes = figure.subplots(6, 1, sharex=True)
    own, other = (log_energy(sound)[shown] for sound in (conversation.avatar_sound, conversation.user_sound))
    axes[0].plot(seconds, own, _AVATAR, label="avatar's voice")
    axes[0].plot(seconds, other, _USER, label="user's voice")
    axes[0].set_ylabel("level, dB")
    axes[1].fill_between(seconds, (own - own.min()) / max(np.ptp(own), 1e-9), color="0.88", label="own log energy")
    for axis, name, label in zip(
        axes[1:],
        ("jaw_open", "smile", "pitch", "blink_left", "gaze_x"),
        ("jaw", "smile", "nod (pitch), rad", "blink", "gaze to the side"),
        strict=True,
    ):
        axis.plot(seconds, conversation.motion[shown, INDEX[name]], _TRUTH, linestyle=":", label="truth")
        axis.plot(seconds, generated[shown, INDEX[name]], _AVATAR, label="avatar")
        axis.set_ylabel(label)
    axes[2].plot(seconds, conversation.user_true_motion[shown, INDEX["smile"]], _USER, label="user")
    _mark_phrases(axes[3], conversation, generated, shown)
    for axis in axes:
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=9)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=70)


def _mark_phrases(axis, conversation: Conversation, generated: NDArray[np.float32], shown: slice) -> None:  # type: ignore[no-untyped-def]
    """Mark the ends of the user's phrases, and the nods that were found."""
    first, last = shown.start / FPS, shown.stop / FPS
    for number, end in enumerate(t for t in (i.end_s for i in conversation.user_talk.turns) if first <= t < last):
        axis.axvline(end, color=_USER, alpha=0.5, linewidth=0.8, label=None if number else "user's phrase ends")
    found = [t for t in nods(generated[:, INDEX["pitch"]]) if first <= t < last]
    axis.plot(found, [generated[int(t * FPS), INDEX["pitch"]] for t in found], "v", color=_AVATAR, label="nod")


def draw_strip(space: MotionSpace, conversation: Conversation, generated: NDArray[np.float32], path: Path) -> None:
    """Save frames around the user's first clear smile: the user above, the avatar and both smiles below.

    Args:
        space: motion space that renders both.
        conversation: provides the user's motion.
        generated: (T, 18) the avatar's motion.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    smile = INDEX["smile"]
    user = conversation.user_true_motion[: len(generated)]
    frames = _strip_frames(user[:, smile])
    figure = Figure(figsize=(16, 6.4), layout="constrained")
    grid = figure.add_gridspec(3, STRIP_FRAMES, height_ratios=(1, 1, 0.9))
    rows = (("user", resource("models", "portraits", "milo.png"), user), ("avatar", default_portrait(), generated))
    for row, (who, picture, motion) in enumerate(rows):
        portrait = space.load_portrait(read_image(picture), STRIP_SIZE)
        for column, frame in enumerate(frames):
            axis = figure.add_subplot(grid[row, column])
            axis.imshow(portrait.render(motion[frame], int(frame))[_FACE])
            axis.set_axis_off()
            axis.set_title(f"{who} {frame / FPS:.1f} s", fontsize=9)
    axis = figure.add_subplot(grid[2, :])
    span = np.arange(max(0, frames[0] - 5), min(len(generated), frames[-1] + 6))
    axis.plot(span / FPS, user[span, smile], _USER, label="user's smile")
    axis.plot(span / FPS, generated[span, smile], _AVATAR, label="avatar's smile")
    for frame in frames:
        axis.axvline(frame / FPS, color="0.8", linewidth=0.8)
    axis.legend(loc="upper right")
    axis.set_xlabel("seconds")
    figure.savefig(path, dpi=70)


def _strip_frames(smile: NDArray[np.float32]) -> NDArray[np.int64]:
    """(STRIP_FRAMES,) frames from shortly before the first clear smile on; without one, from the beginning."""
    found = onsets(smile, OnsetConfig(rise=0.6))
    start = max(0, int(((found[0] if len(found) else 0.0) - STRIP_LEAD_S) * FPS))
    frames = start + np.round(np.arange(STRIP_FRAMES) * STRIP_STEP_S * FPS).astype(int)
    return np.minimum(frames, len(smile) - 1)


def draw_real_clip(
    energy: NDArray[np.float64],
    gap: NDArray[np.float64],
    user_smile: NDArray[np.float64] | None,
    avatar_smile: NDArray[np.float64],
    path: Path,
) -> None:
    """Save curves of the rendered avatar, as a face mesh saw it, with the speech and the smile that it followed.

    Args:
        energy: (T,) level of the speech in dB.
        gap: (T,) gap between the avatar's lips.
        user_smile: (T,) the user's smile, or None without a user.
        avatar_smile: (T,) the avatar's smile.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 7), layout="constrained")
    mouth, smiles = figure.subplots(2, 1)
    mouth.plot(np.arange(len(energy)) / FPS, energy, "0.6", label="log energy of the speech, dB")
    beside = mouth.twinx()
    beside.plot(np.arange(len(gap)) / FPS, gap, _AVATAR, label="gap between the avatar's lips")
    beside.legend(loc="lower right")
    if user_smile is not None:
        smiles.plot(np.arange(len(user_smile)) / FPS, user_smile, _USER, label="user's smile")
    smiles.plot(np.arange(len(avatar_smile)) / FPS, avatar_smile, _AVATAR, label="avatar's smile")
    for axis in (mouth, smiles):
        axis.legend(loc="upper right")
        axis.grid(alpha=0.3)
    smiles.set_xlabel("seconds")
    figure.savefig(path, dpi=70)
