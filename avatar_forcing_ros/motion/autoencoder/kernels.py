# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The steps between the auto-encoder's convolutions, as a few GPU kernels that read and write each map once.

All maps are (B, H, W, C) in memory, "channels last". Sums are float32, whatever the type of the maps. The kernels need
Triton, which comes with torch for CUDA. With TRITON_INTERPRET=1 they run on a CPU, slowly, for tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

_TILE = 2048
"""How many numbers of a map (pixels times channels) a program holds at once."""
_MANY = 1 << 21
"""From this many numbers in a map on, a program filters four rows: it then reads seven lines for four, and there are
still enough programs to fill a GPU."""
_WARPS = 4
"""Groups of 32 threads that share a tile."""


@triton.jit
def _leaky(x):
    return tl.where(x >= 0, x, 0.2 * x)


@triton.jit
def _tanh(x):
    return 1 - 2 / (tl.exp(2 * x) + 1)


@triton.jit
def _sigmoid(x):
    return 1 / (1 + tl.exp(-x))


@triton.jit
def _stem_kernel(pixels, weight, bias, out, count, C: tl.constexpr, P: tl.constexpr):
    """uint8 pixels (N, 3) -> (N, C): scale to -1 (black) .. 1 (white), a linear map, leaky ReLU."""
    n = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.arange(0, C)
    inside = n < count
    total = tl.zeros((P, C), tl.float32) + tl.load(bias + c).to(tl.float32)[None, :]
    for k in tl.static_range(3):
        value = tl.load(pixels + n * 3 + k, inside, 0).to(tl.float32) / 127.5 - 1
        total += value[:, None] * tl.load(weight + c * 3 + k).to(tl.float32)[None, :]
    tl.store(out + n[:, None] * C + c[None, :], _leaky(total), inside[:, None])


@triton.jit
def _finished(total, bias, scale, style, STYLED: tl.constexpr):
    """Pixels (P, C) times scale plus bias, leaky ReLU, times style, each of C numbers; unchanged without STYLED."""
    if STYLED:
        total = _leaky(total * scale[None, :] + bias[None, :]) * style[None, :]
    return total


@triton.jit
def _filtered_line(
    x, bias, row, column, inside, H, W,
    C: tl.constexpr, PAD: tl.constexpr, STRIDE: tl.constexpr, ACTIVATED: tl.constexpr,
):  # fmt: skip
    """One row of a map (H, W, C), filtered from left to right: (P, C)."""
    c = tl.arange(0, C)
    inside = inside & (row >= 0) & (row < H)
    line = x + (row * W * C)[:, None] + c[None, :]
    for j in tl.static_range(4):
        s = column * STRIDE - PAD + j
        there = (inside & (s >= 0) & (s < W))[:, None]
        value = tl.load(line + s[:, None] * C, there, 0).to(tl.float32)
        if ACTIVATED:
            value = tl.where(there, _leaky(value + bias[None, :]), 0)
        if j == 0:
            total = value
        elif j == 3:
            total += value
        else:
            total += value * 3
    return total


