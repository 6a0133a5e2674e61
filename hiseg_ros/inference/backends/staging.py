# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pinned host memory, from which a GPU copies images asynchronously."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from hiseg_ros.inference.backends.last_used import LastUsed
from hiseg_ros.types import RgbImage

MAX_SIZES = 8
"""Image sizes whose memory is kept, those used last."""


@dataclass(frozen=True)
class _Piece:
    pixels: torch.Tensor
    """(H, W, 3) uint8."""
    was_read: torch.cuda.Event | None
    """Recorded after the device's last copy; None on the CPU, where copies are synchronous."""


class Staging:
    """Pinned memory, one block per image size."""

    def __init__(self, device: torch.device) -> None:
        """Create it for a device; memory is allocated at the first image of each size."""
        self._device = device
        self._pieces: LastUsed[_Piece] = LastUsed(MAX_SIZES)

    @contextmanager
    def held(self, rgb: RgbImage) -> Iterator[torch.Tensor]:
        """Yield an image's (H, W, 3) uint8 pixels in pinned memory, to copy to the device inside.

        The copies may be asynchronous on the current stream; the image may change at once.
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
        """Free the memory."""
        self._pieces.clear()
