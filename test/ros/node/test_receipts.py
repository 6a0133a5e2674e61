# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Each received frame has exactly one fate, whatever is raised, wherever and in which thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from receipts import check_one_fate, health_and_receipt

from hiseg_ros.errors import DeviceError, DeviceMemoryError, ImageError
from hiseg_ros.types import EVERYTHING, RgbImage, Segmentation, Wanted

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.needs('ros')

ERRORS = (
    ImageError('a bad image'),
    DeviceMemoryError('no room'),
    DeviceError('the device is gone'),
    RuntimeError('broken'),
    SystemExit(3),
    KeyboardInterrupt(),
)
"""One of each family; the last two are no Exception."""

PLACES = (
    'none', 'wanted', 'decode', 'segment', 'batch', 'inside batch', 'build', 'statistics',
    'hand over',
)  # fmt: skip
"""Where something is raised."""


class Faults:
    """Raises an error at one place, for the frame with one number."""

    def __init__(self, place: str = 'none', error: BaseException | None = None, number: int = 0):
        self.place, self.error, self.number = place, error, number
        self.raised = False

    def visit(self, place: str, number: int) -> None:
        """Raise where it is the place and the frame."""
        if self.error is not None and (place, number) == (self.place, self.number):
            self.raised = True
            raise self.error


class Engine:
    """Segments; an image's height, less one, is the frame's number."""

    threshold = 0.0
    device = backend = precision = 'pretended'
    batch_pays = True

    def __init__(self, faults: Faults, has_room: bool = True) -> None:
        self._faults, self._has_room = faults, has_room

    def reduce(self, is_reduced: bool) -> bool:
        """Have a fixed input size."""
        return False

    def segment(self, rgb: RgbImage, wanted: Wanted = EVERYTHING) -> Segmentation:
        """Return some result."""
        self._faults.visit('segment', rgb.shape[0] - 1)
        return segmentation()

    def segment_batch(
        self, rgbs: Sequence[RgbImage], wanted: Sequence[Wanted]
    ) -> Iterator[tuple[int, Segmentation]]:
        """Return some results, where there is room for more than one image."""
        if not self._has_room:
            raise DeviceMemoryError('no room for a batch')
        for rgb in rgbs:
            self._faults.visit('batch', rgb.shape[0] - 1)
        return self._results(rgbs)

    def _results(self, rgbs: Sequence[RgbImage]) -> Iterator[tuple[int, Segmentation]]:
        for place, rgb in enumerate(rgbs):
            self._faults.visit('inside batch', rgb.shape[0] - 1)
            yield place, segmentation()


def segmentation() -> Segmentation:
    """Return a result without pixels."""
    from hiseg_ros.types import NodeProbabilities

    nothing = np.zeros((0, 0), np.uint8)
    return Segmentation(
        nothing, nothing, NodeProbabilities(np.zeros((0, 0, 0), np.float32), (1, 1))
    )


class Publishers:
    """Publishes nothing."""

    def __init__(self, faults: Faults, number: int) -> None:
        self._faults, self._number = faults, number
        self.threads: list[str] = []

    def wanted(self) -> frozenset[str]:
        """Return two topics."""
        self._faults.visit('wanted', self._number)
        return frozenset({'labels', 'stats'})

    def publish(self, wanted: Any, product: Any) -> Any:
        """Build nothing."""
        from hiseg_ros.ros.messages.product import Published

        self.threads.append(threading.current_thread().name)
        self._faults.visit('build', self._number)
        return Published({'labels': 1}, 0.0, 0.0)

    def publish_stats(self, message: Any) -> None:
        """Do nothing."""
        self._faults.visit('statistics', self._number)


