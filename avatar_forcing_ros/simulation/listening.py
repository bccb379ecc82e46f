# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A listener's responses: nods, returned smiles, raised brows, mirrored posture.

All responses come late enough to follow from what was seen and heard before, and each sometimes stays out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from avatar_forcing_ros.signals import FPS
from avatar_forcing_ros.simulation.pulses import Pulse, draw, nod, poisson_times
from avatar_forcing_ros.simulation.talk import Talk


@dataclass(frozen=True)
class SmileStatistics:
    """Statistics of smiling.

    Attributes:
        per_minute: rate of the user's spontaneous smiles; higher than most people's, so that answers are learnt.
        own_per_minute: rate of the avatar's own smiles, apart from answers to the user.
        rise_s: least and greatest duration of the onset. Source: Schmidt et al., 2006 (about 0.5 to 0.75 s).
        hold_s: median plateau; many smiles are flashes between words. Source: Ekman and Friesen, 1982 (felt smiles last
            0.66 to 4 s from start to end); Frank et al., 1993.
        hold_log_std: standard deviation of its logarithm.
        held_share: chance that a smile is held.
        held_s: least and greatest plateau of held smiles.
        felt_share: chance that a smile reaches the eyes; large and held ones do. Source: Ekman and Friesen, 1982.
        narrowing: least and greatest closure of the lids in a full, felt smile.
        fall_s: least and greatest duration of the offset.
        return_share: chance that a clear smile is returned. Source: Hinsz and Tomhave, 1991 (about half between
            strangers); a friendly avatar returns most.
        return_delay_s: least and greatest time from its onset to the onset of the answer. Source: Dimberg and Thunberg,
            1998 (muscle activity after 0.3 to 0.4 s); Heerey and Crossley, 2013 (genuine smiles are sometimes
            anticipated).
        return_rise_s: `rise_s` of an answer.
        return_gain: least and greatest size of the answer, relative to the smile.
        linger_s: least and greatest time from the end of the smile's plateau to the end of the answer's.
        least_size: smaller smiles stay unanswered.
    """

    per_minute: float = 7.0
    own_per_minute: float = 0.5
    rise_s: tuple[float, float] = (0.2, 0.65)
    hold_s: float = 0.9
    hold_log_std: float = 0.9
    held_share: float = 0.35
    held_s: tuple[float, float] = (1.5, 7.0)
    felt_share: float = 0.5
    narrowing: tuple[float, float] = (0.16, 0.28)
    fall_s: tuple[float, float] = (0.3, 1.0)
    return_share: float = 0.88
    return_delay_s: tuple[float, float] = (0.2, 0.34)
    return_rise_s: tuple[float, float] = (0.2, 0.45)
    return_gain: tuple[float, float] = (0.75, 1.0)
    linger_s: tuple[float, float] = (0.0, 0.3)
    least_size: float = 0.15


@dataclass(frozen=True)
class ListenerStatistics:
    """Statistics of nods, brows and mirrored posture.

    Attributes:
        nod_share: chance of a nod at the end of the other's phrase. Source: Dittmann and Llewellyn, 1968; Maynard,
            1987 (about half); an attentive avatar nods more.
        nod_delay_s: least and greatest time from that end to the nod. Source: Ward and Tsukahara, 2000; Dittmann and
            Llewellyn, 1968 (in the pause after the phrase). The spread there is wider, but nods that may come at any
            time are hardly learnt.
        nod_with_backchannel_share: chance that a spoken backchannel comes with a nod. Source: Dittmann and Llewellyn,
            1968.
        nod_rate_hz: least and greatest rate. Source: Hadar et al., 1985 (ordinary nods 1.8 to 3.7 Hz).
        nod_rad: median depth of the first cycle.
        brow_share: chance of raised brows at the end of the other's phrase. Source: Ekman, 1979.
        brow_own_share: chance at the start of one's own phrase. Source: Flecha-Garcia, 2010.
        brow_mirror_share: chance that the other's raised brows are answered.
        brow_mirror_delay_s: least and greatest delay of the answer. Source: Dimberg et al., 2000; Sato and Yoshikawa,
            2007 (mimicry within 0.5 to 1 s).
        brow_mirror_gain: size of the answer, relative to the other's.
        mirror_gain: share of the other's slow head motion that is copied, as in a mirror.
        mirror_delay_s: delay of the copy. Source: Chartrand and Bargh, 1999; Boker et al., 2011.
    """

    nod_share: float = 0.75
    nod_delay_s: tuple[float, float] = (0.45, 0.6)
    nod_with_backchannel_share: float = 0.85
    nod_rate_hz: tuple[float, float] = (1.9, 2.8)
    nod_rad: float = 0.11
    brow_share: float = 0.18
    brow_own_share: float = 0.25
    brow_mirror_share: float = 0.8
    brow_mirror_delay_s: tuple[float, float] = (0.35, 0.7)
    brow_mirror_gain: float = 0.7
    mirror_gain: float = 0.35
    mirror_delay_s: float = 0.8


