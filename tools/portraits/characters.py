# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All characters by name."""

from __future__ import annotations

from portraits.aria import aria
from portraits.character import Character
from portraits.milo import milo

CHARACTERS: dict[str, Character] = {character.name: character for character in (aria(), milo())}
