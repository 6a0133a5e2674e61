# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Labelled points against a projection written down apart, and 16-bit labels."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError
from hiseg_ros.messages.build import MessageBuilder
from hiseg_ros.messages.points import (
    POINT,
    depth_in_metres,
    labelled_points,
    packed_colors,
    points_of_cloud,
    points_of_depth,
    rays,
)

SIZE = (4, 6)


def camera_info(**changes: Any) -> Any:
    """Return the camera_info of a 6 x 4 camera: focal lengths 10 and 12, centre (2.5, 1.5)."""
    roi = SimpleNamespace(x_offset=0, y_offset=0, height=0, width=0)
    values = {
        'height': 4, 'width': 6, 'binning_x': 0, 'binning_y': 0, 'roi': roi,
        'k': [10.0, 0.0, 2.5, 0.0, 12.0, 1.5, 0.0, 0.0, 1.0],
        'p': [10.0, 0.0, 2.5, 0.0, 0.0, 12.0, 1.5, 0.0, 0.0, 0.0, 1.0, 0.0],
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


def depth_image(values: NDArray[Any], encoding: str, **changes: Any) -> Any:
    """Return a depth image with four bytes of padding in each row."""
    height, width = values.shape
    rows = values.reshape(height, -1).view(np.uint8)
    padded = np.concatenate([rows, np.full((height, 4), 255, np.uint8)], 1)
    fields = {
        'height': height, 'width': width, 'encoding': encoding, 'step': padded.shape[1],
        'is_bigendian': int(values.dtype.byteorder == '>'), 'data': padded.tobytes(),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize(
    ('encoding', 'kind'), [('16UC1', 'u2'), ('mono16', 'u2'), ('32FC1', 'f4')]
)
def test_depth_is_in_metres_and_nan_where_there_is_none(
    order: str, encoding: str, kind: str
) -> None:
    """Millimetres of integers, metres of floats, either byte order, rows with padding."""
    values = np.arange(24).reshape(SIZE) * (500 if kind == 'u2' else 0.5)
    given = values.astype(order + kind)
    if kind == 'f4':
        given[3] = [np.nan, np.inf, -np.inf, -1.0, 0.25, 1e6]
    expected = values.astype(float)
    expected *= 1e-3 if kind == 'u2' else 1
    expected[0, 0] = np.nan
    if kind == 'f4':
        expected[3] = [np.nan, np.nan, np.nan, np.nan, 0.25, np.nan]
    found = depth_in_metres(depth_image(given, encoding))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_depth_that_cannot_be_read_is_refused_in_a_sentence() -> None:
    """Encoding, size, rows, and data that was cut off."""
    values = np.ones(SIZE, '<u2')
    for changes, expected in (
        ({'encoding': '8UC1'}, "encoding '8UC1'; expected one of 16UC1, mono16, 32FC1"),
        ({'height': 0}, 'expected at least one pixel'),
        ({'height': 100_000, 'width': 100_000}, 'expected at most'),
        ({'step': 11}, 'rows of 11 bytes'),
        ({'data': b'12345'}, '5 bytes of data'),
    ):
        with pytest.raises(ImageError, match=expected):
            depth_in_metres(depth_image(values, changes.pop('encoding', '16UC1'), **changes))


def pixel_of(x: float, y: float, z: float) -> tuple[float, float]:
    """Project a point by the pinhole model of `camera_info`."""
    return 10.0 * x / z + 2.5, 12.0 * y / z + 1.5


def test_points_project_onto_their_pixels() -> None:
    """Column 5, row 3 and so on."""
    depth = np.random.default_rng(1).uniform(1, 9, SIZE).astype(np.float32)
    xyz = points_of_depth(depth, rays(camera_info(), SIZE))
    for row in range(SIZE[0]):
        for column in range(SIZE[1]):
            found = pixel_of(*xyz[:, row, column].tolist())
            assert found == pytest.approx((column, row), abs=1e-5)


def test_the_rays_follow_binning_region_and_scale_and_fall_back_to_k() -> None:
    """A pixel of a binned or scaled image covers several of the sensor."""
    expected = (np.arange(6) - 2.5) / 10
    for changes in (
        {},
        {'p': [0.0] * 12},
        # The sensor has 24 columns in bins of two, of which the region shows the middle half.
        {
            'width': 24,
            'height': 16,
            'binning_x': 2,
            'binning_y': 2,
            'roi': SimpleNamespace(x_offset=6, y_offset=4, width=12, height=8),
            'p': [20, 0, 6 + 5.5, 0, 0, 24, 4 + 3.5, 0, 0, 0, 1, 0],
        },
        # An image at half the size that the camera_info announces.
        {'width': 12, 'height': 8, 'p': [20, 0, 5.5, 0, 0, 24, 3.5, 0, 0, 0, 1, 0]},
    ):
        columns, rows = rays(camera_info(**changes), SIZE)
        binned = changes.get('binning_x') == 2
        # The centre of a bin of two lies half a sensor pixel beside its first pixel.
        shift = -0.5 / 20 if binned else 0.0
        np.testing.assert_allclose(columns, expected + shift, atol=1e-6)
        assert rows.shape == (4,)


def test_a_camera_info_that_is_not_filled_in_is_refused() -> None:
    """As drivers publish it without a calibration."""
    with pytest.raises(ImageError, match='focal lengths 0 and 0; expected positive ones'):
        rays(camera_info(p=[0.0] * 12, k=[0.0] * 9), SIZE)


def cloud(kind: str = '<f4', **changes: Any) -> Any:
    """Return an organised cloud with two bytes before x, and rows with padding."""
    xyz = np.random.default_rng(2).uniform(-5, 5, (*SIZE, 3))
    xyz[1, 2] = (1, np.inf, 2)
    xyz[3, 3] = 0
    size = int(kind[-1])
    dtype = np.dtype({
        'names': ['x', 'y', 'z'], 'formats': [kind] * 3, 'offsets': [2, 2 + 2 * size, 2 + size],
        'itemsize': 30,
    })  # fmt: skip
    rows = np.zeros((SIZE[0], SIZE[1] + 1), dtype)
    for index, name in enumerate('xyz'):
        rows[name][:, :-1] = xyz[..., index]
    fields = [
        SimpleNamespace(name=n, offset=dtype.fields[n][1], datatype=7 if size == 4 else 8)  # type: ignore[index]
        for n in 'xyz'
    ]
    values = {
        'height': SIZE[0], 'width': SIZE[1], 'fields': fields, 'point_step': 30,
        'row_step': 30 * 7, 'is_bigendian': kind[0] == '>', 'data': rows.tobytes(), 'xyz': xyz,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changes})


@pytest.mark.parametrize('kind', ['<f4', '>f4', '<f8'])
def test_an_organised_cloud_is_read_wherever_its_coordinates_stand(kind: str) -> None:
    """What is not finite, or the origin itself, is no point."""
    given = cloud(kind)
    found = points_of_cloud(given)
    assert np.isnan(found[:, 1, 2]).all() and np.isnan(found[:, 3, 3]).all()
    there = np.isfinite(found[0])
    assert there.sum() == 22
    np.testing.assert_allclose(found.transpose(1, 2, 0)[there], given.xyz[there], rtol=1e-6)


def test_a_cloud_that_cannot_be_read_is_refused_in_a_sentence() -> None:
    """Fields, their type and place, and data that was cut off."""
    fields = cloud().fields
    odd = SimpleNamespace(name='z', offset=2, datatype=2)
    far = SimpleNamespace(name='z', offset=27, datatype=7)
    for changes, expected in (
        ({'fields': fields[:2]}, 'has the fields x, y; expected x, y and z'),
        ({'fields': [*fields[:2], odd]}, 'expected x, y and z as float32 or float64'),
        ({'fields': [*fields[:2], far]}, 'within each point'),
        ({'row_step': 30 * 5}, 'rows of 150 bytes'),
        ({'data': b''}, '0 bytes of data'),
        ({'width': 0}, 'expected at least one pixel'),
    ):
        with pytest.raises(ImageError, match=expected):
            points_of_cloud(cloud(**changes))


def test_colours_are_packed_as_pcl_does_and_are_no_nan() -> None:
    """Red, green, blue from the third byte down; the highest byte would make the float a NaN."""
    rgb = np.array([[[1, 2, 3], [255, 254, 253]]], np.uint8)
    packed = packed_colors(rgb)
    assert packed.tolist() == [[0x010203, 0xFFFEFD]]
    assert np.isfinite(packed.view(np.float32)).all()


@pytest.fixture
def points() -> NDArray[Any]:
    """Return points with one that has no depth."""
    rng = np.random.default_rng(3)
    xyz = rng.uniform(1, 2, (3, *SIZE)).astype(np.float32)
    xyz[:, 0, 1] = np.nan
    labels, confidence = rng.integers(0, 108, (2, *SIZE), np.uint8)
    colors = np.arange(24, dtype=np.uint32).reshape(SIZE)
    return labelled_points(xyz, colors, labels, confidence, dense=False)


@pytest.mark.parametrize('dense', [False, True])
def test_a_message_has_the_fields_that_rviz_nav2_and_pcl_read(
    messages: MessageBuilder, after_transport: Callable[[Any], Any], points: NDArray[Any],
    header: Any, dense: bool,
) -> None:  # fmt: skip
    """x, y, z and rgb as float32, label as uint32 as in pcl::PointXYZRGBL."""
    given = points[np.isfinite(points['z'])][np.newaxis] if dense else points
    message = after_transport(messages.points_message(header, given))
    assert message.header == header
    assert (message.height, message.width) == ((1, 23) if dense else SIZE)
    assert (message.point_step, message.row_step) == (24, 24 * message.width)
    assert (message.is_dense, message.is_bigendian) == (dense, False)
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ('x', 0, 7, 1), ('y', 4, 7, 1), ('z', 8, 7, 1), ('rgb', 12, 7, 1), ('label', 16, 6, 1),
        ('confidence', 20, 7, 1),
    ]  # fmt: skip
    found = np.frombuffer(bytes(message.data), POINT).reshape(message.height, message.width)
    np.testing.assert_array_equal(found.view(np.uint8), np.ascontiguousarray(given).view(np.uint8))
    np.testing.assert_array_equal(np.isnan(found['x']), np.isnan(found['z']))


