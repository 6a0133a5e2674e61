# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Single scenes and drives along a street, drawn from far to near."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hiseg_ros.datasets.scenes.drawing.atmosphere import (
    apply_haze,
    blur_radius,
    expose,
    sample_camera_response,
    sample_light,
)
from hiseg_ros.datasets.scenes.drawing.camera import Camera
from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, SIGN_TYPES, DrawnScene, SignBox
from hiseg_ros.datasets.scenes.street.cells import Thing
from hiseg_ros.datasets.scenes.street.ground import draw_ground
from hiseg_ros.datasets.scenes.street.landmarks import tunnel
from hiseg_ros.datasets.scenes.street.markings import draw_covers, draw_markings
from hiseg_ros.datasets.scenes.street.plan import sample_plan
from hiseg_ros.datasets.scenes.street.roadside import roadside
from hiseg_ros.datasets.scenes.street.shadows import draw_shadows
from hiseg_ros.datasets.scenes.street.sky import draw_horizon, draw_sky
from hiseg_ros.datasets.scenes.street.traffic import traffic
from hiseg_ros.datasets.scenes.vehicles.people import draw_birds
from hiseg_ros.types import ImageSize, LabelImage


@dataclass(frozen=True)
class Layout:
    """A frame before its things are drawn."""

    index: int
    canvas: Canvas
    """Sky, horizon and ground."""
    things: list[Thing]
    """In the order of drawing."""
    names: dict[int, str]
    """Types of signs by instance id."""


