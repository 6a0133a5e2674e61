# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Light and air of a scene: sun, colour of the sky, haze, exposure and noise of the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import Colour, Floats, Floats32
from hiseg_ros.types import RgbImage


@dataclass(frozen=True)
class Light:
    """Weather and time of day of one scene."""

    sun: tuple[float, float, float]
    """Unit vector towards the sun."""
    sunshine: float
    """Share of the light that comes from the sun, 0 under clouds."""
    warmth: tuple[float, float, float]
    """Gain of red, green, blue of the sunlight."""
    sky_top: Colour
    sky_low: Colour
    clouds: float
    """Cover in [0, 1]."""
    exposure: float
    visibility_m: float
    night: float
    """0 by day, towards 1 at dusk when lamps shine."""

    def shade(self, normal: Floats | tuple[float, float, float]) -> float:
        """Return the brightness of a surface, about 1 when lit."""
        x, y, z = (float(part) for part in normal)
        facing = max(0.0, x * self.sun[0] + y * self.sun[1] + z * self.sun[2])
        # The sky's light differs a little by direction, or faces could not be told apart.
        ambient = 0.7 + 0.14 * y + 0.07 * x - 0.05 * z
        return ambient * (1 - 0.45 * self.sunshine) + 0.85 * self.sunshine * facing

    def lit(self, colour: Colour, normal: Floats | tuple[float, float, float]) -> Colour:
        """Return a surface's colour in this light."""
        shade = self.shade(normal)
        red, green, blue = (min(255.0, part * shade) for part in colour)
        return red, green, blue


def sample_light(rng: np.random.Generator) -> Light:
    """Return a random weather: sunny, overcast, hazy or dusk."""
    kind = rng.choice(['sunny', 'fair', 'overcast', 'dusk', 'haze'], p=[0.3, 0.22, 0.28, 0.1, 0.1])
    height = rng.uniform(0.3, 1.05) if kind != 'dusk' else rng.uniform(0.08, 0.25)
    around = rng.uniform(0, 2 * math.pi)
    sun = (
        math.cos(height) * math.sin(around),
        math.sin(height),
        math.cos(height) * math.cos(around),
    )
    grey = float(rng.uniform(205, 255))
    if kind == 'overcast':
        tint = rng.uniform(-6, 12)
        top: Colour = (grey - 20, grey - 16, grey - 8 + tint)
        low: Colour = (grey, grey + 2, grey + 4)
        values = (float(rng.uniform(0, 0.15)), (1.0, 1.0, 1.0), float(rng.uniform(0.85, 1.0)))
    elif kind == 'dusk':
        top = (105, 122, 158)
        low = (float(rng.uniform(190, 235)), 188, 178)
        values = (0.35, (1.04, 0.99, 0.95), float(rng.uniform(0.2, 0.8)))
    elif kind == 'haze':
        top, low = (180, 195, 212), (228, 230, 230)
        values = (float(rng.uniform(0.1, 0.5)), (1.02, 1.0, 0.97), float(rng.uniform(0.2, 0.7)))
    else:
        blue = rng.uniform(0, 1)
        top = (70 + 50 * blue, 120 + 35 * blue, 190 + 25 * blue)
        low = (190 + 30 * blue, 212 + 20 * blue, 236)
        cover = (0.0, 0.4) if kind == 'sunny' else (0.3, 0.75)
        values = (float(rng.uniform(0.6, 1.0)), (1.06, 1.0, 0.92), float(rng.uniform(*cover)))
    far = {'haze': (90, 350), 'overcast': (350, 1500)}.get(str(kind), (600, 3000))
    exposure = float(rng.uniform(0.95, 1.4)) if kind != 'dusk' else float(rng.uniform(0.6, 0.9))
    return Light(
        sun, values[0], values[1], top, low, values[2], exposure, float(rng.uniform(*far)),
        float(rng.uniform(0.5, 1.0)) if kind == 'dusk' else 0.0,
    )  # fmt: skip


def apply_haze(canvas: Canvas, light: Light) -> Floats32:
    """Return the image as float32 with far things faded into the low sky's colour."""
    rgb = canvas.rgb.astype(np.float32)
    clear = np.exp(np.minimum(canvas.depth, 1500) * np.float32(-1 / light.visibility_m))[..., None]
    clear[canvas.depth > 5000] = 1.0
    haze = np.array(light.sky_low, np.float32) * 0.96
    return np.asarray(rgb * clear + haze * (1 - clear), np.float32)


SHARP = 0.2
"""Standard deviation in pixels below which blur is left out."""


@dataclass(frozen=True)
class CameraResponse:
    """White balance, contrast, blur, noise and compression of the camera; constant in a drive."""

    gain: tuple[float, float, float]
    saturation: float
    contrast: float
    blur: float
    """Pixels."""
    noise: float
    vignette: float
    quality: int
    """JPEG quality, 100 for none."""


def sample_camera_response(rng: np.random.Generator, height: int) -> CameraResponse:
    """Return a random camera response."""
    warm = rng.normal(0, 0.04)
    return CameraResponse(
        (float(1 + warm), 1.0, float(1 - warm)),
        float(rng.uniform(0.6, 1.1)),
        float(rng.uniform(0.85, 1.2)),
        float(rng.uniform(0.35, 0.9)) * height / 512 if rng.random() < 0.8 else 0.0,
        float(rng.uniform(0.5, 5.0)),
        float(rng.uniform(0.0, 0.25)),
        int(rng.integers(55, 98)),
    )


def blur_radius(response: CameraResponse) -> int:
    """Return how many pixels around it a pixel is mixed into by the camera's blur."""
    # OpenCV cuts the Gaussian of a float image at four standard deviations.
    return math.ceil(4 * response.blur) + 1 if response.blur > SHARP else 0


def expose(
    rgb: Floats32, light: Light, response: CameraResponse, rng: np.random.Generator
) -> RgbImage:
    """Return the image the camera delivers; `rng` gives the noise of this frame."""
    height, width = rgb.shape[:2]
    gain = np.array(response.gain) * np.array(light.warmth) * light.exposure
    # Gain, saturation and contrast are one matrix and an offset.
    keep, mix = response.saturation, (1 - response.saturation) / 3
    matrix = (keep * np.eye(3) + mix) * gain[None, :] * response.contrast
    offset = np.full((3, 1), 118 * (1 - response.contrast))
    rgb = np.asarray(cv2.transform(rgb, np.hstack([matrix, offset])), np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    rgb = rgb * (1 - np.float32(response.vignette) * (x * x + y * y) * 0.5)[..., None]
    if response.blur > SHARP:
        rgb = np.asarray(cv2.GaussianBlur(rgb, (0, 0), response.blur), np.float32)
    grain = rng.normal(0, response.noise, (height, width)).astype(np.float32)
    colour_grain = rng.normal(0, response.noise * 0.7, (height // 2, width // 2, 3)).astype(
        np.float32
    )
    rgb = rgb + grain[..., None] + cv2.resize(colour_grain, (width, height))
    image = np.clip(rgb, 0, 255).astype(np.uint8)
    if response.quality < 96:
        _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, response.quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image
