# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of pairs, from video files to a trained bundle: faces, voices, broken files, a kill, either space."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import save_file

from avatar_forcing_ros.bundle import load_bundle, sha256_of
from avatar_forcing_ros.commands import prepare as prepare_command
from avatar_forcing_ros.commands.prepare import least_piece_frames
from avatar_forcing_ros.commands.train import add_arguments, run
from avatar_forcing_ros.files.media import read_channels
from avatar_forcing_ros.files.movies import MovieWriter
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import resource
from avatar_forcing_ros.motion.autoencoder.config import AutoencoderConfig
from avatar_forcing_ros.motion.autoencoder.published import published_shapes
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.motion.facemesh.reading.calibration import PRIORS
from avatar_forcing_ros.motion.facemesh.reading.measures import MEASURES
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.recordings import workers
from avatar_forcing_ros.recordings.clip import ClipRules, divide, stream_features
from avatar_forcing_ros.recordings.dyads import read_dyads
from avatar_forcing_ros.recordings.motion_readers import _neutral
from avatar_forcing_ros.recordings.prepare import Share
from avatar_forcing_ros.recordings.prepare import prepare as prepare_for
from avatar_forcing_ros.recordings.shards import MANIFEST, Dataset, DatasetError
from avatar_forcing_ros.testing import speech_like
from avatar_forcing_ros.timeline.grid import FRAME_SAMPLES
from avatar_forcing_ros.train.clips import ClipConfig, ClipSampler
from avatar_forcing_ros.train.objective import ObjectiveConfig
from avatar_forcing_ros.train.recipe import bundled_network_config, clips_for
from avatar_forcing_ros.train.shard_corpus import RecordedCorpora, read_corpora
from avatar_forcing_ros.train.trainer import TrainConfig, Trainer

FRAMES = 70
RULES = ClipRules(piece_frames=60)
PICTURE = 192
prepare = partial(prepare_for, least_frames=least_piece_frames)


def moving(number: int) -> NDArray[np.float32]:
    """(T, 18) a head that sways, and a mouth that opens with each syllable while it is the person's turn."""
    time_s = np.arange(FRAMES) / 25
    motion = np.zeros((FRAMES, SIZE), np.float32)
    motion[:, INDEX["yaw"]] = 0.12 * np.sin(2 * np.pi * 0.7 * time_s + number)
    motion[:, INDEX["jaw_open"]] = 0.4 * talks(number) * np.clip(np.sin(2 * np.pi * 4 * time_s), 0, None)
    return motion


