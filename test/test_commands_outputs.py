# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a command writes: never over an input, whole or not at all, and its status says which."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from avatar_forcing_ros import cli
from avatar_forcing_ros.bags.bag import BagError, BagReader, BagWriter
from avatar_forcing_ros.commands.arguments import check_output
from avatar_forcing_ros.commands.render import _heard
from avatar_forcing_ros.files.inputs import require_file
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.outputs import replacing, typed_path
from avatar_forcing_ros.messages.audio import AudioReader, coding_of
from avatar_forcing_ros.testing import bags as testing_bags
from avatar_forcing_ros.testing import speech_like


@pytest.mark.parametrize("kind", ["itself", "another spelling", "symbolic link", "hard link"])
def test_an_output_is_never_an_input(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    talk, output = tmp_path / "talk.mp4", tmp_path / "other.mp4"
    talk.write_bytes(b"a recording")
    if kind == "itself":
        output = talk
    elif kind == "another spelling":
        output = tmp_path / "folder" / ".." / "talk.mp4"
    elif kind == "symbolic link":
        output.symlink_to(talk)
    else:
        output.hardlink_to(talk)
    assert cli.main(["render", "--speech", str(talk), "--output", str(output)]) == 1
    assert "would be overwritten" in capsys.readouterr().err
    assert talk.read_bytes() == b"a recording"


@pytest.mark.parametrize(
    "wrong",
    [
        ("--seed", "-1"),
        ("--steps", "-3"),
        ("--guidance-user", "nan"),
        ("--size", "-4"),
        ("--size", "100000"),
        ("--size", "65"),
    ],
)
def test_numbers_that_mean_nothing_are_refused_before_work(
    wrong: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "talk.wav").write_bytes(b"not even read")
    output = tmp_path / "film.mp4"
    assert cli.main(["render", "--speech", str(tmp_path / "talk.wav"), "--output", str(output), *wrong]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "must be" in told and wrong[1] in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("prepare {list} --output {out} --piece nan", "--piece of at least 0, got nan"),
        ("prepare {list} --output {out} --longest inf", "--longest of at least 0, got inf"),
        ("prepare {list} --output {out} --least-face -1", "--least-face of at least 0, got -1"),
        ("prepare {list} --output {out} --workers 0", "--workers of at least 1, got 0"),
        ("train --output {out} --work {out}/work --data {list} --conversations 5", "expected one of them, got both"),
        ("train --output {out} --work {out}/work --seed 99999999999999999999", "--seed below"),
        ("train --output {out} --work {out}/work --device tpu", "--device cpu or cuda"),
        ("train --output {out} --work {out}/work --device cuda:99", "--device cpu or cuda"),
        ("evaluate --output {out} --seed -1", "--seed of at least 0, got -1"),
        ("evaluate --output {out} --clip {list}", "expected a video or sound file, got something else"),
        ("evaluate --output {out} --portrait {list}", "expected --speech or --clip, too"),
        (
            "evaluate --output {out} --conversations 0 --speech {list} --without-stage-2 x",
            "is compared on conversations",
        ),
        ("render --speech {list} --output {out}.mp4 --no-label --label Robot", "exclude each other"),
        ("replay no_bag {out} --remap speech:=/a --remap speech:=/b", "two topics, /a and /b"),
    ],
)
def test_options_that_contradict_each_other_or_mean_nothing_are_refused_before_work(
    words: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, out = tmp_path / "list.csv", tmp_path / "out"
    listed.write_text("id,video_a,video_b\nx,a.mp4,b.mp4\n", encoding="utf-8")
    arguments = [word.format(list=listed, out=out) for word in words.split()]
    assert cli.main(arguments) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and told in said
    assert not out.exists()


def test_a_path_that_is_no_path_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["render", "--speech", "", "--output", "film.mp4"])
    assert "is a variable of the shell empty?" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_in_which_nothing_may_be_written_is_named_before_work(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match="no permission to write in"):
        check_output(tmp_path / "new" / "film.mp4", ".mp4", [])


def test_an_output_below_a_file_is_refused_before_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ValueError, match="is a file"):
        check_output(tmp_path / "file" / "new" / "film.mp4", ".mp4", [])


@pytest.mark.parametrize("name", ["film.webm", "film", "folder.mp4"])
def test_an_output_of_another_kind_is_refused_before_work(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ValueError, match="expected"):
        check_output(tmp_path / name, ".mp4", [])


