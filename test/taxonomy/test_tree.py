# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The tree as a data structure: ids, levels, sums, digest, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiseg_ros.errors import TaxonomyError
from hiseg_ros.taxonomy import Node, Taxonomy, dump_taxonomy, load_taxonomy
from hiseg_ros.taxonomy.schema import parse_taxonomy

shipped = cache(load_taxonomy)

Shape = list['Shape']


def build(shape: Shape, subclass_root: int | None = None) -> Taxonomy:
    """Return the tree of nested lists: an inner node is a list of children, a leaf is empty."""
    nodes: list[Node] = []

    def add(children: Shape, parent: int | None, level: int) -> None:
        node_id = len(nodes)
        nodes.append(Node(node_id, f'n{node_id}', parent, level, (node_id, 1, 2)))
        for child in children:
            add(child, node_id, level + 1)

    add(shape, None, 0)
    return Taxonomy('t', '1', tuple(nodes), subclass_root)


SHAPES = st.lists(
    st.recursive(
        st.just([]), lambda inner: st.lists(inner, min_size=2, max_size=5), max_leaves=40
    ),
    min_size=2,
    max_size=6,
)
# Other work on the machine may make any example slow.
WITHOUT_HASTE = settings(deadline=None, max_examples=40)
SMALL: Shape = [[], [[], [[], []]], []]


def test_ids_are_positions_in_preorder() -> None:
    tree = build(SMALL)
    assert [node.parent for node in tree.nodes] == [None, 0, 0, 2, 2, 4, 4, 0]
    assert tree.leaves == (1, 3, 5, 6, 7)
    assert tree.inner == tree.classifiers == (0, 2, 4)
    assert tree.depth == 3
    assert tree.children(2) == (3, 4)
    assert tree.path(6) == (0, 2, 4, 6)
    assert tree.nodes_below(2) == (2, 3, 4, 5, 6)
    assert tree.leaves_below(2) == (3, 5, 6)
    assert tree.leaves_below(7) == (7,)
    assert tree.parent(0) is None
    assert tree.parent(5) == 4
    assert tree.level(5) == 3
    assert len(tree) == 8
    assert 'n3' in tree
    assert 'x' not in tree


def test_a_level_is_its_nodes_and_the_leaves_above() -> None:
    tree = build(SMALL)
    assert tree.level_nodes(0) == (0,)
    assert tree.level_nodes(1) == (1, 2, 7)
    assert tree.level_nodes(2) == (1, 3, 4, 7)
    assert tree.level_nodes(3) == tree.level_nodes(9) == tree.leaves


def test_a_label_image_is_cut_at_a_level_by_a_table() -> None:
    tree = build(SMALL)
    table = tree.node_id_at_level(2)
    assert table.dtype == np.uint8
    assert table[:8].tolist() == [0, 1, 2, 3, 4, 4, 4, 7]
    assert (table[8:] == 255).all()
    assert tree.ancestor_at_level(5, 1) == 2
    assert tree.ancestor_at_level(1, 3) == 1


def test_a_negative_level_is_refused() -> None:
    tree = build(SMALL)
    for call in (tree.level_nodes, tree.node_id_at_level, lambda n: tree.ancestor_at_level(1, n)):
        with pytest.raises(TaxonomyError, match='Level -1 was asked for; expected 0'):
            call(-1)


def test_an_unknown_name_is_refused_and_the_message_says_where_to_look() -> None:
    with pytest.raises(TaxonomyError, match="no node 'Cat'.*132 names.*taxonomy show street"):
        shipped('street').node_id('Cat')


@WITHOUT_HASTE
@given(SHAPES, st.integers(0, 2**32 - 1))
def test_a_parent_is_the_sum_of_its_children_and_a_level_sums_to_one(
    shape: Shape, seed: int
) -> None:
    tree = build(shape)
    p_leaf = np.random.default_rng(seed).dirichlet(np.ones(len(tree.leaves)))
    p_node = tree.leaf_matrix() @ p_leaf
    assert p_node[0] == pytest.approx(1)
    for inner in tree.inner:
        assert p_node[inner] == pytest.approx(p_node[list(tree.children(inner))].sum())
    for level in range(tree.depth + 2):
        assert p_node[list(tree.level_nodes(level))].sum() == pytest.approx(1)


@WITHOUT_HASTE
@given(SHAPES)
def test_paths_leaves_and_levels_agree(shape: Shape) -> None:
    tree = build(shape)
    assert sorted(tree.leaves + tree.inner) == list(range(len(tree)))
    matrix = tree.leaf_matrix()
    cuts = [tree.node_id_at_level(level) for level in range(tree.depth + 1)]
    for node in range(len(tree)):
        path = tree.path(node)
        assert len(path) == tree.level(node) + 1
        assert path[0] == 0
        assert path[-1] == node
        assert list(path) == sorted(path)
        below = {leaf for leaf in tree.leaves if node in tree.path(leaf)}
        assert set(tree.leaves_below(node)) == below
        assert {tree.leaves[i] for i in np.flatnonzero(matrix[node])} == below
        for level, table in enumerate(cuts):
            cut = tree.ancestor_at_level(node, level)
            assert cut in path
            assert cut == table[node]
            assert tree.level(cut) == min(level, tree.level(node))


