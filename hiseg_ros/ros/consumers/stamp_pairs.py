# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""StampPairs: frames and depth messages that belong together by their stamps."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

F = TypeVar('F')
D = TypeVar('D')

RESTART_NS = 1_000_000_000
"""A stamp further back than this means that the source has started over."""

SAME_NS = 1_000
"""Stamps that differ by no more are equal: some drivers keep them as floating-point numbers."""

FRAMES_WITHOUT_DEPTH = 4
"""Most frames that wait while no depth has come yet."""


@dataclass(frozen=True)
class Unpaired:
    """A frame whose depth has not come and will not."""

    stamp_ns: int
    offset_ns: int | None
    """Difference to the nearest stamp of a depth message; None where there was none at all."""


class StampPairs(Generic[F, D]):
    """Two bounded queues; whichever side comes first waits for the other.

    Not thread-safe. Depth may come in another order than its stamps, frames do not.
    """

    def __init__(self, most: int) -> None:
        """Start with empty queues.

        Args:
            most: Most frames and most depth messages that wait; then the oldest gives up.
        """
        self._most = most
        self._depths: list[tuple[int, int, D]] = []
        self._frames: deque[tuple[int, F]] = deque()
        self._number = 0
        self._has_depth = False

    def add_depth(self, stamp_ns: int, depth: D) -> None:
        """Keep a depth message."""
        if self._depths and stamp_ns < self._depths[-1][0] - RESTART_NS:
            self._depths.clear()
        self._has_depth = True
        self._number += 1  # decides between equal stamps, so that messages are not compared
        insort(self._depths, (stamp_ns, self._number, depth))
        del self._depths[: -self._most]

    def add_frame(self, stamp_ns: int, frame: F) -> None:
        """Keep a frame."""
        if self._frames and stamp_ns < self._frames[-1][0] - RESTART_NS:
            self._frames.clear()
        if self._depths and self._depths[-1][0] - RESTART_NS > stamp_ns:
            # Of before the source started over, unless frames lag behind by more than a second.
            self._depths = [entry for entry in self._depths if entry[0] <= stamp_ns + RESTART_NS]
        self._frames.append((stamp_ns, frame))

    def take(self, max_offset_ns: int) -> tuple[F, D] | Unpaired | None:
        """Return the next frame with its depth, a frame that gets none, or None for neither yet.

        Args:
            max_offset_ns: Largest difference of the stamps. The nearest depth is taken once no
                nearer one can come.
        """
        if not self._frames:
            return None
        stamp_ns, frame = self._frames[0]
        offsets = [abs(entry[0] - stamp_ns) for entry in self._depths]
        best = min(range(len(offsets)), key=offsets.__getitem__, default=None)
        is_final = (
            len(self._frames) > (self._most if self._has_depth else FRAMES_WITHOUT_DEPTH)
            or (best is not None and offsets[best] <= SAME_NS)
            or (bool(self._depths) and self._depths[-1][0] > stamp_ns)
        )
        if not is_final:
            return None
        self._frames.popleft()
        if best is None or offsets[best] > max(max_offset_ns, SAME_NS):
            return Unpaired(stamp_ns, None if best is None else offsets[best])
        depth = self._depths[best][2]
        del self._depths[: best + 1]  # frames go on in time
        return frame, depth

    def clear(self) -> None:
        """Forget everything."""
        self._depths.clear()
        self._frames.clear()
        self._has_depth = False

    def __len__(self) -> int:
        """Return the number of frames and depth messages that wait."""
        return len(self._depths) + len(self._frames)
