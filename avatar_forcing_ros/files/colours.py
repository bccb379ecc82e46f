# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Films of high dynamic range, as phones take them, in the colours that everything here is made for.

A face whose film is taken for one of standard range is pale and greenish, and its smile is read off by .04 (HLG) to .07
(PQ) of a smile.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18
"""Transfer characteristics of high dynamic range. Source: ITU-T H.273 (2024), table 3."""
_WHITE_NITS = 203.0
"""Brightness of white paper in these films. Source: ITU-R BT.2408 (2023), table 1."""
_HLG_PEAK_NITS, _HLG_SYSTEM_GAMMA = 1000.0, 1.2
"""Of the display that HLG is graded for. Source: ITU-R BT.2100 (2018), table 5."""
_DISPLAY_GAMMA = 2.4
"""Of displays of standard range. Source: ITU-R BT.1886 (2011), annex 1."""
# From the primaries of BT.2020 to those of BT.709. Source: ITU-R BT.2087 (2015), inverted.
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], dtype=np.float32
)
_STEPS = 65_536


def in_standard_range(image: NDArray[np.uint8], transfer: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) uint8 RGB as a display of standard range shows it; what is brighter than paper is white.

    Args:
        image: as it was decoded.
        transfer: its transfer characteristics in the numbers of H.273; those of standard range change nothing.
    """
    if transfer not in (PQ, HLG):
        return image
    light = cv2.transform(cv2.LUT(image, _light(transfer)), _TO_BT709)
    steps = np.clip(light * (_STEPS - 1), 0, _STEPS - 1).astype(np.uint16)
    return _CODES[steps]


@cache
def _light(transfer: int) -> NDArray[np.float32]:
    """(256,) brightness of each code, 1 for white paper. Source: ITU-R BT.2100 (2018), tables 4 and 5.

    HLG's system gamma is taken of each colour by itself instead of the whole brightness, which skin hardly shows.
    """
    code = np.arange(256) / 255
    if transfer == PQ:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        root = code ** (1 / m2)
        nits = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
        nits = _HLG_PEAK_NITS * scene**_HLG_SYSTEM_GAMMA
    return (nits / _WHITE_NITS).astype(np.float32)


_CODES = np.round(255 * (np.arange(_STEPS) / (_STEPS - 1)) ** (1 / _DISPLAY_GAMMA)).astype(np.uint8)
