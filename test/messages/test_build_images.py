# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages with pixels, probabilities and masks, built with the classes of either library."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.bags.hiseg_types import node_types
from hiseg_ros.errors import ConfigError
from hiseg_ros.messages.build import MessageBuilder
from hiseg_ros.messages.codec import (
    MASK_ENCODINGS,
    PROBABILITY_ENCODINGS,
    decode_mask,
    decode_probability_map,
)
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import NodeProbabilities, SubclassMask
from hiseg_ros.visualization import overlay

IMAGE_SIZE = (30, 50)

Transport = Callable[[Any], Any]


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture(scope='module')
def probabilities(taxonomy: Taxonomy) -> NodeProbabilities:
    """Probabilities of all nodes that add up, on a grid of 6 x 9 cells."""
    leaves = np.random.default_rng(4).gamma(0.3, size=(len(taxonomy.leaves), 6, 9))
    leaves /= leaves.sum(axis=0)
    values = np.tensordot(taxonomy.leaf_matrix().astype(float), leaves, axes=1)
    return NodeProbabilities(values.astype(np.float32), IMAGE_SIZE)


def sign_mask(mask: NDArray[np.bool_]) -> SubclassMask:
    roi = (3, 4, *mask.shape)
    top = ((90, 0.75), (91, 0.125), (92, 0.0625))
    return SubclassMask(90, 80, 0.75, top, roi, mask, int(mask.sum()))


@pytest.mark.parametrize('build', ['labels_message', 'confidence_message'])
def test_one_byte_images_are_mono8_without_padding_and_keep_every_pixel(
    messages: MessageBuilder, after_transport: Transport, header: Any, build: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 5)).astype(np.uint8)
    received = after_transport(getattr(messages, build)(header, pixels))
    assert received.header == header
    assert (received.encoding, received.height, received.width) == ('mono8', 7, 5)
    assert received.step == received.width
    assert bytes(received.data) == pixels.tobytes()


def test_an_overlay_is_the_image_with_the_labels_laid_over_it(
    messages: MessageBuilder, after_transport: Transport, header: Any, taxonomy: Taxonomy
) -> None:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (7, 5, 3)).astype(np.uint8)[::-1, :, ::-1]
    labels = random.integers(0, len(taxonomy), (7, 5)).astype(np.uint8)
    received = after_transport(messages.overlay_message(header, rgb, labels, taxonomy, 0.25))
    assert received.header == header
    assert (received.encoding, received.height, received.width) == ('rgb8', 7, 5)
    assert received.step == 15
    assert bytes(received.data) == overlay(rgb, labels, taxonomy, 0.25).tobytes()


@pytest.mark.parametrize('kind', ['labels', 'confidence', 'level', 'overlay', 'probabilities'])
def test_a_message_in_the_memory_of_another_is_a_new_one_in_all_but_that(
    messages: MessageBuilder,
    after_transport: Transport,
    header: Any,
    taxonomy: Taxonomy,
    kind: str,
) -> None:
    """The same size writes over it; another size takes new memory and leaves it as it was."""

    def build(side: int, seed: int, again: Any = None) -> Any:
        random = np.random.default_rng(seed)
        labels = random.integers(0, len(taxonomy), (side, 5)).astype(np.uint8)
        rgb = random.integers(0, 256, (side, 5, 3)).astype(np.uint8)
        values = random.random((len(taxonomy), 3, 4)).astype(np.float32)
        probabilities = NodeProbabilities(values, (side, 5))
        table = taxonomy.node_id_at_level(1)
        return {
            'labels': lambda: messages.labels_message(header, labels, again),
            'confidence': lambda: messages.confidence_message(header, labels, again),
            'level': lambda: messages.level_labels_message(header, labels, table, again),
            'overlay': lambda: messages.overlay_message(header, rgb, labels, taxonomy, 0.5, again),
            'probabilities': lambda: messages.probability_map_message(
                header, probabilities, (1, 4, 2), taxonomy, stride=1, again=again
            ),
        }[kind]()

    def sent(message: Any) -> str:
        return repr(after_transport(message))

    first = build(7, 0)
    before = bytes(first.data)
    assert sent(build(8, 1, first)) == sent(build(8, 1))
    assert bytes(first.data) == before
    again = build(7, 2, first)
    assert sent(again) == sent(build(7, 2))
    assert again is first


