# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Items made ahead come in order, a few at a time, with errors in place; the thread ends when they are given up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from avatar_forcing_ros.bags.ahead import ahead

NAME = "made_ahead"


def counted(numbers: range, made: list[int], broken: int = -1) -> Iterator[int]:
    for n in numbers:
        if n == broken:
            raise OSError(f"{n} is broken")
        made.append(n)
        yield n


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(NAME)]


@pytest.mark.parametrize("most", [1, 3, 100])
def test_the_items_come_in_order_and_a_few_ahead_at_most(most: int) -> None:
    made: list[int] = []
    for used, n in enumerate(ahead(counted(range(20), made), most, NAME)):
        assert n == used
        assert len(made) <= used + 1 + most
    assert made == list(range(20))
    assert not threads()


def test_items_are_made_while_others_are_used() -> None:
    made: list[int] = []
    items = ahead(counted(range(20), made), 5, NAME)
    next(items)
    patience = time.monotonic() + 20
    while len(made) < 6 and time.monotonic() < patience:
        time.sleep(0.001)
    assert made == list(range(6))  # one in use, five in waiting, and not one more
    items.close()


def test_an_error_comes_out_where_its_item_would_have() -> None:
    items = ahead(counted(range(20), [], broken=7), 4, NAME)
    assert [next(items) for _ in range(7)] == list(range(7))
    with pytest.raises(OSError, match="7 is broken"):
        next(items)
    assert not threads()


def test_who_gives_up_early_ends_the_thread() -> None:
    made: list[int] = []
    items = ahead(counted(range(1000), made), 4, NAME)
    assert [next(items), next(items)] == [0, 1]
    items.close()
    assert not threads()
    assert len(made) <= 6
