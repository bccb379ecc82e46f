# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How varied motion is: variance, and Shannon index over clusters of poses or expressions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

PAPER_CLUSTERS = {"expression": 15, "pose": 9}
"""As stated by arXiv 2601.00664; its own figures exceed the greatest possible value for them."""
COMMON_CLUSTERS = {"expression": 40, "pose": 20}
"""As in the evaluation code of Dyadic Interaction Modeling (arXiv 2403.09069), with which those figures agree."""


def variance(motion: NDArray) -> float:
    """Variance along time of (T, D) motion, mean over D. Source: arXiv 2601.00664, appendix D.5."""
    return float(np.var(np.asarray(motion, np.float64), axis=0).mean())


def shannon_index(generated: NDArray, truth: NDArray, clusters: int, seed: int = 0) -> float:
    """SID: entropy, in bits, of how generated frames fall into clusters of true frames.

    Args:
        generated: (T, D), all clips one after the other.
        truth: (T', D), on which the clusters are found, in the units in which the motion is given.
        clusters: K; the index is at most log2 K.
        seed: of the clustering.

    Source: Ng et al., 2022 (Learning to Listen), as in arXiv 2601.00664, appendix D.5.
    """
    return entropy_bits(visits(generated, find_states(truth, clusters, seed)))


def find_states(truth: NDArray, clusters: int, seed: int = 0) -> NDArray[np.float64]:
    """(K, D) middles of the clusters of true frames (T, D), by k-means."""
    return kmeans2(np.asarray(truth, np.float64), clusters, iter=50, seed=seed, minit="++", missing="warn")[0]


def visits(motion: NDArray, states: NDArray[np.float64]) -> NDArray[np.int64]:
    """(K,) how many frames of motion (T, D) are nearest to each of the states (K, D)."""
    return np.bincount(vq(np.asarray(motion, np.float64), states)[0], minlength=len(states))


def entropy_bits(counts: NDArray[np.int64]) -> float:
    """Shannon entropy of a histogram (K,), in bits."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())