def test_level_labels_are_the_ancestors_at_that_level_and_unlabeled_stays(
    messages: MessageBuilder, header: Any, taxonomy: Taxonomy
) -> None:
    labels = np.array([[*range(len(taxonomy)), 255]], np.uint8)
    for level in range(taxonomy.depth + 1):
        table = taxonomy.node_id_at_level(level)
        message = messages.level_labels_message(header, labels, table)
        expected = [taxonomy.ancestor_at_level(node, level) for node in range(len(taxonomy))]
        assert list(message.data) == [*expected, 255]
        assert message.header == header


@pytest.mark.parametrize(
    ('encoding', 'error', 'sum_error'), [('uint8', 1 / 510 + 1e-6, 0.2), ('float16', 5e-4, 2e-3)]
)
@pytest.mark.parametrize('level', [1, 2, 3])
def test_a_probability_map_gives_the_probabilities_back_within_its_precision(
    messages: MessageBuilder,
    after_transport: Transport,
    header: Any,
    taxonomy: Taxonomy,
    probabilities: NodeProbabilities,
    encoding: str,
    error: float,
    sum_error: float,
    level: int,
) -> None:
    nodes = taxonomy.level_nodes(level)
    received = after_transport(
        messages.probability_map_message(header, probabilities, nodes, taxonomy, encoding=encoding)
    )
    assert received.header == header
    assert received.taxonomy_digest == taxonomy.digest
    assert received.level == level
    assert (received.image_height, received.image_width) == IMAGE_SIZE
    assert (received.height, received.width) == (6, 9)
    assert received.stride_y == pytest.approx(30 / 6)
    assert received.stride_x == pytest.approx(50 / 9)
    node_ids, values = decode_probability_map(received)
    assert node_ids == nodes
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, probabilities.values[list(nodes)], atol=error)
    np.testing.assert_allclose(values.sum(axis=0), 1, atol=sum_error)


def value_at(grid: NDArray[np.float32], y: float, x: float) -> float:
    """Return the linear interpolation at a position in cells, edges held."""
    y, x = min(max(y, 0), grid.shape[0] - 1), min(max(x, 0), grid.shape[1] - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, grid.shape[0] - 1), min(left + 1, grid.shape[1] - 1)
    upper = grid[top, left] * (left + 1 - x) + grid[top, right] * (x - left)
    lower = grid[bottom, left] * (left + 1 - x) + grid[bottom, right] * (x - left)
    return float(upper * (top + 1 - y) + lower * (y - top))


@pytest.mark.parametrize(('stride', 'grid'), [(1, (30, 50)), (4, (8, 13)), (16, (2, 4))])
def test_a_probability_map_at_another_stride_holds_what_the_decision_sees_at_its_cells(
    messages: MessageBuilder,
    header: Any,
    taxonomy: Taxonomy,
    probabilities: NodeProbabilities,
    stride: int,
    grid: tuple[int, int],
) -> None:
    nodes = taxonomy.level_nodes(1)
    message = messages.probability_map_message(
        header, probabilities, nodes, taxonomy, encoding='float16', stride=stride
    )
    assert (message.height, message.width) == grid
    _, values = decode_probability_map(message)
    for i in range(grid[0]):
        for j in range(grid[1]):
            image_y = (i + 0.5) * message.stride_y - 0.5
            image_x = (j + 0.5) * message.stride_x - 0.5
            y, x = (image_y + 0.5) * 6 / 30 - 0.5, (image_x + 0.5) * 9 / 50 - 0.5
            expected = [value_at(probabilities.values[node], y, x) for node in nodes]
            np.testing.assert_allclose(values[:, i, j], expected, atol=1e-3)


