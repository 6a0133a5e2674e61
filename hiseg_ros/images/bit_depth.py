# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Bits of the samples of 16-bit images, known or measured, and their conversion to bytes.

Sensors of 10 and 12 bits are sent in 16-bit samples, most often in the low bits. Their high byte
alone would be a near-black image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError

BITS = tuple(range(8, 17))
"""Possible numbers of bits."""

_MEASURED = (8, 10, 12, 14, 16)
"""Those of sensors, which a measurement is rounded up to."""


class BitDepth:
    """Bits of the samples of one camera's 16-bit images.

    A measured depth is that of the largest value so far: it only rises, so that a dark image does
    not change the brightness of those after it.
    """

    def __init__(self, known: int | None = None) -> None:
        """Start.

        Args:
            known: Number of bits, 8 to 16; None measures it.

        Raises:
            ConfigError: The number is another.
        """
        if known is not None and known not in BITS:
            raise ConfigError(
                f'The bit depth is {known!r}; expected 8 to 16 bits, those of the sensor.'
            )
        self.is_measured = known is None
        self.bits = known
        """Number of bits; None before the first image with 16-bit samples."""
        self.largest = 0
        """Largest sample so far."""

    def shift_of(self, samples: NDArray[Any]) -> int:
        """Return by how many bits samples are shifted to become bytes, and measure them.

        Args:
            samples: Of one image, uint16 of any shape and byte order.
        """
        if not (self.is_measured and self.bits == BITS[-1]):
            self.largest = max(self.largest, int(samples.max(initial=0)))
        if self.is_measured:
            needed = self.largest.bit_length()
            self.bits = next(bits for bits in _MEASURED if bits >= needed)
        return (self.bits or BITS[-1]) - 8

    def to_bytes(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        """Return samples, uint16, as bytes of the same shape; beyond the depth they become 255."""
        return shifted_bytes(samples, self.shift_of(samples))

    def text(self) -> str:
        """Return in a few words which depth is used and why; '' without a 16-bit image."""
        if self.bits is None or not self.largest:
            return ''
        if self.is_measured:
            return f'{self.bits} bits a sample, measured (values up to {self.largest})'
        beyond = self.largest >= 2**self.bits
        more = f', but values up to {self.largest} were found: brighter ones are clipped'
        return f'{self.bits} bits a sample, as given{more if beyond else ""}'


def shifted_bytes(samples: NDArray[Any], shift: int) -> NDArray[np.uint8]:
    """Return samples, uint16, shifted down to bytes of the same shape; at most 255."""
    return np.minimum(samples >> shift, 255).astype(np.uint8)
