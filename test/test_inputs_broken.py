# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whatever is brought is right, or refused in one line: broken files and messages of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_forcing_ros.testing.inputs import MESSAGES, Reader, readers, try_message, try_one

SEEDS = st.integers(0, 2**32)
EXAMPLES = {"picture": 200, "sound": 120, "video": 60, "bag": 60, "sidecar": 150, "model": 100}
EXAMPLES_OF_MESSAGES = 100
QUIET = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    return readers(tmp_path_factory.mktemp("good"))


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_broken_file_is_read_or_refused_in_one_line(kind: str, every: dict[str, Reader], tmp_path: Path) -> None:
    came = set()

    @settings(max_examples=EXAMPLES[kind], **QUIET)
    @given(SEEDS)
    def holds(seed: int) -> None:
        came.add(try_one(every[kind], tmp_path, seed))

    holds()
    assert came == {"read", "refused"}  # the damage is neither always harmless nor always fatal
    assert {path.name for path in tmp_path.iterdir()} <= set(every[kind].samples)  # nothing is left beside them


@pytest.mark.parametrize("kind", MESSAGES)
def test_a_message_that_contradicts_itself_is_read_or_refused(kind: str) -> None:
    came = set()

    @settings(max_examples=EXAMPLES_OF_MESSAGES, **QUIET)
    @given(SEEDS)
    def holds(seed: int) -> None:
        came.add(try_message(kind, seed))

    holds()
    assert came == {"read", "refused"}


def test_good_files_are_read(every: dict[str, Reader], tmp_path: Path) -> None:
    for reader in every.values():
        for name, content in reader.samples.items():
            (tmp_path / name).write_bytes(content)
            reader.read(tmp_path / name)
