# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads the user's face on camera/image_raw into a motion latent on user_motion. The newest picture wins."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
from sensor_msgs.msg import CompressedImage, Image

from avatar_forcing_ros.messages.images import MOST_PIXELS
from avatar_forcing_ros.motion.space import AttendingEncoder, CountingEncoder, MotionSpace
from avatar_forcing_ros.msg import MotionLatents
from avatar_forcing_ros.nodes import qos
from avatar_forcing_ros.nodes.conversions import read_image
from avatar_forcing_ros.nodes.diagnostics import DiagnosticsPublisher, Health, Level
from avatar_forcing_ros.nodes.humans import Humans, hri_messages
from avatar_forcing_ros.nodes.managed_node import ManagedNode
from avatar_forcing_ros.nodes.motion_messages import from_sample
from avatar_forcing_ros.nodes.ros_time import stamp_ns
from avatar_forcing_ros.nodes.running import run
from avatar_forcing_ros.session.errors import one_line
from avatar_forcing_ros.session.inputs import NONE_YET, PictureWatch
from avatar_forcing_ros.session.worker import Mailbox
from avatar_forcing_ros.signals import MILLISECOND, VideoFrame

_MARKED = 16  # one of this many rows and columns is enough to see whether a picture has changed
_RAW, _COMPRESSED = "camera/image_raw", "camera/image_raw/compressed"


@dataclass(frozen=True)
class MotionExtractionConfig:
    """Parameters of the motion extraction node.

    Attributes:
        model: model bundle whose motion space reads the face; empty uses the facemesh space, which needs no model.
        compressed: read camera/image_raw/compressed instead of camera/image_raw.
        reliable: ask the camera to resend pictures that the network has lost; the camera must publish reliably, or
            nothing is received.
        input_timeout_ms: a camera that has been silent for this long counts as stopped.
        most_pixels: larger pictures are refused before they are unpacked.
        user: which of several people is the user: the nearest, or the one named by ROS4HRI on /humans.
    """

    model: str = ""
    compressed: bool = False
    reliable: bool = False
    input_timeout_ms: int = field(default=500, metadata={"range": (40, 60_000)})
    most_pixels: int = field(default=MOST_PIXELS, metadata={"range": (4096, 2**40)})
    user: Literal["nearest", "humans"] = "nearest"


def open_space(model: str) -> MotionSpace:
    """The motion space of a model; the facemesh space if no model is named.

    Raises:
        BundleError: if there is no such model.
    """
    if not model:
        from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace

        return FaceMeshSpace()
    from avatar_forcing_ros.bundle import load_space  # imports torch, which the facemesh space does not need

    return load_space(model)


