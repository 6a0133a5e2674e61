# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Pseudo labels, the slow teacher, and mixed images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from adaptation_steps import CAMVID, CROP, TREE, step_of

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.training.adaptation.class_mix import ClassMix, half_of_the_classes
from hiseg_ros.training.adaptation.pseudo_labels import ClassLabels, NodeLabels
from hiseg_ros.training.config.adaptation import AdaptationConfig, TargetConfig
from hiseg_ros.training.config.recipe import AugmentationConfig
from hiseg_ros.training.data.label_table import LabelTable

PLAIN = AugmentationConfig(colour=0.0, blur=0.0, noise=0.0)
TABLE = LabelTable(TREE, [CAMVID])


def probabilities(certainty: float, seed: int = 0) -> torch.Tensor:
    """Return (2, L, 4, 6) leaf probabilities."""
    generator = torch.Generator().manual_seed(seed)
    return (certainty * torch.rand(2, len(TREE.leaves), 4, 6, generator=generator)).softmax(1)


def leaf_index(name: str) -> int:
    """Return the position of a leaf."""
    return TREE.leaf_index_of_node_id[TREE.node_id(name)]


@pytest.mark.parametrize('certainty', [5.0, 20.0, 60.0])
def test_a_node_label_is_the_deepest_node_that_is_sure(certainty: float) -> None:
    leaves = probabilities(certainty)
    labels = NodeLabels(TREE, 0.7)(leaves, (4, 6))
    for image, row, column in np.ndindex(2, 4, 6):
        sure = [
            (node.level, node.node_id)
            for node in TREE.nodes
            if float(
                sum(
                    leaves[image, TREE.leaf_index_of_node_id[leaf], row, column]
                    for leaf in TREE.leaves_below(node.node_id)
                )
            )
            >= 0.7
        ]
        deepest = max(sure)[1]
        assert int(labels.rows[image, row, column]) == (deepest or -1)
    assert labels.weight == 1


def test_a_vehicle_is_labelled_where_no_kind_of_vehicle_is_sure() -> None:
    leaves = torch.zeros(1, len(TREE.leaves), 1, 1)
    leaves[0, leaf_index('Bus')] = 0.5
    leaves[0, leaf_index('Truck')] = 0.48
    leaves[0, leaf_index('Sky')] = 0.02
    (row,) = NodeLabels(TREE, 0.968)(leaves, (1, 1)).rows.flatten().tolist()
    below = set(TREE.leaves_below(row))
    assert {TREE.node_id('Bus'), TREE.node_id('Truck')} <= below
    assert TREE.node_id('Sky') not in below
    flat = ClassLabels(CAMVID, TREE, 0.968, False)(leaves, (1, 1)).rows
    assert int(flat) == [label.name for label in CAMVID.labels].index('Car')


def test_flat_labels_are_weighted_by_the_share_of_sure_pixels_or_left_out() -> None:
    leaves = torch.zeros(1, len(TREE.leaves), 1, 4)
    leaves[0, leaf_index('Sky')] = torch.tensor([[0.99, 0.7, 0.99, 0.2]])
    leaves[0, leaf_index('Bus')] = 1 - leaves[0, leaf_index('Sky')]
    car, sky = 8, 0
    weighted = ClassLabels(CAMVID, TREE, 0.968, True)(leaves, (1, 4))
    assert weighted.rows.flatten().tolist() == [sky, sky, sky, car]
    assert weighted.weight == 0.5
    ignored = ClassLabels(CAMVID, TREE, 0.968, False)(leaves, (1, 4))
    assert ignored.rows.flatten().tolist() == [sky, -1, sky, -1]
    assert ignored.weight == 1


def test_a_low_threshold_is_refused_for_nodes() -> None:
    with pytest.raises(ConfigError, match=r'threshold is 0.5; expected a number above 0.5'):
        AdaptationConfig('node_labels', TargetConfig('x'), threshold=0.5)


