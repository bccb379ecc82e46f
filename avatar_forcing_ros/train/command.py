"""`avatar-forcing train`: the bundled model from nothing. Simulate, train, evaluate, write the bundle."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from avatar_forcing_ros.motion.facemesh.channels import CHANNELS
from avatar_forcing_ros.network.config import NetworkConfig
from avatar_forcing_ros.stream.block_generator import SamplerConfig
from avatar_forcing_ros.train.clips import ClipConfig, ClipSampler
from avatar_forcing_ros.train.conversation import ConversationConfig
from avatar_forcing_ros.train.corpus import CorpusConfig, build_corpus
from avatar_forcing_ros.train.evaluation import HeldOut, evaluate, held_out
from avatar_forcing_ros.train.export import write_bundle
from avatar_forcing_ros.train.journal import Journal
from avatar_forcing_ros.train.pictures import draw_curves
from avatar_forcing_ros.train.replay import stream_motion
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.trainer import TrainConfig, Trainer, bundled_network_config


@dataclass(frozen=True)
class Recipe:
    """Everything that `train` does; the defaults make the bundled model.

    Attributes:
        corpus: what is simulated.
        clips: how it is cut.
        network: sizes.
        train: stage 1.
        sampler: how the bundle generates.
        evaluated: held-out conversations in the final evaluation.
        watched: of these, how many are generated after every checkpoint.
    """

    corpus: CorpusConfig
    clips: ClipConfig
    network: NetworkConfig
    train: TrainConfig
    sampler: SamplerConfig
    evaluated: int = 8
    watched: int = 1


BUNDLED_SAMPLER = SamplerConfig(steps=4, guidance_avatar=1.5, guidance_user=1.5, joint=True)
"""Chosen from the table in models/facemesh/README.md."""


def full_recipe() -> Recipe:
    """The bundled model."""
    return Recipe(CorpusConfig(), ClipConfig(), bundled_network_config(), TrainConfig(), BUNDLED_SAMPLER)


def smoke_recipe() -> Recipe:
    """The same in about a minute, to see that everything works; the result is of no use."""
    full = full_recipe()
    corpus = CorpusConfig(conversations=3, shard_conversations=3, conversation=ConversationConfig(duration_s=12.0))
    train = TrainConfig(steps=12, batch=2, warmup_steps=2, log_steps=4, checkpoint_steps=6)
    network = replace(full.network, hidden_size=32, condition_size=16, depth=1)
    return replace(full, corpus=corpus, train=train, network=network, evaluated=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; defaults are those of the recipe."""
    recipe = full_recipe()
    parser.add_argument("--output", type=Path, default=Path("models/facemesh"), help="bundle to write (%(default)s)")
    parser.add_argument("--work", type=Path, default=Path("out/train"), help="data, checkpoint, pictures (%(default)s)")
    parser.add_argument("--steps", type=int, help=f"optimiser steps ({recipe.train.steps})")
    parser.add_argument("--batch", type=int, help=f"clips per step ({recipe.train.batch})")
    parser.add_argument("--conversations", type=int, help=f"simulated conversations ({recipe.corpus.conversations})")
    parser.add_argument("--seed", type=int, default=recipe.train.seed, help="of weights, clips and noise (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the network (%(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (%(default)s)")
    parser.add_argument("--smoke", action="store_true", help="about a minute, to see that everything works")


def recipe_from(args: argparse.Namespace) -> Recipe:
    """The recipe that the arguments ask for."""
    recipe = smoke_recipe() if args.smoke else full_recipe()
    changes = {name: value for name in ("steps", "batch") if (value := getattr(args, name)) is not None}
    corpus = recipe.corpus
    if args.conversations is not None:
        corpus = replace(corpus, conversations=args.conversations)
    return replace(recipe, corpus=corpus, train=replace(recipe.train, seed=args.seed, **changes))


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train and write the bundle.

    Returns:
        Steps, the manifest's path, and the metrics on held-out conversations.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    recipe = recipe_from(args)
    trainer = make_trainer(recipe, args.work, args.workers, args.device)
    watched = held_out(recipe.watched, config=recipe.corpus.conversation)
    trainer.run(args.work, Journal(args.work), report=lambda t: _watch(t, recipe, watched, args.work))
    data = held_out(recipe.evaluated, config=recipe.corpus.conversation)
    metrics = evaluate(data, _generate(trainer, recipe, data), recipe.network.block_frames)
    manifest = write_bundle(
        args.output, "facemesh", trainer.average, trainer.sampler.scale, recipe.sampler, origin_of(recipe, trainer.step)
    )
    return {"steps": trainer.step, "bundle": str(manifest), **metrics}


def make_trainer(recipe: Recipe, work: Path, workers: int, device: str) -> Trainer:
    """Simulate what is missing, and set up the run."""
    corpus = build_corpus(recipe.corpus, work / "conversations", workers)
    scale = LatentScale.of(corpus.motion, np.array([channel.high - channel.low for channel in CHANNELS]))
    return Trainer(ClipSampler(corpus, scale, recipe.clips, recipe.train.seed), recipe.network, recipe.train, device)


def origin_of(recipe: Recipe, steps: int) -> str:
    """One sentence: what made the weights."""
    corpus, train = recipe.corpus, recipe.train
    hours = corpus.conversations * corpus.conversation.duration_s / 3600
    return (
        f"avatar-forcing train --steps {steps} --batch {train.batch} --conversations {corpus.conversations} "
        f"--seed {train.seed}; {hours:.1f} h of simulated conversations, speech by espeak-ng and flite, no recordings"
    )


def _generate(trainer: Trainer, recipe: Recipe, data: HeldOut) -> Any:
    network = trainer.average.to("cpu").eval()
    motion = stream_motion(network, trainer.sampler.scale, recipe.sampler, data.heard, clips=recipe.clips)
    trainer.average.to(trainer.device)
    return motion


def _watch(trainer: Trainer, recipe: Recipe, data: HeldOut, folder: Path) -> None:
    """A picture of the model as it is now."""
    motion = _generate(trainer, recipe, data)
    draw_curves(data.conversations[0], motion[0], folder / f"curves_{trainer.step:06d}.png")
