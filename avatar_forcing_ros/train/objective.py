# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Diffusion forcing: the noised clips that the network sees in training, and the error of its answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from avatar_forcing_ros.audio.log_mel import SILENT_MEAN, LogMelConfig
from avatar_forcing_ros.flow.noise_levels import sample_block_times
from avatar_forcing_ros.flow.path import CLEAN_TIME, NOISE_TIME, interpolate, target_velocity
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES, POSE
from avatar_forcing_ros.network.conditions import Conditions, recalled
from avatar_forcing_ros.network.model import AvatarForcingNetwork
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS
from avatar_forcing_ros.train.clips import ClipBatch

EVENT_CHANNELS = ("pitch", "smile", "brow_raise", "blink_right", "blink_left", "gaze_x", "gaze_y")
"""Channels of rare events: nods, smiles, raised brows, blinks and looks away. Most of the time they are at rest."""

DECIDED_CHANNELS = tuple(name for name in LIP_CHANNELS if name != "press")
"""Channels that the speech nearly determines. Pressed lips (p, b, m) are left out: they are as rare as blinks, and the
sound predicts them less surely."""

MIRRORED_CHANNELS = ("smile", "brow_raise")
"""Channels with which the avatar answers the user's face."""

WANDERING_CHANNELS = ("yaw", "roll", "x", "y", "scale")
"""Channels in which a generated head wanders off. Pitch does not."""

_RETURN_FRAMES = {
    **dict.fromkeys(WANDERING_CHANNELS, 5.0),
    "pitch": 4.0,
    "brow_raise": 1.5,
    "brow_furrow": 1.5,
    "smile": 0.7,
}
"""n of each channel: after a past that has drifted, (1 + k / n) exp(-k / n) of its error is left k frames later. The
return begins at zero speed, so that the face continues from where it is; a network that is shown an instant return
learns a kink at every block border. Channels that are not listed are quick and return at once."""


@dataclass(frozen=True)
class ObjectiveConfig:
    """Noise, dropout and weights of stage 1.

    Attributes:
        dropout: chance that one condition (own speech, user's voice, user's motion, rest pose) is dropped by itself.
        user_dropout: chance that the user's voice and motion are dropped together, as guidance does.
        speech_dropout: chance that the avatar's own speech is dropped and the user is kept, as guidance does.
        null_dropout: chance that all three are dropped.
        noise_shift: s in t' = s t / (1 + (s - 1) t). It moves training towards noise, where the conditions decide and
            where a sampler of few steps spends them. Source: Esser et al., 2024 (arXiv 2403.03206). The paper uses 1.
        past_clean_share: chance that a clip is noised as in streaming: nearly clean up to a random block.
        past_noise: greatest share of noise in that past. It is not scored, and the network is told that it is clean.
        past_offset: standard deviation, in network units, of a constant added to each channel of that past. It stands
            for the drift of a long stream, and teaches the network to come back.
        posture_offset: the same for the position of the head.
        astray_share: chance that one of the WANDERING_CHANNELS is far astray in that past.
        astray_offset: standard deviation of the offset then. Generated posture wanders at random. Drifts that are all
            of one moderate size teach a pull that is proportional to the distance, too weak to hold the head and
            strong enough to flatten its posture. Where the truth never is, every distance must be drift: there, rare
            large ones teach a strong pull, and near the middle none.
        past_swap_share: chance that the MIRRORED_CHANNELS of that past come from another clip. In nearly every block of
            the data, motion simply continues. A network that learns only this keeps smiling once it smiles; the swap
            forces it to look at the user.
        lip_swap_share: the same for LIP_CHANNELS, so that the lips follow the voice, and the user's laugh, at once.
        last_block_weight: weight of a clip's last block, the only one that sees nothing of a block after it, like every
            block in streaming.
        lip_weight: weight of the lip channels.
        press_weight: weight of pressed lips, which are rare and easily missed.
        event_weight: weight of EVENT_CHANNELS.
        has_channels: whether the numbers are the named channels of `facemesh`; those of `autoencoder` all weigh the
            same.
        voice_gain_db: standard deviation of the gain of each voice in a clip; see `with_other_voices`.
        voice_colour_db: the same for the gain at each of a few points of the frequency axis.
        voice_warp: standard deviation of a factor on all frequencies, for longer and shorter vocal tracts.
        voice_noise_share: chance that steady noise is added to a voice.
    """

    dropout: float = 0.10
    user_dropout: float = 0.10
    speech_dropout: float = 0.08
    null_dropout: float = 0.08
    noise_shift: float = 2.5
    past_clean_share: float = 0.5
    past_noise: float = 0.05
    past_offset: float = 0.1
    posture_offset: float = 0.3
    astray_share: float = 0.1
    astray_offset: float = 2.0
    past_swap_share: float = 0.7
    lip_swap_share: float = 0.3
    last_block_weight: float = 3.0
    lip_weight: float = 3.0
    press_weight: float = 6.0
    event_weight: float = 2.5
    has_channels: bool = True
    voice_gain_db: float = 5.0
    voice_colour_db: float = 3.0
    voice_warp: float = 0.05
    voice_noise_share: float = 0.2


