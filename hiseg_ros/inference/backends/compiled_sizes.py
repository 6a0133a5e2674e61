# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Which input sizes a network is compiled for, where compiling takes longer than running it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

REMEMBERED = 64
"""Sizes that are not compiled whose number of images is remembered."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Use:
    """How to run the network on an input."""

    how: Literal['compiled', 'open', 'large']
    """For its size and kept, for any size, or for its size and this input alone."""
    dropped: tuple[Shape, ...] = ()
    """Sizes that are no longer to be kept."""


class CompiledSizes:
    """Bounds the sizes that are kept by their number and by their pixels. Used by one thread."""

    def __init__(self, most: int, first: int, most_pixels: int, idle: int) -> None:
        """Start without any.

        Args:
            most: Largest number of compiled sizes.
            first: How many of them are compiled at their first image; later ones at the second.
            most_pixels: Largest sum of their pixels.
            idle: Number of images after which an unused size may be replaced.
        """
        self._most, self._first, self._most_pixels = most, first, most_pixels
        self._idle = idle
        self._images = 0
        self._last_use: OrderedDict[Shape, int] = OrderedDict()
        """Number of the image at which each compiled size was last used, the oldest first."""
        self._seen: OrderedDict[Shape, int] = OrderedDict()

    def use_of(self, shape: Shape) -> Use:
        """Return how to run the network on the next input.

        Args:
            shape: (1, h, w, 3).
        """
        self._images += 1
        if shape in self._last_use:
            return self._compiled(shape)
        if pixels_of(shape) > self._most_pixels:
            return Use('large')
        seen = self._seen.pop(shape, 0) + 1
        if seen < 2 and len(self._last_use) >= self._first:
            return self._open(shape, seen)
        dropped: list[Shape] = []
        kept = dict(self._last_use)
        while kept and not self._fits(kept, shape):
            oldest = next(iter(kept))
            if self._images - kept.pop(oldest) <= self._idle:
                return self._open(shape, seen)
            dropped.append(oldest)
        for other in dropped:
            del self._last_use[other]
        return self._compiled(shape, tuple(dropped))

    def _fits(self, kept: dict[Shape, int], shape: Shape) -> bool:
        pixels = sum(map(pixels_of, kept)) + pixels_of(shape)
        return len(kept) < self._most and pixels <= self._most_pixels

    def _compiled(self, shape: Shape, dropped: tuple[Shape, ...] = ()) -> Use:
        self._last_use[shape] = self._images
        self._last_use.move_to_end(shape)
        return Use('compiled', dropped)

    def _open(self, shape: Shape, seen: int) -> Use:
        self._seen[shape] = seen
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return Use('open')


def pixels_of(shape: Shape) -> int:
    """Return the pixels of an input of shape (N, h, w, 3)."""
    return shape[0] * shape[1] * shape[2]
