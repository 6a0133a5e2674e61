# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Legends: which nodes they show, in which order, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hiseg_ros.errors import ImageError, TaxonomyError
from hiseg_ros.taxonomy import Taxonomy, load_taxonomy
from hiseg_ros.visualization import colorize, legend, legend_strip, with_legend
from hiseg_ros.visualization.legend import legend_rows


@pytest.fixture(scope='module')
def taxonomy() -> Taxonomy:
    """Return the default tree."""
    return load_taxonomy('street')


def ids(taxonomy: Taxonomy, *names: str) -> list[int]:
    """Return node ids by name."""
    return [taxonomy.node_id(name) for name in names]


def lines(
    taxonomy: Taxonomy, node_ids: list[int], shares: dict[int, float] | None = None
) -> list[str]:
    """Return the rows of a legend as text; groups in brackets."""
    rows = legend_rows(taxonomy, node_ids, shares)
    names = [taxonomy.nodes[row.node_id].name for row in rows]
    return [
        '  ' * row.indent + (f'[{name}]' if row.is_group else name)
        for row, name in zip(rows, names, strict=True)
    ]


def nodes_drawn(image: NDArray[np.uint8], taxonomy: Taxonomy) -> set[int]:
    """Return the ids of the nodes whose colour some pixel has exactly."""
    found = set(np.unique(image @ np.array([65536, 256, 1])).tolist())
    return {
        node.node_id
        for node in taxonomy.nodes
        if node.color[0] * 65536 + node.color[1] * 256 + node.color[2] in found
    }


def test_nodes_stand_below_the_ancestors_they_share(taxonomy: Taxonomy) -> None:
    node_ids = ids(taxonomy, 'Sky', 'Road', 'Lane Marking - General', 'Sidewalk', 'Person')
    assert lines(taxonomy, node_ids) == [
        '[Construction - Flat]',
        '  [Driveable]',
        '    Road',
        '    Lane Marking - General',
        '  Sidewalk',
        'Person',
        'Sky',
    ]


def test_an_inner_node_of_the_list_is_no_mere_group(taxonomy: Taxonomy) -> None:
    assert lines(taxonomy, ids(taxonomy, 'Rider', 'Bicyclist')) == ['Rider', '  Bicyclist']


def test_the_larger_branch_comes_first_and_a_group_has_the_sum(taxonomy: Taxonomy) -> None:
    car, bus, sky, road = ids(taxonomy, 'Car', 'Bus', 'Sky', 'Road')
    shares = {car: 0.1, bus: 0.25, sky: 0.3, road: 0.2}
    assert lines(taxonomy, [road, sky, car, bus], shares) == [
        '[Motor Vehicle]', '  Bus', '  Car', 'Sky', 'Road',
    ]  # fmt: skip
    assert legend_rows(taxonomy, [car, bus], shares)[0].share == pytest.approx(0.35)


def test_all_nodes_make_the_whole_tree(taxonomy: Taxonomy) -> None:
    rows = legend_rows(taxonomy, range(len(taxonomy)))
    assert [row.node_id for row in rows] == list(range(len(taxonomy)))
    assert [row.indent for row in rows] == [node.level for node in taxonomy.nodes]
    assert not any(row.is_group for row in rows)


def test_a_panel_shows_the_colours_of_its_nodes_and_of_no_other(taxonomy: Taxonomy) -> None:
    node_ids = ids(taxonomy, 'Sky', 'Car', 'o_stop')
    panel = legend(taxonomy, node_ids)
    assert panel.dtype == np.uint8
    assert panel.shape[2] == 3
    shown = nodes_drawn(panel, taxonomy)
    assert shown >= set(node_ids)
    assert taxonomy.node_id('Road') not in shown


def test_a_panel_is_as_tall_as_asked_and_as_wide_as_its_text(taxonomy: Taxonomy) -> None:
    short, long = ids(taxonomy, 'Car', 'Lane Marking - Crosswalk')
    assert legend(taxonomy, [short], min_height=300).shape[0] == 300
    assert legend(taxonomy, [short]).shape[1] < legend(taxonomy, [long]).shape[1]
    assert legend(taxonomy, [short]).shape[0] < legend(taxonomy, [short, long]).shape[0]
    for node_id in (short, long):
        # Nothing is cut off: the margin stays white.
        assert (legend(taxonomy, [node_id], shares={node_id: 1.0})[:, -6:] == 255).all()


def test_an_empty_legend_is_a_white_panel(taxonomy: Taxonomy) -> None:
    assert (legend(taxonomy, [], min_height=50) == 255).all()