def spontaneous_smiles(
    rng: np.random.Generator, duration_s: float, per_minute: float, s: SmileStatistics
) -> tuple[Pulse, ...]:
    """Smiles without an external cause: small and large, brief and held, polite and felt."""
    smiles = []
    for start in poisson_times(rng, duration_s, per_minute, least_gap_s=2.0):
        hold = s.hold_s * float(np.exp(rng.normal(0, s.hold_log_std)))
        if rng.random() < s.held_share:
            hold = float(rng.uniform(*s.held_s))
        size, felt = float(rng.uniform(0.12, 1.0)), bool(rng.random() < s.felt_share)
        smiles.append(Pulse(start, rng.uniform(*s.rise_s), hold, rng.uniform(*s.fall_s), size, felt))
    return tuple(smiles)


def narrowed_lids(
    rng: np.random.Generator, smiles: tuple[Pulse, ...], frames: int, s: SmileStatistics
) -> NDArray[np.float64]:
    """(T,) how far felt smiles close the lids, in proportion to the smile."""
    return draw((replace(p, size=p.size * rng.uniform(*s.narrowing)) for p in smiles if p.felt), frames)


def returned_smiles(rng: np.random.Generator, smiles: tuple[Pulse, ...], s: SmileStatistics) -> tuple[Pulse, ...]:
    """Answers to some of the other's smiles: later, a little smaller, longer, and of the same kind."""
    answers = []
    for smile in smiles:
        if smile.size >= s.least_size and rng.random() < s.return_share:
            delay, rise = rng.uniform(*s.return_delay_s), rng.uniform(*s.return_rise_s)
            hold = max(0.2, smile.rise_s + smile.hold_s + rng.uniform(*s.linger_s) - delay - rise)
            size = smile.size * rng.uniform(*s.return_gain)
            answers.append(Pulse(smile.start_s + delay, rise, hold, rng.uniform(*s.fall_s), size, smile.felt))
    return tuple(answers)


def brow_raises(rng: np.random.Generator, own: Talk, other: Talk, s: ListenerStatistics) -> tuple[Pulse, ...]:
    """Raised brows at the start of one's own phrases and at the end of the other's."""
    starts = [i.start_s - 0.06 for i in own.turns if rng.random() < s.brow_own_share]
    starts += [i.end_s + rng.uniform(*s.nod_delay_s) for i in other.turns if rng.random() < s.brow_share]
    return tuple(Pulse(t, 0.2, rng.uniform(0.15, 0.7), 0.35, rng.uniform(0.25, 0.75)) for t in starts)


def mirrored_brows(rng: np.random.Generator, raises: tuple[Pulse, ...], s: ListenerStatistics) -> tuple[Pulse, ...]:
    """Answers to the other's raised brows."""
    return tuple(
        replace(p, start_s=p.start_s + rng.uniform(*s.brow_mirror_delay_s), size=p.size * s.brow_mirror_gain)
        for p in raises
        if rng.random() < s.brow_mirror_share
    )


def listening_nods(
    rng: np.random.Generator, own: Talk, other: Talk, frames: int, s: ListenerStatistics
) -> NDArray[np.float64]:
    """(T,) pitch of nods at the ends of the other's phrases and with one's own backchannels."""
    silent = ~own.speaking(FPS)
    starts = []
    for item in other.turns:
        start = item.end_s + rng.uniform(*s.nod_delay_s)
        if rng.random() < s.nod_share and start < own.duration_s and silent[int(start * FPS)]:
            starts.append(start)
    starts += [i.start_s for i in own.backchannels if rng.random() < s.nod_with_backchannel_share]
    out = np.zeros(frames)
    for start in starts:
        depth = s.nod_rad * np.exp(rng.normal(0, 0.3))
        out += nod(frames, start, int(rng.integers(1, 4)), rng.uniform(*s.nod_rate_hz), min(0.16, depth))
    return np.minimum(out, 0.2)


def mirrored_posture(other_pose: NDArray[np.float64], s: ListenerStatistics) -> NDArray[np.float64]:
    """The other's slow head motion, copied with a delay, as in a mirror.

    Args:
        other_pose: (T, 6) the other's head pose, in the order of POSE_CHANNELS.
        s: statistics.

    Returns:
        (T, 6) pose; yaw, roll and x change sign, because the two face each other.
    """
    slow = gaussian_filter1d(other_pose - other_pose.mean(axis=0), 0.3 * FPS, axis=0)
    lag = round(s.mirror_delay_s * FPS)
    delayed = np.concatenate([np.repeat(slow[:1], lag, axis=0), slow[:-lag]])
    return s.mirror_gain * delayed * (-1, 1, -1, -1, 1, 1)
