"""Held-out conversations, generated as live, and what every metric says about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.metrics.correlation import pearson, residual_pearson
from avatar_forcing_ros.metrics.distance import frechet_distance
from avatar_forcing_ros.metrics.eyelids import blinks
from avatar_forcing_ros.metrics.reaction import Reaction, ReactionConfig, onsets, reaction
from avatar_forcing_ros.metrics.richness import COMMON_CLUSTERS, PAPER_CLUSTERS, shannon_index, variance
from avatar_forcing_ros.metrics.smoothness import border_jerk_ratio
from avatar_forcing_ros.metrics.speech_motion import opening_against_energy, stillness
from avatar_forcing_ros.motion.facemesh.channels import INDEX
from avatar_forcing_ros.train.conversation import Conversation, ConversationConfig, ConversationSimulator
from avatar_forcing_ros.train.pulses import FRAME_RATE
from avatar_forcing_ros.train.replay import Heard

_POSE = slice(0, 6)
_EXPRESSION = slice(6, 18)
_SMILE_SEEN = ReactionConfig(rise=0.2, earliest_s=0.2, latest_s=1.6)


@dataclass(frozen=True)
class HeldOut:
    """Conversations that no training has seen: other seeds, other voices."""

    conversations: tuple[Conversation, ...]

    @property
    def truth(self) -> NDArray[np.float32]:
        """(C, T, 18) the avatar's true motion."""
        return np.stack([c.motion for c in self.conversations])

    @property
    def heard(self) -> Heard:
        """What the avatar gets to know."""
        names = ("avatar_features", "user_features", "user_motion", "user_valid", "reference")
        return Heard(*(np.stack([getattr(c, name) for c in self.conversations]) for name in names))

    def without_user(self) -> Heard:
        """The same with nobody there."""
        heard = self.heard
        return replace(heard, user_motion=heard.user_motion * 0, user_valid=heard.user_valid & False)


def held_out(count: int, seed: int = 777_000, config: ConversationConfig | None = None) -> HeldOut:
    """Simulate conversations with the voices that are kept from training."""
    simulator = ConversationSimulator(replace(config or ConversationConfig(), held_out_voices=True), seed)
    return HeldOut(tuple(simulator.make(index) for index in range(count)))


def evaluate(data: HeldOut, generated: NDArray[np.float32], block_frames: int) -> dict[str, float]:
    """All metrics of generated motion (C, T, 18); the same call on the truth gives what there is to reach."""
    frames = generated.shape[1]
    truth = data.truth[:, :frames]
    user = np.stack([c.user_true_motion for c in data.conversations])[:, :frames]
    flat = [x.reshape(-1, x.shape[-1]) for x in (user, truth, generated)]
    return {
        **_lip_metrics(data, truth, generated),
        **_reaction_metrics(data, generated),
        **_resemblance(*flat),
        **_eye_metrics(generated),
        "border_jerk": _mean(border_jerk_ratio(clip, block_frames) for clip in generated),
    }


def _mean(values: Iterable[float]) -> float:
    """Mean without NaN."""
    array = np.array(list(values), float)
    return float(np.nanmean(array)) if np.isfinite(array).any() else float("nan")


def _lip_metrics(data: HeldOut, truth: NDArray, generated: NDArray) -> dict[str, float]:
    """Lips against the truth, against the sound, on closures, and at rest."""
    jaw, press = INDEX["jaw_open"], INDEX["press"]
    out = {f"{name}_corr": pearson(truth[..., INDEX[name]], generated[..., INDEX[name]])
           for name in ("jaw_open", "stretch", "pucker", "press", "upper_lip")}  # fmt: skip
    talking = [i for i, c in enumerate(data.conversations) if c.avatar_talk.speaking(FRAME_RATE).mean() > 0.1]
    fits = [opening_against_energy(generated[i, :, jaw], data.conversations[i].avatar_sound) for i in talking]
    closed = truth[..., press] > 0.9
    return out | {
        "energy_corr": _mean(fit.value for fit in fits),
        "energy_lag": _mean(fit.lag_frames for fit in fits),
        "closure_share": float((generated[..., press][closed] > 0.5).mean()),
        "jaw_gain": float(generated[..., jaw].std() / truth[..., jaw].std()),
        "stillness": _mean(
            stillness(
                generated[i, :, jaw], data.conversations[i].avatar_talk.speaking(FRAME_RATE)[: generated.shape[1]]
            )
            for i in talking
        ),
    }


