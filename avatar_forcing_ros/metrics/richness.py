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
        generated: (T, D).
        truth: (T', D), on which the clusters are found.
        clusters: K; the index is at most log2 K.
        seed: of the clustering.

    Source: Ng et al., 2022 (Learning to Listen), as in arXiv 2601.00664, appendix D.5.
    """
    spread = truth.std(axis=0)
    scale = np.where(spread > 1e-6, spread, 1.0)  # a channel that never moves in the truth keeps its unit
    centres, _ = kmeans2(truth / scale, clusters, seed=seed, minit="++", missing="warn")
    labels, _ = vq(generated / scale, centres)
    share = np.bincount(labels, minlength=clusters) / len(labels)
    return float(-(share * np.log2(share + 1e-12)).sum())