class Run:
    """A processor, cameras with a frame each, and what is raised on their way."""

    def __init__(
        self, faults: Faults, cameras: int, *, overlap: bool = True, is_waiting: bool = True
    ) -> None:
        from hiseg_ros.ros.node.frame_processor import FrameProcessor
        from hiseg_ros.ros.node.input_chooser import InputChooser
        from hiseg_ros.ros.node.publish_thread import PublishThread
        from hiseg_ros.ros.parameters import NodeParameters

        self.reported: list[Exception] = []
        self.faults = faults
        self.publish_thread = PublishThread(self.reported.append)
        if faults.place == 'hand over':
            self.publish_thread.close()
        store: Any = SimpleNamespace(values=NodeParameters(overlap=overlap))
        chooser = InputChooser(lambda: store.values, dict, self.reported.append)  # type: ignore[arg-type]
        self.processor = FrameProcessor(
            fake_node(), store, self.publish_thread, lambda: is_waiting, chooser
        )
        pairs: list[Any] = [fake_camera_and_frame(faults, number) for number in range(cameras)]
        self.frames = pairs

    def process(self, has_room: bool = True) -> BaseException | None:
        """Process all frames at once; return what came out."""
        raised, engine = None, Engine(self.faults, has_room)
        try:
            self.processor.process(engine, self.frames)  # type: ignore[arg-type]
        except BaseException as error:
            raised = error
        assert self.publish_thread.wait_idle(30.0)
        assert self.publish_thread.close(30.0)
        for camera, frame in self.frames:
            check_one_fate(camera.health, frame.receipt)
        return raised

    @property
    def fates(self) -> list[str]:
        """What became of the frames, in order."""
        return [frame.receipt.fate for _, frame in self.frames]


def fake_node() -> Any:
    """Return a node that has the time and writes no log."""
    from rclpy.time import Time

    logger = SimpleNamespace(warning=lambda *given, **options: None)
    clock = SimpleNamespace(now=lambda: Time(nanoseconds=10))
    return SimpleNamespace(get_clock=lambda: clock, get_logger=lambda: logger)


def fake_camera_and_frame(faults: Faults, number: int) -> tuple[Any, Any]:
    """Return a camera and a frame that arrived from it; the number is in the image's height."""
    from node_support import image_message
    from rclpy.time import Time

    from hiseg_ros.ros.node.camera_bit_depth import CameraBitDepth
    from hiseg_ros.ros.node.frame import Frame

    health, receipt = health_and_receipt()
    message = image_message(np.zeros((number + 1, 1, 3), np.uint8), number)
    subscriptions = SimpleNamespace(image_topic=f'/image_{number}', camera_info=None)
    camera = SimpleNamespace(
        name=f'camera_{number}',
        health=health,
        publishers=Publishers(faults, number),
        subscriptions=subscriptions,
        image_size=None,
        bit_depth=CameraBitDepth(SimpleNamespace(info=print), '', 0),
    )
    return camera, Frame(message, Time(nanoseconds=5), 0.0, receipt)


