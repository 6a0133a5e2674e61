# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A smaller network input for a device that is short of memory, and who can have it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from hiseg_ros.preprocessing import COARSEST_STRIDE
from hiseg_ros.types import ImageSize

SHARE = 0.75
"""Of the shorter side: 56 % of the memory that features take."""


@runtime_checkable
class ReducibleBackend(Protocol):
    """A backend whose input size is not fixed."""

    def reduce(self, is_reduced: bool) -> bool:
        """Use `reduced_height` from the next image on, or no longer; False where it cannot."""


@runtime_checkable
class CachingBackend(Protocol):
    """A backend whose runtime keeps memory of the device for later."""

    def free_cache(self) -> None:
        """Give that memory back to the device."""


def reduced_height(size: ImageSize, multiple: int = COARSEST_STRIDE) -> int:
    """Return the shorter side that a network input of a size (h, w) has after the step down.

    Args:
        size: Usual input size.
        multiple: Both sides are multiples of this; nothing is smaller.
    """
    return max(multiple, int(SHARE * min(size)) // multiple * multiple)
