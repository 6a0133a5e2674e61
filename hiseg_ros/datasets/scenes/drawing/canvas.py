# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Canvas that is painted from far to near: colours, labels, depth and sign instances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hiseg_ros.datasets.scenes.drawing.camera import Camera, clip_near
from hiseg_ros.datasets.scenes.drawing.scene import Colour, Floats
from hiseg_ros.types import LabelImage, RgbImage

_SHIFT = 4
_LIMIT = 20000.0
"""Pixels; what lies further outside would overflow cv2's fixed-point coordinates."""


class Canvas:
    """Four images of one size; every drawing call covers what is below."""

    def __init__(self, camera: Camera) -> None:
        """Start with black, unlabeled, infinitely far."""
        self.camera = camera
        height, width = camera.size
        self.rgb: RgbImage = np.zeros((height, width, 3), np.uint8)
        self.labels: LabelImage = np.full((height, width), 255, np.uint8)
        self.depth: NDArray[np.float32] = np.full((height, width), 1e4, np.float32)
        self.instances: NDArray[np.int16] = np.zeros((height, width), np.int16)
        self.drawn: set[int] = set()
        """Labels that were drawn, in sight or not, since it was emptied last."""

    def copy(self) -> Canvas:
        """Return another canvas with the same on it."""
        other = Canvas(self.camera)
        for name in ('rgb', 'labels', 'depth', 'instances'):
            getattr(other, name)[:] = getattr(self, name)
        return other

    def project(self, points: Sequence[Sequence[float]] | Floats) -> tuple[Floats, float] | None:
        """Return the pixels (N, 2) and mean depth of a polygon, or None when out of sight."""
        local = clip_near(self.camera.to_camera(np.asarray(points, np.float64)))
        if len(local) < 3:
            return None
        pixels = self.camera.to_pixels(local)
        height, width = self.camera.size
        low, high = pixels.min(axis=0), pixels.max(axis=0)
        if high[0] < -1 or high[1] < -1 or low[0] > width or low[1] > height:
            return None
        if low[0] < -_LIMIT or low[1] < -_LIMIT or high[0] > _LIMIT or high[1] > _LIMIT:
            pixels = np.clip(pixels, -_LIMIT, _LIMIT)
        return pixels, float(local[:, 2].mean())

    def polygon(
        self,
        points: Sequence[Sequence[float]] | Floats,
        colour: Colour,
        label: int | None,
        instance: int = 0,
    ) -> None:
        """Draw a filled polygon of (N, 3) street points; label None leaves the labels alone."""
        if label is not None:
            self.drawn.add(label)
        projected = self.project(points)
        if projected is not None:
            self.flat(projected[0], projected[1], colour, label, instance)

    def flat(
        self, pixels: Floats, depth: float, colour: Colour, label: int | None, instance: int = 0
    ) -> None:
        """Draw a filled polygon of (N, 2) pixels at one depth."""
        fixed = [np.rint(pixels * (1 << _SHIFT)).astype(np.int32)]
        cv2.fillPoly(self.rgb, fixed, colour, cv2.LINE_AA, _SHIFT)
        if label is not None:
            self.drawn.add(label)
            cv2.fillPoly(self.labels, fixed, label, cv2.LINE_8, _SHIFT)
            cv2.fillPoly(self.depth, fixed, depth, cv2.LINE_8, _SHIFT)
            cv2.fillPoly(self.instances, fixed, instance, cv2.LINE_8, _SHIFT)

    def darken(self, points: Sequence[Sequence[float]] | Floats, factor: float) -> None:
        """Multiply the colours inside a polygon of street points, as a shadow does."""
        projected = self.project(points)
        if projected is None:
            return
        region = self._region(projected[0])
        if region is None:
            return
        rows, columns, coverage = region
        patch = self.rgb[rows, columns]
        patch[:] = patch * (1 - (1 - factor) * coverage[..., None])

    def textured(
        self,
        corner: Floats,
        across: Floats,
        down: Floats,
        texture: RgbImage,
        label: int | LabelImage,
        mask: NDArray[np.float32] | None = None,
        instance: int = 0,
    ) -> None:
        """Draw an image on a parallelogram in the street.

        Args:
            corner: (3,) street point of the image's upper left corner.
            across: (3,) vector along its upper edge.
            down: (3,) vector along its left edge.
            texture: (h, w, 3) image.
            label: One label, or (h, w) labels of the image's pixels.
            mask: (h, w) coverage in [0, 1]; None for all of it.
            instance: Sign instance, 0 for none.
        """
        self.drawn.update([label] if isinstance(label, int) else np.unique(label).tolist())
        corners = np.stack([corner, corner + across, corner + across + down, corner + down])
        projected = self.project(corners)
        if projected is None:
            return
        region = self._region(projected[0])
        if region is None:
            return
        rows, columns, coverage = region
        texture, label, mask = _shrink(texture, label, mask, projected[0])
        height, width = texture.shape[:2]
        plane = np.eye(4)[:, :3].copy()
        plane[:3] = np.column_stack(
            [across / width, down / height, corner + 0.5 * (across / width + down / height)]
        )
        plane[3] = (0, 0, 1)
        homography = self.camera.projection @ plane
        to_region = np.array([[1.0, 0, -columns.start], [0, 1.0, -rows.start], [0, 0, 1.0]])
        homography = to_region @ homography
        shape = (coverage.shape[1], coverage.shape[0])
        if abs(float(np.linalg.det(homography))) < 1e-12:
            return
        inverse = np.linalg.inv(homography)

        def warp(image: NDArray[Any], how: int) -> NDArray[Any]:
            flags = how | cv2.WARP_INVERSE_MAP
            return np.asarray(
                cv2.warpPerspective(
                    np.asarray(image), inverse, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE
                )
            )

        colours = warp(texture, cv2.INTER_LINEAR)
        if mask is not None:
            coverage = coverage * np.asarray(warp(mask, cv2.INTER_LINEAR), np.float32)
        patch = self.rgb[rows, columns]
        weight = coverage[..., None]
        patch[:] = np.rint(patch * (1 - weight) + colours * weight)
        solid = coverage >= 0.5
        shown = (
            label if isinstance(label, int) else np.asarray(warp(label, cv2.INTER_NEAREST))[solid]
        )
        self.labels[rows, columns][solid] = shown
        self.depth[rows, columns][solid] = self._plane_depth(inverse, shape)[solid]
        self.instances[rows, columns][solid] = instance

    def _plane_depth(self, inverse: Floats, shape: tuple[int, int]) -> NDArray[np.float32]:
        # Plane-to-image has the depth in its last row, so image-to-plane has 1 / depth there.
        u = np.arange(shape[0], dtype=np.float32)[None, :]
        v = np.arange(shape[1], dtype=np.float32)[:, None]
        a, b, c = inverse[2]
        return np.asarray(1.0 / np.maximum(a * u + b * v + c, 1e-4), np.float32)

    def _region(self, pixels: Floats) -> tuple[slice, slice, NDArray[np.float32]] | None:
        """Return the rows, columns and antialiased coverage of a polygon of pixels."""
        height, width = self.camera.size
        low = np.maximum(np.floor(pixels.min(axis=0)).astype(int), 0)
        high = np.minimum(np.ceil(pixels.max(axis=0)).astype(int) + 1, [width, height])
        if (high <= low).any():
            return None
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        fixed = np.rint((pixels - low) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
        return (
            slice(int(low[1]), int(high[1])),
            slice(int(low[0]), int(high[0])),
            np.asarray(mask, np.float32) * np.float32(1 / 255),
        )


def _shrink(
    texture: RgbImage,
    label: int | LabelImage,
    mask: NDArray[np.float32] | None,
    pixels: Floats,
) -> tuple[RgbImage, int | LabelImage, NDArray[np.float32] | None]:
    """Average an image that would be drawn much smaller than it is."""
    height, width = texture.shape[:2]
    extent = pixels.max(axis=0) - pixels.min(axis=0)
    new_width = max(2, min(width, int(extent[0] * 1.4) + 2))
    new_height = max(2, min(height, int(extent[1] * 1.2) + 2))
    if new_width > 0.7 * width and new_height > 0.7 * height:
        return texture, label, mask
    size = (new_width, new_height)
    small = np.asarray(cv2.resize(texture, size, interpolation=cv2.INTER_AREA), np.uint8)
    if not isinstance(label, int):
        label = np.asarray(cv2.resize(label, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    if mask is not None:
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.float32)
    return small, label, mask
