# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Signs and masks in other projects' formats, read back by their rules."""

from __future__ import annotations

import struct
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiseg_ros.taxonomy import Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.types import SubclassMask

pytestmark = pytest.mark.needs('ros')


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture
def header() -> Any:
    from builtin_interfaces.msg import Time
    from std_msgs.msg import Header

    return Header(stamp=Time(sec=7, nanosec=8), frame_id='front_optical')


@pytest.fixture
def masks(taxonomy: Taxonomy) -> list[SubclassMask]:
    """Return a disc that is a speed limit and a single pixel that is a stop sign."""
    root = taxonomy.node_id('Traffic Sign (Front)')
    limit, stop = (taxonomy.node_id(name) for name in ('p_limit_50', 'o_stop'))
    y, x = np.mgrid[:21, :21]
    disc = (y - 10) ** 2 + (x - 10) ** 2 <= 100
    top = ((limit, 0.75), (stop, 0.25))
    one = np.ones((1, 1), np.bool_)
    return [
        SubclassMask(limit, root, 0.75, top, (30, 40, 21, 21), disc, int(disc.sum())),
        SubclassMask(stop, root, 1.0, ((stop, 1.0),), (5, 6, 1, 1), one, 1),
    ]


def autoware_pixels(data: bytes, height: int, width: int) -> np.ndarray:
    """Decode as Autoware's fusion does: records of a uint8 and a host-endian int32, in order."""
    assert sys.byteorder == 'little'
    pixels: list[int] = []
    for value, length in struct.iter_unpack('<Bi', data):
        assert length > 0
        pixels += [value] * length
    assert len(pixels) == height * width
    return np.array(pixels, np.uint8).reshape(height, width)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_autoware_decodes_its_runs_to_the_same_mask(
    height: int, width: int, classes: int, seed: int
) -> None:
    from hiseg_ros.ros.consumers.autoware import encode_runs

    labels = np.random.default_rng(seed).integers(0, classes, (height, width), np.uint8)
    runs = encode_runs(labels)
    np.testing.assert_array_equal(autoware_pixels(runs, height, width), labels)
    values = runs[::5]
    assert all(a != b for a, b in zip(values, values[1:], strict=False)), 'runs are longest'


def test_autoware_finds_its_classes_at_their_places_in_its_list(taxonomy: Taxonomy) -> None:
    places = (
        'UNKNOWN', 'BUILDING', 'WALL', 'OBSTACLE', 'TRAFFIC_LIGHT', 'TRAFFIC_SIGN', 'PERSON',
        'VEHICLE', 'BIKE', 'ROAD', 'SIDEWALK', 'ROAD_PAINT', 'CURBSTONE', 'CROSSWALK',
        'VEGETATION', 'SKY',
    )  # fmt: skip
    mapping = load_mapping('autoware', taxonomy)
    ids = {label.name: label.label_id for label in mapping.evaluated_labels}
    assert {'UNKNOWN': mapping.unlabeled_ids[0], **ids} == {n: i for i, n in enumerate(places)}


@pytest.mark.needs('vision_msgs')
def test_detections_have_the_box_and_the_votes_of_each_region(
    header: Any, masks: list[SubclassMask], taxonomy: Taxonomy
) -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from vision_msgs.msg import Detection2DArray

    from hiseg_ros.ros.consumers.signs import detections_message

    sent = detections_message(header, masks, taxonomy, (17, 4))
    message = deserialize_message(serialize_message(sent), Detection2DArray)
    assert message.header == header
    assert [detection.header for detection in message.detections] == [header, header]
    assert [detection.id for detection in message.detections] == ['17', '4']
    unnumbered = detections_message(header, masks, taxonomy).detections
    assert [detection.id for detection in unnumbered] == ['', '']
    box = message.detections[0].bbox
    assert (box.size_x, box.size_y, box.center.theta) == (21.0, 21.0, 0.0)
    assert (box.center.position.x, box.center.position.y) == (50.5, 40.5)
    results = message.detections[0].results
    votes = [(result.hypothesis.class_id, result.hypothesis.score) for result in results]
    assert votes == [('p_limit_50', 0.75), ('o_stop', 0.25)]
    assert all(0.0 <= score <= 1.0 for _, score in votes)