def test_half_of_the_classes_rounded_up_and_never_the_unlabeled() -> None:
    labels = torch.tensor([[0, 0, 3, 7], [-1, -1, 9, 11]])
    seen = set()
    for seed in range(20):
        mask = half_of_the_classes(labels, np.random.default_rng(seed))
        taken = set(labels[mask].tolist())
        assert len(taken) == 3
        assert -1 not in taken
        assert bool((mask == torch.isin(labels, torch.tensor(sorted(taken)))).all())
        seen.add(frozenset(taken))
    assert len(seen) > 3
    assert not half_of_the_classes(torch.full((2, 2), -1), np.random.default_rng(0)).any()


def mixer(**settings: object) -> tuple[HierarchicalNetwork, ClassMix]:
    """Return a small network, and ClassMix on it with mixed images as they are."""
    torch.manual_seed(0)
    config = NetworkConfig(
        'mobilenetv4_conv_small_050', channels=16, branch_channels=8, decoder='fusion'
    )
    network = HierarchicalNetwork(config, TREE)
    target = TargetConfig('x', augmentation=PLAIN)
    values = {'from_step': 0, **settings}
    chosen = AdaptationConfig('classmix', target, **values)  # type: ignore[arg-type]
    labels = ClassLabels(CAMVID, TREE, chosen.threshold, True)
    return network, ClassMix(chosen, network, TABLE, labels)


def test_the_teacher_follows_weights_and_norm_statistics() -> None:
    network, mix = mixer(teacher_decay=0.75)
    start = {name: value.clone() for name, value in network.state_dict().items()}
    mix.follow(network, 0)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.add_(1.0)
    mix.follow(network, 1)  # 1 - 1 / 2 is less than the decay
    mix.follow(network, 100)
    for name, value in mix.teacher.state_dict().items():
        if value.is_floating_point():
            expected = start[name] + 1 - 0.5 * 0.75
            assert torch.allclose(value, expected, atol=1e-5), name
    assert any('running_mean' in name for name in start)
    assert not any(p.requires_grad for p in mix.teacher.parameters())


def test_mixed_images_have_the_pixels_and_labels_of_both() -> None:
    network, mix = mixer()
    labels = torch.zeros(2, *CROP, dtype=torch.int64)
    labels[:, :20], labels[:, 40:] = 3, -1
    step = replace(step_of(network), source_labels=labels)
    generator = torch.get_rng_state()
    images, rows, weights = mix.mixed(step)
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.equal(mix.mixed(step)[0], images)  # drawn by the number of the batch
    pseudo = mix.labels(step.look_with(mix.teacher, step.target_images), CROP)
    for place in range(2):
        pasted = (rows[place] < len(TABLE.allowed)) & (rows[place] >= 0)
        assert {0, 3} > set(labels[place][pasted].tolist())
        assert torch.equal(rows[place][pasted], labels[place][pasted])
        mask = pasted.expand(3, -1, -1)
        assert torch.equal(images[place][mask], step.source_images[place][mask])
        assert torch.equal(images[place][~mask], step.target_images[place][~mask])
        others = rows[place][~pasted] - len(TABLE.allowed)
        assert torch.equal(others, pseudo.rows[place][~pasted])
        assert bool((weights[place][pasted] == 1).all())
        assert bool((weights[place][~pasted] == pseudo.weight).all())
    # Rows behind the source's are the classes of the pseudo labels.
    assert torch.equal(mix.allowed[len(TABLE.allowed) :], mix.labels.allowed)


def test_the_network_learns_from_mixed_images_and_the_teacher_does_not() -> None:
    network, mix = mixer(threshold=0.0)
    mix.train()
    terms = mix(step_of(network))
    assert list(terms) == ['mixed_loss']
    terms['mixed_loss'].backward()
    assert any(p.grad is not None and bool(p.grad.any()) for p in network.parameters())
    assert all(p.grad is None for p in mix.teacher.parameters())
    assert not mix.teacher.training
    assert mix(step_of(network)).keys() == terms.keys()
    assert mixer(from_step=5)[1](step_of(network, 4)) == {}