def test_links_in_a_circle_and_names_that_cannot_be_are_told(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(ValueError, match="loop is a link that leads nowhere"):
        check_output(loop / "talk.mp4", ".mp4", ())
    with pytest.raises(ValueError, match="loop: a link that leads nowhere"):
        require_file(loop, "a picture")
    check_output(tmp_path / "talk.mp4", ".mp4", (loop,))  # what is read is told where it is read
    with pytest.raises(argparse.ArgumentTypeError, match="no file can be called"):
        typed_path("a\0b")
    longest = tmp_path / ("日" * 83 + ".mp4")
    with replacing(longest) as part:
        part.write_bytes(b"film")
    assert longest.read_bytes() == b"film"
    with pytest.raises(OSError, match=f"{'y' * 255}.mp4"), replacing(tmp_path / ("y" * 255 + ".mp4")):
        pass


def test_the_home_is_found_in_every_path_that_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells leave the ~ of --output=~/talk.mp4 as it is; the film then lay in a folder of that name."""
    monkeypatch.setenv("HOME", "/home/ada")
    assert typed_path("~/talk.mp4") == Path("/home/ada/talk.mp4")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    wrong = {"https://a.org/a.wav": "download it", "~nobody_of_this_name/a.wav": "no such user", "a.mp4": "was deleted"}
    for text, told in wrong.items():
        with pytest.raises(argparse.ArgumentTypeError, match=told):
            typed_path(text)
    for name in cli.COMMANDS:
        options = cli._parser(name)._subparsers._group_actions[0].choices[name]._actions
        assert not [option.dest for option in options if option.type is Path], name


def test_a_movie_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"the film before")

    def fail() -> None:
        with MovieWriter(tmp_path / "film.mp4", 64, 64) as movie:
            movie.write_image(np.zeros((64, 64, 3), np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_bytes() == b"the film before"


def test_two_runs_with_one_output_write_a_file_each_and_a_link_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    with replacing(tmp_path / "link") as one, replacing(tmp_path / "link") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "target"]


def test_a_bag_is_not_replaced_by_its_own_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = testing_bags.write_bag(tmp_path / "in", list(testing_bags.user_motion(0.2)))
    for output in (bag, bag / "out", tmp_path):
        assert cli.main(["replay", str(bag), str(output), "--force"]) == 1
        assert "where" in capsys.readouterr().err
    with BagReader(bag) as reader:
        assert reader.counts() == {"/user_motion": 5}


def test_a_full_disk_ends_a_bag_in_one_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    def fill() -> None:
        with BagWriter(tmp_path / "out") as writer:
            writer.add_topic("/user_motion", testing_bags.KINDS["/user_motion"])
            monkeypatch.setattr(writer._writer, "write", full)
            writer.write_bytes("/user_motion", 1, b"")

    with pytest.raises(BagError, match="disk is full"):
        fill()
    assert not list(tmp_path.iterdir())


def test_names_in_any_alphabet_on_a_terminal_that_only_knows_ascii(tmp_path: Path) -> None:
    missing = tmp_path / "дом 家" / "нет.wav"
    command = [sys.executable, "-m", "avatar_forcing_ros.cli", "render", "--speech", str(missing), "--output", "o.mp4"]
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, env=os.environ | ascii_only, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert b"no such file" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(("level", "is_silent"), [(0.0, True), (0.3, True), (0.01, False)])
def test_a_recording_with_nothing_in_it_is_remarked_on(
    level: float, is_silent: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A constant is no sound."""
    samples = np.full(16_000, level, np.float32) if is_silent else level * speech_like(1.0)
    wavfile.write(tmp_path / "said.wav", 16_000, samples)
    assert len(_heard(tmp_path / "said.wav").samples) == 16_000
    assert ("said.wav: silent" in capsys.readouterr().out) is is_silent


# --- the net under every command -------------------------------------------------------------------------------------


def run_with(failure: BaseException, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    def run(_args: argparse.Namespace) -> dict[str, Any]:
        file = Path(__file__)
        assert file.is_file()
        raise failure

    module = SimpleNamespace(run=run, add_arguments=lambda _parser: None)
    monkeypatch.setattr(cli.importlib, "import_module", lambda _name: module)
    return cli.main(["bench", *options])


def test_what_nobody_expected_is_one_line_with_the_file_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(IndexError("list index\nout of range"), monkeypatch) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "Traceback" not in told
    assert all(part in told for part in ("IndexError", "list index out of range", Path(__file__).name, "--debug"))
    assert run_with(IndexError("list index"), monkeypatch, "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_command_that_cannot_even_be_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError("No module named 'av'")

    monkeypatch.setattr(cli.importlib, "import_module", missing)
    assert cli.main(["render"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "No module named 'av'" in told and "--debug" in told


def test_ctrl_c_while_a_command_is_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.importlib, "import_module", interrupted)
    assert cli.main(["render"]) == 130
    assert capsys.readouterr().err == "avatar-forcing render: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of `avatar-forcing doctor --json | head -1`; a pipe of the program's own that breaks is one."""
    module = SimpleNamespace(run=lambda _args: {"frames": 3}, add_arguments=lambda _parser: None)
    monkeypatch.setattr(cli.importlib, "import_module", lambda _name: module)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert cli.main(["bench", "--json"]) == 128 + signal.SIGPIPE
        assert capsys.readouterr().err == ""
    monkeypatch.undo()
    assert run_with(BrokenPipeError(32, "Broken pipe"), monkeypatch) == 1


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_an_output_that_was_closed_stops_no_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service's may be, or that of `2>&-`: Python has none then."""

    def run(_args: argparse.Namespace) -> dict[str, Any]:
        sys.stdout.write("done\n")
        sys.stderr.write("a remark\n")
        return {}

    module = SimpleNamespace(run=run, add_arguments=lambda _parser: None)
    monkeypatch.setattr(cli.importlib, "import_module", lambda _name: module)
    monkeypatch.setattr(sys, name, None)
    assert cli.main(["bench", "--json"]) == 0


def test_sigterm_is_told_tidied_and_seen_in_the_status(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_args: argparse.Namespace) -> dict[str, Any]:
        with replacing(tmp_path / "film.mp4"):
            os.kill(os.getpid(), signal.SIGTERM)
            raise AssertionError("SIGTERM did not end the work")

    before = signal.getsignal(signal.SIGTERM)
    module = SimpleNamespace(run=run, add_arguments=lambda _parser: None)
    monkeypatch.setattr(cli.importlib, "import_module", lambda _name: module)
    assert cli.main(["bench"]) == 128 + signal.SIGTERM
    assert "terminated" in capsys.readouterr().err
    assert not list(tmp_path.iterdir()) and signal.getsignal(signal.SIGTERM) is before


# --- coded sound in messages of samples ------------------------------------------------------------------------------


def mp3_frames(count: int, size: int = 576) -> bytes:
    """Frames of 192 kbit/s at 48 kHz with nothing in them."""
    return (b"\xff\xfb\xb4\xc4" + bytes(size - 4)) * count


@pytest.mark.parametrize("data", [mp3_frames(1), mp3_frames(3)[:-100], b"OggS" + bytes(60), b"RIFF" + bytes(60)])
def test_coded_sound_is_refused_with_what_mends_it_and_stays_refused(data: bytes) -> None:
    reader = AudioReader("AudioData")
    for piece in (data, data, bytes(64)):  # a later piece need not begin with a mark
        with pytest.raises(ValueError, match="format:=wave"):
            reader.read(SimpleNamespace(data=np.frombuffer(piece, np.uint8)))


def test_one_piece_that_looks_like_a_frame_of_mp3_is_left_out_alone() -> None:
    """It happens every few hours of loud sound; the microphone was refused from then on."""
    reader = AudioReader("AudioData")
    for piece, is_refused in ((bytes(576), False), (mp3_frames(1), True), (bytes(576), False)):
        with pytest.raises(ValueError, match="MP3") if is_refused else nullcontext():
            reader.read(SimpleNamespace(data=np.frombuffer(piece, np.uint8)))


def test_samples_are_not_taken_for_coded_sound() -> None:
    draw = np.random.default_rng(0)
    for size in (320, 576, 640, 960, 1152, 3200):
        for scale in (1, 300, 30_000):
            samples = (draw.normal(size=(200, size // 2)) * scale).clip(-32768, 32767).astype("<i2")
            assert not any(coding_of(row.tobytes(), size) for row in samples)
    assert not coding_of(b"\xff" * 640, 640)
    assert not coding_of((speech_like(0.02) * 32767).astype("<i2").tobytes(), 640)


# --- the handed cases -------------------------------------------------------------------------------------------------


@pytest.mark.shared
def test_the_split_bag_without_metadata_plays_like_the_one_with_it(shared: Path, tmp_path: Path) -> None:
    cases = shared / "cases"
    whole = tmp_path / "whole"
    shutil.copytree(cases / "bag_split_without_metadata", whole)
    whole.chmod(0o755)
    shutil.copy(cases / "bag_split_metadata.yaml", whole / "metadata.yaml")
    with BagReader(cases / "bag_split_without_metadata") as without, BagReader(whole) as reader:
        assert without.topics == reader.topics
        topics = set(reader.topics)
        told = [(m.topic, m.time_ns, m.data) for m in without.messages(topics)]
        assert told == [(m.topic, m.time_ns, m.data) for m in reader.messages(topics)]
        assert without.remark.startswith("metadata.yaml is missing") and not reader.remark
        assert not without.damage and not reader.damage
    times = [time_ns for _, time_ns, _ in told]
    assert times == sorted(times)
    assert sum("image" in topic for topic, _, _ in told) == 120


@pytest.mark.shared
def test_the_bag_with_mp3_in_its_samples_is_refused_with_what_mends_it(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = shared / "cases" / "bag_mp3_in_audiodata"
    assert cli.main(["replay", str(bag), str(tmp_path / "out"), "--size", "64", "--pictures", "none"]) == 1
    told = capsys.readouterr().out
    assert "refused user_audio: 119 messages" in told and "got MP3" in told and "format:=wave" in told
