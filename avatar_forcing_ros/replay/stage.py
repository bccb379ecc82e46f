"""Draws, counts and records what an avatar presents, in a thread of its own: the next block is generated meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.messages import images
from avatar_forcing_ros.replay.bag import BagWriter
from avatar_forcing_ros.replay.digest import ImageDigest
from avatar_forcing_ros.replay.performance import FRAME_ID
from avatar_forcing_ros.signals import AvatarFrame

Pictures = Literal["raw", "compressed", "none"]
JPEG_QUALITY = 85
OUTPUTS = {
    "avatar/frame_info": "avatar_forcing_ros/FrameInfo",
    "avatar/motion": "avatar_forcing_ros/MotionLatents",
    "avatar/speech": "avatar_forcing_ros/AudioChunk",
    "avatar/playback": "avatar_forcing_ros/PlaybackEvent",
    "avatar/state": "avatar_forcing_ros/AvatarState",
}
PICTURES: dict[Pictures, dict[str, str]] = {
    "raw": {"avatar/image_raw": "sensor_msgs/Image"},
    "compressed": {"avatar/image_raw/compressed": "sensor_msgs/CompressedImage"},
    "none": {},
}
_AHEAD = 64


@dataclass(frozen=True)
class _Ready:
    """The bytes of a message, ready to be written."""

    topic: str
    time_ns: int
    data: memoryview


class BagStage:
    """Writes a performance into a bag. A thread draws and makes bytes; the caller's own writes them, in order.

    Args:
        writer: of the bag.
        render: draws a frame.
        pictures: how pictures are written; the digest is over the raw ones always.

    Attributes:
        digest: over the pictures so far; read it when the stage is closed.
    """

    def __init__(
        self, writer: BagWriter, render: Callable[[AvatarFrame], NDArray[np.uint8]], pictures: Pictures = "raw"
    ) -> None:
        self._writer, self._render, self._pictures = writer, render, pictures
        self._thread = ThreadPoolExecutor(1, "drawing")
        self._pending: deque[Future[list[_Ready]]] = deque()
        self.digest = ImageDigest()
        for topic, kind in (OUTPUTS | PICTURES[pictures]).items():
            writer.add_topic(f"/{topic}", kind)

    def __enter__(self) -> BagStage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._write_until(0)

    def show(self, frame: AvatarFrame) -> None:
        """Draw a frame and write its picture."""
        self._do(lambda: self._draw(frame))

    def tell(self, topic: str, time_ns: int, message: Any) -> None:
        """Write a message."""
        self._do(lambda: [self._ready(topic, time_ns, message)])

    def _do(self, job: Callable[[], list[_Ready]]) -> None:
        """Have the thread do a job; an error of an earlier one comes out here."""
        self._pending.append(self._thread.submit(job))
        self._write_until(_AHEAD)

    def _write_until(self, left: int) -> None:
        """Write what is done, and wait for more while more than `left` jobs are under way."""
        while self._pending and (self._pending[0].done() or len(self._pending) > left):
            for ready in self._pending.popleft().result():
                self._writer.write_bytes(f"/{ready.topic}", ready.time_ns, ready.data)

    def _ready(self, topic: str, time_ns: int, message: Any) -> _Ready:
        return _Ready(topic, time_ns, self._writer.types.write(message))

    def _draw(self, frame: AvatarFrame) -> list[_Ready]:
        make, stamp, picture = self._writer.types.make, frame.stamp_ns, self._render(frame)
        message = images.from_rgb(make, picture, stamp, FRAME_ID)
        self.digest.add(message)
        if self._pictures == "compressed":
            message = images.compressed_from_rgb(make, picture, stamp, FRAME_ID, JPEG_QUALITY)
        return [self._ready(topic, stamp, message) for topic in PICTURES[self._pictures]]
