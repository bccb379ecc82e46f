# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Light on surfaces: soft skin that scatters, wet eyes with catch lights, woollen sheen, and the backdrop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from portraits.camera import Camera, View
from portraits.develop import light_for
from portraits.face import Lids
from portraits.lights import FILL, KEY, RIMS, Image, Lamp, Light
from portraits.palette import Palette, linear
from portraits.scene import CARUNCLE, CLOTH, EYE, HAIR, SKIN
from portraits.surfaces import Surface, eye_pixels

SCATTER_CM = (0.15, 0.08, 0.06)
"""How far red, green and blue light wander under the skin."""
SKIN_WRAP = (0.30, 0.15, 0.11)
"""By how much red, green and blue light reach around the edge of a shadow."""
HAIR_GLOW = 0.30
"""Light that the hair around scatters into its gaps."""
TO_CAMERA = np.array([0.0, 0.0, 1.0], np.float32)


def lambert(normal: Image, lamp: Lamp, wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Image:
    """(S, S, 3) diffuse light of one lamp, reaching around the edge by `wrap`."""
    facing = (normal @ lamp.unit)[..., None]
    around = np.array(wrap, np.float32)
    return np.clip((facing + around) / (1.0 + around), 0.0, None) ** (1.0 + around) * np.array(lamp.colour, np.float32)


def highlight(normal: Image, lamp: Lamp, sharpness: Image) -> Image:
    """(S, S) normalised Blinn-Phong highlight with Schlick's Fresnel term."""
    half = lamp.unit + TO_CAMERA
    half /= np.linalg.norm(half)
    lobe = np.clip(normal @ half, 0.0, 1.0) ** sharpness * (sharpness + 2.0) / 8.0
    fresnel = 0.028 + 0.972 * (1.0 - float(half @ TO_CAMERA)) ** 5
    return (lobe * fresnel * np.clip(normal @ lamp.unit, 0.0, 1.0)).astype(np.float32)


def incoming(view: View, light: Light, wrap: tuple[float, float, float]) -> Image:
    """(S, S, 3) all diffuse light on the surfaces."""
    shadow = light.key[..., None] ** np.array([0.75, 1.0, 1.05], np.float32)
    total = lambert(view.normal, KEY, wrap) * shadow
    total += lambert(view.normal, FILL, wrap) * light.open[..., None]
    return (total + 0.62 * light.room).astype(np.float32)


def scatter(values: Image, mask: NDArray[np.bool_], pixels_per_cm: float) -> Image:
    """Blur each colour by its own width within the mask, as light under skin does."""
    weight = mask.astype(np.float32)
    out = values.copy()
    for channel, width in enumerate(SCATTER_CM):
        sigma = width * pixels_per_cm
        soft = cv2.GaussianBlur(values[..., channel] * weight, (0, 0), sigma)
        share = cv2.GaussianBlur(weight, (0, 0), sigma)
        out[..., channel] = np.where(mask, soft / np.maximum(share, 1e-4), values[..., channel])
    return out


def rim_light(view: View, light: Light) -> Image:
    """(S, S, 3) light from behind that catches the outline."""
    edge = np.clip(1.0 - view.normal[..., 2], 0.0, 1.0) ** 2.5
    total = np.zeros_like(view.normal)
    for lamp in RIMS:
        total += np.clip(view.normal @ lamp.unit + 0.25, 0.0, 1.0)[..., None] * np.array(lamp.colour, np.float32)
    return total * (edge * light.open)[..., None]


def shade_skin(view: View, light: Light, surface: Surface, camera: Camera) -> Image:
    """(S, S, 3) skin everywhere; only the skin's pixels are meaningful."""
    mask = (view.material == SKIN) | (view.material == CARUNCLE)
    diffuse = scatter(incoming(view, light, SKIN_WRAP), mask, camera.pixels_per_cm)
    occlusion = light.open[..., None]
    bounce = surface.albedo * (1.0 - occlusion) * 0.55
    gloss = highlight(view.normal, KEY, surface.sharpness) * light.key * 1.7
    gloss += highlight(view.normal, FILL, surface.sharpness) * light.open * 0.6
    sheen = 0.10 * (1.0 - np.clip(view.normal[..., 2], 0, 1)) ** 3 * light.open
    colour = surface.albedo * diffuse * (1.0 - bounce) + surface.albedo * bounce
    colour += (gloss * surface.gloss + sheen)[..., None]
    return colour + surface.albedo * rim_light(view, light) * 0.55


def shade_eyes(view: View, light: Light, surface: Surface, lids: Lids) -> Image:
    """(N, 3) colour of the eyeballs' pixels: shaded ball, the upper lid's shadow, catch lights of two windows."""
    mask = view.material == EYE
    eyes = eye_pixels(view, lids)
    roundness = np.clip(0.80 + 0.20 * (view.normal[mask] @ KEY.unit), 0, 1)
    openness = np.clip(light.open[mask] * 1.25, 0, 1) ** 0.5
    amount = (roundness * openness * (0.72 + 0.28 * light.key[mask]))[:, None]
    warm = np.array([1.0, 0.93, 0.90], np.float32) ** (1.6 * (1.0 - amount))
    colour = surface.albedo[mask] * amount * warm * 1.32
    window = _window(eyes.x + 0.34, eyes.y - 0.38, 0.23, 0.25)
    small = _window(eyes.x - 0.42, eyes.y + 0.45, 0.10, 0.10)
    veil = 0.05 * np.exp(-(((eyes.y - 0.55) / 0.35) ** 2)) * (eyes.radius < 1.0)
    return colour + (1.15 * window + 0.22 * small + veil)[:, None] * np.array([1.0, 0.98, 0.95], np.float32)


def _window(x: Image, y: Image, half_width: float, half_height: float) -> Image:
    """Soft rounded rectangle: the reflection of a light."""
    gap = ((x / half_width) ** 4 + (y / half_height) ** 4) ** 0.25
    return np.clip((1.12 - gap) / 0.24, 0.0, 1.0).astype(np.float32)


def shade_cloth(view: View, light: Light, surface: Surface) -> Image:
    """(S, S, 3) wool: soft light and a sheen towards the outline."""
    sheen = (1.0 - np.clip(view.normal[..., 2], 0, 1)) ** 2 * light.open * 0.30
    total = incoming(view, light, (0.15, 0.15, 0.15))
    total += HAIR_GLOW * (view.material == HAIR)[..., None]
    return surface.albedo * (total * 0.9 + sheen[..., None]) + surface.albedo * rim_light(view, light) * 0.5


def backdrop(camera: Camera, palette: Palette, exposure: float) -> Image:
    """(S, S, 3) a plain wall with a soft pool of light behind the head."""
    axis = (np.arange(camera.pixels, dtype=np.float32) + 0.5) / camera.pixels
    x, y = np.meshgrid(axis, axis)
    distance = np.hypot((x - 0.5) * 1.05, y - 0.40)
    share = np.clip(distance / 0.75, 0, 1)[..., None]
    share = share * share * (3 - 2 * share)
    wall = linear(palette.backdrop_light) * (1.0 - share) + linear(palette.backdrop) * share
    return light_for(wall) / exposure


def shade(
    view: View, light: Light, surface: Surface, camera: Camera, lids: Lids, palette: Palette, exposure: float
) -> Image:
    """(S, S, 3) linear picture of everything but what is made of strands."""
    picture = backdrop(camera, palette, exposure)
    skin = (view.material == SKIN) | (view.material == CARUNCLE)
    cloth = (view.material == CLOTH) | (view.material == HAIR)
    picture[skin] = shade_skin(view, light, surface, camera)[skin]
    picture[cloth] = shade_cloth(view, light, surface)[cloth]
    picture[view.material == EYE] = shade_eyes(view, light, surface, lids)
    return picture
