# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A device that is full, comes to itself again, or is gone: said, survived, recovered."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hiseg_ros.errors import DeviceError, DeviceMemoryError
from hiseg_ros.types import RgbImage, Segmentation, Wanted

if TYPE_CHECKING:
    from ros_graph import Graph

pytestmark = pytest.mark.needs('ros')

IMAGE = np.zeros((24, 32, 3), np.uint8)
NAMES = ['front', 'left']


def small_engine(room: int) -> Any:
    """Return an engine whose device has room for so many images; at 0 for small ones only."""
    from node_support import HeldEngine

    class Small(HeldEngine):
        room: int
        is_reduced = False

        def reduce(self, is_reduced: bool) -> bool:
            self.is_reduced = is_reduced
            return True

        def segment(self, rgb: RgbImage, *wanted: Wanted) -> Segmentation:
            if self.room < 1 and not self.is_reduced:
                raise DeviceMemoryError('no room for an image')
            return super().segment(rgb, *wanted)

        def segment_batch(
            self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
        ) -> Iterator[tuple[int, Segmentation]]:
            if len(rgbs) > self.room:
                raise DeviceMemoryError(f'no room for {len(rgbs)} images')
            yield from super().segment_batch(rgbs, wanted)

    engine = Small()
    engine.room = room
    return engine


def test_a_full_device_gets_fewer_then_smaller_images_and_the_diagnostics_say_so(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node_support import start_drive

    from hiseg_ros.inference import memory_relief
    from hiseg_ros.ros.health import camera_health

    monkeypatch.setattr(memory_relief, 'FIRST_WAIT_S', 0.5)
    monkeypatch.setattr(camera_health, 'RECENT_S', 1.0)
    engine = small_engine(room=2)
    drive = start_drive(graph, engine, IMAGE, cameras=NAMES, max_batch_wait_ms=200.0)
    node, reports, publish = drive.node, drive.reports, drive.publish

    def front() -> str:
        return reports[-1].status[2].message if reports else ''

    graph.until(lambda: engine.batches, 'a batch', meanwhile=publish)
    engine.room = 1
    graph.until(lambda: 'at most 1 of 2 images' in front(), 'WARN of batches', meanwhile=publish)
    assert reports[-1].status[2].level == b'\x01'
    engine.room = 0
    graph.until(lambda: 'three quarters' in front(), 'WARN of resolution', meanwhile=publish)
    for received in drive.labels.values():
        received.clear()
    graph.until(lambda: all(drive.labels.values()), 'results of both', meanwhile=publish)
    assert graph.state() == 'active'
    engine.room = 2
    engine.batches.clear()
    graph.until(
        lambda: engine.batches and not engine.is_reduced, 'full batches', meanwhile=publish
    )
    graph.until(lambda: reports[-1].status[2].level == b'\x00', 'OK', meanwhile=publish)
    graph.until(
        lambda: node.counters.received == node.counters.processed + node.counters.dropped,
        'the counters add up',
    )
    assert node.counters.stopped == node.counters.memory == 0, 'no image was lost to it'


def test_where_not_even_a_small_image_fits_images_are_dropped_until_one_does(
    graph: Graph,
) -> None:
    from node_support import latest, start_drive

    from hiseg_ros.msg import FrameStats

    engine = small_engine(room=0)
    engine.reduce = lambda is_reduced: False
    drive = start_drive(graph, engine, IMAGE)
    graph.until(
        lambda: drive.node.counters.memory > 1, 'images are dropped', meanwhile=drive.publish
    )
    graph.until(
        lambda: 'no room for an image' in latest(drive.reports)[1],
        'a WARN',
        meanwhile=drive.publish,
    )
    assert graph.state() == 'active'
    stats = graph.collect(FrameStats, '/segmentation/stats')
    engine.room = 1
    graph.until(lambda: drive.labels[''] and stats, 'labels', meanwhile=drive.publish)
    assert drive.node.counters.stopped == 0
    assert stats[-1].dropped_memory == drive.node.counters.memory
    assert stats[-1].dropped_stopped == 0
    graph.until(
        lambda: int(latest(drive.reports)[2]['frames dropped memory']) > 1, 'the count in reports'
    )


def test_a_lost_device_ends_in_an_error_with_the_remedy_and_the_process_lives(
    graph: Graph,
) -> None:
    from node_support import HeldEngine, latest, start_drive
    from ros_graph import ACTIVATE

    engine = HeldEngine()
    engine.error = DeviceError("Device 'cuda:0' failed while it worked")
    drive = start_drive(graph, engine, IMAGE)
    graph.until(lambda: latest(drive.reports)[0] == b'\x02', 'an ERROR', meanwhile=drive.publish)
    assert "Device 'cuda:0' failed" in latest(drive.reports)[1]
    graph.until(lambda: graph.state() != 'active', 'the node left the active state')
    engine.error = None
    if graph.state() == 'unconfigured':
        from ros_graph import CONFIGURE

        assert graph.change_state(CONFIGURE)
    assert graph.change_state(ACTIVATE)
    graph.until(lambda: drive.labels[''], 'labels', meanwhile=drive.publish)


class Faulty:
    """What a worker is made of, with a fault in one of its parts."""

    def __init__(self) -> None:
        from hiseg_ros.ros.node.frame_slots import FrameSlots
        from hiseg_ros.ros.node.worker import Worker

        self.slots: Any = FrameSlots()
        self.reported: list[Exception] = []
        self.has_worked = threading.Event()
        self.was_reported = threading.Event()
        self.process_fault: BaseException | None = None
        self.batching_fault: BaseException | None = None
        self.worker: Any = Worker(self.slots, self._process, self._crashed, self._batching)

    def _process(self, engine: Any, frames: Any) -> None:
        fault, self.process_fault = self.process_fault, None
        if fault is not None:
            raise fault
        self.has_worked.set()

    def _batching(self, engine: Any) -> tuple[int, float]:
        fault, self.batching_fault = self.batching_fault, None
        if fault is not None:
            raise fault
        return 1, 0.0

    def _crashed(self, error: Exception) -> None:
        self.reported.append(error)
        self.was_reported.set()
        raise RuntimeError('the node is going down')


@pytest.mark.parametrize('part', ['process', 'batching'])
@pytest.mark.parametrize('fault', [RuntimeError('broken'), SystemExit(3)])
def test_no_fault_ends_the_worker_in_silence(part: str, fault: BaseException) -> None:
    """Also one of its own parts, one that is no Exception, and one in telling of it."""
    from node_support import HeldEngine

    faulty = Faulty()
    setattr(faulty, f'{part}_fault', fault)
    faulty.worker.load(lambda: HeldEngine().load(None))  # type: ignore[arg-type]
    faulty.worker.begin()
    faulty.slots.put('camera', 1)
    assert faulty.was_reported.wait(10.0)
    faulty.slots.put('camera', 2)
    assert faulty.has_worked.wait(10.0), 'the thread goes on'
    assert faulty.worker.stop(10.0)
    assert isinstance(faulty.reported[0], Exception)
    assert type(fault).__name__ in repr(faulty.reported[0])
