# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Nodes show no face whose consent is not there, is of another picture, or has ended, be it while they run."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy")
from avatar_forcing_ros.srv import SetPortrait
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import Image

from avatar_forcing_ros import cli
from avatar_forcing_ros.files.pictures import read_image, sha256_of_pixels
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.nodes.conversions import to_rgb
from avatar_forcing_ros.nodes.testing import AvatarStage, TestGraph
from avatar_forcing_ros.nodes.understudy_node import UnderstudyNode
from avatar_forcing_ros.portraits import consent
from avatar_forcing_ros.testing import speech_like
from avatar_forcing_ros.understudy.face import keep

pytestmark = pytest.mark.ros

FRAME_NS = 40_000_000


def portrait(path: Path, grey: int, expires: str = "never") -> Path:
    cv2.imwrite(str(path), np.full((64, 64, 3), grey, np.uint8))
    said = ["--who", "Ada", "--source", "camera", "--licence", "internal", "--consent", "signed", "--expires", expires]
    assert cli.main(["consent", str(path), *said]) == 0
    return path


@pytest.fixture
def graph():
    with TestGraph() as graph:
        yield graph


def ask(graph: TestGraph, path: Path) -> SetPortrait.Response:
    return graph.call(SetPortrait, "generator/set_portrait", SetPortrait.Request(path=str(path)))


def test_a_portrait_without_a_sidecar_is_refused_and_the_old_one_stays(graph: TestGraph, tmp_path: Path) -> None:
    stage = AvatarStage(graph, require_consent=True)
    stage.play(20)
    own = stage.infos[-1].portrait_sha256
    other = portrait(tmp_path / "face.png", 90)
    (tmp_path / "face.png.yaml").rename(tmp_path / "kept")
    answer = ask(graph, other)
    assert not answer.success
    assert "avatar-forcing consent" in answer.message and "\n" not in answer.message
    stage.play(10)
    assert stage.infos[-1].portrait_sha256 == own == sha256_of_pixels(read_image(default_portrait()))
    (tmp_path / "kept").rename(tmp_path / "face.png.yaml")
    assert ask(graph, other).success
    stage.play(10)
    assert stage.infos[-1].portrait_sha256 == sha256_of_pixels(read_image(other))


def test_nodes_do_not_start_with_a_face_that_nobody_has_agreed_to(graph: TestGraph, tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), np.full((64, 64, 3), 90, np.uint8))
    with pytest.raises(AssertionError, match="generator did not start"):
        AvatarStage(graph, require_consent=True, portrait=str(path))
    with pytest.raises(AssertionError, match="understudy did not start"):
        graph.add(UnderstudyNode, portrait=str(path))
    graph.add(UnderstudyNode, portrait=str(path), require_consent=False, image_size=64)


def test_nodes_that_start_after_a_consent_has_ended_show_our_own_character(graph: TestGraph, tmp_path: Path) -> None:
    path, sidecar = portrait(tmp_path / "face.png", 90, "2999-01-01"), tmp_path / "face.png.yaml"
    sidecar.write_text(sidecar.read_text().replace("2999", "2020"))
    own = sha256_of_pixels(read_image(default_portrait()))
    stage = AvatarStage(graph, require_consent=True, portrait=str(path))
    understudy = graph.add(UnderstudyNode, portrait=str(path), image_size=64)
    assert understudy._path == default_portrait()
    reports = graph.listen(DiagnosticArray, "/diagnostics")
    stage.play(4)
    assert stage.infos[-1].portrait_sha256 == own

    def said() -> list[str]:
        return [p.message for report in reports for p in report.status if p.name == "generator: portrait"]

    stage.play_until(lambda: bool(said()))
    assert said()[-1] == "the consent of Ada ended on 2020-01-01: our own character is shown instead"
    answer = ask(graph, path)
    assert not answer.success and "ended on 2020-01-01" in answer.message


def test_a_consent_that_ends_while_the_avatar_runs_takes_the_face_away(
    graph: TestGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = date.today()
    path = portrait(tmp_path / "face.png", 90, today.isoformat())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    face = read_image(path)
    keep(face, sha256_of_pixels(face), 64)
    assert list(tmp_path.rglob("faces/*.png"))
    stage = AvatarStage(graph, require_consent=True, portrait=str(path))
    reports = graph.listen(DiagnosticArray, "/diagnostics")

    def said() -> tuple[bytes, str]:
        parts = [part for report in reports[-3:] for part in report.status if part.name == "generator: portrait"]
        return (parts[-1].level, parts[-1].message) if parts else (b"", "")

    stage.play(20)
    stage.play_until(lambda: said()[0] == DiagnosticStatus.WARN)
    assert said()[1] == f"the consent of Ada ends on {today}"

    class Later(date):
        @classmethod
        def today(cls) -> date:
            return today + timedelta(days=1)

    monkeypatch.setattr(consent, "date", Later)
    own = sha256_of_pixels(read_image(default_portrait()))

    def left() -> bool:
        graph.spin(0.05)  # another process reads the portrait, in the machine's time
        return bool(stage.infos[-1].portrait_sha256 == own)

    stage.play_until(left, longest=2400)
    stage.play_until(lambda: "our own character is shown instead" in said()[1])
    assert not list(tmp_path.rglob("faces/*.png"))
    assert set(np.diff(stage.stamps())) == {FRAME_NS}


def test_faces_are_changed_while_it_speaks_without_a_gap(graph: TestGraph, tmp_path: Path) -> None:
    greys = (60, 120, 180)
    paths = [portrait(tmp_path / f"{grey}.png", grey) for grey in greys]
    stage = AvatarStage(graph, require_consent=True)
    images = graph.listen(Image, "avatar/image_raw")
    stage.play(20)
    stage.say("long", speech_like(8.0))
    stage.play(10)
    shown = []
    for path in paths * 3:
        assert ask(graph, path).success
        stage.play(8)
        shown.append(int(to_rgb(images[-1])[0, 0, 0]))
    assert shown == [*greys] * 3
    assert set(np.diff(stage.stamps())) == {FRAME_NS}
    speaking = [info for info in stage.infos if info.utterance_id == "long"]
    assert len({info.epoch for info in speaking}) == 1
    assert len(speaking) >= 70  # never cut off
