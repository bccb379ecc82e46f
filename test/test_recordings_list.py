# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lists of recordings, and pictures and sound on the frame grid."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from avatar_forcing_ros.files.media import ClipFrame, read_channels, read_video
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.recordings.clip import pieces
from avatar_forcing_ros.recordings.dyads import Dyad, DyadListError, Person, read_dyads
from avatar_forcing_ros.recordings.faces import FollowedFace, filled, stretches
from avatar_forcing_ros.recordings.footage import ClipError, Footage, on_grid
from avatar_forcing_ros.recordings.speakers import likeliest

ENTRIES = (
    {"id": "two", "video_a": "a.mp4", "video_b": "b.mp4", "start": 1.5, "end": 9, "offset_b": 0.25},
    {"id": "wavs", "video": "both.mp4", "audio_a": "a.wav", "audio_b": "b.wav"},
    {"id": "channels", "video": "both.mp4", "audio": "stereo.wav", "sound": "channels"},
    {"id": "mixed", "video_a": "a.mp4", "video_b": "b.mp4", "sound": "mixed", "offset_b": 1},
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def as_csv(entries: tuple[dict, ...]) -> str:
    columns = list(dict.fromkeys(name for entry in entries for name in entry))
    return "\n".join(",".join(str(row.get(c, "")) for c in columns) for row in ({c: c for c in columns}, *entries))


def test_all_three_kinds_of_list_say_the_same(tmp_path: Path) -> None:
    texts = {
        "csv": as_csv(ENTRIES),
        "yaml": yaml.safe_dump(list(ENTRIES)),
        "jsonl": "\n".join(json.dumps(entry) for entry in ENTRIES),
    }
    lists = [read_dyads(write(tmp_path / f"list.{kind}", text)) for kind, text in texts.items()]
    said = [[repr(vars(dyad) | {"line": 0}) for dyad in dyads] for dyads in lists]
    assert said[0] == said[1] == said[2]


@pytest.mark.parametrize("between", [";", "\t", ", ", " ; "])
def test_a_spreadsheets_list_is_read_whatever_stands_between_its_values(between: str, tmp_path: Path) -> None:
    plain = read_dyads(write(tmp_path / "plain.csv", as_csv(ENTRIES)))
    text = "\ufeff" + as_csv(ENTRIES).replace(",", between).replace("\n", "\r\n")
    assert read_dyads(write(tmp_path / "list.csv", text)) == plain


def test_cells_that_were_emptied_and_odd_line_ends_are_no_entries(tmp_path: Path) -> None:
    rows = "id;video_a;video_b\rone;a;b\r;;\r;;\r"  # an old Mac's spreadsheet whose last rows were deleted
    assert [dyad.id for dyad in read_dyads(write(tmp_path / "list.csv", rows))] == ["one"]
    line = '{"id": "one", "video_a": "a\u2028.mp4", "video_b": "b"}'
    (one,) = read_dyads(write(tmp_path / "list.jsonl", line))
    assert one.a.video.name == "a\u2028.mp4"


def test_a_list_in_another_encoding_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(as_csv(ENTRIES).encode("utf-16"))
    with pytest.raises(DyadListError, match="expected text in UTF-8"):
        read_dyads(tmp_path / "list.csv")


def test_an_entry_says_who_is_seen_and_heard_where(tmp_path: Path) -> None:
    two, wavs, channels, mixed = read_dyads(write(tmp_path / "list.csv", as_csv(ENTRIES)))
    at = tmp_path.joinpath
    assert two.people == (
        Person(at("a.mp4"), "whole", at("a.mp4")),
        Person(at("b.mp4"), "whole", at("b.mp4"), None, 0.25, 0.25),
    )
    assert (two.start_s, two.end_s, two.line) == (1.5, 9, 2)
    assert wavs.people == (
        Person(at("both.mp4"), "left", at("a.wav")),
        Person(at("both.mp4"), "right", at("b.wav")),
    )
    assert [(person.audio, person.channel) for person in channels.people] == [(at("stereo.wav"), n) for n in (0, 1)]
    assert mixed.is_mixed and mixed.b == Person(at("b.mp4"), "whole", at("a.mp4"), None, 1.0, 0.0)
    assert wavs.files == (at("both.mp4"), at("a.wav"), at("b.wav"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "a/b"}, "id must consist of"),
        ({"id": "two"}, "line 3: id 'two' was already taken by line 2"),
        ({"vidoe": "x"}, "unknown field 'vidoe'"),
        ({"video_b": ""}, "both video_a and video_b"),
        ({"video": "c.mp4"}, "either video or both"),
        ({"start": "soon"}, "start must be a number of seconds, got 'soon'"),
        ({"start": 5, "end": 2}, "0 <= start < end must hold, got start 5 and end 2"),
        ({"audio_a": "a.wav"}, "audio_a and audio_b together"),
        ({"sound": "loud"}, "own, channels, mixed, got 'loud'"),
        ({"audio": "x.wav"}, "one sound of both"),
        ({"video_a": "", "video_b": "", "video": "v.mp4"}, "one video has one sound"),
    ],
)
def test_wrong_lines_are_named_with_what_was_expected(tmp_path: Path, changes: dict, message: str) -> None:
    wrong = {"id": "other", "video_a": "a.mp4", "video_b": "b.mp4"} | changes
    with pytest.raises(DyadListError, match=r"line 3: ") as error:
        read_dyads(write(tmp_path / "list.csv", as_csv((ENTRIES[0], wrong))))
    assert message in str(error.value)


