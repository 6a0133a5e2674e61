# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A pinhole camera in street coordinates: X right, Y up, Z along the street, in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hiseg_ros.datasets.scenes.drawing.scene import Floats, Floats32
from hiseg_ros.types import ImageSize

NEAR = 0.4
"""Metres in front of the camera where geometry is cut off."""


@dataclass(frozen=True)
class Camera:
    """Pose and projection."""

    size: ImageSize
    """(H, W) in pixels."""
    focal: float
    """Pixels."""
    position: tuple[float, float, float]
    """(X, Y, Z) in metres."""
    yaw: float = 0.0
    """Radians to the right."""
    pitch: float = 0.0
    """Radians downwards."""
    roll: float = 0.0
    """Radians clockwise."""

    @cached_property
    def centre(self) -> tuple[float, float]:
        """Principal point (u, v); integers are pixel centres."""
        return (self.size[1] - 1) / 2, (self.size[0] - 1) / 2

    @cached_property
    def rotation(self) -> Floats:
        """(3, 3) rows: right, up, forward in street coordinates."""
        sy, cy = math.sin(self.yaw), math.cos(self.yaw)
        sp, cp = math.sin(self.pitch), math.cos(self.pitch)
        right = np.array([cy, 0.0, -sy])
        up = np.array([sy * sp, cp, cy * sp])
        forward = np.array([sy * cp, -sp, cy * cp])
        sr, cr = math.sin(self.roll), math.cos(self.roll)
        return np.stack([cr * right - sr * up, sr * right + cr * up, forward])

    @cached_property
    def projection(self) -> Floats:
        """(3, 4) matrix from homogeneous street points to homogeneous pixels."""
        cu, cv = self.centre
        intrinsics = np.array([[self.focal, 0, cu], [0, -self.focal, cv], [0, 0, 1.0]])
        rotation = self.rotation
        offset = -rotation @ np.array(self.position)
        return np.asarray(intrinsics @ np.column_stack([rotation, offset]))

    def to_camera(self, points: Floats) -> Floats:
        """Return (N, 3) street points as (right, up, depth)."""
        return np.asarray((points - self._eye) @ self.rotation.T)

    @cached_property
    def _eye(self) -> Floats:
        return np.array(self.position)

    def to_pixels(self, camera_points: Floats) -> Floats:
        """Return (N, 2) pixels (u, v) of camera points in front of the camera."""
        cu, cv = self.centre
        depth = camera_points[:, 2]
        return np.column_stack(
            [
                cu + self.focal * camera_points[:, 0] / depth,
                cv - self.focal * camera_points[:, 1] / depth,
            ]
        )

    def rays(self) -> tuple[Floats32, Floats32, Floats32]:
        """Return the X, Y, Z parts, each (H, W), of every pixel's ray with unit depth."""
        height, width = self.size
        cu, cv = self.centre
        x = ((np.arange(width) - cu)[None, :] / self.focal).astype(np.float32)
        y = (-(np.arange(height) - cv)[:, None] / self.focal).astype(np.float32)
        right, up, forward = self.rotation.astype(np.float32)
        return (
            x * right[0] + y * up[0] + forward[0],
            x * right[1] + y * up[1] + forward[1],
            x * right[2] + y * up[2] + forward[2],
        )


def clip_near(camera_points: Floats, near: float = NEAR) -> Floats:
    """Return the part of a polygon, (N, 3) camera points, that lies beyond the near plane."""
    depth = camera_points[:, 2] - near
    if (depth >= 0).all():
        return camera_points
    if (depth < 0).all():
        return camera_points[:0]
    kept = []
    for index in range(len(depth)):
        previous = index - 1
        if (depth[index] >= 0) != (depth[previous] >= 0):
            part = depth[previous] / (depth[previous] - depth[index])
            start, end = camera_points[previous], camera_points[index]
            kept.append(start + part * (end - start))
        if depth[index] >= 0:
            kept.append(camera_points[index])
    return np.array(kept)
