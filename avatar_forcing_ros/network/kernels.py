# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Self-attention of a streaming pass as one GPU kernel: rotation, the past, the mask, softmax and the sum.

It needs Triton, which comes with torch for CUDA. With TRITON_INTERPRET=1 it runs on a CPU, slowly, for tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _turned(base, stride, frames, phases, T, D: tl.constexpr, P: tl.constexpr):
    """Even and odd numbers of (T, D) rows, rotated and rounded to their type: two of (P, D / 2)."""
    t, d = tl.arange(0, P), tl.arange(0, D // 2)
    inside = (t < T)[:, None]
    at = base + t[:, None] * stride + 2 * d[None, :]
    even, odd = tl.load(at, inside, 0).to(tl.float32), tl.load(at + 1, inside, 0).to(tl.float32)
    angle = phases + t[:, None] * D + 2 * d[None, :]
    cosine, sine = tl.load(angle, inside, 0), tl.load(angle + 1, inside, 0)
    kind = base.dtype.element_ty
    return (even * cosine - odd * sine).to(kind), (even * sine + odd * cosine).to(kind)


@triton.jit
def _attend_kernel(
    qkv, past_keys, past_values, phases, mask, out, shared, T, C, key_stride, value_stride, SCALE,
    H: tl.constexpr, D: tl.constexpr, P: tl.constexpr, CP: tl.constexpr,
):  # fmt: skip
    """One head of one clip; see `attend`."""
    g = tl.program_id(0)
    h = tl.program_id(1)
    row = 3 * H * D
    own = qkv + (g % shared) * T * row + h * D
    even_q, odd_q = _turned(own, row, T, phases, T, D, P)
    even_k, odd_k = _turned(own + H * D, row, T, phases, T, D, P)
    t, d, c = tl.arange(0, P), tl.arange(0, D), tl.arange(0, CP)
    half = tl.arange(0, D // 2)
    there = (c < C)[:, None]
    keys = past_keys + g * key_stride + h * C * D + c[:, None] * D + half[None, :]
    even_p, odd_p = tl.load(keys, there, 0), tl.load(keys + D // 2, there, 0)
    before = tl.dot(even_q, even_p.T, input_precision="ieee") + tl.dot(odd_q, odd_p.T, input_precision="ieee")
    now = tl.dot(even_q, even_k.T, input_precision="ieee") + tl.dot(odd_q, odd_k.T, input_precision="ieee")
    sees = mask + t[:, None] * (C + T)
    before = before * SCALE + tl.load(sees + c[None, :], (t < T)[:, None] & (c < C)[None, :], float("-inf")).to(
        tl.float32
    )
    now = now * SCALE + tl.load(sees + C + t[None, :], (t < T)[:, None] & (t < T)[None, :], float("-inf")).to(
        tl.float32
    )
    most = tl.maximum(tl.maximum(tl.max(before, 1), tl.max(now, 1)), -1e30)[:, None]
    before, now = tl.exp(before - most), tl.exp(now - most)
    total = tl.maximum(tl.sum(before, 1) + tl.sum(now, 1), 1e-30)[:, None]
    kind = qkv.dtype.element_ty
    values = tl.load(past_values + g * value_stride + h * C * D + c[:, None] * D + d[None, :], there, 0)
    own_values = tl.load(own + 2 * H * D + t[:, None] * row + d[None, :], (t < T)[:, None], 0)
    mixed = tl.dot((before / total).to(kind), values, input_precision="ieee")
    mixed += tl.dot((now / total).to(kind), own_values, input_precision="ieee")
    tl.store(out + g * T * H * D + h * D + t[:, None] * H * D + d[None, :], mixed, (t < T)[:, None])


def attend(qkv: Tensor, phases: Tensor, past_keys: Tensor, past_values: Tensor, mask: Tensor) -> Tensor:
    """Attention of a pass's frames to the past and to each other.

    Args:
        qkv: (B, T, 3 * H * D), not rotated.
        phases: (T, D / 2, 2) float32, cosine and sine of the frames' positions.
        past_keys: (G * B, H, C, D), rotated, in each the even numbers before the odd ones; the G branches share the
            frames' qkv.
        past_values: (G * B, H, C, D).
        mask: (T, C + T) additive.

    Returns:
        (G * B, T, H * D).
    """
    b, t, _ = qkv.shape
    gb, h, c, d = past_keys.shape
    out = torch.empty((gb, t, h * d), dtype=qkv.dtype, device=qkv.device)
    p = max(16, triton.next_power_of_2(t))
    _attend_kernel[(gb, h)](
        qkv, past_keys, past_values, phases, mask, out, b, t, c, past_keys.stride(0), past_values.stride(0), d**-0.5,
        H=h, D=d, P=p, CP=max(16, triton.next_power_of_2(c)), num_warps=4,
    )  # fmt: skip
    return out


@triton.jit
def _sum_norm_kernel(
    x, y, bias, gate, scale, shift, out, normed, x_rows, T, EPSILON,
    N: tl.constexpr, P: tl.constexpr, SUMS: tl.constexpr, BIASED: tl.constexpr, GATED: tl.constexpr,
    SCALED: tl.constexpr,
):  # fmt: skip
    """One row; see `sum_norm`."""
    r = tl.program_id(0)
    c = tl.arange(0, P)
    inside = c < N
    t = r % T
    value = tl.load(x + (r % x_rows) * N + c, inside, 0).to(tl.float32)
    if SUMS:
        added = tl.load(y + r * N + c, inside, 0).to(tl.float32)
        if BIASED:
            added += tl.load(bias + c, inside, 0).to(tl.float32)
        if GATED:
            added *= tl.load(gate + t * N + c, inside, 0).to(tl.float32)
        value += added
    tl.store(out + r * N + c, value, inside)
    mean = tl.sum(value, 0) / N
    away = tl.where(inside, value - mean, 0)
    found = away / tl.sqrt(tl.sum(away * away, 0) / N + EPSILON)
    if SCALED:
        found = found * tl.load(scale + t * N + c, inside, 0).to(tl.float32)
        found += tl.load(shift + t * N + c, inside, 0).to(tl.float32)
    tl.store(normed + r * N + c, found, inside)


@dataclass(frozen=True)
class Normed:
    """The running sum (R, T, hidden) in float32, and its normalised form in the type of the network."""

    x: Tensor
    normed: Tensor


def sum_norm(
    x: Tensor,
    y: Tensor | None,
    kind: torch.dtype,
    gate: Tensor | None = None,
    bias: Tensor | None = None,
    scale: Tensor | None = None,
    shift: Tensor | None = None,
    epsilon: float = 1e-6,
) -> Normed:
    """X + gate (y + bias), and its layer normalisation times scale plus shift.

    Args:
        x: (R, T, hidden); if y has more rows, its G branches share x.
        y: (G * R, T, hidden); None adds nothing.
        kind: type of the normalised result.
        gate: (T, hidden); None means 1.
        bias: (hidden,); None means 0.
        scale: (T, hidden), with `shift`; None means no modulation.
        shift: (T, hidden).
        epsilon: epsilon of the normalisation.
    """
    whole = x if y is None else y
    _, t, n = whole.shape
    out = torch.empty(whole.shape, dtype=torch.promote_types(kind, torch.float32), device=x.device)
    normed = torch.empty(whole.shape, dtype=kind, device=x.device)
    rows = whole.shape[0] * t
    _sum_norm_kernel[(rows,)](
        x, whole, *(x if one is None else one for one in (bias, gate, scale, shift)), out, normed,
        x.shape[0] * t, t, epsilon, N=n, P=triton.next_power_of_2(n), SUMS=y is not None, BIASED=bias is not None,
        GATED=gate is not None, SCALED=scale is not None, num_warps=4,
    )  # fmt: skip
    return Normed(out, normed)


@triton.jit
def _soften_kernel(scores, mask, out, T, K, H, KP: tl.constexpr):
    """Softmax over the K places of one head of one row, with an additive mask (T, K)."""
    r = tl.program_id(0)
    h = tl.program_id(1)
    k = tl.arange(0, KP)
    at = r * H * K + h * K + k
    value = tl.load(scores + at, k < K, float("-inf")).to(tl.float32)
    value += tl.load(mask + (r % T) * K + k, k < K, float("-inf")).to(tl.float32)
    value = tl.exp(value - tl.max(value, 0))
    tl.store(out + at, value / tl.sum(value, 0), k < K)


def soften(scores: Tensor, mask: Tensor, heads: int) -> Tensor:
    """Softmax of (B, T, H * K) scores, head by head, with an additive mask (T, K)."""
    b, t, width = scores.shape
    k = width // heads
    out = torch.empty_like(scores)
    _soften_kernel[(b * t, heads)](scores, mask, out, t, k, heads, KP=triton.next_power_of_2(k), num_warps=1)
    return out