@dataclass(frozen=True)
class Noised:
    """Noised clips: `x_t`, `target` (B, T, M), `t` (B, T), and `scored` (B, T), 0 where the past was given."""

    x_t: Tensor
    t: Tensor
    target: Tensor
    scored: Tensor


@dataclass(frozen=True)
class Times:
    """Flow times `t` (B, T), and `past` (B, T), true where a clip is given as the past of a stream."""

    t: Tensor
    past: Tensor


@dataclass(frozen=True)
class Dropout:
    """Which conditions are kept, each (B,) of ones and zeros."""

    avatar_audio: Tensor
    user_audio: Tensor
    user_motion: Tensor
    reference: Tensor

    def to(self, device: torch.device) -> Dropout:
        """Return the same on another device."""
        return Dropout(*(mask.to(device) for mask in vars(self).values()))


def draw_dropout(batch: int, config: ObjectiveConfig, generator: torch.Generator) -> Dropout:
    """Draw what each clip of a batch is conditioned on."""
    device = generator.device
    alone = torch.rand(batch, 4, generator=generator, device=device) >= config.dropout
    mode = torch.rand(batch, generator=generator, device=device)
    null = mode < config.null_dropout
    no_speech = mode < config.null_dropout + config.speech_dropout
    no_user = null | (mode > 1 - config.user_dropout)
    return Dropout(
        (alone[:, 0] & ~no_speech).float(),
        (alone[:, 1] & ~no_user).float(),
        (alone[:, 2] & ~no_user).float(),
        alone[:, 3].float(),
    )