@pytest.fixture
def broken_decoding(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that lets decoding raise too."""
    from hiseg_ros.ros.node import frame_stages

    rgb_of, current = frame_stages.rgb_of, [Faults()]

    def decode(message: Any, depth: Any) -> RgbImage:
        current[0].visit('decode', message.height - 1)
        return rgb_of(message)

    monkeypatch.setattr(frame_stages, 'rgb_of', decode)
    return lambda faults: current.__setitem__(0, faults)


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('error', ERRORS, ids=lambda error: type(error).__name__)
def test_every_way_ends_in_one_fate(
    place: str, error: BaseException, broken_decoding: Any
) -> None:
    """One to three cameras, any of them at fault, with and without the second thread."""
    reached, flags = 0, (False, True)
    for cameras, overlap, is_waiting, has_room in product((1, 2, 3), flags, flags, flags):
        for number in range(cameras):
            faults = Faults(place, error, number)
            broken_decoding(faults)
            run = Run(faults, cameras, overlap=overlap, is_waiting=is_waiting)
            raised = run.process(has_room)
            came_out = [one for one in (raised, *run.reported) if one is not None]
            reached += faults.raised or (place == 'hand over' and bool(came_out))
            if not faults.raised:
                assert place in ('none', 'segment', 'batch', 'inside batch', 'hand over')
                assert place == 'hand over' or set(run.fates) == {'processed'}
            elif is_survived(place, error):
                assert not came_out
            else:
                assert len(came_out) == 1, 'nothing is lost in silence'
    assert reached or place == 'none'


def is_survived(place: str, error: BaseException) -> bool:
    """Return whether an error costs its frame, or a second try, and nothing else."""
    if isinstance(error, ImageError):
        return place in ('decode', 'segment', 'batch')
    return type(error) is DeviceMemoryError and place in ('segment', 'batch', 'inside batch')


def test_causes_are_those_of_what_was_raised(broken_decoding: Any) -> None:
    """A bad image and a lack of memory cost their own frame only, and each its own cause."""
    for place, error, cause in (
        ('decode', ImageError('bad'), 'bad'),
        ('segment', ImageError('bad'), 'bad'),
        ('segment', DeviceMemoryError('full'), 'memory'),
        ('segment', DeviceError('gone'), 'stopped'),
        ('decode', RuntimeError('broken'), 'stopped'),
        ('build', RuntimeError('broken'), 'stopped'),
        ('statistics', RuntimeError('broken'), 'processed'),
    ):
        faults = Faults(place, error)
        broken_decoding(faults)
        run = Run(faults, 1, overlap=False)
        run.process()
        assert run.fates == [cause], (place, error)


def test_a_fault_in_one_thread_takes_no_frame_from_the_other() -> None:
    """The frame that is being published beside stays with its thread when the worker fails."""
    may_go = threading.Event()
    faults = Faults('segment', DeviceError('the device is gone'), 1)
    run = Run(faults, 2)
    build = run.frames[0][0].publishers.publish

    def slow(*given: Any) -> Any:
        may_go.wait(30.0)
        return build(*given)

    run.frames[0][0].publishers.publish = slow
    engine: Any = Engine(faults)

    def one_by_one(rgbs: Any, wanted: Any) -> Any:
        return ((place, engine.segment(rgb)) for place, rgb in enumerate(rgbs))

    engine.segment_batch = one_by_one
    with pytest.raises(DeviceError):
        run.processor.process(engine, run.frames)  # type: ignore[arg-type]
    assert run.fates == ['', 'stopped'], 'the first is still in work'
    may_go.set()
    assert run.publish_thread.close(30.0)
    assert run.fates == ['processed', 'stopped']
    assert run.frames[0][0].publishers.threads == ['hiseg_publishing']
    for camera, frame in run.frames:
        check_one_fate(camera.health, frame.receipt)


# Before the worker: overtaken, pushed out, or too late.


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a camera without a graph; its frames come through `arrive`."""
    from hiseg_ros.ros.node import camera as module
    from hiseg_ros.ros.node.frame_slots import FrameSlots
    from hiseg_ros.ros.parameters import NodeParameters

    monkeypatch.setattr(module, 'CameraPublishers', lambda *given: None)
    monkeypatch.setattr(module, 'CameraSubscriptions', lambda *given: None)
    node = SimpleNamespace(get_logger=lambda: None)
    tree: Any = None
    return module.Camera(node, '', NodeParameters(), tree, FrameSlots())


def arrive(camera: Any, number: int) -> Any:
    """Let a frame of the camera arrive, stamped with its number; return its receipt."""
    from node_support import image_message
    from rclpy.time import Time

    from hiseg_ros.ros.health.receipt import Receipt
    from hiseg_ros.ros.node.frame import Frame

    message = image_message(np.zeros((1, 1, 3), np.uint8))
    message.header.stamp.nanosec = number
    receipt = Receipt(camera.health)
    camera._on_frame(Frame(message, Time(nanoseconds=2 * 10**18), 0.0, receipt))
    return receipt


def test_frames_that_never_reach_the_worker_have_a_fate_too(camera: Any) -> None:
    first, second = arrive(camera, 10), arrive(camera, 20)
    assert (first.fate, second.fate) == ('busy', '')
    assert arrive(camera, 15).fate == 'stale', 'a newer one has overtaken it'
    camera._slots.close()
    assert arrive(camera, 30).fate == 'stopped'
    counters = camera.health.counters
    assert (counters.received, counters.dropped, counters.processed) == (4, 3, 0)
    assert (counters.busy, counters.stale, counters.stopped) == (1, 1, 1)
