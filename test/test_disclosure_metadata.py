# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Videos say what they are where players and archives look: tags of the container, and XMP in its box."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from avatar_forcing_ros import cli
from avatar_forcing_ros.devices.movie import Recorder, RecordingConfig
from avatar_forcing_ros.disclosure.metadata import AVATAR, CONVERSATION, VideoDisclosure
from avatar_forcing_ros.files.media import read_video
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.testing import speech_like

XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
KIND = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
SIDE = 64


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each outermost box of an mp4 file; they fill it to the last byte."""
    at = 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        assert size >= 8 and at + size <= len(content)
        yield kind, content[at + 8 : at + size]
        at += size


def check(path: Path, expected: VideoDisclosure) -> None:
    with av.open(str(path)) as container:
        assert container.metadata["comment"] == expected.words
        assert container.metadata["description"] == expected.words
    (packet,) = (content for kind, content in boxes(path.read_bytes()) if kind == b"uuid" and content[:16] == XMP_BOX)
    (description,) = ElementTree.fromstring(packet[16:].decode()).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    assert description.attrib[KIND] == f"http://cv.iptc.org/newscodes/digitalsourcetype/{expected.kind}"
    assert "".join(description.itertext()).strip() == expected.words
    assert sum(1 for _ in read_video(path)) > 0


def test_a_recording_of_a_conversation_says_which_half_is_artificial(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "talk.mp4", RecordingConfig(side=SIDE))
    for number in range(60):  # of which some are on the disk
        recorder.add_avatar_picture(number * 40_000_000, np.full((SIDE, SIDE, 3), 90, np.uint8))
    recorder.add_avatar_sound(AudioChunk(0, np.zeros(3200, np.float32), 16_000))
    with av.open(str(tmp_path / "talk.part.mkv")) as part:  # what is left of it if the process is killed
        assert part.metadata["COMMENT"] == CONVERSATION.words
    recorder.finish()
    check(tmp_path / "talk.mp4", CONVERSATION)


@pytest.mark.slow
def test_render_labels_and_tags_its_video(tmp_path: Path) -> None:
    from avatar_forcing_ros.files.movies import MovieWriter

    with MovieWriter(tmp_path / "speech.mp4", 16, 16) as speech:
        speech.write_image(np.zeros((16, 16, 3), np.uint8))
        speech.write_sound(speech_like(0.2))
    pictures = {}
    for name, options in (("labelled", ["--label", "KI"]), ("bare", ["--no-label"])):
        output = tmp_path / f"{name}.mp4"
        arguments = ["render", "--speech", str(tmp_path / "speech.mp4"), "--size", "128", "--output", str(output)]
        assert cli.main([*arguments, *options]) == 0
        check(output, AVATAR)
        pictures[name] = next(iter(read_video(output))).image.astype(int)
    difference = np.abs(pictures["labelled"] - pictures["bare"]).max(axis=2)
    assert difference[100:, :50].max() > 60  # the label's plate
    assert difference[:90].max() < 30