def draw_times(batch: int, frames: int, block: int, config: ObjectiveConfig, generator: torch.Generator) -> Times:
    """Flow times: independent for each block, or, in some clips, a nearly clean past before a random block."""
    t = shifted(sample_block_times(batch, frames, block, generator), config.noise_shift)
    device = generator.device
    first_noisy = torch.randint(frames // block, (batch, 1), generator=generator, device=device) * block
    streaming = torch.rand(batch, 1, generator=generator, device=device) < config.past_clean_share
    past = streaming & (torch.arange(frames, device=device)[None] < first_noisy)
    return Times(torch.where(past, t * config.past_noise, t), past)


def shifted(t: Tensor, shift: float) -> Tensor:
    """Flow times moved towards noise; both ends stay."""
    share = t / NOISE_TIME
    return NOISE_TIME * shift * share / (1 + (shift - 1) * share)


def add_noise(motion: Tensor, times: Times, config: ObjectiveConfig, generator: torch.Generator) -> Noised:
    """Put clips at their times on the path. A given past drifts a little; what follows returns from there."""
    noise = torch.randn(motion.shape, generator=generator, device=generator.device).to(motion.device)
    t, past = times.t.to(motion.device), times.past.to(motion.device)
    drift = _drift(motion, past, config, generator)
    shown = _with_other_answers(motion, past, config, generator)
    swapped = (shown - motion) * past[..., None]
    clean = motion + drift + swapped + _on_the_way_back(swapped, past, config)
    x_t = interpolate(clean, noise, t)
    return Noised(x_t, t.masked_fill(past, CLEAN_TIME), target_velocity(clean, noise), (~past).float())


def _drift(motion: Tensor, past: Tensor, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """(B, T, M) how far each number is adrift: in a given past, and on its way back from there."""
    batch, _, size = motion.shape
    device = generator.device
    astray = torch.randn(batch, 1, size, generator=generator, device=device)
    if not config.has_channels:
        return config.past_offset * astray.to(motion.device) * past[..., None]
    far = torch.rand(batch, 1, size, generator=generator, device=device) < config.astray_share
    wanders = _per_channel(tuple((name, 1.0) for name in WANDERING_CHANNELS), 0.0, motion.device)
    usual = _per_channel(tuple((name, config.posture_offset) for name in POSE), config.past_offset, motion.device)
    offsets = usual.lerp(torch.full_like(usual, config.astray_offset), far.to(motion.device) * wanders)
    drift = offsets * astray.to(motion.device) * past.any(dim=1)[:, None, None]
    return drift * _left(_since(past))


def _since(past: Tensor) -> Tensor:
    """(B, T, 1) frames since the given past ended: 1 in the first frame after it, less in the past."""
    return (torch.arange(1, past.shape[1] + 1, device=past.device) - past.sum(dim=1, keepdim=True))[..., None]


def _left(since: Tensor) -> Tensor:
    """(B, T, M) share of an error that is left some frames after its return began; see `_RETURN_FRAMES`."""
    share = since.clamp(min=0) / _per_channel(tuple(_RETURN_FRAMES.items()), 1e-3, since.device)
    return (1 + share) * torch.exp(-share)


def _on_the_way_back(error: Tensor, past: Tensor, config: ObjectiveConfig) -> Tensor:
    """(B, T, M) how much of the past's last `error` (B, T, M) is left in the frames after it."""
    if not config.has_channels:
        return torch.zeros_like(error)
    since = _since(past)
    return (error * (since == 0)).sum(dim=1, keepdim=True) * _left(since) * (since > 0)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _per_channel(values: tuple[tuple[str, float], ...], default: float, device: torch.device) -> Tensor:
    """(18,) one number per channel, made once for each device."""
    given = dict(values)
    return torch.tensor([given.get(name, default) for name in NAMES], device=device)


def _with_other_answers(motion: Tensor, past: Tensor, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """Clips, some with the next clip's answers to the user, or its lips, in their past."""
    device = generator.device
    astray = torch.rand(len(motion), 1, generator=generator, device=device) < config.past_swap_share
    mouths = torch.rand(len(motion), 1, generator=generator, device=device) < config.lip_swap_share
    if not config.has_channels:
        return motion
    other = motion.roll(1, dims=0)
    for names, chosen in ((MIRRORED_CHANNELS, astray), (LIP_CHANNELS, mouths)):
        theirs = _per_channel(tuple((name, 1.0) for name in names), 0.0, past.device) > 0
        motion = torch.where((past & chosen.to(past.device))[..., None] & theirs, other, motion)
    return motion


def with_other_voices(clips: ClipBatch, config: ObjectiveConfig, generator: torch.Generator) -> ClipBatch:
    """Clips in which both voices change in level, colour and vocal tract, some with noise.

    There are few simulated voices, and a network that hears each of them twenty times learns them by heart. The changes
    apply to powers above the features' floor, so digital silence stays silent.

    Source: vocal tract length perturbation, Jaitly and Hinton, 2013.
    """
    if not config.has_channels:
        return clips
    return replace(
        clips,
        avatar_features=with_another_voice(clips.avatar_features, config, generator),
        user_features=with_another_voice(clips.user_features, config, generator),
    )


_COLOUR_POINTS = 6


def with_another_voice(features: Tensor, config: ObjectiveConfig, generator: torch.Generator) -> Tensor:
    """(B, T, F) log-mel features of the same words in other voices."""
    mel, batch, device = LogMelConfig(), len(features), features.device

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=generator, device=generator.device).to(device)

    bands = torch.arange(mel.bands, device=device)
    points = (bands * (1 + config.voice_warp * normal(1))).clamp(0, mel.bands - 1)  # (B, bands) where to read
    below = points.floor().long().clamp(max=mel.bands - 2)
    share = (points - below)[:, None, None]
    rows = features.unflatten(-1, (mel.hops_per_frame, mel.bands))
    low, high = (rows.gather(-1, (below + one)[:, None, None].expand(rows.shape)) for one in (0, 1))
    power = torch.expm1(_NEPERS * mel.decibels_per_unit * (low + share * (high - low) + 1)).clamp(min=0)
    gain = config.voice_gain_db * normal(1) + config.voice_colour_db * _smooth(normal(_COLOUR_POINTS), mel.bands)
    noise = (8 * normal(1) + 2 + 4 * _smooth(normal(_COLOUR_POINTS), mel.bands)).clamp(max=22)  # dB above the floor
    noisy = torch.rand(batch, 1, generator=generator, device=generator.device).to(device) < config.voice_noise_share
    grain = torch.rand(rows.shape, generator=generator, device=generator.device).to(device).clamp(min=1e-3).log().neg()
    added = torch.exp(_NEPERS * noise) * noisy
    power = power * torch.exp(_NEPERS * gain)[:, None, None] + added[:, None, None] * (0.5 + 0.5 * grain)
    return (torch.log1p(power) / (_NEPERS * mel.decibels_per_unit) - 1).flatten(-2)


_NEPERS = math.log(10) / 10
"""Nepers of power per decibel."""


def _smooth(points: Tensor, count: int) -> Tensor:
    """(B, P) evenly spaced values -> (B, count) a line through them."""
    return torch.nn.functional.interpolate(points[:, None], count, mode="linear", align_corners=True)[:, 0]


def encode(network: AvatarForcingNetwork, clips: ClipBatch, keep: Dropout) -> Tensor:
    """(B, T, hidden) conditions of clips, block by block as streaming computes them."""
    past, spans = clips.avatar_features.shape[1] - clips.motion.shape[1], network.config.memory_frames
    conditions = Conditions(
        network.project_audio(clips.avatar_features),
        recalled(network.project_audio(clips.user_features), spans),
        recalled(clips.user_motion, spans),
    ).keep(keep.avatar_audio, keep.user_audio * clips.microphone, keep.user_motion)
    frames = conditions.frames
    return network.encode_conditions_blockwise(conditions.slice(past, frames), lookback=conditions.slice(0, past))


def predict(network: AvatarForcingNetwork, clips: ClipBatch, noised: Noised, keep: Dropout) -> Tensor:
    """Predicted velocity of noised clips, (B, T, M), whose blocks have one flow time each."""
    c, block = encode(network, clips, keep), network.config.block_frames
    reference = clips.reference * keep.reference[:, None]
    return network.velocity(noised.x_t, noised.t[:, ::block], c, reference, frames_per_time=block).float()


def silence_in(clips: ClipBatch) -> Tensor:
    """(B, T) whether the avatar is silent, that is, its audio features are those of silence."""
    return clips.avatar_features[:, -clips.motion.shape[1] :].mean(dim=-1) < SILENT_MEAN


def channel_errors(predicted: Tensor, target: Tensor, config: ObjectiveConfig, silent: Tensor | None = None) -> Tensor:
    """(B, T, M) error of each number: absolute for DECIDED_CHANNELS and unnamed numbers, squared for the rest.

    Where the avatar is `silent` (B, T), no sound determines its lips. A mouth that opens there laughs along with the
    user, which is an event like a smile, so the error is squared.

    The paper takes the absolute error throughout. Its minimum is the median, and the median of an uncertain event (a
    blink, a nod, a returned smile, lips pressed for a p) is that it never or always happens: such a model would hardly
    blink and would return every smile. The squared error keeps the rates. Where speech decides, the absolute error
    keeps the lips crisp, and fully shut in silence.
    """
    difference = predicted - target
    if not config.has_channels:
        return difference.abs()
    absolute = _per_channel(tuple((name, 1.0) for name in DECIDED_CHANNELS), 0.0, difference.device) > 0
    if silent is not None:
        absolute = absolute & ~silent[..., None]
    return torch.where(absolute, difference.abs(), difference.square())


def weights(frames: int, block: int, size: int, config: ObjectiveConfig) -> Tensor:
    """(T, M) weights for the errors of M = `size` numbers, with mean one."""
    channel = torch.ones(size)
    if config.has_channels:
        channel[[INDEX[name] for name in LIP_CHANNELS]] = config.lip_weight
        channel[INDEX["press"]] = config.press_weight
        channel[[INDEX[name] for name in EVENT_CHANNELS]] = config.event_weight
    frame = torch.ones(frames)
    frame[-block:] = config.last_block_weight
    table = frame[:, None] * channel
    return table / table.mean()
