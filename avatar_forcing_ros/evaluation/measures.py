# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All measures of `avatar-forcing evaluate`, each with name, unit, direction and a function of conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_forcing_ros.evaluation.observed import MOUTH_LAGS, PARTS, SMILE_LAGS, Observed, joined
from avatar_forcing_ros.metrics.correlation import LaggedCorrelation, pearson, residual_pearson
from avatar_forcing_ros.metrics.reaction import Responses, pool
from avatar_forcing_ros.metrics.richness import COMMON_CLUSTERS, PAPER_CLUSTERS, entropy_bits
from avatar_forcing_ros.metrics.smoothness import border_jerk_ratio
from avatar_forcing_ros.motion.facemesh.channels import INDEX, NAMES
from avatar_forcing_ros.simulation.lips import LIP_CHANNELS

Statistic = Callable[[Sequence[Observed]], float]
LOWER, HIGHER, AS_TRUTH = "↓", "↑", "≈"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        key: name in JSON.
        label: name in the table; the paper's own if it has one.
        unit: "" for a plain number; "%" for a share, which is 0 to 1 in JSON.
        goal: whether the best value is low, high, or that of the truth.
    """

    key: str
    label: str
    unit: str
    goal: str


@dataclass(frozen=True)
class Measure(Row):
    """A row whose figure `of` computes from any number of conversations."""

    of: Statistic


def _mean(values: Iterable[float]) -> float:
    """Mean of the finite values; NaN if there are none."""
    array = np.array(list(values), float)
    return float(np.nanmean(array)) if np.isfinite(array).any() else float("nan")


def _mean_of(what: Callable[[Observed], float]) -> Statistic:
    return lambda observed: _mean(what(one) for one in observed)


def _residual(part: str) -> Statistic:
    columns = PARTS[part]
    return lambda observed: residual_pearson(
        joined(observed, lambda one: one.user[:, columns]),
        joined(observed, lambda one: one.truth[:, columns]),
        joined(observed, lambda one: one.generated[:, columns]),
    )


def _variance(part: str) -> Statistic:
    return _mean_of(lambda one: one.variance[part])


def _distance(part: str) -> Statistic:
    return _mean_of(lambda one: one.distance[part])


def _smiles(figure: Callable[[Responses], float]) -> Statistic:
    return lambda observed: figure(pool([one.smiles for one in observed]))


def _nods(figure: Callable[[Responses], float]) -> Statistic:
    return lambda observed: figure(pool([one.nods for one in observed]))


def _laughs(figure: Callable[[Responses], float]) -> Statistic:
    return lambda observed: figure(pool([one.laughs for one in observed]))


def _jerk(channels: Sequence[str]) -> Statistic:
    """Ratio of jerk at borders to jerk within blocks, over some channels of all conversations."""
    columns = [INDEX[name] for name in channels]
    return lambda observed: border_jerk_ratio(np.mean([one.jerk[:, columns] for one in observed], axis=0))


def _index(part: str, clusters: int) -> Statistic:
    return lambda observed: entropy_bits(np.sum([one.visits[part, clusters] for one in observed], axis=0))


def _channel_correlation(name: str) -> Statistic:
    return lambda observed: pearson(
        joined(observed, lambda one: one.truth[:, INDEX[name]]), joined(observed, lambda one: one.channel(name))
    )


def _best(
    curve: Callable[[Observed], NDArray[np.float64]], lags: range
) -> Callable[[Sequence[Observed]], LaggedCorrelation]:
    """The greatest correlation, and its lag, in the mean over conversations that have a correlation."""

    def best(observed: Sequence[Observed]) -> LaggedCorrelation:
        curves = np.array([curve(one) for one in observed])
        known = curves[np.isfinite(curves[:, 0])]
        mean = known.mean(axis=0) if len(known) else np.full(len(lags), np.nan)
        return LaggedCorrelation(float(mean.max()), lags[int(mean.argmax())])

    return best


def _value(best: Callable[[Sequence[Observed]], LaggedCorrelation]) -> Statistic:
    return lambda observed: best(observed).value


def _lag(best: Callable[[Sequence[Observed]], LaggedCorrelation]) -> Statistic:
    """Lag of the greatest correlation; NaN if there is no correlation."""

    def lag(observed: Sequence[Observed]) -> float:
        found = best(observed)
        return float(found.lag_frames) if np.isfinite(found.value) else float("nan")

    return lag


_mouth = _best(lambda one: one.energy_correlation, MOUTH_LAGS)
_smile = _best(lambda one: one.smile_correlation, SMILE_LAGS)


def _jaw_gain(observed: Sequence[Observed]) -> float:
    truth = joined(observed, lambda one: one.truth[:, INDEX["jaw_open"]])
    return float(joined(observed, lambda one: one.channel("jaw_open")).std() / max(truth.std(), 1e-9))


JERK_GROUPS = {
    "posture": ("yaw", "roll", "x", "y", "scale"),
    "pitch": ("pitch",),
    "smile": ("smile",),
    "brows": ("brow_raise",),
    "lips": LIP_CHANNELS,
    "lids": ("blink_right", "blink_left"),
}
"""Groups of channels for jerk; a mean over all channels would hide kinks in the smooth ones."""
_PART_NAMES = {"expression": "Exp", "pose": "Pose"}
_CLUSTERS = (COMMON_CLUSTERS, PAPER_CLUSTERS)
_SID_KEYS = ("sid_{}", "sid_{}_paper_k")

_RESEMBLANCE = (
    *(Measure(f"rpcc_{part}", f"rPCC-{name}", "", LOWER, _residual(part)) for part, name in _PART_NAMES.items()),
    *(
        Measure(key.format(part), f"SID-{name}, K = {clusters[part]}", "bit", HIGHER, _index(part, clusters[part]))
        for key, clusters in zip(_SID_KEYS, _CLUSTERS, strict=True)
        for part, name in _PART_NAMES.items()
    ),
    *(Measure(f"var_{part}", f"Var-{name}", "", HIGHER, _variance(part)) for part, name in _PART_NAMES.items()),
    *(Measure(f"fd_{part}", f"FD-{name}", "", LOWER, _distance(part)) for part, name in _PART_NAMES.items()),
)
_LIPS = (
    *(
        Measure(f"{name}_corr", f"{label} against truth, correlation", "", HIGHER, _channel_correlation(name))
        for name, label in (("jaw_open", "jaw"), ("stretch", "lips stretched"), ("pucker", "lips rounded"),
                            ("press", "lips pressed"), ("upper_lip", "upper lip"))
    ),
    Measure("jaw_gain", "jaw motion in units of the truth's", "", AS_TRUTH, _jaw_gain),
    Measure("energy_corr", "jaw against log energy, correlation", "", HIGHER, _value(_mouth)),
    Measure("energy_lag", "lag of the jaw there", "frames", AS_TRUTH, _lag(_mouth)),
    Measure("closure_share", "p, b, m with lips shut", "%", HIGHER, _mean_of(lambda one: one.closures_shown)),
    Measure("other_closure_share", "other consonants with lips shut", "%", AS_TRUTH,
            _mean_of(lambda one: one.other_closures)),
    Measure("vowel_share", "open vowels with lips apart", "%", HIGHER, _mean_of(lambda one: one.vowels_shown)),
    Measure("stillness", "mouth in silence, share of its range", "%", LOWER, _mean_of(lambda one: one.stillness)),
)  # fmt: skip
_REACTION = (
    Measure("smile_rate", "user's smiles returned", "%", AS_TRUTH, _smiles(lambda r: r.rate)),
    Measure("smile_delay_s", "median delay of the smile", "s", AS_TRUTH, _smiles(lambda r: r.median_delay_s)),
    Measure("false_smiles_per_minute", "smiles without cause", "/min", LOWER, _smiles(lambda r: r.false_per_minute)),
    Measure("smile_corr", "smile against the user's, correlation", "", HIGHER, _value(_smile)),
    Measure("smile_lag", "lag of the smile there", "frames", AS_TRUTH, _lag(_smile)),
    Measure("smile_held", "user's lasting smiles shared, time after 1 s", "%", HIGHER,
            _mean_of(lambda one: one.smile_held)),
    Measure("laugh_rate", "user's laughs shared", "%", AS_TRUTH, _laughs(lambda r: r.rate)),
    Measure("laugh_delay_s", "median delay of the laugh", "s", AS_TRUTH, _laughs(lambda r: r.median_delay_s)),
    Measure("false_laughs_per_minute", "laughs without cause", "/min", LOWER, _laughs(lambda r: r.false_per_minute)),
    Measure("nod_rate", "phrases nodded at, beyond chance", "%", AS_TRUTH, _nods(lambda r: r.rate_beyond_chance)),
    Measure("nod_delay_s", "median delay of the nod", "s", AS_TRUTH, _nods(lambda r: r.median_delay_s)),
    Measure("false_nods_per_minute", "nods without cause", "/min", LOWER, _nods(lambda r: r.false_per_minute)),
)  # fmt: skip
_REST = (
    Measure("blinks_per_minute", "blinks", "/min", AS_TRUTH, _mean_of(lambda one: one.blinks.per_minute)),
    Measure("complete_blinks", "complete blinks", "%", HIGHER, _mean_of(lambda one: one.blinks.complete_share)),
    Measure("gaze_at_user", "looks at the user", "%", AS_TRUTH, _mean_of(lambda one: one.at_user)),
    Measure("gaze_at_user_listening", "... while the user speaks", "%", AS_TRUTH,
            _mean_of(lambda one: one.at_user_listening)),
    Measure("gaze_away_at_beginning", "looks away when beginning to speak", "%", AS_TRUTH,
            _mean_of(lambda one: one.away_at_beginning)),
    *(
        Measure(f"spread_{name}", f"spread of {name} in units of the truth's", "", AS_TRUTH,
                _mean_of(lambda one, name=name: one.spread(name)))  # type: ignore[misc]
        for name in ("jaw_open", "smile", "pitch", "roll", "yaw")
    ),
    Measure("border_jerk", "jerk at block borders against inside", "", LOWER, _jerk(NAMES)),
    *(Measure(f"border_jerk_{name}", f"... of {name}", "", AS_TRUTH, _jerk(channels))
      for name, channels in JERK_GROUPS.items()),
)  # fmt: skip
MEASURES: tuple[Measure, ...] = (*_RESEMBLANCE, *_LIPS, *_REACTION, *_REST)
NOISE = Row("noise_stillness", "mouth in the worst noise, share of its range", "%", LOWER)
"""Measured on sounds without speech, not on conversations."""
ROWS: tuple[Row, ...] = (*MEASURES, NOISE)
"""All rows, in the order of the table."""
