# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where pictures and sound go on this machine: a window where there is a screen, a loudspeaker where there is one."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.devices.capture import DeviceError, portaudio
from avatar_forcing_ros.devices.playback import PlaybackConfig, VoicePlayback
from avatar_forcing_ros.signals import NANOSECONDS


def has_screen() -> bool:
    """Whether a window can be opened."""
    return bool(os.environ.get("DISPLAY")) or sys.platform == "darwin"


class Window:
    """A window that shows the newest picture. All its methods must be called from one thread, as Tk demands.

    Args:
        title: of the window.
        on_close: called when somebody clicks it away; the window stays until `close`.

    Raises:
        DeviceError: there is no screen, or no Tk.
    """

    def __init__(self, title: str, on_close: Callable[[], None]) -> None:
        try:
            self._tkinter = importlib.import_module("tkinter")
            self._root = self._tkinter.Tk()
        except Exception as error:  # tkinter.TclError, which has no name before tkinter is imported
            raise DeviceError(f"a window cannot be opened: {error}") from None
        self._root.title(title)
        self._root.protocol("WM_DELETE_WINDOW", on_close)
        self._label = self._tkinter.Label(self._root, borderwidth=0)
        self._label.pack()
        self._photo: Any = None

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show a picture, (H, W, 3) uint8 RGB."""
        height, width, _ = image.shape
        data = b"P6 %d %d 255 " % (width, height) + image.tobytes()
        self._photo = self._tkinter.PhotoImage(data=data, format="PPM")
        self._label.configure(image=self._photo)
        self._root.update()

    def close(self) -> None:
        """Close the window."""
        self._root.destroy()
        del self._photo, self._label, self._root
        gc.collect()  # Tk's objects refer to each other, and Tcl aborts when another thread deletes them


class Speaker:
    """Plays the avatar's voice on the default loudspeaker, each sample when its stamp's time has come.

    Args:
        sample_rate: of the voice, in Hz.
        now_ns: the clock of the stamps.
        config: how the loudspeaker follows it.

    Attributes:
        voice: chunks go in here.

    Raises:
        DeviceError: there is no loudspeaker.
    """

    def __init__(self, sample_rate: int, now_ns: Callable[[], int], config: PlaybackConfig) -> None:
        self.voice = VoicePlayback(sample_rate, config)
        self._now_ns = now_ns
        sounddevice = portaudio("speaker")
        try:
            self._stream = sounddevice.OutputStream(
                samplerate=sample_rate, channels=1, dtype="float32", latency="low", callback=self._wanted
            )
            self._latency_s = float(self._stream.latency)
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"speaker cannot be opened: {error}") from None

    def close(self) -> None:
        """Let go of the loudspeaker."""
        self._stream.close()

    def _wanted(self, out: NDArray[np.float32], count: int, time: Any, _status: Any) -> None:
        # some drivers say 0 for the moment when the samples are heard
        ahead_s = time.outputBufferDacTime - time.currentTime if time.outputBufferDacTime else self._latency_s
        out[:, 0] = self.voice.pull(count, self._now_ns() + round(ahead_s * NANOSECONDS))
