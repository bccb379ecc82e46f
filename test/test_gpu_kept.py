# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was compiled for a GPU is kept beside the model, where that can be, and where somebody says otherwise there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from avatar_forcing_ros.compute.kept import keep_compiled

VARIABLES = ("TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")


@pytest.fixture(autouse=True)
def unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.setenv(variable, "")  # so that it is put back
        monkeypatch.delenv(variable)


def test_it_is_kept_in_the_models_folder(tmp_path: Path) -> None:
    assert keep_compiled(tmp_path) == tmp_path / "compiled"
    assert [Path(os.environ[variable]).parent for variable in VARIABLES] == [tmp_path / "compiled"] * 2
    assert keep_compiled(tmp_path) == tmp_path / "compiled"


def test_what_somebody_said_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", "/elsewhere")
    keep_compiled(tmp_path)
    assert os.environ["TRITON_CACHE_DIR"] == "/elsewhere"


def test_where_nothing_can_be_written_the_compilers_keep_their_own(tmp_path: Path) -> None:
    (tmp_path / "compiled").write_text("a file is in the way")
    assert keep_compiled(tmp_path) is None
    assert "TRITON_CACHE_DIR" not in os.environ
