# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Ten rounds of a node's life, measured; `test_node_rounds` runs it in a process of its own.

In the suite's process other libraries' allocators keep megabytes for every thread that ended.
"""

from __future__ import annotations

import gc
import mmap
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiseg_ros.types import RgbImage

if TYPE_CHECKING:
    from ros_graph import Graph

ROUNDS = 10
WARM = 3
"""Rounds after which libraries have reserved what they need."""

GROWTH_KIB = 1024
"""Of the seven rounds after that, with allocator noise; one kept engine or publisher of images
would be more."""


def resident_kib() -> int:
    """Return the memory of this process."""
    gc.collect()
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') // 1024


def threads(expected: int) -> int:
    """Return the number of threads of this process, those of the middleware included.

    A thread that was joined is in the list until the kernel has removed it, and the middleware
    ends some of its own later.
    """
    deadline = time.monotonic() + 5.0
    while True:
        count = len(list(Path('/proc/self/task').iterdir()))
        if not expected or count == expected or time.monotonic() > deadline:
            return count
        time.sleep(0.02)


def test_ten_rounds_leave_no_memory_and_no_threads_behind(
    graph: Graph, street_image: RgbImage
) -> None:
    from node_support import HeldEngine, image_message, start_node
    from ros_graph import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE
    from sensor_msgs.msg import Image

    class Heavy(HeldEngine):
        """Holds as much as small weights."""

        def load(self, parameters: Any) -> Any:
            # Not from the allocator, which keeps what a thread gave back for later.
            self.weights = mmap.mmap(-1, 4_000_000)
            self.weights.write(b'w' * 4_000_000)
            return super().load(parameters)

        def close(self) -> None:
            self.weights.close()
            super().close()

    start_node(graph, lambda p: Heavy().load(p), autostart=False)
    images = graph.peer.create_publisher(Image, 'image', 1)
    labels = graph.collect(Image, '/segmentation/labels')
    samples: list[tuple[int, int]] = []
    for number in range(ROUNDS):
        assert graph.change_state(CONFIGURE)
        assert graph.change_state(ACTIVATE)
        labels.clear()
        graph.until(
            lambda: labels,
            f'labels in round {number}',
            meanwhile=lambda: images.publish(image_message(street_image)),
        )
        assert graph.change_state(DEACTIVATE)
        assert graph.change_state(CLEANUP)
        expected = samples[WARM][0] if number > WARM else 0
        samples.append((threads(expected), resident_kib()))
    counts, memory = zip(*samples, strict=True)
    assert set(counts[WARM:]) == {counts[WARM]}
    assert memory[-1] - memory[WARM - 1] < GROWTH_KIB, memory
