# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A bounded cache of what is prepared per input shape; it drops the least recently used entry.

`functools.lru_cache` drops an entry only after it has made the new one; here memory of the device
is free again before more of it is taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Prepared = TypeVar('Prepared')


class LastUsed(Generic[Prepared]):
    """Prepared objects by shape, up to a number. Used by one thread."""

    def __init__(self, most: int) -> None:
        """Create an empty cache.

        Args:
            most: Largest number of entries.
        """
        self._most = most
        self._of_shape: OrderedDict[tuple[int, ...], Prepared] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._of_shape)

    def __contains__(self, shape: object) -> bool:
        """Return whether there is an entry for a shape."""
        return shape in self._of_shape

    def get(self, shape: Sequence[int], prepare: Callable[[], Prepared]) -> Prepared:
        """Return the entry for a shape; it is prepared now if there is none."""
        key = tuple(shape)
        if key not in self._of_shape:
            while len(self._of_shape) >= self._most:
                self._of_shape.popitem(last=False)
            self._of_shape[key] = prepare()
        self._of_shape.move_to_end(key)
        return self._of_shape[key]

    def clear(self) -> None:
        """Drop all entries."""
        self._of_shape.clear()
