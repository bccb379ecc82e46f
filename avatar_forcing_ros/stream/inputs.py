"""What comes in from outside and when: is the camera there, is the microphone there, who has stopped."""

from __future__ import annotations

from collections import OrderedDict


class InputWatch:
    """Remembers when an input last gave something.

    Attributes:
        name: what it is called in messages.
        count: how many items came.
    """

    def __init__(self, name: str, timeout_ns: int) -> None:
        self.name, self._timeout_ns = name, timeout_ns
        self._last_ns: int | None = None
        self.count = 0

    def seen(self, now_ns: int) -> None:
        """Something came now."""
        self._last_ns = now_ns
        self.count += 1

    def forget(self) -> None:
        """Nothing has come yet; time has jumped."""
        self._last_ns = None

    def stopped(self, now_ns: int) -> bool:
        """It was there once and has been silent for longer than the timeout."""
        return self._last_ns is not None and now_ns - self._last_ns > self._timeout_ns


class ArrivalTimes:
    """When the newest motion samples reached the node, by their stamps."""

    KEPT = 256

    def __init__(self) -> None:
        self._times: OrderedDict[int, int] = OrderedDict()

    def add(self, stamp_ns: int, received_ns: int) -> None:
        """Remember one; a repeated stamp came when it came first."""
        self._times[stamp_ns] = min(received_ns, self._times.get(stamp_ns, received_ns))
        while len(self._times) > self.KEPT:
            self._times.popitem(last=False)

    def of(self, stamp_ns: int | None) -> int | None:
        """When the sample of this stamp came, None when that is not known."""
        return None if stamp_ns is None else self._times.get(stamp_ns)
