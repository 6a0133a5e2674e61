# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Messages of several levels, built together, are bit for bit those built one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.bags.builder import messages
from hiseg_ros.images.image_message import bytes_of
from hiseg_ros.messages.codec import encode_selections
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import UNLABELED, NodeProbabilities

SIZE = (60, 104)
GRID = (15, 26)


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    return load_taxonomy('street')


@pytest.fixture(params=['1', '3'])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run with one thread, then with three."""
    monkeypatch.setenv('OMP_NUM_THREADS', request.param)
    yield


def probabilities(taxonomy: Taxonomy, seed: int = 0) -> NodeProbabilities:
    """Return numbers of every size, among them halves of a 255th, which are rounded to even."""
    rng = np.random.default_rng(seed)
    values = rng.random((len(taxonomy), *GRID), np.float32) ** 4
    halves = (rng.integers(0, 255, values.shape) + 0.5).astype(np.float32) / np.float32(255)
    return NodeProbabilities(np.where(rng.random(values.shape) < 0.3, halves, values), SIZE)


def one_by_one(
    values: NDArray[np.float32], node_ids: Any, encoding: str, size: tuple[int, int]
) -> bytes:
    """Return the data of a map, each plane computed for itself."""
    planes = []
    for node_id in node_ids:
        plane: Any = values[node_id]
        if plane.shape != size:
            plane = cv2.resize(plane, size[::-1], interpolation=cv2.INTER_LINEAR)
        if encoding == 'uint8':
            planes.append(cv2.convertScaleAbs(plane, alpha=255.0).tobytes())
        else:
            planes.append(plane.astype('<f2').tobytes())
    return b''.join(planes)


@pytest.mark.parametrize('encoding', ['uint8', 'float16'])
@pytest.mark.parametrize('stride', [0, 4, 7])
def test_maps_of_all_levels_are_those_of_each(
    taxonomy: Taxonomy, threads: None, encoding: str, stride: int
) -> None:
    """In every field and byte, also in memory that is used again."""
    size = (-(-SIZE[0] // stride), -(-SIZE[1] // stride)) if stride else GRID
    selections = [taxonomy.level_nodes(level) for level in range(1, taxonomy.depth + 1)]
    again: list[Any] = []
    for seed in (0, 1):
        found = probabilities(taxonomy, seed)
        together = messages.probability_map_messages(
            messages.header(seed), found, selections, taxonomy,
            encoding=encoding, stride=stride, again=again,
        )  # fmt: skip
        assert not again or all(one is other for one, other in zip(together, again, strict=True))
        for message, node_ids in zip(together, selections, strict=True):
            alone = messages.probability_map_message(
                messages.header(seed), found, node_ids, taxonomy, encoding=encoding, stride=stride
            )
            expected = one_by_one(found.values, node_ids, encoding, size)
            assert bytes_of(message.data).tobytes() == expected
            assert bytes_of(alone.data).tobytes() == expected
            for name in ('level', 'encoding', 'height', 'width', 'stride_y', 'header'):
                assert getattr(message, name) == getattr(alone, name)
            assert list(message.node_ids) == list(node_ids)
        again = together


def test_a_node_of_several_selections_is_encoded_once(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that is named twice in one selection is there twice."""
    encoded = []
    encode = cv2.convertScaleAbs

    def count(plane: Any, **options: Any) -> Any:
        encoded.append(plane)
        return encode(plane, **options)

    monkeypatch.setattr(cv2, 'convertScaleAbs', count)
    values = probabilities(taxonomy).values
    first, second = (np.zeros((count, *GRID), np.uint8) for count in (3, 2))
    encode_selections(values, [((5, 7, 5), first), ((7, 9), second)])
    assert len(encoded) == 3
    np.testing.assert_array_equal(first[0], first[2])
    np.testing.assert_array_equal(first[1], second[0])
    assert second[1].any()
    with pytest.raises(ValueError, match='zip'):
        encode_selections(values, [((5, 7), first)])


def test_labels_of_all_levels_are_those_of_each(taxonomy: Taxonomy, threads: None) -> None:
    """Of images of one strip and of several, and of one with rows longer than a strip."""
    rng = np.random.default_rng(2)
    tables = [taxonomy.node_id_at_level(level) for level in range(1, taxonomy.depth + 1)]
    for size in ((1, 1), (300, 700), (2, 70_000)):
        labels = rng.integers(0, len(taxonomy), size).astype(np.uint8)
        labels[rng.random(size) < 0.1] = UNLABELED
        again: list[Any] = []
        for turned in (labels, np.ascontiguousarray(labels[::-1])):
            again = messages.level_labels_messages(messages.header(), turned, tables, again)
            for message, table in zip(again, tables, strict=True):
                image = bytes_of(message.data).reshape(size)
                np.testing.assert_array_equal(image, table[turned])
                alone = messages.level_labels_message(messages.header(), turned, table)
                assert bytes_of(alone.data).tobytes() == image.tobytes()
                assert (message.encoding, message.step) == ('mono8', size[1])
