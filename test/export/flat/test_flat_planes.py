# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Planes of a flat network: parents are sums of their children, and every class is reached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import named_tree, random_tree

from hiseg_ros.decision.plane_walk import WalkNode, check_walk
from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.export.flat.classes import FlatClass
from hiseg_ros.export.flat.planes import FlatPlanes, flat_planes
from hiseg_ros.model.info import ModelInfo, dump_info, parse_info
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.types import EVERYTHING, Wanted

numba = pytest.importorskip('numba')
from hiseg_ros.inference.plane_decision import FlatDecision  # noqa: E402

SEEDS = st.integers(0, 2**32 - 1)
few = settings(deadline=None, max_examples=40, derandomize=True)


def classes_of(taxonomy: Taxonomy, *names: str) -> tuple[FlatClass, ...]:
    """Return classes that mean all of a node each."""
    return tuple(
        FlatClass(name, index, (index,), taxonomy.node_id(name), taxonomy.leaves_below(node))
        for index, name in enumerate(names)
        for node in (taxonomy.node_id(name),)
    )


def random_classes(rng: np.random.Generator, taxonomy: Taxonomy) -> tuple[FlatClass, ...]:
    """Return classes on any nodes, also above and below each other, of any leaves."""
    count = int(rng.integers(2, min(len(taxonomy), 9) + 1))
    nodes = rng.choice(len(taxonomy), count, replace=False)
    return tuple(
        FlatClass(
            str(index),
            index,
            (index,),
            int(node),
            tuple(sorted(int(leaf) for leaf in rng.choice(taxonomy.leaves, 2))),
        )
        for index, node in enumerate(nodes)
    )


def random_masses(rng: np.random.Generator, count: int, shape: tuple[int, int]) -> np.ndarray:
    """Return (C, h, w) float32 that sum to 1."""
    odds = np.exp(rng.normal(0, 3, (count, *shape)))
    return (odds / odds.sum(0)).astype(np.float32)


def on_planes(planes: FlatPlanes, masses: np.ndarray) -> np.ndarray:
    """Return (P, h, w) float32."""
    return np.tensordot(planes.weights, masses, 1).astype(np.float32)


@few
@given(seed=SEEDS)
def test_no_mass_gets_lost_and_parents_are_sums(seed: int) -> None:
    """Each class lies on leaves below its node, whole, whatever lies above or below it."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    classes = random_classes(rng, taxonomy)
    weights = flat_planes(classes, taxonomy).weights[: len(taxonomy)]
    assert weights.min() >= 0
    np.testing.assert_allclose(weights[list(taxonomy.leaves)].sum(0), 1)
    for inner in taxonomy.inner:
        below = weights[list(taxonomy.children(inner))].sum(0)
        np.testing.assert_allclose(weights[inner], below, atol=1e-12)
    for column, one in enumerate(classes):
        assert weights[one.node_id, column] == 1
        outside = set(taxonomy.leaves) - set(taxonomy.leaves_below(one.node_id))
        assert not weights[sorted(outside), column].any()


@few
@given(seed=SEEDS)
def test_every_class_is_an_end_of_the_walk_and_has_a_plane_alone(seed: int) -> None:
    """The walk has no other ends, and each plane of it is the sum of its children's."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    classes = random_classes(rng, taxonomy)
    planes = flat_planes(classes, taxonomy)
    alone = planes.weights[list(planes.plane_of_class)]
    np.testing.assert_array_equal(alone, np.eye(len(classes)))
    parents = {place.parent for place in planes.walk}
    ends = {place.plane: place.node_id for place in planes.walk if place.plane not in parents}
    assert ends == {
        plane: one.node_id for plane, one in zip(planes.plane_of_class, classes, strict=True)
    }
    for place in planes.walk:
        below = [other.plane for other in planes.walk if other.parent == place.plane]
        if below:
            np.testing.assert_allclose(
                planes.weights[place.plane], planes.weights[below].sum(0), atol=1e-12
            )


def walked(planes: FlatPlanes, full: np.ndarray, threshold: float) -> tuple[np.ndarray, ...]:
    """Walk down at every pixel of (P, H, W); return node ids and the chosen probability."""
    labels = np.zeros(full.shape[1:], int)
    chosen = np.zeros(full.shape[1:], np.float32)
    node_of_plane = {place.plane: place.node_id for place in planes.walk}
    for y, x in np.ndindex(*labels.shape):
        at, value = 0, full[0, y, x]
        while below := [place.plane for place in planes.walk if place.parent == at]:
            best = max(below, key=lambda plane: full[plane, y, x])
            if full[best, y, x] < np.float32(threshold) * value:
                break
            at, value = best, full[best, y, x]
        labels[y, x], chosen[y, x] = node_of_plane[at], value
    return labels, chosen