def _smile_reaction(conversation: Conversation, smile: NDArray) -> Reaction:
    """Answers to the user's smiles that are clear, by their true onsets."""
    whole = [s for s in conversation.user_smiles if s.size > 0.35 and s.end_s < len(smile) / FRAME_RATE]
    starts = np.array([s.start_s for s in whole])
    visible = [bool(conversation.user_valid[int(t * FRAME_RATE) : int((t + 1) * FRAME_RATE)].all()) for t in starts]
    config = replace(_SMILE_SEEN, rise=0.12)
    answers = onsets(smile, config)
    small = np.array([s.start_s for s in conversation.user_smiles])
    seen = starts[np.array(visible, bool)] if len(starts) else starts
    alarms = reaction(small, answers, len(smile) / FRAME_RATE, config)
    return replace(reaction(seen, answers, len(smile) / FRAME_RATE, config), false_per_minute=alarms.false_per_minute)


def _reaction_metrics(data: HeldOut, generated: NDArray) -> dict[str, float]:
    """Smiles returned, and nods after the ends of the user's phrases while the avatar listens."""
    smiles = [_smile_reaction(c, generated[i, :, INDEX["smile"]]) for i, c in enumerate(data.conversations)]
    nods = [_nods_after_phrases(c, generated[i, :, INDEX["pitch"]]) for i, c in enumerate(data.conversations)]
    return {
        "smile_rate": _mean(r.rate for r in smiles),
        "smile_delay_s": _mean(r.median_delay_s for r in smiles),
        "false_smiles_per_minute": _mean(r.false_per_minute for r in smiles),
        "nod_rate": _mean(nods),
    }


def _nods_after_phrases(conversation: Conversation, pitch: NDArray) -> float:
    """Share of the user's phrases after which, within 1.3 s, the avatar nods by at least 0.03 rad in silence."""
    silent = ~conversation.avatar_talk.speaking(FRAME_RATE)
    hits = []
    for item in conversation.user_talk.turns:
        frame = int(item.end_s * FRAME_RATE)
        span = slice(frame + 5, frame + 33)
        if frame + 33 < len(pitch) and silent[span].all():
            hits.append(pitch[span].max() - np.median(pitch[max(0, frame - 10) : frame + 5]) > 0.03)
    return float(np.mean(hits)) if hits else float("nan")


def _resemblance(user: NDArray, truth: NDArray, generated: NDArray) -> dict[str, float]:
    """rPCC, SID, variance and Frechet distance, for expression and pose."""
    out: dict[str, float] = {}
    for name, channels in (("expression", _EXPRESSION), ("pose", _POSE)):
        u, t, g = user[:, channels], truth[:, channels], generated[:, channels]
        out[f"rpcc_{name}"] = residual_pearson(u, t, g)
        out[f"sid_{name}"] = shannon_index(g, t, COMMON_CLUSTERS[name])
        out[f"sid_{name}_paper_k"] = shannon_index(g, t, PAPER_CLUSTERS[name])
        out[f"var_{name}"] = variance(g)
        out[f"fd_{name}"] = frechet_distance(g, t)
    return out


def _eye_metrics(generated: NDArray) -> dict[str, float]:
    """Blinks per minute, how complete they are, and how often the avatar looks at the user."""
    counted = [blinks(clip[:, INDEX["blink_left"]]) for clip in generated]
    return {
        "blinks_per_minute": _mean(b.per_minute for b in counted),
        "complete_blinks": _mean(b.complete_share for b in counted),
        "gaze_at_user": float((np.abs(generated[..., INDEX["gaze_x"]]) < 0.12).mean()),
    }
