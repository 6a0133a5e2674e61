# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The thread of ~/points outlives whatever arrives as depth or calibration."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.types import NodeProbabilities, Segmentation

pytestmark = pytest.mark.needs('ros')

SIZE = (5, 7)
ODD = (0, 1, 2, 3, 5, 7, 8, 28, 2**31, 2**32 - 1)
NUMBERS = (0.0, -1.0, 1e-300, 1e300, float('nan'), float('inf'), -float('inf'), 20.0)


class Bench:
    """The group alone, with a node that does nothing, and what it publishes and warns of."""

    def __init__(self, source: str) -> None:
        from hiseg_ros.ros.consumers.points import Points
        from hiseg_ros.ros.consumers.topic_group import Late
        from hiseg_ros.ros.parameters import NodeParameters

        self.parameters = NodeParameters(points_source=source)
        self.published: list[Any] = []
        self.warnings: list[str] = []
        node: Any = SimpleNamespace(
            resolve_topic_name=lambda name: f'/{name}', context=SimpleNamespace(ok=lambda: True)
        )
        late = Late(
            lambda topic, message: self.published.append(message),
            lambda kind, text: self.warnings.append(text),
        )
        self.group = Points(node, '', load_taxonomy('street'), self.parameters, late)
        self.number = 0

    def header(self) -> Any:
        """Return the header of the present frame."""
        from builtin_interfaces.msg import Time
        from std_msgs.msg import Header

        return Header(stamp=Time(sec=1000 + self.number), frame_id='camera')

    @staticmethod
    def header_of_depth(header: Any) -> Any:
        """Return the header of the depth, by default that of the image."""
        return header

    def send(self, depth: Any, camera_info: Any = None) -> tuple[list[Any], list[str]]:
        """Send a frame with its depth; return what was published and warned of."""
        from hiseg_ros.ros.messages.product import Product

        self.number += 1
        self.published.clear()
        self.warnings.clear()
        depth.header = self.header_of_depth(self.header())
        rng = np.random.default_rng(abs(self.number))
        labels, confidence = rng.integers(0, 256, (2, *SIZE), np.uint8)
        planes = NodeProbabilities(np.zeros((0, 0, 0), np.float32), SIZE)
        rgb = rng.integers(0, 256, (*SIZE, 3), np.uint8)
        result = Segmentation(labels, confidence, planes)
        product = Product(self.header(), rgb, result, self.parameters, camera_info)
        self.group._on_depth(depth)
        list(self.group.build(product, frozenset({'points'})))
        deadline = time.monotonic() + 20.0
        while not (self.published or self.warnings) and time.monotonic() < deadline:
            time.sleep(0.0005)
        return self.published, self.warnings


@pytest.fixture
def bench() -> Iterator[Callable[[str], Bench]]:
    """Return what makes a bench; its thread has ended after the test."""
    made = []

    def make(source: str) -> Bench:
        made.append(Bench(source))
        return made[-1]

    yield make
    for one in made:
        one.group.destroy()
        one.group.destroy()
    assert not [t for t in threading.enumerate() if t.name == 'hiseg_points']


