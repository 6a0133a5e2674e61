# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A drawn scene drawn again without some of its objects: the same random numbers otherwise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.canvas import Canvas
from hiseg_ros.datasets.scenes.drawing.scene import LEAF, DrawnScene
from hiseg_ros.datasets.scenes.drive import Drive
from hiseg_ros.errors import DatasetError
from hiseg_ros.types import ImageSize


@dataclass(frozen=True)
class Redrawn:
    """A scene without objects of some labels."""

    scene: DrawnScene
    """Image and labels, those behind the objects included."""
    changed: NDArray[np.bool_]
    """(H, W) outline and shadow of the objects, as far as they were in sight and as blurred as
    the camera is. Everywhere else image and labels are those of the whole scene, bit for bit."""


class Redrawing:
    """One scene, whole and without objects."""

    def __init__(self, seed: int, size: ImageSize) -> None:
        """Draw the whole scene of a seed.

        Args:
            seed: Not negative.
            size: (height, width) in pixels.

        Raises:
            ValueError: The size or the seed cannot be drawn.
        """
        self._drive = Drive(seed, size)
        self._layout = self._drive.lay_out(0, still=True)
        canvas = self._layout.canvas.copy()
        self._labels_of_thing: list[frozenset[int]] = []
        for thing in self._layout.things:
            canvas.drawn.clear()
            thing.draw(canvas)
            self._labels_of_thing.append(frozenset(canvas.drawn))
        self._things = canvas.copy()
        """Before what is drawn last: birds and the bonnet."""
        self.scene = self._drive.finish(self._layout, canvas)
        """As `draw_scene` returns it."""

    @property
    def labels(self) -> frozenset[int]:
        """Labels with objects that can be left out, in sight or not."""
        return frozenset().union(*self._labels_of_thing)

    def without(self, label_ids: Collection[int]) -> Redrawn:
        """Draw the scene again without the objects that have any of these labels.

        An object is left out as a whole: a sign with its post, a bicycle with its rider. Shadows
        on the ground go with it.

        Raises:
            DatasetError: A label is no leaf of drawn scenes.
        """
        wanted = frozenset(label_ids)
        if not wanted <= set(LEAF.values()):
            raise DatasetError(
                f'Drawn scenes have no labels {sorted(wanted - set(LEAF.values()))}; expected '
                f'numbers from 0 to {len(LEAF) - 1}.'
            )
        canvas = self._layout.canvas.copy()
        for thing, labels in zip(self._layout.things, self._labels_of_thing, strict=True):
            if not labels & wanted:
                thing.draw(canvas)
        changed = _difference(canvas, self._things)
        # Birds fly where the whole scene has sky: behind a removed object there is none more.
        scene = self._drive.finish(self._layout, canvas, self._things.labels)
        # What is drawn last covers the removed ones too.
        radius = self._drive.blur_pixels
        if radius and changed.any():
            kernel = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
            changed = cv2.dilate(changed.astype(np.uint8), kernel).astype(np.bool_)
        # The camera's compression is by blocks, and would carry traces of the difference further.
        rgb = np.where(changed[..., None], scene.rgb, self.scene.rgb)
        return Redrawn(replace(scene, rgb=rgb), changed)


def _difference(canvas: Canvas, other: Canvas) -> NDArray[np.bool_]:
    """Return (H, W): pixels at which two canvases differ in colour, label or depth."""
    return np.asarray(
        (canvas.rgb != other.rgb).any(2)
        | (canvas.labels != other.labels)
        | (canvas.depth != other.depth)
    )


def draw_without(seed: int, size: ImageSize, label_ids: Collection[int]) -> Redrawn:
    """Return the scene of a seed without objects of some labels; see `Redrawing.without`.

    Raises:
        ValueError: The size or the seed cannot be drawn.
        DatasetError: A label is no leaf of drawn scenes.
    """
    return Redrawing(seed, size).without(label_ids)
