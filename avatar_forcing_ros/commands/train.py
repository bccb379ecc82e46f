# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing train`: the bundled model from scratch.

    simulate -> stage 1, diffusion forcing -> losing motion -> stage 2, preference
             -> detector of p, b and m -> evaluate -> write the bundle

Everything in the working folder is found again, so a run that was stopped continues where it was.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from avatar_forcing_ros.audio.bilabials import BilabialDetector
from avatar_forcing_ros.bundle import BILABIALS
from avatar_forcing_ros.commands.arguments import check_bundle_output, check_folder
from avatar_forcing_ros.evaluation.comparison import as_shown
from avatar_forcing_ros.evaluation.held_out import HeldOut, evaluate, held_out
from avatar_forcing_ros.files.outputs import is_same, typed_path
from avatar_forcing_ros.motion.facemesh.channels import HIGH, LOW
from avatar_forcing_ros.train.bilabials import train_detector
from avatar_forcing_ros.train.clips import ClipSampler
from avatar_forcing_ros.train.corpus import build_corpus
from avatar_forcing_ros.train.export import Companions, require_graph_export, write_bundle
from avatar_forcing_ros.train.from_recordings import train_on_recordings
from avatar_forcing_ros.train.journal import Journal, timed
from avatar_forcing_ros.train.on_gpu import DeviceClipSampler, GpuTrainer
from avatar_forcing_ros.train.pairs import PairSampler, make_pairs
from avatar_forcing_ros.train.pictures import draw_curves, require_drawing, take_of
from avatar_forcing_ros.train.preference import PreferenceTrainer
from avatar_forcing_ros.train.ranks import Ranks, joined
from avatar_forcing_ros.train.recipe import Recipe, full_recipe, smoke_recipe
from avatar_forcing_ros.train.scaling import LatentScale
from avatar_forcing_ros.train.streaming import generated
from avatar_forcing_ros.train.trainer import Precision, Trainer

