# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Imported first, lets a bench import what is not there: machines with a card come with torch and little else."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any
from unittest.mock import MagicMock


class _Absent(MetaPathFinder, Loader):
    """What reads files: the simulation imports it, and no step of training calls it."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Asked last, so only for what is not there."""
        return ModuleSpec(fullname, self, is_package=True) if fullname.partition(".")[0] in ("av", "soxr") else None

    def create_module(self, spec: ModuleSpec) -> Any:
        """Has every name."""
        return MagicMock(name=spec.name)

    def exec_module(self, module: Any) -> None:
        """Nothing to do."""


sys.meta_path.append(_Absent())
