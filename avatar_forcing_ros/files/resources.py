# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where the files that belong to the package lie: models, configuration, examples."""

from __future__ import annotations

import sys
from pathlib import Path

PACKAGE = "avatar_forcing_ros"


def resource(*parts: str) -> Path:
    """Path of a file or folder of ours, in a source checkout or in an installation's share folder.

    Raises:
        FileNotFoundError: it is in none of the places where it could be.
    """
    tried = [root.joinpath(*parts) for root in _roots()]
    for path in tried:
        if path.exists():
            return path
    raise FileNotFoundError(f"{'/'.join(parts)} not found; looked for " + ", ".join(str(path) for path in tried))


def default_portrait() -> Path:
    """Picture of the character that is animated when nobody chooses another."""
    return resource("models", "portraits", "aria.png")


def _roots() -> list[Path]:
    here = Path(__file__).resolve().parents[1]
    prefixes = [parent for parent in here.parents if (parent / "share" / PACKAGE).is_dir()]
    return [here.parent, *(prefix / "share" / PACKAGE for prefix in prefixes), Path(sys.prefix) / "share" / PACKAGE]
