"""Grooming: where strands grow and how they lie, for long hair, cropped hair, brows and lashes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from portraits.camera import Camera, View
from portraits.face import Lids, lid_edges
from portraits.lights import Image, Light
from portraits.palette import linear
from portraits.scene import HAIR, NOTHING, Scene, hair_distance, skin_distance
from portraits.shapes import Vector, blob_distance, smooth_step
from portraits.strands import Strands, draw_strands, shade_strands

if TYPE_CHECKING:
    from portraits.characters import Character

POINTS = 22
HAIR_SINK_CM = 0.30
"""How deep below the hair's surface strands still show."""
HAIR_MIDDLE = np.array([0.0, 0.5, -1.5])


class Comb(NamedTuple):
    """How long hair lies."""

    part_x: float = -2.2
    """cm, where the hair is parted."""
    locks: int = 620
    part_locks: int = 240
    """Locks that begin at the parting."""
    strands_per_lock: int = 90
    length: float = 9.0
    """cm of a strand."""
    lock_width: float = 0.62
    end_y: float = -9.4
    """cm, where the longest strands end."""
    depth: float = 0.34
    """cm, depth below the surface at which strands begin and end."""
    wave: float = 0.0


@njit(cache=True, fastmath=True)
def hair_normal(scene: Scene, x: float, y: float, z: float) -> Vector:
    e = 0.05
    nx = hair_distance(scene, x + e, y, z) - hair_distance(scene, x - e, y, z)
    ny = hair_distance(scene, x, y + e, z) - hair_distance(scene, x, y - e, z)
    nz = hair_distance(scene, x, y, z + e) - hair_distance(scene, x, y, z - e)
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    return nx / length, ny / length, nz / length


@njit(cache=True, fastmath=True)
def window_normal(scene: Scene, x: float, y: float, z: float) -> Vector:
    """Direction in which one leaves the opening for the face fastest, and its share of the flow there."""
    e = 0.05
    nx = blob_distance(scene.window, x + e, y, z) - blob_distance(scene.window, x - e, y, z)
    ny = blob_distance(scene.window, x, y + e, z) - blob_distance(scene.window, x, y - e, z)
    length = math.sqrt(nx * nx + ny * ny) + 1e-9
    return nx / length, ny / length, 0.0


@njit(cache=True, fastmath=True)
def comb_direction(scene: Scene, comb: Comb, x: float, y: float, z: float, n: Vector) -> Vector:
    """Unit direction in which hair lies at a point of its surface with this normal."""
    side = math.tanh((x - comb.part_x) / 0.8)
    high = smooth_step(1.0, 9.5, y)
    vx, vy, vz = side * (0.15 + 1.5 * high), -1.0, 0.35 * high * smooth_step(2.0, 6.0, z)
    wx, wy, _ = window_normal(scene, x, y, z)
    inward = -(vx * wx + vy * wy)
    if inward > 0.0 and z > 0.0:
        near = smooth_step(2.6, 0.6, blob_distance(scene.window, x, y, z))
        vx, vy = vx + wx * inward * near, vy + wy * inward * near
    lean = vx * n[0] + vy * n[1] + vz * n[2]
    vx, vy, vz = vx - lean * n[0], vy - lean * n[1], vz - lean * n[2]
    length = math.sqrt(vx * vx + vy * vy + vz * vz) + 1e-9
    return vx / length, vy / length, vz / length