def foxglove_stand_in() -> SimpleNamespace:
    """Return classes with the fields of foxglove_msgs; another field cannot be set."""

    def kind(name: str, **defaults: Any) -> type:
        def init(self: Any, **given: Any) -> None:
            for field, default in defaults.items():
                setattr(self, field, default() if callable(default) else default)
            for field, value in given.items():
                setattr(self, field, value)

        return type(name, (), {'__slots__': tuple(defaults), '__init__': init})

    color = kind('Color', r=0.0, g=0.0, b=0.0, a=0.0)
    point = kind('Point2', x=0.0, y=0.0)
    points = kind(
        'PointsAnnotation',
        timestamp=None,
        type=0,
        points=list,
        outline_color=color,
        outline_colors=list,
        fill_color=color,
        thickness=0.0,
    )
    points.LINE_LOOP = 2  # type: ignore[attr-defined]
    text = kind(
        'TextAnnotation',
        timestamp=None,
        position=point,
        text='',
        font_size=0.0,
        text_color=color,
        background_color=color,
    )
    annotations = kind('ImageAnnotations', circles=list, points=list, texts=list)
    return SimpleNamespace(
        Color=color,
        Point2=point,
        PointsAnnotation=points,
        TextAnnotation=text,
        ImageAnnotations=annotations,
    )