class MotionExtractionNode(ManagedNode[MotionExtractionConfig]):
    """Converts pictures, encodes them in a thread of its own and publishes the face's motion.

    Args:
        open_motion_space: opens the motion space of the model that the parameter `model` names.
    """

    def __init__(self, open_motion_space: Callable[[str], MotionSpace] = open_space, **node_arguments: Any) -> None:
        super().__init__("motion_extraction", MotionExtractionConfig(), **node_arguments)
        self._open_motion_space = open_motion_space

    def setup(self, undo: ExitStack) -> None:
        """Load the encoder.

        Raises:
            ValueError: if /humans is to say who the user is, and either hri_msgs or the encoder cannot do that.
        """
        cv2.setNumThreads(1)
        if self.config.user == "humans":
            hri_messages()
        self._space = self._open_motion_space(self.config.model)
        self._encoder = self._space.make_encoder()
        undo.callback(self._encoder.close)
        if self.config.user == "humans" and not isinstance(self._encoder, AttendingEncoder):
            raise ValueError(
                f"user is 'humans', and the reader of {self._space.name} cannot be told which face to read"
            )

    def begin(self, undo: ExitStack) -> None:
        """Listen to the camera."""
        self._newest_ns: int | None = None
        self._face_found = False
        self._camera = PictureWatch(self.config.input_timeout_ms * MILLISECOND)
        self._mailbox: Mailbox[Image | CompressedImage] = Mailbox()
        self._publisher = self.advertise(MotionLatents, "user_motion", qos.STREAM)
        self.work("motion extraction", self._turn, self._mailbox.close)
        wanted = qos.PICTURE if self.config.reliable else qos.SENSOR
        if self.config.compressed:
            self.listen(CompressedImage, _COMPRESSED, self._mailbox.put, wanted)
        else:
            self.listen(Image, _RAW, self._mailbox.put, wanted)
        self._humans = Humans(self, undo) if self.config.user == "humans" else None
        undo.callback(DiagnosticsPublisher(self, self._health).close)

    def _turn(self) -> None:
        message = self._mailbox.take()
        if message is None:
            return
        try:
            self._read(message)
        except ValueError as error:
            self._camera.refused(self.get_clock().now().nanoseconds, one_line(error))
            raise

    def _read(self, message: Image | CompressedImage) -> None:
        time_ns = exposed_ns(message)
        image = read_image(message, self.config.most_pixels)
        now_ns, mark = self.get_clock().now().nanoseconds, hash(image[::_MARKED, ::_MARKED].tobytes())
        if self._newest_ns is not None and time_ns < self._newest_ns:
            self._encoder.reset()  # time went back: a new recording, or a clock that was set
        self._newest_ns = time_ns
        if self._humans is not None and isinstance(self._encoder, AttendingEncoder):
            self._encoder.attend(self._humans.user())
        sample = self._encoder.encode(VideoFrame(time_ns, image))
        self._camera.seen(now_ns, image.shape[1], image.shape[0], mark)
        self._face_found = sample.valid
        self._publisher.publish(from_sample(sample, self._space.name, self._space.names))

    def _health(self) -> Health:
        now_ns = self.get_clock().now().nanoseconds
        people, still = int(self._face_found), 0
        if isinstance(self._encoder, CountingEncoder):
            people, still = self._encoder.people, self._encoder.still
        many = f"running; of {people} people the nearest is read" if people > 1 else "running"
        if self._humans is not None:
            people, told = self._humans.describe()
            many = f"running; {told}"
        values = {
            "face_found": self._face_found,
            "people": people,
            "still_faces": still,
            "camera_fps": self._camera.rate_hz(now_ns) or 0.0,
            "picture_size": "x".join(map(str, self._camera.size or ())),
            "dropped": self._mailbox.dropped,
            "faults": self.faults.count,
            "last_fault": self.faults.last,
        }
        camera = self._camera.complaint(now_ns)
        if camera == NONE_YET:
            camera += self._elsewhere()
        if camera:
            return Health(Level.DEGRADED, camera, values, {"camera": camera})
        message = many if self._face_found or people > 1 or self._humans else "no face in the picture"
        if still:
            message += f"; {still} that never moved, as on a poster, is not read"
        return Health(Level.OK, message, values, {"camera": ""})

    def _elsewhere(self) -> str:
        """Where pictures come instead, with what to set, for the end of a complaint; or empty."""
        ours, other = (_COMPRESSED, _RAW) if self.config.compressed else (_RAW, _COMPRESSED)
        if self.count_publishers(self.resolve_topic_name(ours)) or not self.count_publishers(
            name := self.resolve_topic_name(other)
        ):
            return ""
        return f": they come on {name}, which is read with compressed:={str(not self.config.compressed).lower()}"


def exposed_ns(message: Image | CompressedImage) -> int:
    """When a picture was exposed, by its stamp.

    Raises:
        ValueError: it has none.
    """
    time_ns = stamp_ns(message.header.stamp)
    if not time_ns:
        raise ValueError("a picture needs the time of its exposure, got an empty header.stamp: set it, at least to now")
    return time_ns


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(MotionExtractionNode, args, prepare=_prepare)


def _prepare() -> None:
    """Import the face reader before forking, so that a restarted child need not import it again."""
    from avatar_forcing_ros.motion.facemesh import space  # noqa: F401


if __name__ == "__main__":
    raise SystemExit(main())