def talks(number: int) -> NDArray[np.bool_]:
    """(T,) whose turn it is."""
    return (np.arange(FRAMES) < FRAMES // 2) == (number == 0)


def voice(number: int) -> NDArray[np.float32]:
    """(640 T,) what the person says."""
    return speech_like(FRAMES / 25, seed=number) * np.repeat(talks(number), FRAME_SAMPLES)


def spoken(number: int) -> NDArray[np.float32]:
    """The same in a voice that passes for a person's."""
    file, start_s = (("user.flac", 0.6), ("avatar.flac", 4.0))[number]
    sound = read_channels(resource("examples", "demo", file), start_s, start_s + FRAMES / 25, 16_000)[0]
    return sound * np.repeat(talks(number), FRAME_SAMPLES)


def write(path: Path, images: NDArray[np.uint8], sound: NDArray[np.float32]) -> None:
    """A video with sound (N,) or (N, 2)."""
    with MovieWriter(path, images.shape[2], images.shape[1], channels=sound.ndim) as movie:
        for number, image in enumerate(images):
            movie.write_image(image)
            movie.write_sound(sound[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people who take turns, in two files and side by side in one; and files that are of no use."""
    folder = tmp_path_factory.mktemp("recordings")
    space, people = FaceMeshSpace(), []
    for number, name in enumerate(("aria", "milo")):
        portrait = space.load_portrait(read_image(resource("models", "portraits", f"{name}.png")), PICTURE)
        people.append(np.stack([portrait.render(latent, n) for n, latent in enumerate(moving(number))]))
        write(folder / f"{name}.mp4", people[number], voice(number))
    write(folder / "stereo.mp4", np.concatenate(people, axis=2), np.stack([voice(0), voice(1)], axis=1))
    write(folder / "mono.mp4", np.concatenate(people, axis=2), spoken(0) + spoken(1))
    write(folder / "wall.mp4", np.full_like(people[0], 90), voice(0))
    (folder / "torn.mp4").write_bytes((folder / "aria.mp4").read_bytes()[:3000])
    return folder


def listed(files: Path, name: str, entries: list[dict]) -> Path:
    path = files / f"{name}.yaml"
    path.write_text(yaml.safe_dump(entries))
    return path


BOTH = {"video_a": "aria.mp4", "video_b": "milo.mp4"}
ALL = [
    {"id": "two", **BOTH},
    {"id": "later", **BOTH, "start": 0.2},
    {"id": "stereo", "video": "stereo.mp4", "sound": "channels"},
    {"id": "mono", "video": "mono.mp4", "sound": "mixed"},
    {"id": "torn", **BOTH, "video_b": "torn.mp4"},
    {"id": "gone", **BOTH, "video_a": "gone.mp4"},
    {"id": "faceless", **BOTH, "video_a": "wall.mp4"},
    {"id": "short", **BOTH, "end": 1},
    {"id": "alone", "video": "aria.mp4", "sound": "mixed"},
]


@pytest.fixture(scope="module")
def prepared(files: Path) -> Dataset:
    prepare(listed(files, "all", ALL), files / "all", "facemesh", RULES)
    return Dataset(files / "all")


def test_usable_clips_are_kept_and_the_others_say_what_is_wrong(prepared: Dataset) -> None:
    entries = prepared.entries()
    reasons = {name: entry.reason for name, entry in entries.items() if not entry.is_kept}
    assert {name for name, entry in entries.items() if entry.is_kept} == {"two", "later", "stereo", "mono"}
    for name, said in (
        ("torn", "torn.mp4"),
        ("gone", "no such file"),
        ("faceless", "the face of a is found in 0% of the frames: expected 50%"),
        ("short", "expected at least 2.4 s, got 1 s"),
        ("alone", "expected two faces side by side"),
    ):
        assert said in reasons[name]
    assert entries["two"].line == 1 and entries["later"].line == 1 + len(ALL[0])
    assert prepared.info().counts["kept"] == 4 and prepared.info().counts["skipped"] == 5


def test_the_manifest_holds_what_the_files_were(prepared: Dataset, files: Path) -> None:
    import hashlib

    source = prepared.entries()["two"].sources[str(files / "aria.mp4")]
    assert source.sha256 == hashlib.sha256((files / "aria.mp4").read_bytes()).hexdigest()


@pytest.mark.parametrize("clip", ["two", "stereo"])
def test_motion_and_voice_are_those_of_the_person(prepared: Dataset, clip: str) -> None:
    shard, features = prepared.read_shard(clip), np.load(prepared.features_path(clip)).astype(np.float32)
    for number in (0, 1):
        true = moving(number)
        for name, least in (("jaw_open", 0.9), ("yaw", 0.85)):
            for found in (shard.motion, shard.seen):
                assert np.corrcoef(found[number, 10:, INDEX[name]], true[10:, INDEX[name]])[0, 1] > least
        loud = features[number].mean(axis=1)
        assert loud[talks(number)].mean() > loud[~talks(number)].mean() + 0.2
    assert shard.seen_valid.all() and (shard.stretch == 0).all()


def test_hindsight_does_not_fade_in_and_the_live_reading_does(prepared: Dataset) -> None:
    shard, jaw = prepared.read_shard("two"), INDEX["jaw_open"]
    assert shard.seen[0, 2, jaw] < 0.5 * shard.motion[0, 2, jaw]
    np.testing.assert_allclose(shard.seen[0, 40:, jaw], shard.motion[0, 40:, jaw], atol=0.05)


def test_the_last_look_of_a_clip_is_not_its_neutral_face() -> None:
    """Live, whatever is straighter than neutral is taken for it until the face is known; with hindsight it is."""
    at_rest = np.array([PRIORS[name].mean for name in MEASURES])
    frowning = at_rest - 0.4 * (np.array(MEASURES) == "smile_shape")
    neutral = _neutral(np.stack([at_rest] * 100 + [frowning] * 13))
    np.testing.assert_allclose(neutral, at_rest, atol=0.05)


def test_a_mixed_sound_goes_to_whose_mouth_moves(prepared: Dataset) -> None:
    loud = np.load(prepared.features_path("mono")).astype(np.float32).mean(axis=2) > -0.8
    for number in (0, 1):
        assert loud[number][talks(number)].mean() > 0.4
        assert loud[number][~talks(number)].mean() < 0.25


def test_a_later_start_shows_the_same_people_later(prepared: Dataset) -> None:
    whole, later = (prepared.read_shard(name).motion[..., INDEX["jaw_open"]] for name in ("two", "later"))
    np.testing.assert_allclose(later[:, 10:], whole[:, 15:], atol=0.08)


def test_a_second_run_reads_nothing_and_a_changed_file_anew(prepared: Dataset, files: Path) -> None:
    times = {path.name: path.stat().st_mtime_ns for path in (files / "all" / "clips").iterdir()}
    prepare(listed(files, "all", ALL), files / "all", "facemesh", RULES)
    assert times == {path.name: path.stat().st_mtime_ns for path in (files / "all" / "clips").iterdir()}
    os.utime(files / "aria.mp4")
    (files / "torn.mp4").write_bytes((files / "torn.mp4").read_bytes() + b"more")
    prepare(listed(files, "all", ALL), files / "all", "facemesh", RULES)
    assert times == {path.name: path.stat().st_mtime_ns for path in (files / "all" / "clips").iterdir()}
    torn = prepared.entries()["torn"].sources[str(files / "torn.mp4")]
    assert torn.bytes == (files / "torn.mp4").stat().st_size


def test_parts_that_were_read_apart_are_one_dataset(
    files: Path, prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"two", "stereo", "gone"}
    part = listed(files, "part", [entry for entry in ALL if entry["id"] in names])
    for number in (1, 2):
        prepare(part, tmp_path, "facemesh", RULES, share=Share(number, 2))
    read = {clip for folder in tmp_path.glob("shares/*") for clip in Dataset(folder).entries()}
    assert read == names and not (tmp_path / "manifest.jsonl").exists()
    monkeypatch.setattr("avatar_forcing_ros.recordings.prepare.read_all", lambda _job, todo, _workers: iter(todo * 0))
    assert prepare(part, tmp_path, "facemesh", RULES)["kept"] == 2  # nothing is left to read
    merged = Dataset(tmp_path)
    for clip in ("two", "stereo"):
        np.testing.assert_array_equal(merged.read_shard(clip).motion, prepared.read_shard(clip).motion)
        np.testing.assert_array_equal(np.load(merged.features_path(clip)), np.load(prepared.features_path(clip)))


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b"])
def test_a_part_that_there_is_not_is_refused(text: str) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    prepare_command.add_arguments(parser)
    with pytest.raises(argparse.ArgumentError, match=r"part such as 1/4|invalid"):
        parser.parse_args(["list.csv", "--output", "data", "--shard", text])


def test_what_the_list_no_longer_names_leaves_the_folder(files: Path, prepared: Dataset) -> None:
    shutil.copytree(prepared.folder, files / "fewer")
    for entries, names in (([ALL[0], ALL[5]], {"two", "gone"}), ([ALL[0]], {"two"}), ([ALL[5]], {"gone"})):
        prepare(listed(files, "fewer", entries), files / "fewer", "facemesh", RULES)
        assert set(Dataset(files / "fewer").entries()) == names
    assert not list((files / "fewer" / "clips").iterdir())


def killed_after_the_first_clip(path: Path, folder: Path) -> None:
    """Start the command and kill it as soon as the manifest has a line."""
    words = [sys.executable, "-m", "avatar_forcing_ros.cli", "prepare", str(path), "--output", str(folder)]
    process = subprocess.Popen([*words, "--piece", "2.4"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 400
    manifest = folder / MANIFEST
    while not (manifest.exists() and "{" in manifest.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[1].decode()
    assert manifest.exists() and process.returncode == -signal.SIGKILL, said


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_as_one_that_was_not(files: Path, prepared: Dataset) -> None:
    path, folder = listed(files, "killed", ALL[:2]), files / "killed"
    killed_after_the_first_clip(path, folder)
    (folder / "clips" / "later.features.partial").write_bytes(b"half a file")
    with (folder / MANIFEST).open("a") as manifest:
        manifest.write('{"clip": "later", "reco')
    first = (folder / "clips" / "two.npz").stat().st_mtime_ns
    prepare(path, folder, "facemesh", RULES)
    assert (folder / "clips" / "two.npz").stat().st_mtime_ns == first
    assert not list(folder.rglob("*.partial"))
    for clip in ("two", "later"):
        for name, array in vars(prepared.read_shard(clip)).items():
            np.testing.assert_array_equal(getattr(Dataset(folder).read_shard(clip), name), array)
    assert [json.loads(line)["clip"] for line in (folder / MANIFEST).read_text().splitlines()] == ["two", "later"]


@pytest.mark.slow
def test_workers_read_the_same_and_the_death_of_one_costs_nothing(files: Path, prepared: Dataset) -> None:
    def kill_one() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        children[0].kill()

    threading.Thread(target=kill_one, daemon=True).start()
    prepare(listed(files, "workers", ALL[:1]), files / "workers", "facemesh", RULES, workers=2)
    assert Dataset(files / "workers").entries()["two"].is_kept
    np.testing.assert_array_equal(
        Dataset(files / "workers").read_shard("two").motion, prepared.read_shard("two").motion
    )


def test_a_pool_that_breaks_while_it_starts_a_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipes are closed by then, and Python stumbles over them before it sees that the pool is broken."""
    pool = ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
    pool.submit(time.sleep, 60)
    start = pool._spawn_process

    def start_too_late() -> None:
        for process in multiprocessing.active_children():
            process.kill()
        until = time.monotonic() + 5
        while not pool._broken:
            if time.monotonic() > until:
                pytest.skip("this Python lets no pool break while it starts a process")
            time.sleep(0.01)
        time.sleep(0.1)
        start()

    monkeypatch.setattr(pool, "_spawn_process", start_too_late)
    with pytest.raises(BrokenProcessPool):
        workers._submit(pool, None, None)


def test_two_runs_do_not_write_into_one_folder(prepared: Dataset) -> None:
    with (
        prepared.writing(prepared.info(), {}),
        pytest.raises(DatasetError, match="another process is writing"),
        Dataset(prepared.folder).writing(prepared.info(), {}),
    ):
        pass


def test_a_long_recording_is_divided_into_equal_clips(files: Path) -> None:
    [dyad] = read_dyads(listed(files, "long", [{**ALL[0], "start": 0.2}]))
    spans = divide(dyad, ClipRules(longest_s=1.5, piece_frames=30))
    assert [(span.clip, span.frames) for span in spans] == [("two@0000", 32), ("two@0001", 33)]
    assert [span.start_s for span in spans] == pytest.approx([0.2, 0.2 + 32 / 25])


@pytest.mark.parametrize(("frames", "message"), [(40, "at least 2.36 s, got 1.6 s"), (0, "longer than nothing")])
def test_pieces_that_are_too_short_are_refused(files: Path, frames: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(listed(files, "few", ALL[:1]), files / "few", "facemesh", ClipRules(piece_frames=frames))
    assert not (files / "few").exists()


# --- training --------------------------------------------------------------------------------------------------------

TINY = NetworkConfig(
    motion_size=SIZE, audio_feature_size=320, condition_size=16, hidden_size=32, heads=2, depth=1, mlp_ratio=1.0,
    clip_frames=16, block_frames=4,
)  # fmt: skip
CLIPS = ClipConfig(frames=16)


def step(data: RecordedCorpora, network: NetworkConfig, objective: ObjectiveConfig) -> dict[str, float]:
    """One step of the trainer on recordings."""
    sampler = ClipSampler(data.train, data.scale(), CLIPS, seed=0)
    trainer = Trainer(sampler, network, TrainConfig(steps=2, batch=3, warmup_steps=1, objective=objective))
    return trainer.train_step()


def test_each_person_is_once_the_avatar_and_once_the_user(prepared: Dataset) -> None:
    corpus = read_corpora(prepared.folder, held_out_share=0.0).train
    shard = prepared.read_shard("two")
    features = np.load(prepared.features_path("two"))
    assert corpus.motion.shape == (8, 60, 18) and corpus.frames == 60
    for piece, (avatar, user) in enumerate(((0, 1), (1, 0))):
        np.testing.assert_array_equal(corpus.motion[piece], shard.motion[avatar, :60])
        np.testing.assert_array_equal(corpus.user_motion[piece], shard.seen[user, :60])
        np.testing.assert_array_equal(np.asarray(corpus.avatar_features)[piece], features[avatar, :60])
        np.testing.assert_array_equal(np.asarray(corpus.user_features)[piece], features[user, :60])
        assert (corpus.reference[piece] == shard.motion[avatar]).all(axis=1).any(), "the rest is a real frame"


def test_a_part_of_the_corpus_is_that_part(prepared: Dataset) -> None:
    corpus = read_corpora(prepared.folder, held_out_share=0.0).train
    part = corpus.part(slice(1, 3), 20)
    np.testing.assert_array_equal(np.asarray(part.user_features), np.asarray(corpus.user_features)[1:3, :20])
    assert part.motion.shape == (2, 20, 18) and part.avatar_features.shape == (2, 20, 320)


def test_recordings_are_held_out_whole(prepared: Dataset) -> None:
    data = read_corpora(prepared.folder, held_out_share=0.5)
    assert data.held_out is not None
    assert data.train.conversations + data.held_out.conversations == 8
    assert data.train.conversations % 2 == 0


def test_the_trainer_takes_a_step_on_recorded_faces(prepared: Dataset) -> None:
    costs = step(read_corpora(prepared.folder, held_out_share=0.0), TINY, ObjectiveConfig())
    assert np.isfinite(list(costs.values())).all() and {"pose", "lips", "face"} <= set(costs)


@pytest.mark.parametrize("name", ["clips/one.npz", "clips/one.features.npy", "silence.npy"])
def test_files_of_a_dataset_that_were_cut_or_lost_are_named_before_training(name: str, tmp_path: Path) -> None:
    dataset, still = Dataset(tmp_path), np.zeros((2, 5, SIZE), np.float32)
    (tmp_path / "clips").mkdir()
    valid = np.ones((2, 5), bool)
    np.savez(tmp_path / "clips" / "one.npz", motion=still, stretch=valid.astype(int), seen=still, seen_valid=valid)
    np.save(dataset.features_path("one"), np.zeros((2, 5, 320), np.float16))
    np.save(tmp_path / "silence.npy", np.zeros(320, np.float32))

    def read() -> None:
        assert dataset.read_shard("one").motion.shape == (2, 5, SIZE) and dataset.silence().shape == (320,)

    read()
    content = (tmp_path / name).read_bytes()
    for rest in (content[: len(content) // 2], b"", None):
        (tmp_path / name).unlink() if rest is None else (tmp_path / name).write_bytes(rest)
        with pytest.raises(DatasetError, match=rf"{name}: missing or damaged \(.*avatar-forcing prepare"):
            read()
    np.save(dataset.features_path("one"), np.zeros((2, 4, 320), np.float16))
    with pytest.raises(DatasetError):
        read()


def test_a_folder_without_recordings_is_refused(tmp_path: Path, files: Path) -> None:
    with pytest.raises(DatasetError, match="avatar-forcing prepare"):
        read_corpora(tmp_path)
    prepare(listed(files, "none", [ALL[5]]), files / "none", "facemesh", RULES)
    with pytest.raises(DatasetError, match="expected clips to train on"):
        read_corpora(files / "none")


@pytest.fixture(scope="module")
def autoencoder_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the other motion space with tiny random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    folder.mkdir()
    sizes, random = AutoencoderConfig(32, 24, 5, 16), torch.Generator().manual_seed(4)
    network = replace(TINY, motion_size=sizes.latent_size)
    weights = {key: torch.randn(shape, generator=random) for key, shape in published_shapes(sizes).items()}
    save_file(weights, folder / "autoencoder.safetensors")
    latent = {"latent_mean": torch.zeros(sizes.latent_size), "latent_std": torch.ones(sizes.latent_size)}
    save_file({**AvatarForcingNetwork(network).state_dict(), **latent}, folder / "model.safetensors")
    manifest = {
        "name": "tiny", "motion_space": "autoencoder", "network": vars(network), "sampler": {"steps": 2},
        "audio": {"features": "log_mel"}, "licence": "Apache-2.0", "origin": "random numbers",
        "weights": {file.name: sha256_of(file) for file in folder.iterdir()},
    }  # fmt: skip
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
    return folder


@pytest.fixture(scope="module")
def latents(files: Path, autoencoder_bundle: Path) -> Dataset:
    folder = files / "latents"
    prepare(listed(files, "latents", ALL[:1]), folder, str(autoencoder_bundle), RULES)
    return Dataset(folder)


def test_the_same_trainer_takes_a_step_on_latents_of_the_autoencoder(
    latents: Dataset, autoencoder_bundle: Path
) -> None:
    bundle = load_bundle(str(autoencoder_bundle))
    data = read_corpora(latents.folder, held_out_share=0.0)
    shard = latents.read_shard("two")
    assert shard.motion.shape == (2, FRAMES, 5) and np.ptp(shard.motion, axis=1).all(), "the head's motion survives"
    assert data.train.motion.shape == (2, 60, 24)
    expected = bundle.space.expand_user(shard.seen[1, :60])
    np.testing.assert_allclose(np.asarray(data.train.user_motion)[0], expected, atol=1e-5)
    costs = step(data, bundle.network.config, ObjectiveConfig(has_channels=False))
    assert np.isfinite(costs["loss"]) and set(costs) == {"loss", "gradient_norm"}


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("space", ["facemesh", "autoencoder"])
def test_one_command_trains_both_stages_and_writes_a_bundle_that_opens(
    prepared: Dataset, latents: Dataset, tmp_path: Path, space: str
) -> None:
    data = {"facemesh": prepared, "autoencoder": latents}[space]
    folders = ["--data", str(data.folder), "--work", str(tmp_path / "work"), "--output", str(tmp_path / "model")]
    result = run(arguments("--smoke", "--steps", "3", "--tuning-steps", "2", *folders))
    bundle = load_bundle(str(tmp_path / "model"))
    assert bundle.space.name == space and bundle.latent_std.min() > 0
    assert (result["steps"], result["tuning_steps"]) == (3, 2)
    [journal] = (tmp_path / "work").glob("recorded_*/stage_2/metrics.csv")
    assert "preference_accuracy" in journal.read_text()
    pictures = sorted(path.parent.name for path in (tmp_path / "work").glob("recorded_*/stage_*/curves_*.png"))
    assert pictures == ["stage_1", "stage_2"]


def test_the_shipped_model_is_not_overwritten(prepared: Dataset) -> None:
    with pytest.raises(ValueError, match="give --output another folder"):
        run(arguments("--data", str(prepared.folder), "--output", str(resource("models", "facemesh"))))


def test_users_are_as_late_in_training_as_live() -> None:
    assert clips_for(bundled_network_config()) == ClipConfig(recalled_frames=74)
    published = clips_for(NetworkConfig())
    assert (published.frames, published.motion_delay, published.audio_delay) == (50, 12, 14)


def test_features_that_wait_for_the_future_have_a_row_for_every_frame() -> None:
    class Late:
        """Gives each frame's level two frames late."""

        def __init__(self) -> None:
            self.levels: list[float] = []
            self.given = 0

        def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
            self.levels += [float(frame.mean()) for frame in samples.reshape(-1, FRAME_SAMPLES)]
            rows = self.levels[self.given : max(self.given, len(self.levels) - 2)]
            self.given += len(rows)
            return np.array(rows, np.float32).reshape(-1, 1)

    sound = np.repeat(np.arange(11, dtype=np.float32), FRAME_SAMPLES)
    np.testing.assert_array_equal(stream_features(Late, sound, 4)[:, 0], np.arange(11))
