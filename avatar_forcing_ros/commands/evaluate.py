# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`avatar-forcing evaluate`: what a model does on conversations that no training has seen, and on real recordings."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from avatar_forcing_ros.bundle import DEFAULT_BUNDLE, ModelBundle, load_bundle
from avatar_forcing_ros.commands import render
from avatar_forcing_ros.commands.arguments import check_folder, input_file
from avatar_forcing_ros.evaluation.beside import Side, write_beside
from avatar_forcing_ros.evaluation.comparison import Column, ComparisonConfig, compare, require_named_channels
from avatar_forcing_ros.evaluation.held_out import HELD_OUT_SEED, HeldOut, held_out
from avatar_forcing_ros.evaluation.reaction_pictures import draw_reaction, draw_real_clip, draw_strip
from avatar_forcing_ros.evaluation.reading import smile_reading
from avatar_forcing_ros.evaluation.real_clip import (
    RealClip,
    RealClipResult,
    evaluate_real_clip,
    mouth_against_speech,
    smile_against_smile,
    still_trembles,
    watch,
)
from avatar_forcing_ros.evaluation.table import as_json, format_table
from avatar_forcing_ros.files.media import has_audio, read_video
from avatar_forcing_ros.files.outputs import refuse_to_overwrite, replacing, typed_path
from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.metrics.correlation import LaggedCorrelation
from avatar_forcing_ros.simulation.conversation import ConversationConfig
from avatar_forcing_ros.train.pictures import require_drawing

