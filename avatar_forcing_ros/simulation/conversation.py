"""One simulated conversation between the avatar and a user: what both say, how both move, what the avatar gets to know.

Everything follows from (seed, index), but for details of the sound: espeak-ng keeps some state from what it said
before. So equal runs of a fresh process give equal arrays, which is how `corpus` makes its shards.

What the numbers are and where they come from is said beside them: turn-taking in `turns`, lips in `lips`, eyes in
`eyes`, head in `head`, responses in `listening`, sound in `acoustics`, tracking in `camera` and, of some users, in
`filming`; `docs/training_data.md` gathers them in one table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.audio.log_mel import log_mel_frames
from avatar_forcing_ros.motion.facemesh.channels import CHANNELS, INDEX, SIZE
from avatar_forcing_ros.simulation.acoustics import AcousticsConfig, clean_speech_acoustics, record
from avatar_forcing_ros.simulation.camera import CameraConfig, Observed, observe
from avatar_forcing_ros.simulation.espeak import Espeak
from avatar_forcing_ros.simulation.eyes import BlinkStatistics, blink_curve, blink_times, simulate_gaze
from avatar_forcing_ros.simulation.filming import FilmConfig, FilmStudio
from avatar_forcing_ros.simulation.head import POSE_CHANNELS, simulate_head
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS, lip_curves
from avatar_forcing_ros.simulation.listening import (
    ListenerStatistics,
    SmileStatistics,
    brow_raises,
    laughing_smiles,
    listening_nods,
    mirrored_brows,
    mirrored_posture,
    returned_smiles,
    spontaneous_smiles,
)
from avatar_forcing_ros.simulation.pulses import FRAME_RATE, Pulse, draw
from avatar_forcing_ros.simulation.talk import Talk
from avatar_forcing_ros.simulation.turns import TurnStatistics, random_style, simulate_turns
from avatar_forcing_ros.simulation.voices import Speaker, random_voice

_POSE = [INDEX[name] for name in POSE_CHANNELS]
_LIPS = [INDEX[name] for name in LIP_CHANNELS]
_LOW = np.array([channel.low for channel in CHANNELS])
_HIGH = np.array([channel.high for channel in CHANNELS])


@dataclass(frozen=True)
class ConversationConfig:
    """How conversations are made.

    Attributes:
        duration_s: length of each.
        flite_share: chance that an English voice comes from flite instead of espeak-ng.
        held_out_voices: use the voices kept for evaluation.
        echo_share: chance that the user's microphone also hears the avatar.
        echo_db: least and greatest level of that echo against the avatar's speech.
        rest_share: chance that the avatar's rest pose is not zero.
        filmed_share: chance that the user is drawn and read by the live encoder, 10 ms a frame, instead of imagined.
        turns: statistics of turn-taking; the other fields likewise for their subject.
    """

    duration_s: float = 40.0
    flite_share: float = 0.5
    held_out_voices: bool = False
    echo_share: float = 0.3
    echo_db: tuple[float, float] = (-35.0, -12.0)
    rest_share: float = 0.3
    filmed_share: float = 0.15
    turns: TurnStatistics = field(default_factory=TurnStatistics)
    blinks: BlinkStatistics = field(default_factory=BlinkStatistics)
    smiles: SmileStatistics = field(default_factory=SmileStatistics)
    listener: ListenerStatistics = field(default_factory=ListenerStatistics)
    camera: CameraConfig = field(default_factory=CameraConfig)
    film: FilmConfig = field(default_factory=FilmConfig)
    user_acoustics: AcousticsConfig = field(default_factory=AcousticsConfig)
    avatar_acoustics: AcousticsConfig = field(default_factory=clean_speech_acoustics)

    @property
    def frames(self) -> int:
        """T, video frames of a conversation."""
        return round(self.duration_s * FRAME_RATE)


@dataclass(frozen=True)
class Conversation:
    """One conversation on the 25-fps grid, every row of the moment of its frame; nothing is shifted yet.

    Attributes:
        motion: (T, 18) float32, the avatar's true motion.
        reference: (18,) float32, the avatar's rest pose.
        avatar_features: (T, 320) float32, log-mel of the avatar's speech.
        user_features: (T, 320) float32, log-mel of the user's microphone.
        user_motion: (T, 18) float32, the user's motion as tracked; zeros where not valid.
        user_valid: (T,) bool, a face was found.
        user_true_motion: (T, 18) float32, before the tracker.
        avatar_talk: what the avatar says.
        user_talk: what the user says.
        user_smiles: the user's smiles.
        avatar_smiles: the avatar's smiles, answers included.
        avatar_sound: (N,) float32 at 16 kHz.
        user_sound: (N,) float32 at 16 kHz.
    """

    motion: NDArray[np.float32]
    reference: NDArray[np.float32]
    avatar_features: NDArray[np.float32]
    user_features: NDArray[np.float32]
    user_motion: NDArray[np.float32]
    user_valid: NDArray[np.bool_]
    user_true_motion: NDArray[np.float32]
    avatar_talk: Talk
    user_talk: Talk
    user_smiles: tuple[Pulse, ...]
    avatar_smiles: tuple[Pulse, ...]
    avatar_sound: NDArray[np.float32]
    user_sound: NDArray[np.float32]


@dataclass(frozen=True)
class _Behaviour:
    """Motion of one person and the events in it that the other may answer."""

    motion: NDArray[np.float64]
    smiles: tuple[Pulse, ...]
    raises: tuple[Pulse, ...]


def _behave(
    rng: np.random.Generator,
    config: ConversationConfig,
    own: Talk,
    other: Talk,
    smiles: tuple[Pulse, ...],
    raises: tuple[Pulse, ...],
) -> _Behaviour:
    """Everything a person does that does not depend on what they see."""
    frames = config.frames
    motion = np.zeros((frames, SIZE))
    motion[:, _POSE] = simulate_head(rng, own, frames)
    motion[:, _LIPS] = lip_curves(own, frames, FRAME_RATE)
    gaze = simulate_gaze(rng, own, frames)
    motion[:, [INDEX["gaze_x"], INDEX["gaze_y"]]] = gaze.curve
    blinks = blink_curve(blink_times(rng, own, other, gaze, config.blinks), frames, config.blinks)
    motion[:, [INDEX["blink_right"], INDEX["blink_left"]]] = blinks[:, None]
    motion[:, INDEX["pitch"]] += listening_nods(rng, own, other, frames, config.listener)
    raises = raises + brow_raises(rng, own, other, config.listener)
    motion[:, INDEX["brow_raise"]] = draw(raises, frames)
    motion[:, INDEX["smile"]] = draw(smiles, frames)
    return _Behaviour(motion, smiles, raises)


def _user(rng: np.random.Generator, config: ConversationConfig, own: Talk, other: Talk) -> _Behaviour:
    """The user: smiles and raises brows at will, sits anywhere in front of the camera."""
    smiles = spontaneous_smiles(rng, config.duration_s, config.smiles.per_minute, config.smiles)
    smiles += laughing_smiles(rng, own, config.smiles)
    starts = rng.uniform(0, config.duration_s, rng.poisson(4 * config.duration_s / 60))
    raises = tuple(Pulse(float(t), 0.2, rng.uniform(0.2, 1.0), 0.35, rng.uniform(0.3, 1.0)) for t in starts)
    user = _behave(rng, config, own, other, smiles, raises)
    user.motion[:, _POSE] += rng.normal(0, (0.08, 0.07, 0.04, 0.12, 0.08, 0.05))
    frowns = rng.uniform(0, config.duration_s, rng.poisson(1))
    user.motion[:, INDEX["brow_furrow"]] = draw(
        (Pulse(float(t), 0.3, 1.0, 0.5, rng.uniform(0.2, 0.7)) for t in frowns), config.frames
    )
    return user


def _avatar(
    rng: np.random.Generator, config: ConversationConfig, own: Talk, other: Talk, user: _Behaviour, seen: bool
) -> _Behaviour:
    """The avatar: answers what it can see of the user."""
    smiles = spontaneous_smiles(rng, config.duration_s, config.smiles.own_per_minute, config.smiles)
    smiles += laughing_smiles(rng, own, config.smiles)
    raises: tuple[Pulse, ...] = ()
    if seen:
        smiles += returned_smiles(rng, user.smiles, config.smiles)
        raises += mirrored_brows(rng, user.raises, config.listener)
    avatar = _behave(rng, config, own, other, smiles, raises)
    if seen:
        avatar.motion[:, _POSE] += mirrored_posture(user.motion[:, _POSE], config.listener)
    return avatar


def _rest_pose(rng: np.random.Generator, config: ConversationConfig) -> NDArray[np.float64]:
    """(18,) small offsets of pose, brows and smile in some conversations, zeros in the others."""
    rest = np.zeros(SIZE)
    if rng.random() < config.rest_share:
        rest[_POSE] = rng.normal(0, (0.05, 0.04, 0.03, 0.05, 0.04, 0.02))
        rest[INDEX["brow_raise"]] = rng.normal(0, 0.06)
        rest[INDEX["smile"]] = rng.uniform(-0.1, 0.25)
    return rest


class ConversationSimulator:
    """Makes conversations by number; one object per process, because espeak-ng holds one voice per process."""

    def __init__(self, config: ConversationConfig | None = None, seed: int = 0) -> None:
        self.config = config or ConversationConfig()
        self.seed = seed
        self._espeak = Espeak()

    def make(self, index: int) -> Conversation:
        """The conversation of this number, of these turns, words, voices and behaviour."""
        rng, config = np.random.default_rng([self.seed, index]), self.config
        avatar_voice, user_voice = (
            Speaker(random_voice(rng, config.flite_share, config.held_out_voices), self._espeak) for _ in range(2)
        )
        own, other = simulate_turns(rng, config.duration_s, avatar_voice, user_voice, random_style(rng), config.turns)
        user = _user(rng, config, other, own)
        user_motion = np.clip(user.motion, _LOW, _HIGH)
        tracked = observe(rng, user_motion, config.camera, self._film(rng, user_motion))
        avatar = _avatar(rng, config, own, other, user, seen=bool(tracked.valid.any()))
        rest = _rest_pose(rng, config)
        avatar_sound = record(rng, own.sound(), config.avatar_acoustics)
        user_sound = self._with_echo(rng, record(rng, other.sound(), config.user_acoustics), avatar_sound)
        return Conversation(
            motion=np.clip(avatar.motion + rest, _LOW, _HIGH).astype(np.float32),
            reference=rest.astype(np.float32),
            avatar_features=log_mel_frames(avatar_sound),
            user_features=log_mel_frames(user_sound),
            user_motion=tracked.latent,
            user_valid=tracked.valid,
            user_true_motion=user_motion.astype(np.float32),
            avatar_talk=own,
            user_talk=other,
            user_smiles=user.smiles,
            avatar_smiles=avatar.smiles,
            avatar_sound=avatar_sound,
            user_sound=user_sound,
        )

    @cached_property
    def _studio(self) -> FilmStudio:
        """Made with the first user who is filmed: it takes 350 MB and two seconds."""
        return FilmStudio(self.config.film)

    def _film(self, rng: np.random.Generator, motion: NDArray[np.float64]) -> Observed | None:
        """What is read from pictures of a user who is filmed; None of the others.

        Draws from a stream of its own, so that all else in a conversation is the same whether it is filmed or not.
        """
        own = rng.spawn(1)[0]
        return self._studio.film(own, motion) if own.random() < self.config.filmed_share else None

    def _with_echo(
        self, rng: np.random.Generator, user_sound: NDArray[np.float32], avatar_sound: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The user's microphone, which at times hears the avatar's loudspeaker 80 ms late."""
        if rng.random() >= self.config.echo_share:
            return user_sound
        gain = 10 ** (rng.uniform(*self.config.echo_db) / 20)
        echo = np.concatenate([np.zeros(1280, np.float32), avatar_sound[:-1280]])
        return np.clip(user_sound + np.float32(gain) * echo, -1, 1)