_SEEDS = 2**63
"""As many seeds torch knows; what is drawn with others would be refused after minutes of simulation."""
_HELD_OUT_FILMS = "held_out_films"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command; defaults are those of the recipe."""
    recipe = full_recipe()
    parser.add_argument("--output", type=typed_path, default=Path("models/facemesh"), help="bundle to write")
    parser.add_argument(
        "--work",
        type=typed_path,
        default=Path("out/train"),
        help="folder for data, checkpoints and pictures",
    )
    parser.add_argument("--steps", type=int, help=f"optimiser steps of stage 1 (default: {recipe.train.steps})")
    parser.add_argument(
        "--tuning-steps", type=int, help=f"optimiser steps of stage 2; 0 skips it (default: {recipe.tune.steps})"
    )
    parser.add_argument("--batch", type=int, help=f"clips per step (default: {recipe.train.batch})")
    parser.add_argument(
        "--conversations", type=int, help=f"number of simulated conversations (default: {recipe.corpus.conversations})"
    )
    parser.add_argument("--seed", type=int, default=recipe.train.seed, help="seed of weights, clips and noise")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate conversations")
    parser.add_argument("--threads", type=int, default=1, help="threads of the network")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default=recipe.train.precision,
        help="number format of the network; bfloat16 needs a GPU or CPU that supports it",
    )
    parser.add_argument("--compile", action="store_true", help="run the network through torch.compile")
    parser.add_argument(
        "--data", type=typed_path, metavar="FOLDER", help="train on recordings from `prepare` instead of simulation"
    )
    parser.add_argument("--smoke", action="store_true", help="run for about a minute to see that everything works")


def recipe_from(args: argparse.Namespace) -> Recipe:
    """The recipe that the arguments ask for."""
    recipe = smoke_recipe() if args.smoke else full_recipe()
    changes = {name: value for name in ("steps", "batch") if (value := getattr(args, name)) is not None}
    tune = recipe.tune if args.tuning_steps is None else replace(recipe.tune, steps=args.tuning_steps)
    corpus = recipe.corpus
    if args.conversations is not None:
        corpus = replace(corpus, conversations=args.conversations)
    changes |= {"precision": args.precision, "compiled": args.compile}
    tune = replace(tune, seed=args.seed + 1, precision=args.precision, compiled=args.compile)
    return replace(recipe, corpus=corpus, train=replace(recipe.train, seed=args.seed, **changes), tune=tune)


def _check_numbers(args: argparse.Namespace) -> None:
    """Refuse what would fail only after minutes of simulation."""
    if args.data is not None and args.conversations is not None:
        raise ValueError("--data trains on recordings, --conversations on simulation: expected one of them, got both")
    least = {"steps": 1, "batch": 1, "conversations": 1, "workers": 1, "threads": 1, "tuning_steps": 0, "seed": 0}
    for name, smallest in least.items():
        value = getattr(args, name)
        if value is not None and value < smallest:
            raise ValueError(f"expected --{name.replace('_', '-')} of at least {smallest}, got {value}")
    _check_device(args.device)
    if args.seed >= _SEEDS:
        raise ValueError(f"expected --seed below {_SEEDS}, got {args.seed}")


def _check_device(name: str) -> None:
    try:
        if torch.device(name).type not in ("cpu", "cuda"):
            raise ValueError(f"expected --device cpu or cuda, got {name!r}")
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # no such device, or a torch that was built without it
        why = str(error).strip().partition("\n")[0]
        raise ValueError(f"expected --device cpu or cuda, one that is here, got {name!r}: {why[:200]}") from None


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train and write the bundle.

    Returns:
        Steps, the manifest's path, and the metrics on held-out conversations.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    _check_numbers(args)
    torch.set_num_threads(args.threads)
    check_bundle_output(args.output, (args.data, args.work))
    if args.data is not None and is_same(args.work, args.data):
        raise ValueError(f"{args.work}: this is also --data, which is read; give --work a folder of its own")
    check_folder(args.work, "--work")
    require_drawing()
    recipe = recipe_from(args)
    if recipe.graphs:
        require_graph_export()
    with joined(args.device) as (ranks, device):
        ranks.check_batch(recipe.train.batch)
        if args.data is not None:
            result = train_on_recordings(recipe, args.data, args.work, args.output, device, ranks)
            if ranks.first:
                _tell(args.output)
            return result
        if not ranks.first:
            ranks.wait()  # for the corpus, which is then found
        trainer = make_trainer(recipe, args.work, args.workers, device)
        if ranks.first:
            ranks.wait()
        trainer.ranks = ranks
        if not ranks.first:
            trainer.run(args.work / "stage_1", journal=None)
            return {"rank": ranks.rank}
        with timed("stage 1"):
            _train(trainer, recipe, args.work / "stage_1")
        trainer.ranks = Ranks()  # the second stage is short: the first rank does it
    if recipe.tune.steps:
        with timed("losing motion"):
            trainer = make_tuner(recipe, trainer, args.work)
        with timed("stage 2"):
            _train(trainer, recipe, args.work / "stage_2")
    with timed("detector of p, b and m"):
        detector = train_detector(recipe.bilabials, args.work / BILABIALS, args.workers)
    with timed("evaluation and export"):
        data = held_out(recipe.evaluated, config=recipe.corpus.conversation, films=args.work / _HELD_OUT_FILMS)
        manifest = _write(trainer, recipe, args.output, recipe.graphs, (detector,))
        block, drawn = recipe.network.block_frames, _generate(trainer, recipe, data)
        motion = as_shown(drawn, data.heard, block, BilabialDetector(load_file(detector)))
        metrics = evaluate(data, motion, block)
    _tell(args.output)
    return {"steps": recipe.train.steps, "tuning_steps": recipe.tune.steps, "bundle": str(manifest), **metrics}


def _tell(bundle: Path) -> None:
    print(f"wrote {bundle}; to try it: avatar-forcing render --model {bundle} --speech FILE --output FILE")


def _train(trainer: Trainer, recipe: Recipe, folder: Path) -> None:
    """Run a stage, draw its curves meanwhile, and write its result as a bundle of its own."""
    watched = held_out(recipe.watched, config=recipe.corpus.conversation, films=folder.parent / _HELD_OUT_FILMS)
    trainer.run(folder, Journal(folder), report=lambda t: _watch(t, recipe, watched, folder))
    _write(trainer, recipe, folder / "bundle")


def _write(trainer: Trainer, recipe: Recipe, folder: Path, graphs: bool = False, files: tuple[Path, ...] = ()) -> Path:
    scale, origin = trainer.sampler.scale, origin_of(recipe, trainer)
    return write_bundle(
        folder, "facemesh", trainer.average, scale, recipe.sampler, origin, Companions(files=files), graphs,
        recipe.gains,
    )  # fmt: skip


def make_trainer(recipe: Recipe, work: Path, workers: int, device: str) -> Trainer:
    """Simulate what is missing, and set up the run."""
    with timed("simulation and filming"):
        corpus = build_corpus(recipe.corpus, work / "conversations", workers)
    scale = LatentScale.of(corpus.motion, HIGH - LOW)
    if torch.device(device).type == "cuda":
        clips = DeviceClipSampler(corpus, scale, recipe.clips, recipe.train.seed, torch.device(device))
        return GpuTrainer(clips, recipe.network, recipe.train, device)
    return Trainer(ClipSampler(corpus, scale, recipe.clips, recipe.train.seed), recipe.network, recipe.train, device)


def make_tuner(recipe: Recipe, stage_1: Trainer, work: Path) -> PreferenceTrainer:
    """Set up stage 2 from stage 1's averaged weights, which also make the losing motion."""
    network, first = stage_1.average.eval(), stage_1.sampler
    chosen, losing = make_pairs(network, first.corpus, first.scale, recipe.pairs, recipe.clips, work)
    if isinstance(first, DeviceClipSampler):
        clips: ClipSampler = DeviceClipSampler(chosen, first.scale, recipe.clips, recipe.tune.seed, first.device)
    else:
        clips = ClipSampler(chosen, first.scale, recipe.clips, recipe.tune.seed)
    return PreferenceTrainer(PairSampler(clips, losing), network, recipe.tune, recipe.preference, str(stage_1.device))


def origin_of(recipe: Recipe, trainer: Trainer) -> str:
    """One sentence: what made the weights."""
    corpus, train = recipe.corpus, recipe.train
    tuned = trainer.step if isinstance(trainer, PreferenceTrainer) else 0
    how = f" --precision {train.precision}" * (train.precision != "float32") + " --compile" * train.compiled
    hours = corpus.conversations * corpus.conversation.duration_s / 3600
    return (
        f"avatar-forcing train --steps {train.steps} --tuning-steps {tuned} --batch {train.batch} "
        f"--conversations {corpus.conversations} --seed {train.seed}{how}; {hours:.1f} h of simulated conversations, "
        "speech by espeak-ng and flite, no recordings"
    )


def _generate(trainer: Trainer, recipe: Recipe, data: HeldOut) -> NDArray[np.float32]:
    return generated(trainer, recipe.sampler, recipe.clips, data.heard)


def _watch(trainer: Trainer, recipe: Recipe, data: HeldOut, folder: Path) -> None:
    """A picture of the model as it is now; a GPU is not kept waiting for any but the last."""
    if trainer.device.type == "cuda" and trainer.step < trainer.config.steps:
        return
    motion = _generate(trainer, recipe, data)
    draw_curves(take_of(data.conversations[0], motion[0]), folder / f"curves_{trainer.step:06d}.png")