@triton.jit
def _smooth_kernel(
    x, out, before, scale, bias, style, scale_stride, style_stride, H, W, HO, WO, GAIN,
    C: tl.constexpr, P: tl.constexpr, PAD: tl.constexpr, STRIDE: tl.constexpr, SMOOTHS: tl.constexpr,
    ACTIVATED: tl.constexpr, STYLED: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """The filter (1, 3, 3, 1) in both directions, with the steps before and after it, for one or four adjacent rows.

    ACTIVATED: filter the leaky ReLU of x + `before` (C). STYLED: the result times `scale` (B, C) plus `bias` (C), leaky
    ReLU, times `style` (B, C). Without SMOOTHS, nothing is filtered.
    """
    b = tl.program_id(1).to(tl.int64)
    n = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.arange(0, C)
    first, column = n // WO * ROWS, n % WO
    inside = first < HO
    x += b * H * W * C
    out += b * HO * WO * C
    if STYLED:
        s = tl.load(scale + b * scale_stride + c)
        t = tl.load(bias + c).to(tl.float32)
        u = tl.load(style + b * style_stride + c)
    else:
        s, t, u = 0.0, 0.0, 0.0
    at = out + (first * WO + column)[:, None] * C + c[None, :]
    if SMOOTHS:
        t0 = tl.load(before + c).to(tl.float32) if ACTIVATED else 0.0
        row = first * STRIDE - PAD
        y0 = tl.zeros((P, C), tl.float32)
        y1 = y0
        y2 = y0
        y3 = y0
        for i in tl.static_range((ROWS - 1) * STRIDE + 4):
            line = _filtered_line(x, t0, row + i, column, inside, H, W, C, PAD, STRIDE, ACTIVATED) * (GAIN / 64)
            if i < 4:
                y0 += line * (1.0 if i % 3 == 0 else 3.0)
            if ROWS == 4:
                if (i >= STRIDE) and (i < STRIDE + 4):
                    y1 += line * (1.0 if (i - STRIDE) % 3 == 0 else 3.0)
                if (i >= 2 * STRIDE) and (i < 2 * STRIDE + 4):
                    y2 += line * (1.0 if (i - 2 * STRIDE) % 3 == 0 else 3.0)
                if i >= 3 * STRIDE:
                    y3 += line * (1.0 if (i - 3 * STRIDE) % 3 == 0 else 3.0)
        tl.store(at, _finished(y0, t, s, u, STYLED), inside[:, None])
        if ROWS == 4:
            tl.store(at + WO * C, _finished(y1, t, s, u, STYLED), (first + 1 < HO)[:, None])
            tl.store(at + 2 * WO * C, _finished(y2, t, s, u, STYLED), (first + 2 < HO)[:, None])
            tl.store(at + 3 * WO * C, _finished(y3, t, s, u, STYLED), (first + 3 < HO)[:, None])
    else:
        total = tl.load(x + n[:, None] * C + c[None, :], inside[:, None], 0).to(tl.float32)
        tl.store(at, _finished(total, t, s, u, STYLED), inside[:, None])


@triton.jit
def _join_kernel(x, bias, other, out, count, C: tl.constexpr, P: tl.constexpr):
    """Leaky ReLU of x + bias, plus `other`; maps of (N, C)."""
    n = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.arange(0, C)
    inside = (n < count)[:, None]
    at = n[:, None] * C + c[None, :]
    value = _leaky(tl.load(x + at, inside, 0).to(tl.float32) + tl.load(bias + c).to(tl.float32)[None, :])
    tl.store(out + at, value + tl.load(other + at, inside, 0).to(tl.float32), inside)


@triton.jit
def _doubled(coarse, row, column, S, inside):
    """Read a map (S / 2, S / 2) at twice its size, smoothed."""
    half = S // 2
    r, c = row // 2, column // 2
    r2 = tl.where(row % 2 == 0, r - 1, r + 1)
    c2 = tl.where(column % 2 == 0, c - 1, c + 1)
    rows, columns = (r2 >= 0) & (r2 < half) & inside, (c2 >= 0) & (c2 < half) & inside
    near = 9 * tl.load(coarse + r * half + c, inside, 0) + 3 * tl.load(coarse + r2 * half + c, rows, 0)
    far = 3 * tl.load(coarse + r * half + c2, columns, 0) + tl.load(coarse + r2 * half + c2, rows & columns, 0)
    return (near + far) / 16


@triton.jit
def _level_kernel(
    x, scale, bias, portraits, flow_style, flow_weight, flow_bias, color, color_bias, paint_bias,
    coarse_flow, coarse_picture, style, next_x, flow, picture, bytes_out, scale_stride, flow_stride, style_stride, S,
    C: tl.constexpr, P: tl.constexpr, COARSER: tl.constexpr, LAST: tl.constexpr,
):  # fmt: skip
    """Everything of one level after its second convolution; see `Level` and `Decoder.forward`."""
    b = tl.program_id(1).to(tl.int64)
    n = tl.program_id(0) * P + tl.arange(0, P)
    c = tl.arange(0, C)
    size = S * S
    inside = n < size
    row, column = n // S, n % S
    at = b * size * C + n[:, None] * C + c[None, :]
    drawn = tl.load(x + at, inside[:, None], 0).to(tl.float32)
    drawn = _leaky(drawn * tl.load(scale + b * scale_stride + c)[None, :] + tl.load(bias + c).to(tl.float32)[None, :])

    of_flow = tl.load(flow_style + b * flow_stride + c)
    f0 = tl.sum(drawn * (of_flow * tl.load(flow_weight + c))[None, :], 1) + tl.load(flow_bias)
    f1 = tl.sum(drawn * (of_flow * tl.load(flow_weight + C + c))[None, :], 1) + tl.load(flow_bias + 1)
    f2 = tl.sum(drawn * (of_flow * tl.load(flow_weight + 2 * C + c))[None, :], 1) + tl.load(flow_bias + 2)
    if COARSER:
        coarse_flow += b * 3 * (size // 4)
        f0 += _doubled(coarse_flow, row, column, S, inside)
        f1 += _doubled(coarse_flow + size // 4, row, column, S, inside)
        f2 += _doubled(coarse_flow + size // 2, row, column, S, inside)
    if not LAST:
        flow += b * 3 * size + n
        tl.store(flow, f0, inside)
        tl.store(flow + size, f1, inside)
        tl.store(flow + 2 * size, f2, inside)

    step = 2.0 / (S - 1).to(tl.float64)  # the resting grid is spaced in float64 and then rounded, like the reference
    gx = (column.to(tl.float64) * step - 1).to(tl.float32) + _tanh(f0)
    gy = (row.to(tl.float64) * step - 1).to(tl.float32) + _tanh(f1)
    px = tl.minimum(tl.maximum(((gx + 1) * S - 1) / 2, -1.0), S * 1.0)
    py = tl.minimum(tl.maximum(((gy + 1) * S - 1) / 2, -1.0), S * 1.0)
    left, top = tl.floor(px), tl.floor(py)
    wx, wy = px - left, py - top
    seen = _sigmoid(f2)
    rows, columns = top.to(tl.int32), left.to(tl.int32)
    features = tl.multiple_of(tl.load(portraits + b).to(tl.pointer_type(x.dtype.element_ty)), 16)
    warped = tl.zeros((P, C), tl.float32)
    for i in tl.static_range(2):
        for j in tl.static_range(2):
            r, s = rows + i, columns + j
            there = inside & (r >= 0) & (r < S) & (s >= 0) & (s < S)
            share = (wy if i == 1 else 1 - wy) * (wx if j == 1 else 1 - wx) * seen
            value = tl.load(features + (r * S + s)[:, None] * C + c[None, :], there[:, None], 0).to(tl.float32)
            warped += share[:, None] * value

    for k in tl.static_range(3):
        painted = _leaky(
            tl.sum(warped * tl.load(color + k * C + c).to(tl.float32)[None, :], 1)
            + tl.load(color_bias + k).to(tl.float32)
        ) + tl.load(paint_bias + k)
        if COARSER:
            painted += _doubled(coarse_picture + b * 3 * (size // 4) + k * (size // 4), row, column, S, inside)
        if LAST:
            level = (tl.minimum(tl.maximum(painted, -1.0), 1.0) + 1) * 127.5
            tl.store(bytes_out + (b * size + n) * 3 + k, tl.floor(level + 0.5).to(tl.uint8), inside)
        else:
            tl.store(picture + b * 3 * size + k * size + n, painted, inside)
    if not LAST:
        mixed = (drawn * (1 - seen)[:, None] + warped) * tl.load(style + b * style_stride + c)[None, :]
        tl.store(next_x + at, mixed, inside[:, None])


def _pixels(channels: int) -> int:
    return max(1, _TILE // channels)


def stem(pixels: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Pictures (B, S, S, 3) uint8 -> (B, C, S, S) channels last, in the type of `weight` (C, 3)."""
    b, s = pixels.shape[:2]
    channels = len(weight)
    out = _map(b, channels, s, s, weight)
    p, count = _pixels(channels), b * s * s
    _stem_kernel[(triton.cdiv(count, p),)](pixels, weight, bias, out, count, C=channels, P=p, num_warps=_WARPS)
    return out


@dataclass(frozen=True)
class Style:
    """What follows a modulated convolution, and the style of the next one: (B, C), (C,), (B, C).

    Two are float32, and their rows may lie apart; the bias has the type of the convolution.
    """

    scale: Tensor
    bias: Tensor
    after: Tensor


def smooth(
    x: Tensor,
    padding: int,
    stride: int = 1,
    gain: float = 1.0,
    before: Tensor | None = None,
    style: Style | None = None,
) -> Tensor:
    """See `_smooth_kernel`; x is (B, C, H, W), channels last."""
    h, w = x.shape[2:]
    ho, wo = ((n + 2 * padding - 4) // stride + 1 for n in (h, w))
    return _smoothed(x, ho, wo, padding, stride, gain, before, style, smooths=True)


def styled(x: Tensor, style: Style) -> Tensor:
    """The same without the filter."""
    return _smoothed(x, x.shape[2], x.shape[3], 0, 1, 1.0, None, style, smooths=False)


def _smoothed(
    x: Tensor, ho: int, wo: int, padding: int, stride: int, gain: float, before: Tensor | None, style: Style | None,
    smooths: bool,
) -> Tensor:  # fmt: skip
    b, c, h, w = x.shape
    out = _map(b, c, ho, wo, x)
    p = _pixels(c)
    rows = 4 if smooths and b * ho * wo * c >= _MANY else 1
    after = (style.scale, style.bias, style.after) if style else (x, x, x)
    strides = (style.scale.stride(0), style.after.stride(0)) if style else (0, 0)
    _smooth_kernel[(triton.cdiv(triton.cdiv(ho, rows) * wo, p), b)](
        x, out, x if before is None else before, *after, *strides, h, w, ho, wo, gain,
        C=c, P=p, PAD=padding, STRIDE=stride, SMOOTHS=smooths, ACTIVATED=before is not None, STYLED=style is not None,
        ROWS=rows, num_warps=_WARPS,
    )  # fmt: skip
    return out


def join(x: Tensor, bias: Tensor, other: Tensor) -> Tensor:
    """Leaky ReLU of x + bias, plus another map; (B, C, H, W) channels last."""
    b, c, h, w = x.shape
    out = _map(b, c, h, w, x)
    p, count = _pixels(c), b * h * w
    _join_kernel[(triton.cdiv(count, p),)](x, bias, other, out, count, C=c, P=p, num_warps=_WARPS)
    return out


@dataclass(frozen=True)
class LevelWeights:
    """Weights of one level: flow (3, C), flow_bias (3,), color (3, C), color_bias (3,), paint_bias (3,)."""

    flow: Tensor
    flow_bias: Tensor
    color: Tensor
    color_bias: Tensor
    paint_bias: Tensor


@dataclass(frozen=True)
class Drawn:
    """What a level passes on: the next level's input (B, C, s, s), flow and picture (B, 3, s, s) float32.

    The last level only writes `pixels` (B, s, s, 3) uint8.
    """

    x: Tensor
    flow: Tensor
    picture: Tensor
    pixels: Tensor


def draw_level(
    x: Tensor,
    style: Style,
    flow_style: Tensor,
    weights: LevelWeights,
    portraits: Tensor,
    coarser: Drawn | None,
    last: bool,
) -> Drawn:
    """Everything of one level after its second convolution.

    Args:
        x: (B, C, s, s) output of that convolution without its bias, channels last.
        style: what follows it, and the style of the next level (ignored if `last`).
        flow_style: (B, C) float32, scales of the flow's weights; rows may lie apart.
        weights: weights of the level.
        portraits: (B,) int64, addresses of the features (s, s, C) that each picture reads; in the type of x.
        coarser: output of the level before.
        last: whether this is the last level.
    """
    b, c, s, _ = x.shape
    empty = x.new_empty
    drawn = Drawn(
        x if last else _map(b, c, s, s, x),
        x if last else empty((b, 3, s, s), dtype=torch.float32),
        x if last else empty((b, 3, s, s), dtype=torch.float32),
        empty((b, s, s, 3), dtype=torch.uint8) if last else x,
    )
    p = _pixels(c)
    before = (x, x) if coarser is None else (coarser.flow, coarser.picture)
    _level_kernel[(triton.cdiv(s * s, p), b)](
        x, style.scale, style.bias, portraits, flow_style, weights.flow, weights.flow_bias, weights.color,
        weights.color_bias, weights.paint_bias, *before, style.after, drawn.x, drawn.flow, drawn.picture, drawn.pixels,
        style.scale.stride(0), flow_style.stride(0), style.after.stride(0), s,
        C=c, P=p, COARSER=coarser is not None, LAST=last, num_warps=_WARPS,
    )  # fmt: skip
    return drawn


def _map(b: int, c: int, h: int, w: int, like: Tensor) -> Tensor:
    return torch.empty((b, h, w, c), dtype=like.dtype, device=like.device).movedim(-1, 1)