def camera_info(**changes: Any) -> Any:
    """Return a usable calibration, with changes."""
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo(height=SIZE[0], width=SIZE[1])
    info.p = [20.0, 0.0, 3.0, 0.0, 0.0, 20.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        setattr(info, name, value)
    return info


def test_arbitrary_depth_images_are_published_or_refused_in_a_sentence(
    bench: Callable[[str], Bench],
) -> None:
    """Every field odd, the calibration as well."""
    from sensor_msgs.msg import Image

    one, rng = bench('depth'), np.random.default_rng(7)
    outcomes = [0, 0]
    for _ in range(150):
        image = Image(height=SIZE[0], width=SIZE[1], step=2 * SIZE[1], encoding='16UC1')
        image.data = rng.integers(0, 256, 70, np.uint8).tobytes()
        info = camera_info()
        for name in rng.choice(['height', 'width', 'step', 'is_bigendian'], rng.integers(0, 3)):
            odd = int(rng.choice(ODD))
            setattr(image, name, odd % 256 if name == 'is_bigendian' else odd)
        image.encoding = str(rng.choice(['16UC1', '32FC1', 'mono16', 'rgb8', '', '16UC1']))
        if rng.random() < 0.3:
            image.data = rng.integers(0, 256, rng.integers(0, 200), np.uint8).tobytes()
        if rng.random() < 0.5:
            info.p[int(rng.integers(12))] = float(rng.choice(NUMBERS))
            info.binning_x = int(rng.choice(ODD))
            info.roi.x_offset = int(rng.choice(ODD))
            info.roi.width = int(rng.choice(ODD))
        published, warnings = one.send(image, info)
        assert len(published) + len(warnings) == 1
        outcomes[len(warnings)] += 1
        if warnings:
            assert 'expected' in warnings[0] and 'Error' not in warnings[0], warnings[0]
    assert min(outcomes) > 20, 'both ways were tried'


def test_arbitrary_clouds_are_published_or_refused_in_a_sentence(
    bench: Callable[[str], Bench],
) -> None:
    """Fields that are missing, twice there, elsewhere or of another type."""
    from sensor_msgs.msg import PointCloud2, PointField

    one, rng = bench('cloud'), np.random.default_rng(8)
    outcomes = [0, 0]
    for _ in range(150):
        cloud = PointCloud2(height=SIZE[0], width=SIZE[1], point_step=16, row_step=16 * SIZE[1])
        cloud.data = rng.integers(0, 256, 16 * 35, np.uint8).tobytes()
        cloud.fields = [
            PointField(name=name, offset=4 * index, datatype=7, count=1)
            for index, name in enumerate('xyz')
        ]
        for field in cloud.fields:
            if rng.random() < 0.15:
                field.offset = int(rng.choice(ODD))
            if rng.random() < 0.1:
                field.datatype = int(rng.integers(0, 10))
        if rng.random() < 0.1:
            cloud.fields[int(rng.integers(3))].name = str(rng.choice(['x', 'y', '', 'rgb']))
        for name in rng.choice(
            ['height', 'width', 'point_step', 'row_step'], int(rng.random() < 0.3)
        ):
            setattr(cloud, name, int(rng.choice(ODD)))
        published, warnings = one.send(cloud)
        assert len(published) + len(warnings) == 1
        outcomes[len(warnings)] += 1
        if warnings:
            assert 'expected' in warnings[0] and 'Error' not in warnings[0], warnings[0]
    assert min(outcomes) > 20, 'both ways were tried'


def test_depth_without_a_calibration_and_images_without_a_stamp_are_said(
    bench: Callable[[str], Bench],
) -> None:
    """Each has its own sentence."""
    from sensor_msgs.msg import Image

    one = bench('depth')
    image = Image(height=SIZE[0], width=SIZE[1], step=2 * SIZE[1], encoding='16UC1')
    image.data = bytes(2 * SIZE[0] * SIZE[1])
    assert 'camera_info of the camera image, and none has arrived' in one.send(image)[1][0]
    [message], _ = one.send(image, camera_info())
    assert np.isnan(np.frombuffer(bytes(message.data), '<f4').reshape(-1, 6)[:, :3]).all()
    one.number = -1001
    assert 'images have no stamp' in one.send(image, camera_info())[1][0]


def test_depth_in_another_frame_is_published_with_a_warning(bench: Callable[[str], Bench]) -> None:
    """It has the image's size, so nothing else tells that it is another camera's."""
    from sensor_msgs.msg import Image

    one = bench('depth')
    image = Image(height=SIZE[0], width=SIZE[1], step=2 * SIZE[1], encoding='16UC1')
    image.data = bytes(2 * SIZE[0] * SIZE[1])
    for frame_id in ('camera', '', 'depth_camera'):

        def with_frame(header: Any, frame_id: str = frame_id) -> Any:
            header.frame_id = frame_id
            return header

        one.header_of_depth = with_frame  # type: ignore[assignment]
        plain = one.send(image, camera_info())
        deadline = time.monotonic() + 20.0
        while not plain[0] and time.monotonic() < deadline:
            time.sleep(0.0005)
        assert len(plain[0]) == 1
        expected = ['has the frame depth_camera, the camera image has camera']
        assert [text.partition(';')[0].split('/image ')[1] for text in plain[1]] == (
            expected if frame_id == 'depth_camera' else []
        )