@pytest.fixture
def foxglove(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the real foxglove_msgs is there; put a stand-in into its place if not."""
    try:
        import foxglove_msgs.msg  # noqa: F401
    except ImportError:
        stand_in = foxglove_stand_in()
        monkeypatch.setitem(sys.modules, 'foxglove_msgs', SimpleNamespace(msg=stand_in))
        monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', stand_in)
        return False
    return True


def test_annotations_outline_each_sign_at_the_image_s_stamp(
    header: Any, masks: list[SubclassMask], taxonomy: Taxonomy, foxglove: bool
) -> None:
    from hiseg_ros.ros.consumers.signs import annotations_message

    message = annotations_message(header, masks, taxonomy)
    if foxglove:
        from rclpy.serialization import deserialize_message, serialize_message

        message = deserialize_message(serialize_message(message), type(message))
    assert len(message.points) == len(message.texts) == 2
    assert all(one.timestamp == header.stamp for one in [*message.points, *message.texts])
    assert [text.text for text in message.texts] == ['p_limit_50 0.75', 'o_stop 1.00']
    assert (message.texts[0].position.x, message.texts[0].position.y) == (40.0, 30.0)
    outline = message.points[0]
    assert outline.type == 2, 'LINE_LOOP'
    assert 0 < outline.fill_color.a < 1 == outline.outline_color.a
    color = taxonomy.nodes[masks[0].node_id].color
    drawn = outline.outline_color
    assert [round(255 * value) for value in (drawn.r, drawn.g, drawn.b)] == list(color)


def test_an_outline_encloses_its_region_and_a_speck_has_its_box(
    masks: list[SubclassMask],
) -> None:
    import cv2

    from hiseg_ros.ros.consumers.signs import outlines

    (disc,), (speck,) = outlines(masks[0]), outlines(masks[1])
    assert len(disc) < 30, 'simplified'
    image = np.zeros((80, 80), np.uint8)
    corners = (np.array(disc) - 0.5).round().astype(np.int32)
    cv2.fillPoly(image, [corners], 1)
    y, x, height, width = masks[0].roi
    drawn = image[y : y + height, x : x + width].astype(bool)
    common = (drawn & masks[0].mask).sum() / (drawn | masks[0].mask).sum()
    assert common > 0.95
    assert image.sum() == drawn.sum()
    assert speck == [(6.0, 5.0), (7.0, 5.0), (7.0, 6.0), (6.0, 6.0)]


def test_topics_of_a_missing_message_package_are_not_there(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hiseg_ros.ros.consumers.requested_groups import label_infos
    from hiseg_ros.ros.consumers.signs import Signs
    from hiseg_ros.ros.parameters import NodeParameters

    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    stand_in = foxglove_stand_in()
    monkeypatch.setitem(sys.modules, 'foxglove_msgs', SimpleNamespace(msg=stand_in))
    monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', stand_in)
    assert set(Signs(taxonomy).kinds) == {'traffic_signs', 'traffic_signs/annotations'}
    assert label_infos(taxonomy, NodeParameters(nav2_classes='nav2')) == {}
    monkeypatch.setitem(sys.modules, 'foxglove_msgs.msg', None)
    assert set(Signs(taxonomy).kinds) == {'traffic_signs'}


@pytest.mark.parametrize(
    ('topic', 'labels', 'probabilities'),
    [
        ('labels', True, False), ('level_2/labels', True, False), ('overlay/image', True, False),
        ('traffic_signs', True, True), ('traffic_signs/detections', True, True),
        ('traffic_signs/annotations', True, True), ('cityscapes/labels', False, True),
        ('nav2/mask', False, True), ('autoware/labels', False, True),
        ('level_2/probabilities', False, True), ('confidence', False, False),
        ('overlay/camera_info', False, False),
    ],
)  # fmt: skip
def test_a_result_is_made_only_for_the_topics_that_are_made_of_it(
    topic: str, labels: bool, probabilities: bool
) -> None:
    from hiseg_ros.ros.node.publishers import needed_results

    found = needed_results(frozenset({topic, 'stats'}))
    assert (found.labels, found.confidence) == (labels, topic == 'confidence')
    assert found.probabilities == probabilities


@pytest.mark.parametrize(
    ('topics', 'deepest', 'subclasses'),
    [
        ({'level_2/probabilities', 'labels'}, 2, False),
        ({'level_1/probabilities', 'level_3/probabilities'}, 3, False),
        ({'traffic_signs'}, 0, True),
        ({'traffic_signs/detections', 'level_1/probabilities'}, 1, True),
        ({'traffic_signs', 'nav2/mask'}, None, False),
        ({'level_0/probabilities', 'cityscapes/labels'}, None, False),
    ],
)
def test_probabilities_are_made_down_to_the_level_that_is_read(
    topics: set[str], deepest: int | None, subclasses: bool
) -> None:
    """Those of subclasses where labels are signs; all of them for sums over leaves."""
    from hiseg_ros.ros.node.publishers import needed_results

    found = needed_results(frozenset(topics))
    assert (found.probabilities, found.deepest, found.subclasses) == (True, deepest, subclasses)


def test_a_missing_message_package_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from hiseg_ros.ros.consumers.message_packages import log_missing_packages
    from hiseg_ros.ros.parameters import NodeParameters

    for package in ('vision_msgs', 'foxglove_msgs'):
        monkeypatch.setitem(sys.modules, f'{package}.msg', None)
        monkeypatch.setitem(sys.modules, package, None)
    said: dict[str, list[str]] = {'info': [], 'warning': []}
    logger = SimpleNamespace(info=said['info'].append, warning=said['warning'].append)
    node: Any = SimpleNamespace(get_logger=lambda: logger)
    log_missing_packages(node, NodeParameters())
    assert said['warning'] == []
    assert '~/traffic_signs/detections' in said['info'][0]
    assert 'apt install ros-$ROS_DISTRO-vision-msgs' in said['info'][0]
    assert '~/traffic_signs/annotations' in said['info'][1]
    log_missing_packages(node, NodeParameters(nav2_classes='nav2'))
    (warning,) = said['warning']
    assert '~/nav2/label_info' in warning and 'vision-msgs' in warning
