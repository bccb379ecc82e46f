# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Devices that vanish and return: a camera under another number, a microphone that PortAudio must look for."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from avatar_forcing_ros.devices import capture
from avatar_forcing_ros.devices.capture import DeviceError, Microphone, Webcam


class Machine:
    """Cameras of a machine: number or path -> name; some are plugged in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plugged: set[int | str] = set()

    def plug(self, device: int | str, name: str = "", index: int = 0) -> None:
        self.plugged.add(device)
        if isinstance(device, int):
            node = self.folder / f"video{device}"
            node.mkdir(exist_ok=True)
            (node / "name").write_text(f"{name}\n")
            (node / "index").write_text(f"{index}\n")

    def unplug(self, device: int | str) -> None:
        self.plugged.discard(device)
        node = self.folder / f"video{device}"
        for path in node.glob("*"):
            path.unlink()
        if node.is_dir():
            node.rmdir()

    def open(self, device: int | str) -> SimpleNamespace:
        grey = np.full((48, 64, 3), device if isinstance(device, int) else 9, np.uint8)
        return SimpleNamespace(
            isOpened=lambda: device in self.plugged,
            set=lambda *_: None,
            read=lambda: (device in self.plugged, grey),
            release=lambda: None,
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(capture.cv2, "VideoCapture", machine.open)
    monkeypatch.setattr(capture, "_LOOKS_AGAIN_S", 0.01)
    return machine


def test_a_camera_that_returns_under_another_number_is_found_by_its_name(machine: Machine) -> None:
    machine.plug(0, "Front")
    machine.plug(1, "Front", index=1)  # of the same camera, for metadata
    machine.plug(2, "Rear")
    sent: list[Any] = []
    webcam = Webcam(0, lambda: 7, lambda _topic, frame: sent.append(frame), machine.folder)
    webcam.turn()
    assert len(sent) == 1 and webcam.complaint == ""

    machine.unplug(0)
    with pytest.raises(DeviceError, match="webcam 0 gives no picture; looking for it"):
        webcam.turn()
    for _ in range(3):
        webcam.turn()
    assert len(sent) == 1 and "looking for it" in webcam.complaint

    machine.plug(4, "Front")
    webcam.turn()
    webcam.turn()
    assert sent[-1].image[0, 0, 0] == 4 and webcam.complaint == ""
    webcam.close()


def test_a_camera_with_a_path_is_found_there_again(machine: Machine) -> None:
    machine.plug("/dev/avatar_camera")
    sent: list[Any] = []
    webcam = Webcam("/dev/avatar_camera", lambda: 7, lambda _topic, frame: sent.append(frame), machine.folder)
    machine.unplug("/dev/avatar_camera")
    with pytest.raises(DeviceError):
        webcam.turn()
    webcam.turn()
    machine.plug("/dev/avatar_camera")
    webcam.turn()
    webcam.turn()
    assert len(sent) == 1
    webcam.close()
    webcam.turn()
    assert len(sent) == 1


def test_a_microphone_that_falls_silent_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Any] = []
    counts = SimpleNamespace(initialized=0)

    def stream(**arguments: Any) -> SimpleNamespace:
        if counts.initialized == 1:
            raise OSError("no device")
        opened.append(arguments["callback"])
        return SimpleNamespace(start=lambda: None, close=lambda: None)

    def initialize() -> None:
        counts.initialized += 1

    portaudio = SimpleNamespace(
        InputStream=stream, PortAudioError=OSError, _terminate=lambda: None, _initialize=initialize
    )
    monkeypatch.setattr(capture, "portaudio", lambda _purpose: portaudio)
    monkeypatch.setattr(capture, "_SILENT_S", 0.02)
    heard: list[Any] = []
    microphone = Microphone(40, lambda: 0, lambda _topic, chunk: heard.append(chunk))
    with pytest.raises(DeviceError, match="microphone cannot be opened: no device"):
        microphone.turn()
    assert "opening it again" in microphone.complaint
    microphone.turn()
    assert len(opened) == 2

    times = SimpleNamespace(inputBufferAdcTime=1.0, currentTime=1.01)
    clear = microphone._heard_since.clear

    def heard_meanwhile() -> None:
        clear()
        opened[-1](np.zeros((640, 1), np.float32), 640, times, None)

    microphone._heard_since.clear = heard_meanwhile
    microphone.turn()
    assert microphone.complaint == "" and len(heard) == 1
    microphone.close()