def interpolated(grid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Interpolate (P, h, w) float32 at every pixel: along x, then y, each step rounded once."""
    for axis, pixels in ((2, size[1]), (1, size[0])):
        cells = grid.shape[axis]
        half = np.float32(0.5)
        scale = np.float32(cells) / np.float32(pixels)
        centre = scale * (np.arange(pixels, dtype=np.float32) + half) - half
        centre = np.maximum(centre, np.float32(0))
        near = np.minimum(centre.astype(int), cells - 1)
        far = np.clip(centre - near.astype(np.float32), np.float32(0), np.float32(1))
        shape = [-1 if dimension == axis else 1 for dimension in range(3)]
        far = far.reshape(shape)
        grid = (np.float32(1) - far) * grid.take(near, axis) + far * grid.take(
            np.minimum(near + 1, cells - 1), axis
        )
    return grid


@few
@given(seed=SEEDS)
def test_the_decision_is_a_walk_at_every_pixel_bit_by_bit(seed: int) -> None:
    """Thresholds included, and planes of their own; labels are nodes, probabilities V planes."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 15)
    classes = random_classes(rng, taxonomy)
    planes = flat_planes(classes, taxonomy)
    grid = on_planes(planes, random_masses(rng, len(classes), (4, 5)))
    size = int(rng.integers(1, 30)), int(rng.integers(1, 30))
    threshold = float(rng.choice([0, 0.5, rng.uniform()]))
    decision = FlatDecision(taxonomy, planes.walk)
    labels, confidence, values = decision(grid, size, threshold, EVERYTHING)
    expected, chosen = walked(planes, interpolated(grid, size), threshold)
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_array_equal(confidence, np.rint(chosen * np.float32(255)).clip(0, 255))
    np.testing.assert_array_equal(values, grid[: len(taxonomy)])


@few
@given(seed=SEEDS)
def test_a_class_with_more_than_half_is_decided(seed: int) -> None:
    """Then the flat network's argmax and the walk cannot differ."""
    rng = np.random.default_rng(seed)
    taxonomy = random_tree(rng, 20)
    classes = random_classes(rng, taxonomy)
    planes = flat_planes(classes, taxonomy)
    masses = random_masses(rng, len(classes), (6, 7))
    labels, _, _ = FlatDecision(taxonomy, planes.walk)(
        on_planes(planes, masses), (6, 7), 0.0, Wanted(confidence=False)
    )
    is_sure = masses.max(0) > 0.501
    nodes = np.array([one.node_id for one in classes])[masses.argmax(0)]
    np.testing.assert_array_equal(labels[is_sure], nodes[is_sure])


def test_where_no_group_has_two_classes_the_decision_is_the_argmax(
    small_taxonomy: Taxonomy,
) -> None:
    """Classes on leaves that lie alone in their branches: nothing is summed up on the way."""
    classes = classes_of(small_taxonomy, 'walk', 'stop', 'sky')
    planes = flat_planes(classes, small_taxonomy)
    masses = random_masses(np.random.default_rng(1), 3, (9, 8))
    labels, confidence, _ = FlatDecision(small_taxonomy, planes.walk)(
        on_planes(planes, masses), (9, 8), 0.0, EVERYTHING
    )
    nodes = np.array([one.node_id for one in classes])
    np.testing.assert_array_equal(labels, nodes[masses.argmax(0)])
    np.testing.assert_array_equal(confidence, np.rint(masses.max(0) * np.float32(255)))


def test_a_walk_ends_at_an_inner_node_that_is_a_class(small_taxonomy: Taxonomy) -> None:
    """Its leaves share the mass and none of them is decided, at no threshold."""
    classes = classes_of(small_taxonomy, 'ground', 'sign', 'sky')
    planes = flat_planes(classes, small_taxonomy)
    assert len(planes.weights) == len(small_taxonomy)
    masses = np.array([0.9, 0.06, 0.04], np.float32).reshape(3, 1, 1)
    decision = FlatDecision(small_taxonomy, planes.walk)
    for threshold in (0.0, 0.5):
        labels, confidence, values = decision(
            on_planes(planes, masses), (2, 2), threshold, EVERYTHING
        )
        assert (labels == small_taxonomy.node_id('ground')).all()
        assert (confidence == round(0.9 * 255)).all()
    for leaf in small_taxonomy.leaves_below(small_taxonomy.node_id('ground')):
        assert values[leaf, 0, 0] == pytest.approx(0.45)


def test_a_class_above_others_competes_with_them(small_taxonomy: Taxonomy) -> None:
    """Background on the root: less than half of the mass, and yet more than any other."""
    classes = classes_of(small_taxonomy, 'scene', 'stop', 'limit', 'sky')
    planes = flat_planes(classes, small_taxonomy)
    decision = FlatDecision(small_taxonomy, planes.walk)

    def decided(*masses: float) -> str:
        values = np.array(masses, np.float32).reshape(-1, 1, 1)
        labels, _, _ = decision(on_planes(planes, values), (1, 1), 0.0, Wanted(confidence=False))
        return small_taxonomy.nodes[labels[0, 0]].name

    assert decided(0.4, 0.2, 0.15, 0.25) == 'scene'
    assert decided(0.4, 0.25, 0.2, 0.15) == 'stop'
    assert decided(0.3, 0.2, 0.15, 0.35) == 'stop'
    assert decided(0.3, 0.1, 0.15, 0.45) == 'sky'
    # Leaves that are no class share the background; those of classes keep out of it.
    for name, share in (('road', 1 / 3), ('other sign', 1 / 3), ('stop', 0), ('limit_30', 0)):
        assert planes.weights[small_taxonomy.node_id(name), 0] == pytest.approx(share)


def test_more_planes_than_a_byte_counts_are_refused() -> None:
    """A large tree with a class on every second node."""
    wide = named_tree(('root', [(f'n{i}', [f'n{i}a', f'n{i}b']) for i in range(80)]))
    names = ['root', *(f'n{i}{end}' for i in range(80) for end in ('', 'a'))]
    with pytest.raises(ConfigError, match=r'need \d+ planes .*at most 256'):
        flat_planes(classes_of(wide, *names), wide)


def test_a_walk_survives_the_info_block(small_taxonomy: Taxonomy) -> None:
    """As text and back."""
    walk = flat_planes(classes_of(small_taxonomy, 'scene', 'sign', 'sky'), small_taxonomy).walk
    info = ModelInfo(None, Preprocessing(), small_taxonomy, {'name': 'x'}, walk)
    assert parse_info(dump_info(info), Path('x.onnx')) == info


@pytest.mark.parametrize(
    ('place', 'words'),
    [
        (WalkNode(3, 9, 3), 'parents first'),
        (WalkNode(0, 0, 0), 'each plane once'),
        (WalkNode(3, 0, 4), 'plane of its own'),
        (WalkNode(300, 0, 4), 'plane of its own'),
        (WalkNode(2, 1, 2), ''),
        (WalkNode(5, 1, 5), 'at or below'),
        (WalkNode(2, None, 2), 'integers'),
        (WalkNode('2', 1, 2), 'integers'),  # type: ignore[arg-type]
        (WalkNode(20, 0, 99), 'plane of its own'),
    ],
)
def test_a_walk_that_cannot_be_followed_is_refused(
    small_taxonomy: Taxonomy, place: WalkNode, words: str
) -> None:
    """Before a kernel reads beside a table."""
    walk = (WalkNode(0, None, 0), WalkNode(1, 0, 1), place)
    info = ModelInfo(None, Preprocessing(), small_taxonomy, {}, walk)
    if not words:
        check_walk(walk, small_taxonomy)
        return
    with pytest.raises(CheckpointError, match=rf'info block .*{words}'):
        parse_info(dump_info(info), Path('x.onnx'))
    with pytest.raises(ValueError, match='begins with'):
        check_walk((replace(walk[0], node_id=1),), small_taxonomy)


def test_the_shipped_tree_keeps_its_own_planes_for_classes_beside_each_other() -> None:
    """No class below another: the file has the planes of the nodes and no more."""
    street = load_taxonomy('street')
    planes = flat_planes(classes_of(street, 'Driveable', 'Rider', 'Car', 'Sky'), street)
    assert planes.weights.shape == (len(street), 4)
    assert all(place.plane == place.node_id for place in planes.walk)