def test_labels_and_probabilities_stay_with_their_pixels(points: NDArray[Any]) -> None:
    """Also where points are left out; 255 is probability 1."""
    assert points['confidence'].max() <= 1
    rng = np.random.default_rng(3)
    xyz = rng.uniform(1, 2, (3, *SIZE)).astype(np.float32)
    xyz[:, 0, 1] = np.nan
    labels, confidence = rng.integers(0, 108, (2, *SIZE), np.uint8)
    colors = np.arange(24, dtype=np.uint32).reshape(SIZE)
    dense = labelled_points(xyz, colors, labels, confidence, dense=True)[0]
    assert dense['rgb'].tolist() == [n for n in range(24) if n != 1]
    np.testing.assert_array_equal(dense['label'], labels.flat[dense['rgb']])
    np.testing.assert_allclose(dense['confidence'], confidence.flat[dense['rgb']] / 255)
    np.testing.assert_array_equal(dense['y'], xyz[1].flat[dense['rgb']])


def test_labels_of_16_bits_are_signed_and_may_be_reused(
    messages: MessageBuilder, after_transport: Callable[[Any], Any], header: Any
) -> None:
    """As semantic_inference publishes them: 16SC1, -1 where nothing is known."""
    labels = np.array([[0, 5, 255], [7, 200, 255]], np.uint8)
    table = np.arange(256, dtype=np.int16)
    table[255] = -1
    again = None
    for given in (labels, labels[::-1]):
        again = messages.signed_labels_message(header, given, table, again)
        message = after_transport(again)
        assert (message.encoding, message.step, message.is_bigendian) == ('16SC1', 6, 0)
        assert (message.height, message.width) == (2, 3)
        found = np.frombuffer(bytes(message.data), '<i2').reshape(2, 3)
        np.testing.assert_array_equal(found, np.where(given == 255, -1, given.astype(int)))
