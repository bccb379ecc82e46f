# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A bag in, a bag out, without ROS: only stamps decide, bad bags end in one clear line, nothing readable is lost."""

from __future__ import annotations

import copy
import json
import shutil
import sqlite3
import struct
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg

from avatar_forcing_ros import cli
from avatar_forcing_ros.audio.pcm import to_int16
from avatar_forcing_ros.avatar import Avatar, AvatarConfig
from avatar_forcing_ros.bags.bag import BagError, BagReader, BagWriter, Storage
from avatar_forcing_ros.bags.bag_types import BagTypes
from avatar_forcing_ros.bags.digest import digest_of
from avatar_forcing_ros.bags.inputs import survey
from avatar_forcing_ros.bags.offline import Replayed, replay
from avatar_forcing_ros.commands import replay as command
from avatar_forcing_ros.messages import audio, images
from avatar_forcing_ros.signals import AudioChunk
from avatar_forcing_ros.testing import bags as testing_bags
from avatar_forcing_ros.testing import speech_like, tiny_bundle
from avatar_forcing_ros.testing.bags import BEGIN_NS, MS, Sent, conversation, make, shuffled, user_motion, write_bag
from avatar_forcing_ros.timeline.grid import FRAME_NS, FRAME_SAMPLES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SIDE = 64
PORTRAIT = np.full((SIDE, SIDE, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The conversation in a bag; what is made of it lies beside it as `out`."""
    folder = tmp_path_factory.mktemp("reference")
    write_bag(folder / "in", conversation())
    played(folder / "in", folder / "out")
    return folder


def played(bag: Path, output: Path, seed: int = 0, camera: bool = False, **writing: Any) -> Replayed:
    with BagReader(bag) as source:
        avatar = Avatar(tiny_bundle(), PORTRAIT, AvatarConfig(image_size=SIDE, seed=seed))
        return replay(source, survey(source, camera=camera), BagWriter(output, **writing), avatar, "0" * 64)


def shown(output: Path) -> str:
    with BagReader(output) as bag:
        return digest_of(bag).hexdigest()


def messages(bag: Path, topic: str) -> list[Any]:
    with BagReader(bag) as reader:
        return [reader.types.read(m.data, m.type_name) for m in reader.messages({topic})]


def test_the_same_bag_gives_the_same_pictures_and_another_seed_or_input_does_not(
    reference: Path, tmp_path: Path
) -> None:
    again = played(reference / "in", tmp_path / "again")
    assert again.sha256 == shown(reference / "out") == shown(tmp_path / "again")
    assert played(reference / "in", tmp_path / "seed", seed=1).sha256 != again.sha256
    half = write_bag(tmp_path / "half", [sent for sent in conversation() if sent.topic != "/speech"])
    assert played(half, tmp_path / "half_out").sha256 != again.sha256


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_arrivals_shuffled_inside_the_window_change_nothing(reference: Path, tmp_path: Path, seed: int) -> None:
    bag = write_bag(tmp_path / "in", shuffled(conversation(), seed), "mcap")
    result = played(bag, tmp_path / "out", storage="mcap")
    assert result.sha256 == shown(reference / "out") == shown(tmp_path / "out")
    assert not any(result.counters.values())


def test_a_later_arrival_than_the_window_allows_is_counted(tmp_path: Path) -> None:
    slow = [replace(sent, received_ns=sent.received_ns + 200 * MS) for sent in user_motion(1)]
    assert played(write_bag(tmp_path / "in", slow), tmp_path / "out").counters["user_motion_late"] > 5


def test_a_privacy_bag_gives_the_pictures_of_the_camera_bag(tmp_path: Path) -> None:
    with_camera = [sent for sent in conversation(with_camera=True) if sent.received_ns < BEGIN_NS + 1500 * MS]
    seen = played(write_bag(tmp_path / "camera", with_camera), tmp_path / "camera_out")
    with BagReader(tmp_path / "camera_out") as bag:
        motion = [
            Sent("/user_motion", m.time_ns, m.time_ns, bag.types.read(m.data, m.type_name))
            for m in bag.messages({"/user_motion"})
        ]
    private = [sent for sent in with_camera if sent.topic != "/camera/image_raw"] + motion
    assert len(motion) == sum(sent.topic == "/camera/image_raw" for sent in with_camera)
    assert played(write_bag(tmp_path / "private", private), tmp_path / "private_out").sha256 == seen.sha256


def test_pictures_stand_on_the_grid_with_their_companions(reference: Path) -> None:
    out = reference / "out"
    stamps = [stamp(m) for m in messages(out, "/avatar/image_raw")]
    assert set(np.diff(stamps)) == {FRAME_NS}
    assert [stamp(m) for m in messages(out, "/avatar/frame_info")] == stamps
    assert [stamp(m) for m in messages(out, "/avatar/motion")] == stamps
    said = [(m.utterance_id, m.event) for m in messages(out, "/avatar/playback")]
    assert said == [("interrupted", 0), ("interrupted", 2), ("ahead", 0), ("ahead", 1), ("soon", 0), ("soon", 1)]
    ahead = next(m for m in messages(out, "/avatar/playback") if m.utterance_id == "ahead")
    assert stamp(ahead) == pytest.approx(BEGIN_NS + 1900 * MS, abs=62_500)


def stamp(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def test_compressed_or_no_pictures_have_the_same_hash_over_the_raw_ones(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", list(user_motion(0.5)))
    raw = played(bag, tmp_path / "raw")
    with BagReader(bag) as source:
        avatar = Avatar(tiny_bundle(), PORTRAIT, AvatarConfig(image_size=SIDE))
        jpeg = replay(source, survey(source), BagWriter(tmp_path / "jpeg"), avatar, "", "compressed")
    assert jpeg.sha256 == raw.sha256
    picture = images.read_image(messages(tmp_path / "jpeg", "/avatar/image_raw/compressed")[0])
    assert (
        np.abs(picture.astype(int) - images.read_image(messages(tmp_path / "raw", "/avatar/image_raw")[0])).mean() < 8
    )


def test_sound_without_stamps_counts_from_the_bags_own_time(tmp_path: Path) -> None:
    types = BagTypes()
    types.store.register(get_types_from_msg("uint8[] data", "audio_common_msgs/msg/AudioData"))
    said = to_int16(speech_like(0.6))
    with Writer(tmp_path / "in", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topic = writer.add_connection("/speech", "audio_common_msgs/msg/AudioData", typestore=types.store)
        for k in range(6):
            piece = said[1600 * k : 1600 * (k + 1)].view(np.uint8)
            writer.write(
                topic, BEGIN_NS + k * 40 * MS, types.write(types.make("audio_common_msgs/AudioData", data=piece))
            )
    assert played(tmp_path / "in", tmp_path / "out").frames > 30
    spoken = messages(tmp_path / "out", "/avatar/speech")  # frames of silence are not sent
    heard = np.zeros(40 * FRAME_SAMPLES, np.int16)
    for message in spoken:
        at = (stamp(message) - stamp(spoken[0])) // FRAME_NS * FRAME_SAMPLES
        heard[at : at + FRAME_SAMPLES] = message.data.view(np.int16)
    begin = np.flatnonzero(np.abs(heard) > 300)[0] - np.flatnonzero(np.abs(said) > 300)[0]
    assert np.abs(heard[begin : begin + len(said)].astype(int) - said).max() <= 1


# --- bad bags --------------------------------------------------------------------------------------------------------


def test_a_bag_without_a_needed_topic_says_what_was_expected_and_what_is_there(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", [Sent("/speech/interrupt", 0, BEGIN_NS, testing_bags.interrupt(0).message)])
    with BagReader(bag) as source, pytest.raises(BagError, match=r"expected .*/user_motion.* has /speech/interrupt"):
        survey(source)


def test_an_input_of_another_name_is_found_by_remapping(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", list(user_motion(0.2)))
    with BagReader(bag) as source, pytest.raises(BagError, match="/face"):
        survey(source, {"user_motion": "/face"})
    with BagReader(bag) as source:
        assert survey(source, {"user_motion": "/user_motion"}).inputs == {"/user_motion": "user_motion"}
        refused = {
            "the topic tts for speech; the bag has /user_motion": {"speech": "tts"},  # the rest was replayed mute
            r"with one of the inputs user_motion, .*, got /tts:=speech": {"/tts": "speech"},  # as for `ros2 run`
            "AudioChunk .* on user_motion for speech, got avatar_forcing_ros/msg/MotionLatents": {
                "speech": "user_motion"
            },
        }
        for told, remap in refused.items():
            with pytest.raises(BagError, match=told):
                survey(source, remap)


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
@pytest.mark.parametrize("with_table", [True, False])
def test_a_truncated_bag_is_replayed_as_far_as_it_goes(tmp_path: Path, storage: Storage, with_table: bool) -> None:
    bag = write_bag(tmp_path / "in", [*conversation(), *testing_bags.camera(3, side=160)], storage)
    data = next(path for path in bag.iterdir() if path.suffix in (".db3", ".mcap"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    if not with_table:
        (bag / "metadata.yaml").unlink()
    with BagReader(bag) as source:
        found = survey(source, camera=True)
        assert 20 < found.counts["camera/image_raw"] < 60
        assert found.damage


def split_bag(folder: Path, storage: Storage, pack: bool) -> Path:
    """The conversation in twelve pieces without a table of contents, as a recorder that died leaves them."""
    sent = sorted(conversation(), key=lambda item: item.received_ns)
    size = -(-len(sent) // 12)
    folder.mkdir()
    for piece in range(12):
        part = write_bag(folder.with_name("piece"), sent[piece * size : (piece + 1) * size], storage)
        data = next(path for path in part.iterdir() if path.suffix in (".db3", ".mcap"))
        name = f"split_{piece}{data.suffix}"
        if pack:
            (folder / f"{name}.zstd").write_bytes(zstd.compress(data.read_bytes()))
        else:
            data.rename(folder / name)
        shutil.rmtree(part)
    return folder


@pytest.mark.parametrize(("storage", "pack"), [("sqlite3", False), ("mcap", False), ("sqlite3", True)])
def test_pieces_without_metadata_are_played_in_the_order_of_time(
    reference: Path, tmp_path: Path, storage: Storage, pack: bool
) -> None:
    result = played(split_bag(tmp_path / "in", storage, pack), tmp_path / "out")
    assert not result.damage
    assert shown(tmp_path / "out") == shown(reference / "out")


@pytest.mark.parametrize("with_metadata", [True, False])
def test_messages_that_were_compressed_one_by_one_are_read(tmp_path: Path, with_metadata: bool) -> None:
    plain = write_bag(tmp_path / "plain", conversation())
    writer = Writer(tmp_path / "packed", version=9)
    writer.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with BagReader(plain) as source:
        told = list(source.messages(source.topics))
        with writer:
            types = {topic: kind.replace("/msg/", "/") for topic, kind in source.topics.items()}
            for kind in types.values():
                source.types.make(kind)
            known = source.types.store
            topics = {
                topic: writer.add_connection(topic, kind, typestore=known) for topic, kind in source.topics.items()
            }
            for message in told:
                writer.write(topics[message.topic], message.time_ns, message.data)
    if not with_metadata:
        (tmp_path / "packed" / "metadata.yaml").unlink()
    with BagReader(tmp_path / "packed") as packed:
        assert [(m.topic, m.time_ns, bytes(m.data)) for m in packed.messages(packed.topics)] == [
            (m.topic, m.time_ns, bytes(m.data)) for m in told
        ]
        assert not packed.damage


def test_pieces_that_overlap_in_time_are_played_as_one(reference: Path, tmp_path: Path) -> None:
    """Two recorders, or one whose cache is written late: every other message is in the other piece."""
    sent = sorted(conversation(), key=lambda item: item.received_ns)
    (tmp_path / "in").mkdir()
    for name, part in (("b", sent[::2]), ("a", sent[1::2])):
        piece = write_bag(tmp_path / name, part)
        (piece / f"{name}.db3").rename(tmp_path / "in" / f"{name}.db3")
    assert not played(tmp_path / "in", tmp_path / "out").damage
    assert shown(tmp_path / "out") == shown(reference / "out")


@pytest.mark.parametrize("with_table", [True, False])
def test_what_a_killed_recorder_left_in_its_journal_is_read_and_hidden_files_are_not(
    with_table: bool, tmp_path: Path
) -> None:
    bag = write_bag(tmp_path / "recorded", list(user_motion(0.4)))
    if not with_table:
        (bag / "metadata.yaml").unlink()
    with closing(sqlite3.connect(bag / "recorded.db3")) as recorder:
        recorder.execute("PRAGMA journal_mode = WAL")
        recorder.execute("INSERT INTO messages SELECT id + 100, topic_id, timestamp + 1000000000, data FROM messages")
        recorder.commit()
        shutil.copytree(bag, tmp_path / "in")  # as it is when the recorder is killed
    (tmp_path / "in" / "._recorded.db3").write_bytes(b"\0\5\x16\7 of macOS")
    with BagReader(tmp_path / "in") as source:
        assert len(list(source.messages({"/user_motion"}))) == 20
        assert not source.damage and "journal" in source.remark


def test_a_piece_that_is_lost_is_named(tmp_path: Path) -> None:
    bag = split_bag(tmp_path / "in", "sqlite3", False)
    (bag / "split_3.db3").write_bytes(b"nothing")
    with BagReader(bag) as source:
        assert "split_3.db3" in source.damage


def test_audio_common_needs_no_definition_in_the_bag() -> None:
    connection = SimpleNamespace(
        msgtype="audio_common_msgs/msg/AudioDataStamped", msgdef=SimpleNamespace(data="", format=0)
    )
    types = BagTypes()
    assert types.knows(connection)
    message = types.make("audio_common_msgs/AudioDataStamped")
    assert types.read(types.write(message), connection.msgtype).audio.data.size == 0


def test_audio_stamped_of_the_other_audio_common_needs_no_definition_either() -> None:
    """Bytes as that package's writer makes them: header, five fields of samples, format, channels, rate, chunk."""
    connection = SimpleNamespace(
        msgtype="audio_common_msgs/msg/AudioStamped", msgdef=SimpleNamespace(data="", format=0)
    )
    types = BagTypes()
    assert types.knows(connection)
    samples = np.arange(-2, 2, dtype="<i2")
    body = struct.pack("<iII4x", 5, 7, 1) + struct.pack("<III", 0, 0, 4) + samples.tobytes()
    body += struct.pack("<II4i", 0, 0, 8, 1, 16_000, 4)
    chunk = audio.AudioReader("AudioStamped").read(types.read(b"\0\1\0\0" + body, connection.msgtype))
    assert (chunk.stamp_ns, chunk.sample_rate) == (5_000_000_007, 16_000)
    np.testing.assert_allclose(chunk.samples * 32768, samples, atol=1e-3)


def moved(sent: Sent, by_ns: int) -> Sent:
    """A message sent and received at another time."""
    message = copy.deepcopy(sent.message)
    if hasattr(message, "header"):
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(stamp.sec * 10**9 + stamp.nanosec + by_ns, 10**9)
    return replace(sent, sent_ns=sent.sent_ns + by_ns, received_ns=sent.received_ns + by_ns, message=message)


def test_a_simulation_that_begins_at_zero_is_replayed(tmp_path: Path) -> None:
    """The first moment of simulated time means that there is none yet, for which a replay waited for ever."""
    write_bag(tmp_path / "in", [moved(sent, -BEGIN_NS) for sent in user_motion(0.4)])
    with BagReader(tmp_path / "in") as bag:
        assert survey(bag).opens_ns == FRAME_NS
    assert played(tmp_path / "in", tmp_path / "out").frames > 10


def test_a_clock_that_was_set_while_the_bag_was_recorded_is_told(tmp_path: Path) -> None:
    """Not replayed as fifty years in which nothing happens."""
    early = [moved(sent, -BEGIN_NS + 100 * 10**9) for sent in user_motion(0.4)]
    write_bag(tmp_path / "in", [*early, *user_motion(0.4)])
    with (
        BagReader(tmp_path / "in") as bag,
        pytest.raises(BagError, match=r"none for 4722\d\d hours .* clock was probably"),
    ):
        survey(bag)


def test_stamps_of_another_clock_are_noticed(tmp_path: Path) -> None:
    hour_ns = 3_600_000 * MS
    shifted = [replace(item, received_ns=item.received_ns + hour_ns) for item in user_motion(0.4)]
    with BagReader(write_bag(tmp_path / "in", shifted)) as source:
        assert survey(source).foreign == {"user_motion": 10}
    with BagReader(write_bag(tmp_path / "same", conversation())) as source:
        assert not survey(source).foreign


def test_a_bag_is_found_by_its_table_of_contents_and_one_of_ros_1_named(reference: Path, tmp_path: Path) -> None:
    with BagReader(reference / "in") as bag, BagReader(reference / "in" / "metadata.yaml") as same:
        assert same.counts() == bag.counts()
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n" + bytes(100))
    with pytest.raises(BagError, match="ROS 1: convert it with rosbags-convert"):
        BagReader(tmp_path / "old.bag")


def test_a_file_that_is_no_bag_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "in.db3").write_bytes(b"no database")
    with pytest.raises(BagError, match="expected a bag of rosbag2"):
        BagReader(tmp_path / "in")
    with pytest.raises(BagError, match="no such bag"):
        BagReader(tmp_path / "gone")


def test_messages_that_cannot_be_read_are_counted_and_the_others_replayed(tmp_path: Path) -> None:
    odd = audio.from_chunk(make, AudioChunk(BEGIN_NS, speech_like(0.04), 16_000))
    odd.encoding = 7
    sent = [*user_motion(0.4), Sent("/user_audio", 0, BEGIN_NS + 50 * MS, odd)]
    result = played(write_bag(tmp_path / "in", sent), tmp_path / "out")
    assert result.refused == {"user_audio": 1}
    assert "encoding must be one of" in result.reasons["user_audio"]
    assert result.frames > 20


def test_topics_that_are_not_ours_and_unknown_types_are_skipped_and_counted(tmp_path: Path) -> None:
    types = BagTypes()
    with Writer(tmp_path / "in", version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        strange = writer.add_connection("/strange", "other/msg/Strange", msgdef="no definition ???", rihs01="RIHS01_0")
        known = writer.add_connection("/tf", "std_msgs/msg/Header", typestore=types.store)
        types.make("avatar_forcing_ros/MotionLatents")
        motion = writer.add_connection("/user_motion", "avatar_forcing_ros/msg/MotionLatents", typestore=types.store)
        writer.write(strange, BEGIN_NS, b"\0\1\0\0\0\0\0\0")
        writer.write(known, BEGIN_NS, types.write(make("std_msgs/Header", frame_id="x")))
        for sent in user_motion(0.2):
            writer.write(motion, sent.received_ns, types.write(sent.message))
    with BagReader(tmp_path / "in") as source:
        assert survey(source).skipped == {"/strange": 1, "/tf": 1}


def test_our_own_messages_need_no_definition_in_the_bag(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "in", list(user_motion(0.2)))
    with closing(sqlite3.connect(next(bag.glob("*.db3")))) as database:
        database.execute("DELETE FROM message_definitions")
        database.commit()
    with BagReader(bag) as source:
        assert survey(source).counts == {"user_motion": 5}


def test_an_output_that_is_there_stays_unless_forced_and_a_failure_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    with pytest.raises(BagError, match="--force"):
        BagWriter(tmp_path / "precious")
    with pytest.raises(BagError, match="not a bag, and is kept"):
        BagWriter(tmp_path / "precious", replace=True)
    old = write_bag(tmp_path / "old", list(user_motion(0.2)))
    with pytest.raises(KeyError), BagWriter(old, replace=True) as writer:
        writer.write_bytes("/never/added", BEGIN_NS, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "precious"]
    assert len(messages(old, "/user_motion")) == 5


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """Arguments of the command with a tiny model."""
    monkeypatch.setattr(command, "load_bundle", lambda *_: tiny_bundle())
    cv2.imwrite(str(tmp_path / "portrait.png"), PORTRAIT)
    options = ["--portrait", str(tmp_path / "portrait.png"), "--size", str(SIDE), "--json"]
    return lambda *more: ["replay", *map(str, more), *options]


def test_the_command_says_what_it_made(tiny: Callable[..., list[str]], tmp_path: Path, capsys: Any) -> None:
    bag = write_bag(tmp_path / "in", list(user_motion(0.4)))
    assert cli.main(tiny(bag, tmp_path / "out")) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["sha256"] == shown(tmp_path / "out")
    assert result["inputs"] == {"user_motion": 10}
    assert cli.main(tiny(bag, tmp_path / "out")) == 1
    assert "--force" in capsys.readouterr().err
    assert cli.main(tiny(bag, tmp_path / "out", "--force")) == 0


def test_more_than_a_tenth_lost_is_an_error_unless_allowed(
    tiny: Callable[..., list[str]], tmp_path: Path, capsys: Any
) -> None:
    odd = audio.from_chunk(make, AudioChunk(BEGIN_NS, speech_like(0.04), 16_000))
    odd.encoding = 7
    bag = write_bag(tmp_path / "in", [*user_motion(0.4), Sent("/user_audio", 0, BEGIN_NS + 50 * MS, odd)])
    assert cli.main(tiny(bag, tmp_path / "out")) == 1
    assert "1 cannot be read: more than a tenth is an error" in capsys.readouterr().out
    assert cli.main(tiny(bag, tmp_path / "out", "--force", "--allow-losses")) == 0


def test_the_command_replays_a_damaged_bag_and_says_so_in_its_status(
    tiny: Callable[..., list[str]], tmp_path: Path, capsys: Any
) -> None:
    bag = write_bag(tmp_path / "in", list(user_motion(3.0)), "mcap")
    (bag / "metadata.yaml").unlink()
    assert cli.main(tiny(bag, tmp_path / "out")) == 0  # nothing of it is lost
    assert "metadata.yaml is missing" in capsys.readouterr().out
    data = bag / "in.mcap"
    data.write_bytes(data.read_bytes()[: -(data.stat().st_size // 4)])
    assert cli.main(tiny(bag, tmp_path / "out", "--force")) == 1
    assert "the bag is damaged" in capsys.readouterr().out
    assert len(messages(tmp_path / "out", "/avatar/image_raw")) > 20


def test_what_is_asked_of_the_face_is_seen_refused_by_name_and_copied(reference: Path, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "plain", [item for item in conversation() if "robot_face" not in item.topic])
    played(bag, tmp_path / "out")
    assert shown(tmp_path / "out") != shown(reference / "out")
    assert played(reference / "in", tmp_path / "again").refused == {"expression": 1, "robot_face/look_at": 1}
    asked = messages(reference / "out", "/robot_face/expression")
    assert [message.expression for message in asked] == ["happy", "sad", "gleeful"]
    assert len(messages(reference / "out", "/robot_face/look_at")) == 3


def test_an_expression_of_hri_msgs_is_the_same_as_ours_with_and_without_its_definition(
    reference: Path, tmp_path: Path
) -> None:
    for name, defined in (("with", True), ("without", False)):
        bag = write_bag(tmp_path / name, conversation())
        with closing(sqlite3.connect(next(bag.glob("*.db3")))) as database:
            database.execute(
                "UPDATE topics SET type = replace(type, 'avatar_forcing_ros/msg/Expr', 'hri_msgs/msg/Expr')"
            )
            database.execute(
                "UPDATE message_definitions SET topic_type = replace(topic_type, 'avatar_forcing_ros/msg/Expr', "
                "'hri_msgs/msg/Expr')"
            )
            if not defined:
                database.execute("DELETE FROM message_definitions WHERE topic_type LIKE 'hri_msgs%'")
            database.commit()
        for file in bag.glob("metadata.yaml"):
            file.write_text(file.read_text().replace("avatar_forcing_ros/msg/Expression", "hri_msgs/msg/Expression"))
        with BagReader(bag) as reader:
            assert reader.topics["/robot_face/expression"] == "hri_msgs/msg/Expression"
        played(bag, tmp_path / f"{name}_out")
        assert shown(tmp_path / f"{name}_out") == shown(reference / "out")


def test_a_folder_that_is_no_bag_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(b"picture")
    with pytest.raises(BagError, match=r"got: a folder without a file that ends in \.db3 or \.mcap"):
        BagReader(tmp_path)
