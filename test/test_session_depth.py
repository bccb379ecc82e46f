# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How many calls lie between a session's turn and the arithmetic: somebody who follows a block passes through each."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bundle import ModelBundle, load_bundle
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import PACKAGE, default_portrait
from avatar_forcing_ros.session.outlet import AvatarStatus, Shown
from avatar_forcing_ros.session.session import Session
from avatar_forcing_ros.session.virtual import VirtualRun
from avatar_forcing_ros.signals import NANOSECONDS, AudioChunk
from avatar_forcing_ros.testing import tiny_bundle
from avatar_forcing_ros.timeline.playback import PlaybackEvent


class Nobody:
    """An outlet that nobody listens to."""

    def shown(self, shown: Shown) -> None: ...
    def said(self, chunk: AudioChunk) -> None: ...
    def happened(self, event: PlaybackEvent) -> None: ...
    def changed(self, status: AvatarStatus, stamp_ns: int) -> None: ...


def calls_between(bundle: ModelBundle, image: np.ndarray, kernel: str) -> list[str]:
    """Our functions from `Session.turn` down to the first call of a function by this name, outermost first."""
    avatar = Avatar(bundle, image, AvatarConfig(image_size=64))
    run = VirtualRun(avatar, 1_000 * NANOSECONDS, Nobody(), lambda _what, error: pytest.fail(str(error)))
    run.run_until(1_001 * NANOSECONDS)  # the past is filled
    found: list[list[str]] = []

    def watch(frame: FrameType | None, event: str, called: Any) -> None:
        if event != "c_call" or getattr(called, "__name__", "") != kernel:
            return
        names: list[str] = []
        while frame is not None and frame.f_code is not Session.turn.__code__:
            if f"{PACKAGE}/" in frame.f_code.co_filename:
                names.insert(0, frame.f_code.co_qualname if sys.version_info >= (3, 11) else frame.f_code.co_name)
            frame = frame.f_back
        found.append(names)

    sys.setprofile(watch)
    try:
        run.run_until(1_001 * NANOSECONDS + NANOSECONDS // 2)
    finally:
        sys.setprofile(None)
    return max(found, key=len)


def test_a_dozen_calls_lie_between_a_turn_and_the_attention() -> None:
    names = calls_between(tiny_bundle(), np.full((64, 64, 3), 128, np.uint8), "scaled_dot_product_attention")
    assert names[-1].endswith("forward") and len(names) <= 12, names


def test_half_a_dozen_calls_lie_between_a_turn_and_onnx_runtime() -> None:
    names = calls_between(load_bundle(), read_image(default_portrait()), "run")
    assert len(names) <= 6, names
