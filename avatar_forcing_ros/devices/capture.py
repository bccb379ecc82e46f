# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Webcam, microphone and speaker of this machine, each opened when it is asked for and named when it is not there."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, VideoFrame

Send = Callable[[str, VideoFrame | AudioChunk], None]
_MICROPHONE_RATE = 16_000


class DeviceError(ValueError):
    """A device or the library that drives it is not there; the message says which."""


class Webcam:
    """Reads a camera device; every turn waits for one picture, stamped when it came."""

    def __init__(self, number: int, now_ns: Callable[[], int], send: Send) -> None:
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise DeviceError(f"webcam {number} cannot be opened: is it plugged in, and free?")
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not the oldest of a queue
        self._number, self._now_ns, self._send = number, now_ns, send
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def turn(self) -> None:
        """Pass one picture on.

        Raises:
            DeviceError: the camera gives none any more.
        """
        with self._lock:
            there, image = self._capture.read() if not self._closed.is_set() else (False, None)
        if self._closed.is_set():
            return
        if not there:
            self._closed.wait(1.0)
            raise DeviceError(f"webcam {self._number} gives no picture")
        self._send("camera", VideoFrame(self._now_ns(), cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))

    def close(self) -> None:
        """Let go of the camera."""
        self._closed.set()
        with self._lock:
            self._capture.release()


class Microphone:
    """Reads the default microphone; chunks are stamped with their first sample."""

    def __init__(self, chunk_ms: int, now_ns: Callable[[], int], send: Send) -> None:
        self._now_ns, self._send, self._seq = now_ns, send, 0
        sounddevice = portaudio("microphone")
        try:
            self._stream = sounddevice.InputStream(
                samplerate=_MICROPHONE_RATE,
                channels=1,
                dtype="float32",
                blocksize=_MICROPHONE_RATE * chunk_ms // 1000,
                callback=self._heard,
            )
            self._stream.start()
        except sounddevice.PortAudioError as error:
            raise DeviceError(f"microphone cannot be opened: {error}") from None

    def close(self) -> None:
        """Let go of the microphone."""
        self._stream.close()

    def _heard(self, samples: NDArray[np.float32], _count: int, time: Any, _status: Any) -> None:
        # some drivers say 0 for the moment of capture
        captured_s = time.inputBufferAdcTime or time.currentTime - len(samples) / _MICROPHONE_RATE
        age_s = time.currentTime - captured_s
        stamp_ns = self._now_ns() - round(age_s * NANOSECONDS)
        self._send("user_audio", AudioChunk(stamp_ns, samples[:, 0].copy(), _MICROPHONE_RATE, seq=self._seq))
        self._seq += 1


def portaudio(purpose: str) -> Any:
    """The sounddevice module.

    Raises:
        DeviceError: it or its library is not installed.
    """
    try:
        return importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:  # OSError: the module is there, the PortAudio library is not
        raise DeviceError(f"the {purpose} needs the package sounddevice and the PortAudio library: {error}") from None
