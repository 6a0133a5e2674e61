# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A smaller network input for images that come faster than the network runs at its usual size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from hiseg_ros.types import ImageSize

SCALES = (1.0, 0.875, 0.75, 0.625, 0.5, 0.375)
"""Factors on the shorter side of the usual network input, largest first. From one to the next the
time of the network falls by a quarter to two fifths."""


@dataclass(frozen=True)
class InputScale:
    """How much smaller than usual the network input is."""

    factor: float = 1.0
    """On the shorter side, in (0, 1]."""

    least_height: int = 0
    """Shorter side in pixels that the factor does not go below; a usual input that is smaller
    stays as it is."""

    def height(self, usual: ImageSize, multiple: int) -> int:
        """Return the shorter side of the network input in pixels.

        Args:
            usual: (h, w) of the usual input, multiples of `multiple`.
            multiple: Both sides of the input are multiples of this, and at least as large.
        """
        shorter = min(usual)
        if self.factor >= 1.0:
            return shorter
        # Rounded as the sides of the input are, but the floor is rounded up: it is a promise.
        wanted = max(multiple, round(self.factor * shorter / multiple) * multiple)
        floor = -(-min(self.least_height, shorter) // multiple) * multiple
        return max(floor, wanted)


USUAL = InputScale()
"""The usual size."""


@runtime_checkable
class ScalableInput(Protocol):
    """An engine or backend whose network input can be made smaller between two images."""

    def scale_input(self, scale: InputScale) -> bool:
        """Use another input size from the next image on.

        Returns:
            False where the input size is fixed, so that nothing changes.
        """

    def input_size(self, image_size: ImageSize) -> ImageSize:
        """Return the network's input size (h, w) for an image size (H, W)."""


def sizes_at(
    network: ScalableInput, image_size: ImageSize, least_height: int
) -> tuple[ImageSize, ...]:
    """Return the network's input size for an image size at each of `SCALES`.

    The network is left at its usual size.

    Args:
        network: Engine or backend.
        image_size: (H, W) of the image.
        least_height: As in `InputScale`.
    """
    sizes = []
    for factor in SCALES:
        network.scale_input(InputScale(factor, least_height))
        sizes.append(network.input_size(image_size))
    network.scale_input(USUAL)
    return tuple(sizes)


def distinct(sizes: Sequence[ImageSize]) -> tuple[int, ...]:
    """Return the positions in `SCALES` at which the size differs from the one before."""
    return tuple(i for i, size in enumerate(sizes) if i == 0 or size != sizes[i - 1])
