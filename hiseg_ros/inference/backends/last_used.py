# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What is prepared once per input shape: a bounded cache that drops what was not used longest.

`functools.lru_cache` drops an entry only after it has made the new one; here memory of the device
is free again before more of it is taken.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Prepared = TypeVar('Prepared')


class LastUsed(Generic[Prepared]):
    """At most so many prepared things, by shape. Used by one thread."""

    def __init__(self, most: int) -> None:
        """Start empty.

        Args:
            most: Number of things that are kept.
        """
        self._most = most
        self._of_shape: OrderedDict[tuple[int, ...], Prepared] = OrderedDict()

    def __len__(self) -> int:
        """Return how many things are kept."""
        return len(self._of_shape)

    def __contains__(self, shape: object) -> bool:
        """Return whether something is kept for a shape."""
        return shape in self._of_shape

    def get(self, shape: Sequence[int], prepare: Callable[[], Prepared]) -> Prepared:
        """Return what is kept for a shape, prepared now where there is nothing."""
        key = tuple(shape)
        if key not in self._of_shape:
            while len(self._of_shape) >= self._most:
                self._of_shape.popitem(last=False)
            self._of_shape[key] = prepare()
        self._of_shape.move_to_end(key)
        return self._of_shape[key]

    def clear(self) -> None:
        """Drop everything."""
        self._of_shape.clear()