class Drive:
    """A camera that drives along a street; every frame can be drawn on its own."""

    def __init__(
        self,
        seed: int,
        size: ImageSize = (512, 1024),
        rate_hz: float = 15.0,
        speed_mps: float = 8.0,
    ) -> None:
        """Lay out the street of a seed.

        Args:
            seed: Not negative; the same seed gives the same bytes.
            size: (height, width) of the images in pixels.
            rate_hz: Frames per second.
            speed_mps: Metres per second of the camera.

        Raises:
            ValueError: A size below 16 pixels, or a rate that is not positive.
        """
        if min(size) < 16 or rate_hz <= 0 or seed < 0:
            raise ValueError(
                f'Size {size}, rate {rate_hz} Hz and seed {seed} cannot be drawn; '
                'expected at least 16x16 pixels, a positive rate and a seed of 0 or more.'
            )
        self.seed, self.size = seed, size
        self.rate_hz, self.speed_mps = rate_hz, speed_mps
        self._plan = sample_plan(seed)
        rng = np.random.default_rng([seed, 6])
        self._light = sample_light(rng)
        self._response = sample_camera_response(rng, size[0])
        field_of_view = math.radians(float(rng.uniform(50, 90)))
        self._focal = size[1] / 2 / math.tan(field_of_view / 2)
        self._height = float(rng.uniform(1.2, 1.7))
        self._pitch = float(rng.normal(0.02, 0.03))
        self._roll = float(rng.normal(0, 0.006))
        self._yaw = float(rng.normal(0, 0.03))
        self._start = float(rng.uniform(0, 1000))
        self._aside = float(rng.normal(0, 0.25))
        self._hood = bool(rng.random() < 0.22)

    def camera(self, index: int) -> Camera:
        """Return the camera of a frame."""
        time = index / self.rate_hz
        z = self._start + self.speed_mps * time
        plan = self._plan
        side = plan.lanes[plan.own_lane] + self._aside + 0.1 * math.sin(0.4 * time)
        bounce = 0.0025 * math.sin(5.1 * time) + 0.002 * math.sin(2.3 * time + 1)
        return Camera(
            self.size,
            self._focal,
            (float(plan.course(z)) + side, self._height, z),
            plan.heading(z) + self._yaw,
            self._pitch + bounce,
            self._roll,
        )

    def frame(self, index: int) -> DrawnScene:
        """Return the image of a frame, whichever were drawn before."""
        return self._draw(index, still=False)

    def still(self) -> DrawnScene:
        """Return the first frame with what only a single image can have: a tunnel ahead."""
        return self._draw(0, still=True)

    def lay_out(self, index: int, still: bool = False) -> Layout:
        """Return the ground of a frame, and the things that stand on it in the order of drawing.

        Args:
            index: Number of the frame.
            still: Also what only a single image can have.
        """
        plan, light = self._plan, self._light
        time = index / self.rate_hz
        camera = self.camera(index)
        canvas = Canvas(camera)
        draw_sky(canvas, light, self.seed, camera.position[2] + 4.0 * time)
        draw_horizon(canvas, plan, light)
        pixels = draw_ground(canvas, plan, light)
        z = camera.position[2]
        draw_markings(canvas, plan, pixels, light)
        draw_covers(canvas, plan, light, z + 2, z + 45)
        draw_shadows(canvas, plan, light, pixels, z)
        names: dict[int, str] = {}
        things = [*roadside(plan, light, z, names), *traffic(plan, light, z, time, self.speed_mps)]
        if still:
            things.extend(tunnel(plan, light, z))
        eye = np.array([camera.position[0], 0.0, z])
        things.sort(key=lambda one: (one.layer, -float(np.hypot(*(one.place - eye)[[0, 2]]))))
        return Layout(index, canvas, things, names)

    def finish(self, layout: Layout, canvas: Canvas, sky: LabelImage | None = None) -> DrawnScene:
        """Draw what is before all things, and return the image that the camera delivers.

        Args:
            layout: Of the frame.
            canvas: Ground and things; changed.
            sky: (H, W) labels that say where birds may fly; None takes those of the canvas.
        """
        scenery = np.random.default_rng([self.seed, 8])
        if scenery.random() < 0.06:
            draw_birds(canvas, scenery, canvas.labels if sky is None else sky)
        if self._hood:
            self._draw_hood(canvas)
        noise = np.random.default_rng([self.seed, 7, layout.index & 0xFFFFFFFF])
        rgb = expose(apply_haze(canvas, self._light), self._light, self._response, noise)
        return DrawnScene(rgb, canvas.labels, _boxes(canvas, layout.names))

    @property
    def blur_pixels(self) -> int:
        """How far the camera's blur spreads what is at a pixel."""
        return blur_radius(self._response)

    def _draw(self, index: int, still: bool) -> DrawnScene:
        layout = self.lay_out(index, still)
        for thing in layout.things:
            thing.draw(layout.canvas)
        return self.finish(layout, layout.canvas)

    def _draw_hood(self, canvas: Canvas) -> None:
        """Draw the bonnet of the car that carries the camera."""
        height, width = self.size
        rng = np.random.default_rng([self.seed, 9])
        rise = rng.uniform(0.05, 0.12) * height
        x = np.linspace(-0.05, 1.05, 40)
        top = height - rise * (1 - (2 * x - 1) ** 4 * 0.6)
        outline = np.column_stack([x * width, top])
        shape = np.vstack([outline, [(width * 1.05, height + 9), (-width * 0.05, height + 9)]])
        tone = float(rng.uniform(20, 110)) * self._light.shade((0, 1, 0))
        canvas.flat(shape, 0.8, (tone, tone, tone * 1.05), LEAF['Ego Vehicle'])
        if rng.random() < 0.3:
            # The foot of a holder on the windscreen.
            foot = np.array([width * rng.uniform(0.3, 0.7), height - rise * 0.5])
            shape = np.array([(-1.0, 1), (-0.7, -0.6), (-0.2, -1), (0.2, -1), (0.7, -0.6), (1, 1)])
            place = foot + shape * [width * 0.06, height * 0.09]
            canvas.flat(place, 0.6, (24, 24, 26), LEAF['Car Mount'])
            return
        gloss = np.vstack([outline + [0, 2], outline[::-1] + [0, 2 + rise * 0.2]])
        canvas.flat(
            gloss, 0.8, (tone * 1.5 + 20, tone * 1.5 + 22, tone * 1.5 + 26), LEAF['Ego Vehicle']
        )


def _boxes(canvas: Canvas, names: dict[int, str]) -> tuple[SignBox, ...]:
    boxes = []
    for instance in np.unique(canvas.instances):
        name = names.get(int(instance))
        if name not in SIGN_TYPES:
            continue
        rows, columns = np.nonzero(canvas.instances == instance)
        boxes.append(
            SignBox(
                int(columns.min()),
                int(rows.min()),
                int(columns.max()) + 1,
                int(rows.max()) + 1,
                name,
            )
        )
    return tuple(boxes)


def draw_scene(seed: int, size: ImageSize = (512, 1024)) -> DrawnScene:
    """Return one image of the street of a seed.

    Args:
        seed: Not negative; the same seed gives the same bytes.
        size: (height, width) in pixels.

    Raises:
        ValueError: The size or the seed cannot be drawn.
    """
    return Drive(seed, size).still()
