# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One frame, traced through a real node from the subscription's callback to its labels.

The files that it enters are held against docs/architecture.md, which says what to read first.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from architecture_page import PACKAGE, flow, reading_list

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros', 'torch')


class Trace:
    """Notes the files of the package whose functions run, once the next image has come in."""

    def __init__(self) -> None:
        from hiseg_ros.ros.node.subscriptions import CameraSubscriptions

        self._first_call = CameraSubscriptions._on_image.__code__
        self._lock = threading.Lock()
        self._is_armed = self._is_on = False
        self.images = 0
        """Images that came in while it was armed."""
        self.threads: dict[str, set[str]] = {}
        """The threads that entered each file, which are in the order of the first entry."""

    def arm(self) -> None:
        """Begin with the next image."""
        self._is_armed = True

    def end(self) -> None:
        """Note nothing any more."""
        self._is_armed = self._is_on = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call; the interpreter calls this at each one in the threads that it traces."""
        if not self._is_armed or event != 'call':
            return
        code = frame.f_code
        # What is imported on the way runs as well, but is not a function.
        if not code.co_flags & inspect.CO_OPTIMIZED:
            return
        if code is self._first_call:
            self.images += 1
            self._is_on = True
        path = Path(code.co_filename)
        if self._is_on and path.is_relative_to(PACKAGE):
            name = path.relative_to(PACKAGE).as_posix()
            with self._lock:
                self.threads.setdefault(name, set()).add(threading.current_thread().name)


@pytest.fixture
def trace() -> Iterator[Trace]:
    """Trace every thread that is started from now on, those of the node among them."""
    trace = Trace()
    threading.setprofile(trace)
    yield trace
    trace.end()
    threading.setprofile(None)  # type: ignore[arg-type]


def test_a_frame_passes_through_the_files_of_the_reading_list(
    graph: Graph, trace: Trace, tiny_checkpoint: Path, street_image: Any
) -> None:
    """Each of them, in its order, and through all that the flow picture shows."""
    from node_support import image_message, start_node, wait_active
    from sensor_msgs.msg import Image

    from hiseg_ros.msg import FrameStats, SubclassMasks

    node = start_node(graph, model=tiny_checkpoint, device='cpu', backend='eager')
    wait_active(graph)
    images = graph.peer.create_publisher(Image, 'image', 1)
    kinds = {'labels': Image, 'overlay/image': Image, 'traffic_signs': SubclassMasks,
             'stats': FrameStats}  # fmt: skip
    results = {
        topic: graph.collect(kind, f'/segmentation/{topic}') for topic, kind in kinds.items()
    }
    graph.until(
        lambda: all(results.values()),
        'results of some first image',
        meanwhile=lambda: images.publish(image_message(street_image)),
    )
    graph.until(
        lambda: node.counters.received == node.counters.processed + node.counters.dropped,
        'nothing is in work',
    )
    trace.arm()
    image = image_message(street_image, 99)
    images.publish(image)
    graph.until(
        lambda: all(found[-1].header == image.header for found in results.values()),
        'all results of the image that is followed',
    )
    trace.end()
    assert trace.images == 1
    assert np.frombuffer(results['labels'][-1].data, np.uint8).any()
    check(trace.threads)


def check(threads: dict[str, set[str]]) -> None:
    """Hold the files that a frame entered, and in which threads, against the page."""
    entered, files = list(threads), reading_list()
    assert [file for file in files if file not in threads] == []
    assert sorted(files, key=entered.index) == files, 'it is the order in which they are entered'
    camera, *others = files
    assert 'hiseg_worker' not in threads[camera]
    assert all(threads[file] == {'hiseg_worker'} for file in others)
    for place in flow():
        assert any(
            name == place or (place[-1] == '/' and name.startswith(place)) for name in entered
        ), f'the flow picture shows {place}, which the frame does not enter'