@njit(cache=True, fastmath=True)
def guide_paths(scene: Scene, comb: Comb, starts: Image, lengths: Image) -> tuple[Image, Image]:
    """(L, K, 3) paths over the hair's surface from their starts, and the normals along them."""
    count = starts.shape[0]
    points = np.zeros((count, POINTS, 3), np.float32)
    normals = np.zeros((count, POINTS, 3), np.float32)
    substeps = 4
    for i in range(count):
        x, y, z = starts[i, 0], starts[i, 1], starts[i, 2]
        step = lengths[i] / (POINTS * substeps)
        for k in range(POINTS * substeps):
            n = hair_normal(scene, x, y, z)
            off = hair_distance(scene, x, y, z)
            x, y, z = x - n[0] * off, y - n[1] * off, z - n[2] * off
            if k % substeps == 0:
                points[i, k // substeps] = (x, y, z)
                normals[i, k // substeps] = n
            v = comb_direction(scene, comb, x, y, z, n)
            if y > comb.end_y:
                x, y, z = x + v[0] * step, y + v[1] * step, z + v[2] * step
    return points, normals


@njit(cache=True, fastmath=True)
def drop_on_skin(scene: Scene, x: float, y: float) -> float:
    """z of the skin straight behind a point in front of the face."""
    z = 11.0
    for _ in range(80):
        gap = skin_distance(scene, x, y, z)
        if gap < 0.004:
            break
        z -= gap * 0.7
    return z


def surface_starts(scene: Scene, count: int, random: np.random.Generator) -> Image:
    """(count, 3) points spread over the front of the hair's surface."""
    found: list[Vector] = []
    while len(found) < count:
        heading = random.normal(size=3)
        heading[2] = abs(heading[2]) - 0.25
        heading /= np.linalg.norm(heading)
        reach = _outer_hit(scene, heading)
        if reach > 0.0:
            found.append(tuple(HAIR_MIDDLE + heading * reach))
    return np.array(found, np.float32)


def part_starts(scene: Scene, comb: Comb, count: int, random: np.random.Generator) -> Image:
    """(count, 3) points on both sides of the parting, from the forehead backwards."""
    lean = np.radians(random.uniform(-35.0, 62.0, count))
    shift = random.choice([-1.0, 1.0], count) * random.uniform(0.0, 0.10, count)
    found = []
    for angle, aside in zip(lean, shift):
        heading = np.array([(comb.part_x + aside) / 8.8, math.cos(angle), math.sin(angle)])
        heading /= np.linalg.norm(heading)
        reach = _outer_hit(scene, heading)
        if reach > 0.0:
            found.append(HAIR_MIDDLE + heading * reach)
    return np.array(found, np.float32)


@njit(cache=True, fastmath=True)
def _outer_hit(scene: Scene, heading: Image) -> float:
    """How far from the hair's middle its surface lies in this direction, seen from outside; -1 where there is none."""
    reach = 18.0
    while reach > 3.0:
        p = HAIR_MIDDLE + heading * reach
        gap = hair_distance(scene, p[0], p[1], p[2])
        if gap < 0.02:
            return reach
        reach -= max(gap * 0.7, 0.02)
    return -1.0


def long_hair(scene: Scene, comb: Comb, dark: Image, light: Image, seed: int) -> Strands:
    """Locks of strands that lie like roof tiles over the hair's volume."""
    random = np.random.default_rng(seed)
    parted = part_starts(scene, comb, comb.part_locks, random)
    starts = np.concatenate([surface_starts(scene, comb.locks, random), parted])
    lengths = (comb.length * random.uniform(0.6, 1.15, len(starts))).astype(np.float32)
    lengths[comb.locks:] *= 1.25
    paths, normals = guide_paths(scene, comb, starts, lengths)
    along = np.gradient(paths, axis=1)
    along /= np.linalg.norm(along, axis=-1, keepdims=True) + 1e-6
    aside = np.cross(along, normals)
    return _fill_locks(comb, paths, normals, aside, dark, light, random)


def _fill_locks(
    comb: Comb, paths: Image, normals: Image, aside: Image, dark: Image, light: Image, random: np.random.Generator,
) -> Strands:
    """Strands around each guide: a rounded lock, thin at its ends, darker at root and depth."""
    locks, per = paths.shape[0], comb.strands_per_lock
    free = (np.arange(locks) < comb.locks)[:, None, None]
    depth, root = np.where(free, comb.depth, 0.05), np.where(free, 0.12, 0.35)
    t = np.linspace(0, 1, POINTS, dtype=np.float32)
    spread = np.clip(random.normal(0, 0.45, (locks, per, 1)), -1, 1).astype(np.float32)
    taper = (0.35 + 0.65 * np.sin(np.pi * np.clip(t * (1.0 - root) + root, 0, 0.99)) ** 0.7) * comb.lock_width
    wander = 0.05 * np.sin(t * random.uniform(3, 9, (locks, per, 1)) + random.uniform(0, 6.28, (locks, per, 1)))
    across = (spread * taper + wander * comb.lock_width)[..., None]
    lift = random.uniform(-0.04, 0.12, (locks, 1, 1)) + random.uniform(-0.04, 0.02, (locks, per, 1))
    rise = np.clip(np.minimum(t / 0.30, (1.06 - t) / 0.22), 0, 1)
    sink = lift - np.where(t < 0.5, depth, comb.depth) * (1.0 - rise) ** 2 - 0.16 * spread**2
    points = paths[:, None] + aside[:, None] * across + normals[:, None] * sink[..., None]
    bent = normals[:, None] + aside[:, None] * (0.55 * spread)[..., None]
    bent = bent / np.linalg.norm(bent, axis=-1, keepdims=True)
    tone = random.uniform(0, 0.40, (locks, 1, 1)) + random.uniform(0, 0.35, (locks, per, 1)) + 0.15 * t
    shadow = 0.30 + 0.70 * np.clip((sink + 0.36) / 0.42, 0, 1) ** 1.2
    colour = (dark + (light - dark) * np.clip(tone, 0, 1)[..., None]) * shadow[..., None]
    width = 0.026 * np.broadcast_to(np.minimum(1.0, (1.0 - t) / 0.15 + 0.12), sink.shape)
    order = np.argsort(lift[:, 0, 0] + 0.0 * t[0])
    flat = tuple(np.ascontiguousarray(a[order].reshape(-1, *a.shape[2:]), dtype=np.float32)
                 for a in (points, bent, colour, width))
    return Strands(flat[0], flat[1], flat[2], flat[3])


def curve_strands(
    points: Image, colour: Image, half_width: float, random: np.random.Generator, taper: float = 1.0,
) -> Strands:
    """Short single hairs through given (N, K, 3) points, with tapered tips."""
    count, k, _ = points.shape
    t = np.linspace(0, 1, k, dtype=np.float32)
    shape = np.clip((1.0 - t) * taper + 0.08, 0, 1) * np.clip(t / 0.15 + 0.4, 0, 1)
    tone = random.uniform(0.8, 1.25, (count, 1, 1)).astype(np.float32)
    colours = np.broadcast_to(colour, (count, k, 3)) * tone
    normals = np.broadcast_to(np.array([0, 0.35, 0.94], np.float32), points.shape)
    width = np.broadcast_to(half_width * shape, (count, k))
    return Strands(points.astype(np.float32), normals, colours.astype(np.float32), width, gloss=0.25)


class Brows(NamedTuple):
    """The eyebrows."""

    inner_x: float = 1.35
    outer_x: float = 5.15
    y: float = 2.05
    """cm, height of the inner end."""
    arch: float = 0.62
    """cm by which the highest point stands above the inner end."""
    thickness: float = 0.62
    count: int = 1500


def brow_hairs(scene: Scene, brows: Brows, colour: Image, seed: int) -> Strands:
    """Both brows: hairs that fan up at the nose and lie flat towards the temple."""
    random = np.random.default_rng(seed)
    share = random.beta(1.05, 1.2, brows.count)
    side = np.where(np.arange(brows.count) % 2 == 0, 1.0, -1.0)
    level = random.uniform(-0.5, 0.5, brows.count)
    x = brows.inner_x + share * (brows.outer_x - brows.inner_x)
    peak = 0.66
    bow = np.where(share < peak, np.sin(share / peak * np.pi / 2), np.cos((share - peak) / (1 - peak) * np.pi / 2.6))
    body = brows.thickness * np.minimum(1.0, 0.62 + 1.6 * share) * np.clip((1.04 - share) / 0.55, 0.10, 1.0)
    y = brows.y + brows.arch * bow + level * body
    heading = np.radians(52) * np.exp(-share / 0.17) + np.radians(16) - np.radians(48) * np.clip(share - 0.45, 0, 1) * 1.5
    heading = heading - level * 0.55 + random.normal(0, 0.10, brows.count)
    length = random.uniform(0.42, 0.72, brows.count) * np.clip(1.1 - 0.35 * share, 0.5, 1)
    t = np.linspace(0, 1, 7)
    turn = heading[:, None] - 0.5 * t
    px = x[:, None] + np.cos(turn) * t * length[:, None]
    py = y[:, None] + np.sin(turn) * t * length[:, None]
    px = px * side[:, None]
    pz = np.array([[drop_on_skin(scene, a, b) for a, b in zip(r, q)] for r, q in zip(px, py)])
    pz += 0.03 + 0.05 * np.sin(np.pi * t)
    return curve_strands(np.stack([px, py, pz], -1), colour, 0.021, random)


class Lashes(NamedTuple):
    """The eyelashes."""

    upper: int = 22
    """Hairs on each upper lid."""
    lower: int = 12
    length: float = 0.56
    """cm at the outer corner."""
    line: float = 0.085
    """cm, half the thickness of the dark line along the upper lid."""


def lash_hairs(scene: Scene, lashes: Lashes, colour: Image, seed: int) -> list[Strands]:
    """Dark line along the upper lid, and lashes that grow longer outwards."""
    random = np.random.default_rng(seed)
    parts = [_lid_line(scene, lashes, colour, random)]
    for upper, count in ((True, lashes.upper), (False, lashes.lower)):
        share = np.linspace(-0.35 if upper else 0.0, 0.99, count) + random.normal(0, 0.012, count)
        rows = [_lash(scene.lids, lashes, u, upper, side, random) for side in (1.0, -1.0) for u in share]
        parts.append(curve_strands(np.array(rows), colour, 0.03 if upper else 0.014, random))
    return parts


def _lid_line(scene: Scene, lashes: Lashes, colour: Image, random: np.random.Generator) -> Strands:
    lids, rows, widths = scene.lids, [], []
    u = np.linspace(-0.97, 1.05, 60)
    for side in (1.0, -1.0):
        x = lids.x + u * lids.half_width
        y = np.array([lid_edges(lids, min(a, lids.x + lids.half_width * 0.999))[0] for a in x]) + 0.03
        y += np.clip(u - 0.93, 0, 1) * 0.9
        rows.append(np.stack([x * side, y, _lid_z(lids, x, y) + 0.10], -1))
        widths.append(lashes.line * np.clip(0.35 + 0.75 * (u + 0.9) / 1.6, 0.25, 1) * np.clip((1.05 - u) / 0.10, 0.1, 1))
    strands = curve_strands(np.array(rows), colour, lashes.line, random)
    return Strands(strands.points, strands.normals, strands.colour, np.array(widths, np.float32), gloss=0.2)


def _lid_z(lids: Lids, x: Image, y: Image) -> Image:
    reach = (lids.ball + lids.thickness) ** 2 - (x - lids.x) ** 2 - (y - lids.y) ** 2
    return lids.z + np.sqrt(np.maximum(reach, 0.9))


def _lash(lids: Lids, lashes: Lashes, u: float, upper: bool, side: float, random: np.random.Generator) -> Image:
    """(K, 3) one lash: out from the lid's edge, then bending up (or down) and outwards."""
    x = lids.x + u * lids.half_width
    edges = lid_edges(lids, min(x, lids.x + lids.half_width * 0.999))
    y = edges[0] + 0.02 if upper else edges[1] - 0.06
    length = lashes.length * (0.25 + 0.75 * smooth_step(-0.5, 0.95, u)) * random.uniform(0.8, 1.1)
    length *= 1.0 if upper else 0.42
    sign = 1.0 if upper else -1.0
    heading = math.radians(82 - 58 * smooth_step(-0.6, 1.0, u) + 14 * smooth_step(0.0, -0.9, u)) + random.normal(0, 0.07)
    t = np.linspace(0, 1, 9)
    bend = heading + (0.45 if u > -0.4 else -0.1) * (t - 0.3)
    px, py = x + np.cos(bend) * t * length, y + sign * np.sin(bend) * t * length
    pz = _lid_z(lids, np.array([x]), np.array([y]))[0] + 0.12 + 0.45 * t
    return np.stack([px * side, py, pz], -1)


def draw(picture: Image, view: View, light: Light, character: Character, camera: Camera) -> None:
    """Draw all of a character's hair into the picture, in place."""
    scene, palette = character.scene, character.palette
    depth = np.where(view.material == NOTHING, -1e3, view.position[..., 2]).astype(np.float32)
    depth[view.material == HAIR] -= HAIR_SINK_CM
    layers = [brow_hairs(scene, character.brows, linear(palette.brows), character.seed + 1)]
    layers += lash_hairs(scene, character.lashes, linear(palette.lashes), character.seed + 2)
    for strands in layers:
        draw_strands(picture, depth, strands, shade_strands(strands, view, light, camera), camera, slack=0.15)
    if character.comb is not None:
        hair = long_hair(scene, character.comb, linear(palette.hair), linear(palette.hair_light), character.seed)
        draw_strands(picture, depth, hair, shade_strands(hair, view, light, camera), camera)
