"""Draws and records what an avatar presents, in a thread of its own: the next block is generated meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.bags.bag import BagWriter
from avatar_forcing_ros.bags.digest import ImageDigest
from avatar_forcing_ros.bags.performance import FRAME_ID
from avatar_forcing_ros.messages import images
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


class BagStage:
    """Draws a performance and writes it into a bag, in the order in which it is presented, in a thread.

    Args:
        writer: of the bag; the thread opens and closes it.
        render: draws a frame.
        pictures: how pictures are written; the digest is over the raw ones always.

    Attributes:
        digest: over the pictures so far; read it when the stage is closed.
    """

    def __init__(
        self, writer: BagWriter, render: Callable[[AvatarFrame], NDArray[np.uint8]], pictures: Pictures = "raw"
    ) -> None:
        self._writer, self._render, self._pictures = writer, render, pictures
        self._topics = OUTPUTS | PICTURES[pictures]
        self._thread = ThreadPoolExecutor(1, "drawing")  # SQLite wants all its calls from one
        self._pending: deque[Future[None]] = deque()
        self.digest = ImageDigest()

    def __enter__(self) -> BagStage:
        self._thread.submit(self._open).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        closing = self._thread.submit(self._close, kind)
        self._thread.shutdown()
        closing.result()

    def add_topic(self, topic: str, kind: str) -> None:
        """Have one more topic in the bag; before the stage is entered."""
        self._topics = {**self._topics, topic: kind}

    def show(self, frame: AvatarFrame) -> None:
        """Draw a frame and write its picture."""
        self._do(lambda: self._draw(frame))

    def tell(self, topic: str, time_ns: int, message: Any) -> None:
        """Write a message."""
        self._do(lambda: self._writer.write(f"/{topic}", time_ns, message))

    def copy(self, topic: str, time_ns: int, data: bytes) -> None:
        """Write the bytes of a message."""
        self._do(lambda: self._writer.write_bytes(f"/{topic}", time_ns, data))

    def _do(self, job: Callable[[], None]) -> None:
        """Have the thread do a job, a few ahead at most; an error of an earlier one comes out here."""
        self._pending.append(self._thread.submit(job))
        while self._pending and (self._pending[0].done() or len(self._pending) > _AHEAD):
            self._pending.popleft().result()

    def _open(self) -> None:
        self._writer.__enter__()
        for topic, kind in self._topics.items():
            self._writer.add_topic(f"/{topic}", kind)

    def _close(self, kind: type[BaseException] | None) -> None:
        """After all jobs: what failed among them fails the bag."""
        failure = next((error for job in self._pending if (error := job.exception())), None)
        self._writer.__exit__(kind or (type(failure) if failure else None), failure, None)
        if failure is not None and kind is None:
            raise failure

    def _draw(self, frame: AvatarFrame) -> None:
        make, stamp, picture = self._writer.types.make, frame.stamp_ns, self._render(frame)
        message = images.from_rgb(make, picture, stamp, FRAME_ID)
        self.digest.add(message)
        if self._pictures == "compressed":
            message = images.compressed_from_rgb(make, picture, stamp, FRAME_ID, JPEG_QUALITY)
        for topic in PICTURES[self._pictures]:
            self._writer.write(f"/{topic}", stamp, message)
