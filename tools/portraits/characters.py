"""All characters by name."""

from __future__ import annotations

from portraits.aria import aria
from portraits.character import Character
from portraits.milo import milo

CHARACTERS: dict[str, Character] = {character.name: character for character in (aria(), milo())}
