# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A smaller network input for a device that is short of memory, and protocols of its backends."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from hiseg_ros.preprocessing import COARSEST_STRIDE
from hiseg_ros.types import ImageSize

REDUCTION = 0.75
"""Factor on the shorter side: features then take 56 % of the memory."""


@runtime_checkable
class ReducibleBackend(Protocol):
    """A backend whose input size is not fixed."""

    def reduce(self, is_reduced: bool) -> bool:
        """Use `reduced_height` from the next image on, or no longer.

        Returns:
            False where the input size is fixed, so that nothing changes.
        """


@runtime_checkable
class CachingBackend(Protocol):
    """A backend whose runtime keeps freed memory of the device for later."""

    def free_cache(self) -> None:
        """Return that memory to the device."""


def reduced_height(size: ImageSize, multiple: int = COARSEST_STRIDE) -> int:
    """Return the shorter side of the reduced network input in pixels.

    Args:
        size: (h, w) of the usual input.
        multiple: Both sides are multiples of this, and at least as large.
    """
    return max(multiple, int(REDUCTION * min(size)) // multiple * multiple)
