# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Webcam, microphone and speaker of this machine, each opened when it is asked for and named when it is not there."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk, VideoFrame

Send = Callable[[str, VideoFrame | AudioChunk], None]
_MICROPHONE_RATE = 16_000
_VIDEO = Path("/sys/class/video4linux")
_LOOKS_AGAIN_S = 1.0
_SILENT_S = 2.0


class DeviceError(ValueError):
    """A device or the library that drives it is not there; the message says which."""


class Webcam:
    """Reads a camera device; every turn waits for one picture, stamped when it came.

    One that is unplugged is opened again when it is back: by its path, which udev may give it, or under the number of a
    device that has the same name in the kernel.

    Args:
        device: number of a camera device, or its path.
        now_ns: the clock of stamps.
        send: takes pictures.
        devices: where the kernel lists cameras.

    Attributes:
        complaint: what is wrong with it, in one line, or empty.
    """

    def __init__(self, device: int | str, now_ns: Callable[[], int], send: Send, devices: Path = _VIDEO) -> None:
        self._device, self._devices = device, devices
        self._now_ns, self._send = now_ns, send
        self._name = _kernel_name(devices, device) if isinstance(device, int) else None
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self.complaint = ""
        self._capture = _opened(device)
        if self._capture is None:
            raise DeviceError(f"webcam {device} cannot be opened: is it plugged in, and free?")

    def turn(self) -> None:
        """Pass one picture on; without a camera look for it once a second.

        Raises:
            DeviceError: the camera has stopped giving pictures.
        """
        if self._capture is None:
            self._closed.wait(_LOOKS_AGAIN_S)
            self._look_for_it()
            return
        with self._lock:
            there, image = self._capture.read() if not self._closed.is_set() else (False, None)
        if self._closed.is_set():
            return
        if not there:
            self._capture.release()
            self._capture = None
            self.complaint = f"webcam {self._device} gives no picture; looking for it"
            raise DeviceError(self.complaint)
        self.complaint = ""
        self._send("camera", VideoFrame(self._now_ns(), cv2.cvtColor(image, cv2.COLOR_BGR2RGB)))

    def _look_for_it(self) -> None:
        with self._lock:
            for device in [] if self._closed.is_set() else self._candidates():
                self._capture = _opened(device)
                if self._capture is not None:
                    return

    def _candidates(self) -> list[int | str]:
        """Where it may be: where it was, then whatever has its name."""
        if self._name is None:
            return [self._device]
        numbers = sorted(int(path.name[5:]) for path in self._devices.glob("video*") if path.name[5:].isdecimal())
        same = [number for number in numbers if _kernel_name(self._devices, number) == self._name]
        return sorted(same, key=lambda number: number != self._device)

    def close(self) -> None:
        """Let go of the camera."""
        self._closed.set()
        with self._lock:
            if self._capture is not None:
                self._capture.release()


def _opened(device: int | str) -> cv2.VideoCapture | None:
    capture = cv2.VideoCapture(device)
    if not capture.isOpened():
        return None
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the newest picture, not the oldest of a queue
    return capture


def _kernel_name(devices: Path, number: int | str) -> tuple[str, str] | None:
    """Name of a camera and which of its nodes this is; None where the kernel does not tell."""
    try:
        folder = devices / f"video{number}"
        return (folder / "name").read_text().strip(), (folder / "index").read_text().strip()
    except OSError:
        return None


class Microphone:
    """Reads the default microphone; chunks are stamped with their first sample.

    PortAudio does not tell that a device is gone, nor that another has come: when nothing is heard for two seconds it
    is begun anew.

    Attributes:
        complaint: what is wrong with it, in one line, or empty.
    """

    def __init__(self, chunk_ms: int, now_ns: Callable[[], int], send: Send) -> None:
        self._chunk_ms, self._now_ns, self._send, self._seq = chunk_ms, now_ns, send, 0
        self._sounddevice = portaudio("microphone")
        self._closed, self._heard_since = threading.Event(), threading.Event()
        self.complaint = ""
        self._stream = self._open()

    def _open(self) -> Any:
        try:
            stream = self._sounddevice.InputStream(
                samplerate=_MICROPHONE_RATE,
                channels=1,
                dtype="float32",
                blocksize=_MICROPHONE_RATE * self._chunk_ms // 1000,
                callback=self._heard,
            )
            stream.start()
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(f"microphone cannot be opened: {error}") from None
        return stream

    def turn(self) -> None:
        """Look after it: wait for a while, and open it again when nothing was heard meanwhile.

        Raises:
            DeviceError: it is not there.
        """
        self._heard_since.clear()
        if self._closed.wait(_SILENT_S):
            return
        if self._heard_since.is_set():
            self.complaint = ""
            return
        self.complaint = "the microphone gives nothing; opening it again"
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._sounddevice._terminate()
        self._sounddevice._initialize()
        self._stream = self._open()

    def wake(self) -> None:
        """End the turn."""
        self._closed.set()

    def close(self) -> None:
        """Let go of the microphone."""
        self._closed.set()
        if self._stream is not None:
            self._stream.close()

    def _heard(self, samples: NDArray[np.float32], _count: int, time: Any, _status: Any) -> None:
        self._heard_since.set()
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
        how = "pip install sounddevice && sudo apt-get install -y libportaudio2"
        raise DeviceError(
            f"the {purpose} needs the package sounddevice and the library PortAudio ({error}): {how}"
        ) from None