CURVES = 3
"""Conversations of which curves are drawn."""
_WRITTEN = (
    "evaluation.json",
    "table.txt",
    "strip.png",
    "recording.png",
    "recording/said.wav",
    "recording/avatar.mp4",
    "recording/motion.npz",
    "beside.mp4",
)
HOW_TO_GET_STAGE_1 = (
    "No column without stage 2: give the bundle of stage 1 as --without-stage-2 FOLDER; "
    "`avatar-forcing train` leaves it in stage_1/bundle of its work folder."
)
LEGEND = (
    "↓ lower is better, ↑ higher is better, ≈ near the truth is better; ± is half of the 90 % interval.\n"
    "no user motion: the camera is off and the user only heard (the paper's ablation of m_u)."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    defaults, conversations = ComparisonConfig(), ConversationConfig()
    parser.add_argument("model", nargs="?", default=DEFAULT_BUNDLE, help="name or folder of a bundle")
    parser.add_argument("--without-stage-2", metavar="BUNDLE", help="the same model before stage 2, to compare with")
    parser.add_argument("--conversations", type=int, default=10, help="number of held-out conversations")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED, help="seed of the conversations")
    parser.add_argument("--seconds", type=float, default=conversations.duration_s, help="length of each conversation")
    parser.add_argument(
        "--filmed", type=float, default=conversations.filmed_share, metavar="SHARE",
        help="share of the users who are drawn, filmed and read by the live encoder, 0 to 1; of the others, readings "
        "are simulated",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, default=defaults.seeds, help="samples drawn for each conversation")
    parser.add_argument("--output", type=typed_path, default=Path("out/evaluate"), help="folder for the results")
    parser.add_argument("--speech", type=input_file, help="recording for the avatar to say: sound or video file")
    parser.add_argument("--clip", type=input_file, help="video of a real user in front of the avatar")
    parser.add_argument("--clip-audio", type=input_file, help="what this user says (default: the sound of --clip)")
    parser.add_argument(
        "--beside", type=input_file, metavar="VIDEO", help="another system's avatar for the same clip and speech"
    )
    parser.add_argument(
        "--portrait", type=input_file, help="face for the recordings (default: the project's own character)"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate; everything that was measured, for --json.

    Raises:
        ValueError: nothing is left to evaluate, or an argument is out of range.
    """
    _check(args)
    torch.set_num_threads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"model": str(args.model)}
    if args.conversations:
        result |= _on_conversations(args)
    if args.speech or args.clip:
        result["recordings"] = _on_recordings(args)
    _write_text(args.output / "evaluation.json", json.dumps(result, indent=1))
    tqdm.write(f"all measurements and pictures: {args.output}")
    return result


def _check(args: argparse.Namespace) -> None:
    require_drawing()
    if args.conversations < 0 or args.seeds < 1 or not 10 <= args.seconds < math.inf:
        raise ValueError(
            "expected --conversations of at least 0, --seeds of at least 1 and --seconds of at least 10, "
            f"got {args.conversations}, {args.seeds} and {args.seconds}"
        )
    if not 0 <= args.filmed <= 1:
        raise ValueError(f"expected --filmed within 0 (nobody) and 1 (everybody), got {args.filmed}")
    if args.seed < 0:
        raise ValueError(f"expected --seed of at least 0, got {args.seed}")
    if not (args.conversations or args.speech or args.clip):
        raise ValueError("nothing to evaluate: expected --conversations of at least 1, --speech or --clip")
    if args.without_stage_2 and not args.conversations:
        raise ValueError("--without-stage-2 is compared on conversations: expected --conversations of at least 1")
    check_folder(args.output, "--output")
    for name in (*_WRITTEN, *_curves()):
        refuse_to_overwrite(args.output / name, (args.speech, args.clip, args.clip_audio, args.portrait, args.beside))
    _check_recordings(args)


def _check_recordings(args: argparse.Namespace) -> None:
    """Refuse what is missing or cannot be read before minutes are spent on conversations."""
    if args.clip_audio and not args.clip:
        raise ValueError("--clip-audio is the voice of the user in --clip, which is missing")
    if args.beside and not (args.speech or args.clip):
        raise ValueError("--beside needs what its avatar was given: --speech, --clip or both")
    if args.portrait and not (args.speech or args.clip):
        raise ValueError("--portrait is the face for recordings: expected --speech or --clip, too")
    for sound in (args.speech, args.clip_audio):
        if sound is not None and not has_audio(sound):
            raise ValueError(f"{sound}: expected sound, got a file without an audio stream")
    for film in (args.clip, args.beside):
        if film is not None:
            next(read_video(film))
    if args.portrait is not None:
        read_image(args.portrait)


def _curves() -> list[str]:
    return [f"curves_{number}.png" for number in range(CURVES)]


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def _on_conversations(args: argparse.Namespace) -> dict[str, Any]:
    """The table, on simulated conversations."""
    model = load_bundle(args.model)
    stage_1 = load_bundle(args.without_stage_2) if args.without_stage_2 else None
    require_named_channels(model)
    tqdm.write(f"simulating {args.conversations} conversations of {args.seconds:g} s")
    made = replace(ConversationConfig(), duration_s=args.seconds, filmed_share=args.filmed)
    data = held_out(args.conversations, args.seed, made)
    config, reading = ComparisonConfig(seeds=args.seeds), smile_reading(data.conversations)
    columns = compare(data, model, stage_1, config, progress=lambda name: tqdm.write(f"generating: {name}"))
    notes = [*([str(reading)] if reading else []), *([] if stage_1 else [HOW_TO_GET_STAGE_1])]
    table = "\n".join([format_table(columns), LEGEND, *notes])
    tqdm.write(f"\n{table}\n")
    _write_text(args.output / "table.txt", table)
    return {
        "conversations": args.conversations,
        "seed": args.seed,
        "seconds": args.seconds,
        "seeds": args.seeds,
        "filmed": args.filmed,
        "user_smile_as_read": {name: _number(value) for name, value in vars(reading).items()} if reading else None,
        "columns": as_json(columns),
        "pictures": [str(path) for path in _draw(args.output, model, data, columns)],
    }


def _draw(folder: Path, model: ModelBundle, data: HeldOut, columns: list[Column]) -> list[Path]:
    """Curves of the first conversations, and a strip of the one with most smiles; their paths."""
    motion = next(column.motion for column in columns if column.name == "model")
    paths = [folder / name for name in _curves()[: len(motion)]]
    for number, path in enumerate(paths):
        with replacing(path) as part:
            draw_reaction(data.conversations[number], motion[number], part)
    chosen = int(np.argmax([len(conversation.user_smiles) for conversation in data.conversations]))
    with replacing(folder / "strip.png") as part:
        draw_strip(model.space, data.conversations[chosen], motion[chosen], part)
    return [*paths, folder / "strip.png"]


def render_clip(model: str, clip: RealClip, video: Path, motion: Path) -> None:
    """`avatar-forcing render`, with its own defaults."""
    parser = argparse.ArgumentParser()
    render.add_arguments(parser)
    given = {
        "--model": model,
        "--speech": clip.speech,
        "--user-video": clip.user_video,
        "--user-audio": clip.user_audio,
        "--portrait": clip.portrait,
        "--output": video,
        "--motion": motion,
    }
    words = [str(word) for pair in given.items() if pair[1] is not None for word in pair]
    render.run(parser.parse_args(words))


def _on_recordings(args: argparse.Namespace) -> dict[str, Any]:
    """Mouth against speech and smile against smile, as a face mesh sees them in the rendered video."""
    clip = RealClip(args.speech, args.clip, args.clip_audio, args.portrait)
    found = evaluate_real_clip(str(args.model), clip, args.output / "recording", render_clip)
    smile = None if found.user is None else found.user.smile
    with replacing(args.output / "recording.png") as part:
        draw_real_clip(found.energy, found.watched.gap, smile, found.watched.smile, part)
    for line in _sentences(found):
        tqdm.write(line)
    beside = _beside(args, found) if args.beside else {}
    still = still_trembles(read_image(args.portrait or default_portrait()))
    for name, seen in found.watched.trembles.items():
        drawn = found.drawn_trembles.get(name, float("nan"))
        tqdm.write(
            f"tremble of {name}, rad a frame: seen {seen:.5f}, of a still picture {still[name]:.5f}, drawn {drawn:.5f}"
        )
    return beside | {
        "video": str(found.video),
        "mouth_against_log_energy": _lagged(found.speech),
        "jaw_latent_against_log_energy": _lagged(found.speech_drawn),
        "smile_against_user_smile": _lagged(found.smile),
        "mouth_shape_against_user_mouth_shape": _lagged(found.broadness),
        "user_smile_std": _number(found.user_smile_std),
        "user_seen_share": None if found.user is None else round(found.user.seen_share, 3),
        "avatar_seen_share": round(found.watched.seen_share, 3),
        "avatar_spreads": {name: round(value, 4) for name, value in found.watched.spreads.items()},
        "avatar_trembles": {name: _number(value, 5) for name, value in found.watched.trembles.items()},
        "drawn_trembles": {name: _number(value, 5) for name, value in found.drawn_trembles.items()},
        "still_picture_trembles": {name: _number(value, 5) for name, value in still.items()},
    }


def _beside(args: argparse.Namespace, found: RealClipResult) -> dict[str, Any]:
    """Write `beside.mp4`; the other avatar's figures."""
    other = watch(args.beside)
    sides = [Side("other", args.beside, other, "tab:green"), Side("this model", found.video, found.watched, "tab:blue")]
    if found.user is not None:
        sides.insert(0, Side("user", args.clip, found.user, "tab:orange"))
    path, said = args.output / "beside.mp4", args.output / "recording" / "said.wav"
    write_beside(path, sides, said)
    smile = None if found.user is None else smile_against_smile(found.user.smile, other.smile)
    tqdm.write(f"side by side: {path}")
    for name, spread in other.spreads.items():
        tqdm.write(f"spread of {name}: other {spread:.4f}, this model {found.watched.spreads[name]:.4f}")
    speech = mouth_against_speech(other.gap, said) if args.speech else None
    return {
        "beside": str(path),
        "other_spreads": {name: round(value, 4) for name, value in other.spreads.items()},
        "other_smile_against_user_smile": _lagged(smile),
        "other_mouth_against_log_energy": _lagged(speech),
    }


def _sentences(found: RealClipResult) -> list[str]:
    lines = [f"rendered: {found.video}"]
    if found.speech:
        lines.append(f"mouth against log energy of the speech, by face mesh: {_said(found.speech)}")
    if found.speech_drawn:
        lines.append(f"the same for the jaw's latent, before rendering: {_said(found.speech_drawn)}")
    if found.smile and found.broadness:
        lines.append(f"avatar's smile against the user's, by face mesh: {_said(found.smile)}")
        lines.append(f"the same for the mouth's width and the height of its corners: {_said(found.broadness)}")
    elif found.user:
        lines.append(f"the user's smile moves too little to be answered: standard deviation {found.user_smile_std:.3f}")
    return lines


def _said(found: LaggedCorrelation) -> str:
    return f"correlation {found.value:.2f} at a lag of {found.lag_frames} frames"


def _lagged(found: LaggedCorrelation | None) -> dict[str, float | int] | None:
    return None if found is None else {"correlation": round(found.value, 4), "lag_frames": found.lag_frames}


def _number(value: float, digits: int = 4) -> float | None:
    return round(value, digits) if np.isfinite(value) else None
