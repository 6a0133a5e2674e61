# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Memory of the host that a GPU reads by itself: one copy a frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from hiseg_ros.inference.backends.last_used import LastUsed
from hiseg_ros.types import RgbImage

MAX_SIZES = 8
"""Image sizes that memory is kept for, those used last."""


@dataclass(frozen=True)
class _Piece:
    pixels: torch.Tensor
    """(H, W, 3) uint8."""
    was_read: torch.cuda.Event | None
    """Of the device's last copy; None where copies are complete at once."""


class Staging:
    """Pinned memory, one piece per image size."""

    def __init__(self, device: torch.device) -> None:
        """Keep the device; memory is taken at the first image of each size."""
        self._device = device
        self._pieces: LastUsed[_Piece] = LastUsed(MAX_SIZES)

    @contextmanager
    def held(self, rgb: RgbImage) -> Iterator[torch.Tensor]:
        """Give an image's (H, W, 3) uint8 pixels, to be copied to the device inside.

        The copies may be complete only in the device's order of work; the image may change at
        once.
        """
        piece = self._pieces.get(rgb.shape, lambda: self._piece(rgb.shape))
        if piece.was_read is not None:
            piece.was_read.synchronize()
        np.copyto(piece.pixels.numpy(), rgb)
        try:
            yield piece.pixels
        finally:
            if piece.was_read is not None:
                piece.was_read.record(torch.cuda.current_stream(self._device))

    def _piece(self, shape: tuple[int, ...]) -> _Piece:
        """Return new memory for a shape."""
        on_gpu = self._device.type == 'cuda'
        pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=on_gpu)
        was_read = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]
        return _Piece(pixels, was_read)

    def clear(self) -> None:
        """Give the memory back."""
        self._pieces.clear()
