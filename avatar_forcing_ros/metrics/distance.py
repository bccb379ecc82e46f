# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How far two distributions of motion are apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frechet_distance(generated: NDArray, truth: NDArray) -> float:
    """FD between the normal distributions that fit two sets of frames, (T, D) and (T', D), in squared units.

    `|mean difference|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))`. Over several clips, average their distances, as the
    evaluation of Dyadic Interaction Modeling does (arXiv 2403.09069).

    Source: Dowson and Landau, 1982; Heusel et al., 2017. Equation 17 of arXiv 2601.00664 prints the first term without
    its square; the common squared form is used here.
    """
    first, second = (np.asarray(x, np.float64) for x in (generated, truth))
    difference = first.mean(axis=0) - second.mean(axis=0)
    a, b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (first, second))
    # The trace of (A B)^(1/2) is the sum of the singular values of A^(1/2) B^(1/2), also where a channel never moves.
    root = np.linalg.svd(_square_root(a) @ _square_root(b), compute_uv=False).sum()
    return float(max(0.0, difference @ difference + np.trace(a) + np.trace(b) - 2 * root))


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric root of a symmetric matrix without negative eigenvalues but for rounding."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
