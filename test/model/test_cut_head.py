# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One softmax over a cut tree, and classifiers of their own below the cuts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.export.graph import ExportedNetwork
from hiseg_ros.model.classifier_tree import CutLeafHead
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy('street')
FRONT, HUMAN = 'Traffic Sign (Front)', 'Human'
CONFIG = NetworkConfig('efficientvit_b0', 32, 'summed_detail', 24, 'leaf', cut_at=(FRONT,))
IMAGES = torch.Generator().manual_seed(2)


def network_of(config: NetworkConfig) -> HierarchicalNetwork:
    torch.manual_seed(3)
    network = HierarchicalNetwork(config, TAXONOMY)
    for name, values in network.head.named_parameters():
        if name.endswith('weight'):
            torch.nn.init.normal_(values, std=2.0)
    return network.eval()


@pytest.mark.parametrize('cuts', [(FRONT,), (HUMAN, FRONT), (FRONT, HUMAN)])
@torch.no_grad()
def test_leaves_are_shares_of_their_cut(cuts: tuple[str, ...]) -> None:
    """By hand, leaf by leaf: the cut's probability times the leaf's own given that node."""
    network = network_of(replace(CONFIG, cut_at=cuts))
    head = network.head
    assert isinstance(head, CutLeafHead)
    features = torch.randn(2, 24, 3, 5)
    frontier = head.logits(features[:, :16]).softmax(1)
    leaves = head(features)
    assert leaves.dtype == torch.float32
    torch.testing.assert_close(leaves.sum(1), torch.ones(2, 3, 5))
    for row, leaf in enumerate(TAXONOMY.leaves):
        expected = frontier[:, head.frontier.index(leaf)] if leaf in head.frontier else None
        for cut, below in zip(head.cuts, head.below, strict=True):
            if leaf in (inside := TAXONOMY.leaves_below(cut)):
                shares = below(features[:, 16:]).softmax(1)
                expected = frontier[:, head.frontier.index(cut)] * shares[:, inside.index(leaf)]
        assert expected is not None
        torch.testing.assert_close(leaves[:, row], expected)


def test_what_is_below_a_cut_teaches_its_own_path_only() -> None:
    """The share of a type given a front has no gradient in backbone, first path and softmax."""
    network = network_of(CONFIG)
    front = TAXONOMY.leaves_below(TAXONOMY.node_id(FRONT))
    rows = [TAXONOMY.leaf_index_of_node_id[leaf] for leaf in front]
    leaves = network(torch.randn(1, 3, 64, 96))[:, rows].double()
    (leaves[:, 3] / leaves.sum(1)).log().sum().backward()
    moved = {
        name
        for name, values in network.named_parameters()
        if values.grad is not None and values.grad.abs().max() > 1e-4
    }
    assert moved
    assert all(name.startswith(('decoder.detail.', 'head.below.')) for name in moved)


@torch.no_grad()
def test_what_is_computed_at_a_place_depends_on_its_surroundings_only() -> None:
    """The second path sees 79 pixels: what lies beyond 39 from a cell's centre does not matter."""
    network = network_of(CONFIG)
    detail = network.decoder.detail
    image = torch.randn(1, 3, 192, 192)
    other = torch.randn(1, 3, 192, 192)
    centre = 12 * 8
    other[..., centre - 40 : centre + 41, centre - 40 : centre + 41] = image[
        ..., centre - 40 : centre + 41, centre - 40 : centre + 41
    ]
    torch.testing.assert_close(detail(image)[..., 12, 12], detail(other)[..., 12, 12])
    assert not torch.allclose(detail(image)[..., 3, 3], detail(other)[..., 3, 3])


@pytest.mark.parametrize('cuts', [(FRONT,), (HUMAN, FRONT)])
@torch.no_grad()
def test_the_exported_form_gives_the_same_nodes(cuts: tuple[str, ...]) -> None:
    """All nodes, those below cuts too; a parent is the sum of its children."""
    network = network_of(replace(CONFIG, cut_at=cuts))
    preprocessing = Preprocessing()
    exported = ExportedNetwork(network, TAXONOMY, preprocessing).eval()
    rgb = torch.randint(0, 256, (1, 64, 96, 3), generator=IMAGES, dtype=torch.uint8)
    leaves = network(preprocessing.normalize(rgb.permute(0, 3, 1, 2)))
    nodes = exported(rgb)
    assert nodes.shape == (1, len(TAXONOMY), 8, 12)
    torch.testing.assert_close(nodes, network.node_probabilities(leaves), rtol=1e-3, atol=1e-5)
    for inner in TAXONOMY.inner:
        children = nodes[:, list(TAXONOMY.children(inner))].sum(1)
        torch.testing.assert_close(nodes[:, inner], children, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('cuts', 'message'),
    [
        (('Trafic Sign',), r"cut_at has 'Trafic Sign'; expected inner nodes of taxonomy"),
        (('Car',), "cut_at has 'Car'; expected inner nodes"),
        (
            ('Object', FRONT),
            r"cut_at has 'Traffic Sign \(Front\)'; expected .* none below another",
        ),
        ((TAXONOMY.nodes[0].name,), 'below its root'),
    ],
)
def test_cuts_that_cannot_be_are_refused(cuts: tuple[str, ...], message: str) -> None:
    """Unknown nodes, leaves, the root, and one below another."""
    with pytest.raises(ConfigError, match=message):
        HierarchicalNetwork(replace(CONFIG, cut_at=cuts), TAXONOMY)


def test_settings_are_names_of_nodes_of_a_leaf_head() -> None:
    """Another kind of value is refused, and cuts with another head; one name may stand alone."""
    for wrong in (3, [3]):
        with pytest.raises(ConfigError, match='expected names of nodes'):
            replace(CONFIG, cut_at=wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"cut_at is \('x',\) with the head 'conditional'"):
        NetworkConfig(cut_at=('x',))
    assert replace(CONFIG, cut_at=FRONT).cut_at == (FRONT,)  # type: ignore[arg-type]
    assert 'cut_at' not in NetworkConfig().values()
    assert NetworkConfig(**CONFIG.values()) == CONFIG
