"""How far two distributions of motion are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm


def frechet_distance(generated: NDArray, truth: NDArray) -> float:
    """FD between the normal distributions that fit two sets of frames, (T, D) and (T', D).

    |mean difference|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)). Source: Dowson and Landau, 1982; Heusel et al., 2017.
    Equation 17 of arXiv 2601.00664 prints the first term without its square; the common squared form is used here.
    """
    first, second = (np.asarray(x, np.float64) for x in (generated, truth))
    difference = first.mean(axis=0) - second.mean(axis=0)
    a, b = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    # A tiny ridge keeps the root real where a channel never moves.
    ridge = 1e-9 * np.eye(len(a))
    root = np.real(sqrtm((a + ridge) @ (b + ridge)))
    return float(max(0.0, difference @ difference + np.trace(a) + np.trace(b) - 2 * np.trace(root)))