@pytest.mark.parametrize('node_id', [-1, 132, 255])
def test_a_foreign_id_is_refused(taxonomy: Taxonomy, node_id: int) -> None:
    with pytest.raises(TaxonomyError, match=f'nodes .{node_id}.; expected ids .* 0 to 131'):
        legend(taxonomy, [node_id])


def test_small_images_are_scaled_up_beside_their_legend(taxonomy: Taxonomy) -> None:
    labels = np.full((36, 48), taxonomy.node_id('Sky'), np.uint8)
    labels[20:] = taxonomy.node_id('Road')
    result = with_legend(colorize(labels, taxonomy), labels, taxonomy)
    assert result.shape[0] == 720
    assert result.shape[1] > 960
    assert tuple(result[100, 100]) == taxonomy.nodes[taxonomy.node_id('Sky')].color
    assert tuple(result[700, 100]) == taxonomy.nodes[taxonomy.node_id('Road')].color
    assert nodes_drawn(result[:, 960:], taxonomy) >= set(ids(taxonomy, 'Sky', 'Road'))


def test_large_images_keep_every_pixel(taxonomy: Taxonomy) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (800, 64, 3)).astype(np.uint8)
    labels = np.full((800, 64), 255, np.uint8)
    result = with_legend(rgb, labels, taxonomy)
    assert np.array_equal(result[:, :64], rgb)
    assert (result[:, 64:] == 255).all()


def test_a_long_legend_is_shown_whole_in_columns(taxonomy: Taxonomy) -> None:
    labels = np.tile(np.array(taxonomy.leaves, np.uint8), (40, 1))
    result = with_legend(colorize(labels, taxonomy), labels, taxonomy)
    assert result.shape[0] == 720
    assert nodes_drawn(result[:, 1944:], taxonomy) >= set(taxonomy.leaves)


def test_a_column_ends_where_the_height_does(taxonomy: Taxonomy) -> None:
    node_ids = ids(taxonomy, 'Car', 'Sky', 'Person')
    one, two = legend(taxonomy, node_ids), legend(taxonomy, node_ids, max_height=80)
    assert two.shape[0] <= 80 < one.shape[0]
    assert two.shape[1] > one.shape[1]
    assert legend(taxonomy, node_ids, max_height=one.shape[0]).shape == one.shape


def test_nodes_on_less_than_a_two_thousandth_are_left_out(taxonomy: Taxonomy) -> None:
    sky, bird, road = ids(taxonomy, 'Sky', 'Bird', 'Road')
    labels = np.full((100, 100), sky, np.uint8)
    labels[0, :4] = bird
    labels[1, :5] = road
    image = np.zeros((100, 100, 3), np.uint8)
    panel = with_legend(image, labels, taxonomy)[:, 720:]
    shown = nodes_drawn(panel, taxonomy)
    assert bird not in shown
    assert shown >= {sky, road}


def test_what_is_no_image_is_refused(taxonomy: Taxonomy) -> None:
    labels = np.zeros((4, 4), np.uint8)
    with pytest.raises(ImageError, match=r'The image has shape \(4, 4\)'):
        with_legend(labels, labels, taxonomy)
    with pytest.raises(ImageError, match='The labels have shape'):
        with_legend(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), taxonomy)


def test_a_strip_is_as_wide_as_its_image_and_holds_the_first_nodes(taxonomy: Taxonomy) -> None:
    node_ids = ids(taxonomy, 'Sky', 'Road', 'Car', 'Person', 'Vegetation', 'Sidewalk')
    strip = legend_strip(taxonomy, node_ids, 240)
    assert strip.dtype == np.uint8 and strip.shape[1:] == (240, 3)
    shown = [node_id for node_id in node_ids if node_id in nodes_drawn(strip, taxonomy)]
    assert 2 <= len(shown) < len(node_ids)
    assert shown == node_ids[: len(shown)]
    assert (strip[:, -6:] == 255).all(), 'no name is cut off'
    assert nodes_drawn(legend_strip(taxonomy, node_ids, 2000), taxonomy) >= set(node_ids)


def test_a_strip_has_no_more_rows_than_it_takes(taxonomy: Taxonomy) -> None:
    node_ids = ids(taxonomy, 'Sky', 'Road', 'Car', 'Person', 'Vegetation', 'Sidewalk')
    heights = [legend_strip(taxonomy, node_ids, 300, max_rows=n).shape[0] for n in (1, 2, 9)]
    assert heights[0] < heights[1] < heights[2] < 130
    assert legend_strip(taxonomy, node_ids[:1], 300).shape[0] == heights[0]
    assert (legend_strip(taxonomy, [], 300) == 255).all()


def test_a_strip_refuses_foreign_ids(taxonomy: Taxonomy) -> None:
    with pytest.raises(TaxonomyError, match='the nodes .200.'):
        legend_strip(taxonomy, [200], 300)
