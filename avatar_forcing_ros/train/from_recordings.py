# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Both stages of training on prepared recordings, in the motion space that they were prepared in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, WEIGHTS, find_bundle, read_manifest
from avatar_forcing_ros.recordings.manifest import DatasetInfo
from avatar_forcing_ros.train.clips import ClipSampler
from avatar_forcing_ros.train.corpus import Corpus
from avatar_forcing_ros.train.export import Companions, write_bundle
from avatar_forcing_ros.train.journal import Journal
from avatar_forcing_ros.train.pairs import PairSampler, make_pairs
from avatar_forcing_ros.train.pictures import Take, draw_curves
from avatar_forcing_ros.train.preference import PreferenceTrainer
from avatar_forcing_ros.train.ranks import Ranks
from avatar_forcing_ros.train.recipe import Recipe, clips_for
from avatar_forcing_ros.train.shard_corpus import RecordedCorpora, read_corpora
from avatar_forcing_ros.train.streaming import generated, heard_in
from avatar_forcing_ros.train.trainer import Trainer

_HELD_OUT_CLIPS = 64


def train_on_recordings(
    recipe: Recipe, folder: Path, work: Path, output: Path, device: str, ranks: Ranks | None = None
) -> dict[str, Any]:
    """Train and write the bundle. A run that was stopped continues if the recordings are still the same.

    Args:
        recipe: the recipe for simulated conversations; settings that depend on the recordings are replaced.
        folder: prepared recordings, as `avatar-forcing prepare` writes them.
        work: checkpoints and journals go into a subfolder of this, named after the recordings.
        output: folder of the bundle.
        device: device to train on.
        ranks: this process among those that share stage 1; the first one does the rest alone.

    Returns:
        Steps, the manifest's path, and the loss on held-out recordings, if there are any.

    Raises:
        DatasetError: the folder does not exist or holds nothing to train on.
        ValueError: the output is the shipped model.
    """
    if output.resolve() == find_bundle(DEFAULT_BUNDLE).resolve():
        raise ValueError(f"{output} is the shipped model: give --output another folder for one trained on recordings")
    data = read_corpora(folder)
    recipe, work = fit(recipe, data.info), work / f"recorded_{data.fingerprint}"
    clips = ClipSampler(data.train, data.scale(), recipe.clips, recipe.train.seed)
    trainer = Trainer(clips, recipe.network, recipe.train, device)
    trainer.ranks = ranks or Ranks()
    if not trainer.ranks.first:
        trainer.run(work / "stage_1", journal=None)
        return {"rank": trainer.ranks.rank}
    _run(trainer, recipe, data, work / "stage_1")
    trainer.ranks = Ranks()
    if recipe.tune.steps:
        trainer = _tuner(recipe, trainer, data, work)
        _run(trainer, recipe, data, work / "stage_2")
    manifest = write_bundle(
        output, output.name, trainer.average, clips.scale, recipe.sampler, _origin(recipe, data),
        companions(data.info), recipe.graphs and data.info.motion_space == "facemesh",
    )  # fmt: skip
    result = {"steps": recipe.train.steps, "tuning_steps": recipe.tune.steps, "bundle": str(manifest)}
    return result | ({"held_out_loss": _loss_on(trainer, data.held_out, recipe)} if data.held_out else {})


def _run(trainer: Trainer, recipe: Recipe, data: RecordedCorpora, folder: Path) -> None:
    """Run one stage, and draw pictures after each checkpoint."""
    trainer.run(folder, Journal(folder), report=lambda t: _watch(t, recipe, data, folder))


def _watch(trainer: Trainer, recipe: Recipe, data: RecordedCorpora, folder: Path) -> None:
    """Draw what the model does now, on a held-out piece if there is one."""
    corpus = data.held_out or data.train
    piece = corpus.part(slice(1), corpus.frames)
    motion = generated(trainer, recipe.sampler, recipe.clips, heard_in(piece), data.silence)
    take = Take(np.asarray(piece.motion)[0], motion[0], np.asarray(piece.user_motion)[0], levels={})
    draw_curves(take, folder / f"curves_{trainer.step:06d}.png")


def fit(recipe: Recipe, info: DatasetInfo) -> Recipe:
    """The recipe, adapted to the recordings: in the space of an auto-encoder, it takes the network of their model."""
    if info.motion_space == "facemesh":
        return recipe
    manifest = read_manifest(find_bundle(info.model))
    nameless = replace(recipe.train.objective, has_channels=False)
    return replace(
        recipe,
        clips=clips_for(manifest.network),
        network=manifest.network,
        train=replace(recipe.train, objective=nameless),
        tune=replace(recipe.tune, objective=nameless),
        sampler=manifest.sampler,
    )


def companions(info: DatasetInfo) -> Companions:
    """What the bundle needs beside the network: files of the model that the recordings were prepared for."""
    folder = find_bundle(info.model)
    manifest = read_manifest(folder)
    files = tuple(folder / name for name in manifest.weights if name != WEIGHTS and not name.startswith("onnx/"))
    return Companions(info.motion_space, info.audio, manifest.licence, files)


def _tuner(recipe: Recipe, stage_1: Trainer, data: RecordedCorpora, work: Path) -> PreferenceTrainer:
    """Stage 2, starting from the averaged weights of stage 1."""
    network, first = stage_1.average.cpu().eval(), stage_1.sampler
    chosen, losing = make_pairs(network, data.train, first.scale, recipe.pairs, recipe.clips, work, data.silence)
    clips = ClipSampler(chosen, first.scale, recipe.clips, recipe.tune.seed)
    return PreferenceTrainer(PairSampler(clips, losing), network, recipe.tune, recipe.preference, str(stage_1.device))


@torch.no_grad()
def _loss_on(trainer: Trainer, held_out: Corpus, recipe: Recipe) -> float:
    """Stage 1's loss with the averaged weights, on clips of held-out recordings."""
    trainer.network.load_state_dict(trainer.average.state_dict())
    clips = ClipSampler(held_out, trainer.sampler.scale, recipe.clips, recipe.train.seed).draw(_HELD_OUT_CLIPS)
    return trainer.forcing_loss(clips.to(trainer.device)).value.item()


def _origin(recipe: Recipe, data: RecordedCorpora) -> str:
    """One sentence that says what made the weights."""
    hours = data.info.counts.get("training_hours", 0.0)
    return (
        f"avatar-forcing train --data --steps {recipe.train.steps} --tuning-steps {recipe.tune.steps} "
        f"--batch {recipe.train.batch} --seed {recipe.train.seed}; {hours:.2f} h of recordings, each person of a pair "
        f"counted as the avatar once, prepared with settings {data.info.fingerprint}"
    )