def test_a_probability_map_in_an_unknown_encoding_is_refused(
    messages: MessageBuilder, header: Any, taxonomy: Taxonomy, probabilities: NodeProbabilities
) -> None:
    with pytest.raises(ConfigError, match="'float32'; expected one of uint8, float16"):
        messages.probability_map_message(header, probabilities, (0,), taxonomy, encoding='float32')


@pytest.mark.parametrize('encoding', ['packbits', 'raw'])
def test_subclass_masks_carry_vote_place_and_shape(
    messages: MessageBuilder,
    after_transport: Transport,
    header: Any,
    taxonomy: Taxonomy,
    encoding: str,
) -> None:
    mask = np.random.default_rng(1).random((5, 7)) < 0.5
    received = after_transport(
        messages.subclass_masks_message(
            header, [sign_mask(mask)], taxonomy, IMAGE_SIZE, encoding=encoding
        )
    )
    assert received.header == header
    assert received.taxonomy_digest == taxonomy.digest
    assert received.subclass_root == taxonomy.subclass_root
    assert (received.image_height, received.image_width) == IMAGE_SIZE
    (one,) = received.masks
    assert (one.node_id, one.parent_id, one.area) == (90, 80, mask.sum())
    assert one.score == 0.75
    assert list(one.top_node_ids) == [90, 91, 92]
    assert list(one.top_probabilities) == [0.75, 0.125, 0.0625]
    roi = one.roi
    assert (roi.y_offset, roi.x_offset, roi.height, roi.width) == (3, 4, 5, 7)
    assert not roi.do_rectify
    assert one.encoding == encoding
    np.testing.assert_array_equal(decode_mask(one), mask)


def test_an_image_without_signs_gives_an_empty_list_and_packbits_is_the_default(
    messages: MessageBuilder, header: Any, taxonomy: Taxonomy
) -> None:
    assert messages.subclass_masks_message(header, [], taxonomy, IMAGE_SIZE).masks == []
    mask = sign_mask(np.ones((2, 2), np.bool_))
    message = messages.subclass_masks_message(header, [mask], taxonomy, IMAGE_SIZE)
    assert message.masks[0].encoding == 'packbits'
    assert bytes(message.masks[0].data) == b'\xf0'


def test_the_encodings_are_those_that_the_messages_name() -> None:
    types = node_types().types
    probability_map, mask = (
        types[f'hiseg_ros/msg/{n}'] for n in ('ProbabilityMap', 'SubclassMask')
    )
    assert PROBABILITY_ENCODINGS == (probability_map.UINT8, probability_map.FLOAT16)
    assert MASK_ENCODINGS == (mask.PACKBITS, mask.RAW)


@pytest.mark.parametrize('shape', [(7, 5), (7, 5, 3)])
def test_a_compressed_message_keeps_ids_and_almost_keeps_colours(
    messages: MessageBuilder, after_transport: Transport, header: Any, shape: tuple[int, ...]
) -> None:
    random = np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)
    pixels = random if random.ndim == 2 else np.full(shape, (200, 90, 30), np.uint8)
    received = after_transport(messages.compressed_message(header, pixels))
    assert received.header == header
    decoded = cv2.imdecode(np.frombuffer(received.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels.ndim == 2:
        assert received.format == 'mono8; png compressed mono8'
        np.testing.assert_array_equal(decoded, pixels)
    else:
        assert received.format == 'rgb8; jpeg compressed bgr8'
        np.testing.assert_allclose(decoded[:, :, ::-1].astype(int), pixels, atol=3)


@pytest.mark.alone
def test_large_data_is_filled_fast(messages: MessageBuilder, header: Any) -> None:
    # A numpy array assigned to the field takes 87 ms for these two megabytes.
    labels = np.zeros((1024, 2048), np.uint8)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        messages.labels_message(header, labels)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.02