def test_every_wrong_line_is_named_and_the_rest_is_not(tmp_path: Path) -> None:
    lines = ['{"id": "good", "video_a": "a", "video_b": "b"}', '{"id": "one"}', "", '{"id": "two"}']
    with pytest.raises(DyadListError, match=r"line 2: .*; line 4: ") as error:
        read_dyads(write(tmp_path / "list.jsonl", "\n".join(lines)))
    assert "line 1" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.txt", "id", "ends in .csv, .jsonl, .yaml, .yml, got '.txt'"),
        ("list.csv", "id,video\n", "at least one recording"),
        ("list.yaml", "id: x\n", "expected a YAML list"),
        ("list.yaml", "- one\n", "line 1: expected a mapping"),
        ("list.jsonl", "{'id'}\n", "line 1: expected one JSON object"),
        ("list.csv", "id,video_a,video_b,video_a\n", "line 1: the column 'video_a' stands there twice"),
        ("list.jsonl", '{"id": "a", "id": "b"}\n', "line 1: the key 'id' stands there twice"),
        ("list.yaml", "- id: a\n  id: b\n", "the key 'id' stands there twice"),
        ("list.jsonl", '{"id": "a", "start": true}\n', "line 1: start must be a number of seconds, got 'True'"),
        ("list.jsonl", '{"id": "a", "end": Infinity}\n', "line 1: end must be a number of seconds, got 'inf'"),
        ("list.csv", "id;start\na;1,5\n", "got '1,5': write a point instead of the comma"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(DyadListError, match="list") as error:
        read_dyads(write(tmp_path / name, text))
    assert message in str(error.value)


@pytest.mark.parametrize("rate", [8, 24, 25, 30000 / 1001, 50, 60])
def test_the_grid_takes_the_nearest_picture_of_any_frame_rate(rate: float) -> None:
    times = np.arange(round(2 * rate)) / rate
    frames = (ClipFrame(float(t), np.full((1, 1, 3), n, np.uint8)) for n, t in enumerate(times))
    taken = [int(image[0, 0, 0]) for image in on_grid(frames, start_s=0.5)]
    moments = np.arange(0.5, times[-1] + 0.02, 0.04)
    assert len(taken) == len(moments)
    off = np.abs(times[:, None] - moments)
    np.testing.assert_allclose(off[taken, np.arange(len(moments))], off.min(axis=0), atol=1e-9)


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds whose brightness and two channels of sound tell the time."""
    path = tmp_path_factory.mktemp("video") / "counting.mp4"
    rng = np.random.default_rng(0)
    with MovieWriter(path, 32, 32, channels=2) as movie:
        for n in range(50):
            movie.write_image(np.full((32, 32, 3), 4 * n + 20, np.uint8))
            noise = rng.normal(0, 0.1, 640).astype(np.float32)
            movie.write_sound(np.stack([noise * (n == 30), noise * (n == 40)], axis=1))
    return path


def test_a_video_is_read_from_any_moment(counting: Path) -> None:
    whole = [frame.image.mean() for frame in read_video(counting)]
    assert len(whole) == 50
    footage = Footage(Person(counting, "whole", counting, 0, video_offset_s=0.2, audio_offset_s=0.2), 0.4, 12)
    np.testing.assert_allclose([image.mean() for image in footage.pictures()], whole[15:27])


def test_a_phone_held_upright_gives_upright_pictures(tmp_path: Path) -> None:
    path = tmp_path / "phone.mp4"
    with MovieWriter(path, 64, 32) as movie:
        image = np.zeros((32, 64, 3), np.uint8)
        image[:, :20] = 255
        movie.write_image(image)
        movie.write_sound(np.zeros(640, np.float32))
    header = path.read_bytes()
    as_filmed, turned = (np.array(m, ">i4").tobytes() for m in ((65536, 0, 0, 0, 65536), (0, 65536, 0, -65536, 0)))
    at = header.index(b"tkhd") + 44
    assert header[at : at + 20] == as_filmed, "the place of the display matrix of the first track"
    path.write_bytes(header[:at] + turned + header[at + 20 :])
    picture = next(read_video(path)).image
    assert picture.shape == (64, 32, 3)
    assert picture[:12].mean() > 200 and picture[30:].mean() < 40, "turned clockwise: left comes to the top"


def test_sound_is_read_by_channel_and_stays_at_its_moment(counting: Path) -> None:
    for channel, frame in ((0, 30), (1, 40)):
        sound = Footage(Person(counting, "whole", counting, channel), 0.8, 30).sound()
        assert sound.shape == (30 * 640,)
        assert np.square(sound).reshape(30, 640).sum(axis=1).argmax() == frame - 20
    assert not read_channels(counting, 3.0, 3.5, 16_000).any(), "after its end there is silence"


def test_footage_that_is_not_there_is_named(counting: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="ends before 5 s"):
        next(Footage(Person(counting, "whole", counting), 5.0, 10).pictures())
    mono = tmp_path / "mono.mp4"
    with MovieWriter(mono, 32, 32) as movie:
        movie.write_image(np.zeros((32, 32, 3), np.uint8))
        movie.write_sound(np.zeros(640, np.float32))
    with pytest.raises(ClipError, match="expected two channels of sound, got 1"):
        Footage(Person(mono, "whole", mono, 1), 0.0, 1).sound()


def face_at(x: float, width: float = 100.0) -> np.ndarray:
    """Landmarks whose outline is this wide."""
    from avatar_forcing_ros.motion.facemesh.landmarks import OVAL

    points = np.tile([x, 100.0, 0.0], (478, 1))
    points[OVAL[0], 0], points[OVAL[1], 0] = x - width / 2, x + width / 2
    return points


def test_losses_jumps_zooms_and_other_people_break_a_stretch_and_short_losses_do_not() -> None:
    still, there, near = face_at(200), face_at(320), face_at(320, 150)
    faces = [None, still, None, None, still, *[None] * 4, still, there, near, near]
    people = np.array([0] * 12 + [1])
    expected = [-1, 0, 0, 0, 0, -1, -1, -1, -1, 1, 2, 3, 4]
    assert stretches(FollowedFace(faces, people)).tolist() == expected


def test_short_losses_are_filled_from_both_sides() -> None:
    rows = np.array([[0.0], [np.nan], [np.nan], [3.0], [np.nan]])
    out = filled(rows, np.array([0, 0, 0, 0, -1]))
    np.testing.assert_allclose(out[:4, 0], [0, 1, 2, 3])
    assert np.isnan(out[4, 0])


def test_pieces_lie_within_stretches() -> None:
    numbers = np.array([0] * 7 + [-1] * 2 + [1] * 2 + [2] * 3)
    assert pieces(numbers, 3).tolist() == [0, 3, 11]
    assert pieces(np.full(5, -1), 3).tolist() == []


def test_the_likeliest_speaker_changes_only_for_what_a_change_costs() -> None:
    evidence = np.array([1.0] * 10 + [-1.0] * 3 + [1.0] * 10 + [-1.0] * 20)
    assert likeliest(evidence, switch_cost=4.0).tolist() == [True] * 23 + [False] * 20
    assert likeliest(evidence, switch_cost=0.5).tolist() == (evidence > 0).tolist()


def test_a_dyad_names_each_of_its_files_once() -> None:
    person = Person(Path("v.mp4"), "left", Path("v.mp4"))
    assert Dyad("x", 1, person, person, True, 0.0, None).files == (Path("v.mp4"),)