@WITHOUT_HASTE
@given(SHAPES)
def test_a_tree_survives_being_written_and_read(shape: Shape) -> None:
    tree = build(shape, subclass_root=0)
    assert parse_taxonomy(dump_taxonomy(tree), 'here') == tree


@pytest.mark.parametrize('name', ['street', 'iv2018'])
def test_a_shipped_tree_survives_being_written_and_read(name: str) -> None:
    tree = shipped(name)
    again = parse_taxonomy(dump_taxonomy(tree), 'here')
    assert again == tree
    assert again.digest == tree.digest


def test_the_digest_changes_with_names_parents_order_and_subclass_root() -> None:
    tree = build(SMALL)
    renamed = replace(tree, nodes=(*tree.nodes[:-1], replace(tree.nodes[-1], name='other')))
    digests = [
        tree.digest,
        renamed.digest,
        build([[], [], [[], [[], []]]]).digest,
        build([[], [[], [[], []], []]]).digest,
        build(SMALL, subclass_root=2).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 64 for digest in digests)


def test_the_digest_does_not_change_with_colours_name_or_version() -> None:
    tree = build(SMALL)
    nodes = tuple(replace(node, color=(9, 9, node.node_id)) for node in tree.nodes)
    assert Taxonomy('other', '2', nodes).digest == tree.digest


def test_the_digest_of_a_small_tree_is_the_same_on_every_machine() -> None:
    expected = '7a38692f5452f2a31a235884f2c82e35a933653172c0d7b83f0d95012a94760e'
    assert build(SMALL).digest == expected


def test_the_palette_is_the_nodes_colours_and_black() -> None:
    tree = build(SMALL)
    assert tree.palette.dtype == np.uint8
    assert tree.palette.shape == (256, 3)
    assert [tuple(row) for row in tree.palette[:8].tolist()] == [n.color for n in tree.nodes]
    assert not tree.palette[8:].any()


def changed(index: int, **values: object) -> tuple[Node, ...]:
    """Return the nodes of a small tree with one of them changed."""
    nodes = list(build(SMALL).nodes)
    nodes[index] = replace(nodes[index], **values)  # type: ignore[arg-type]
    return tuple(nodes)


@pytest.mark.parametrize(
    ('nodes', 'message'),
    [
        (build(SMALL).nodes[:1], 'has 1 nodes; expected 2 to 255'),
        (changed(3, name='n1'), "Nodes 'n1' and 'n1' of taxonomy 't' have the same name"),
        (changed(3, color=(1, 1, 2)), "Nodes 'n1' and 'n3' of taxonomy 't' have the same color"),
        (changed(3, name=' '), "Node 3 of taxonomy 't' has the name ' '; expected a word"),
        (changed(3, color=(0, 256, 0)), "'n3'.* color .0, 256, 0.; expected .* from 0 to 255"),
        (changed(3, node_id=4), "Node 'n3'.*has id 4.*at position 3; expected nodes in preorder"),
        (changed(0, parent=0), "Node 'n0'.*parent 0.*at position 0; expected nodes in preorder"),
        (changed(3, parent=None), "Node 'n3'.*parent None.*expected nodes in preorder"),
        (changed(3, parent=7), "Node 'n3'.*parent 7.*expected nodes in preorder"),
        (changed(7, parent=1, level=2), "Node 'n7'.*parent 1.*expected nodes in preorder"),
        (changed(3, level=1), "Node 'n3'.*level 1.*expected nodes in preorder"),
        (build(SMALL).nodes[:4], "Node 'n2' of taxonomy 't' has one child; expected none or"),
    ],
)
def test_a_tree_with_a_fault_is_refused(nodes: tuple[Node, ...], message: str) -> None:
    with pytest.raises(TaxonomyError, match=message):
        Taxonomy('t', '1', nodes)


@pytest.mark.parametrize('root', [-1, 1, 8])
def test_a_subclass_root_without_children_is_refused(root: int) -> None:
    with pytest.raises(TaxonomyError, match=f'subclass root {root}; expected the id of a node'):
        build(SMALL, subclass_root=root)


def test_255_nodes_fit_and_256_do_not() -> None:
    assert len(build([[]] * 254)) == 255
    nodes = tuple(
        Node(i, str(i), 0 if i else None, int(i > 0), (i % 256, i // 256, 0)) for i in range(256)
    )
    with pytest.raises(TaxonomyError, match='has 256 nodes; expected 2 to 255'):
        Taxonomy('t', '1', nodes)
