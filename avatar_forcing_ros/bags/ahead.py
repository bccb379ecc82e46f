# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Makes items ahead of their use, in a separate thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], most: int, name: str) -> Generator[Item, None, None]:
    """The same items in the same order, made by a thread while those before them are used.

    An error while making an item is raised where the item would have come. Close the iterator if you stop early.

    Args:
        items: iterated in the thread.
        most: how many items may wait to be used.
        name: name of the thread.
    """
    end = object()
    thread = ThreadPoolExecutor(1, name)
    try:
        waiting: deque[Future[Item | object]] = deque(thread.submit(next, items, end) for _ in range(most))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc]  # the end is no item
    finally:
        thread.shutdown(cancel_futures=True)
