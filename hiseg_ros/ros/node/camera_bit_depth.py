# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Bit depth of one camera's 16-bit images, which the log tells."""

from __future__ import annotations

from typing import Any

from hiseg_ros.images.bit_depth import BitDepth


class CameraBitDepth(BitDepth):
    """Logs the bit depth when it is known and whenever a measurement changes it."""

    def __init__(self, logger: Any, camera: str, known: int) -> None:
        """Start.

        Args:
            logger: Of the node.
            camera: Name of the camera; empty for the only one.
            known: Number of bits, 8 to 16; 0 measures it.
        """
        super().__init__(known or None)
        self._logger = logger
        self._camera = camera
        self._said_bits: int | None = None

    def say(self) -> None:
        """Log the bits unless they are those that were logged last."""
        if self.bits != self._said_bits and (text := self.text()):
            self._said_bits = self.bits
            self._logger.info(f'Images of {self._camera or "the camera"}: {text}.')
