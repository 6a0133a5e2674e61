# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""HSSN's tree-min loss and separate heads: values by hand on tiny trees, and against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from loss_references import ONE, ONE_DATASET, random_labels
from random_trees import named_tree, random_tree

from hiseg_ros.errors import ConfigError
from hiseg_ros.export.graph import ConditionalNodes
from hiseg_ros.model.classifier_tree import HeadOutput, NodeHead
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses.heads import HeadsLoss
from hiseg_ros.training.losses.hssn import HssnLoss, known_nodes, node_order
from hiseg_ros.training.losses.points import output_at, places_of

TREE = named_tree(('root', [('a', ['a1', 'a2']), 'b']))
"""Columns of the scores: a, b, a1, a2; leaves a1, a2, b are nodes 2, 3 and 4."""


def table_of(taxonomy: Taxonomy, *leaves: tuple[int, ...]) -> LabelTable:
    """Return a table with a label for each tuple of leaves."""
    labels = tuple(Label(index, f'l{index}', own) for index, own in enumerate(leaves))
    return LabelTable(taxonomy, [Mapping('m', labels, ())])


def of_scores(scores: torch.Tensor) -> HeadOutput:
    """Return a head's output with these (C, h, w) scores."""
    return HeadOutput(torch.zeros(1, 1, *scores.shape[1:]), node_logits=scores.logit()[None])


def at_pixel(leaves: tuple[int, ...], *scores: float) -> float:
    """Return the loss of one pixel with one label on the tiny tree."""
    output = of_scores(torch.tensor(scores, dtype=torch.float64)[:, None, None])
    loss = HssnLoss(table_of(TREE, leaves), TREE).double()
    return float(loss(output, torch.zeros(1, 1, 1).long(), ONE_DATASET, ONE.double()))


def positive(p: float) -> float:
    """Return the focal loss of a true node."""
    return -((1 - p) ** 2) * math.log(p)


def negative(p: float) -> float:
    """Return the focal loss of a false node."""
    return -(p**2) * math.log(1 - p)


def test_the_columns_are_the_children_of_the_classifiers() -> None:
    assert [TREE.nodes[node].name for node in node_order(TREE)] == ['a', 'b', 'a1', 'a2']


@pytest.mark.parametrize(
    ('leaves', 'scores', 'expected'),
    [
        # a1 is no more likely than its parent a: the parent's score is punished twice.
        ((2,), (0.6, 0.2, 0.9, 0.3), 2 * positive(0.6) + negative(0.2) + negative(0.3)),
        (
            (2,),
            (0.9, 0.2, 0.7, 0.3),
            positive(0.9) + positive(0.7) + negative(0.2) + negative(0.3),
        ),
        # a is false with all below it: a is as likely as the likeliest of its children.
        ((4,), (0.1, 0.8, 0.5, 0.3), positive(0.8) + 2 * negative(0.5) + negative(0.3)),
        (
            (4,),
            (0.6, 0.8, 0.5, 0.3),
            positive(0.8) + negative(0.6) + negative(0.5) + negative(0.3),
        ),
        # The label a says nothing of a1 and a2, whatever their scores are.
        ((2, 3), (0.6, 0.2, 0.99, 0.01), positive(0.6) + negative(0.2)),
        # Of a1 or b: a and b and a1 are open, a2 is false.
        ((2, 4), (0.6, 0.2, 0.9, 0.3), negative(0.3)),
    ],
)
def test_a_pixel_by_hand(
    leaves: tuple[int, ...], scores: tuple[float, ...], expected: float
) -> None:
    assert at_pixel(leaves, *scores) == pytest.approx(expected, rel=1e-9)


def test_value_and_gradient_equal_loops_over_random_trees() -> None:
    rng = np.random.default_rng(5)
    for _ in range(12):
        taxonomy = random_tree(rng)
        labels = random_labels(rng, taxonomy, 6)
        table = LabelTable(taxonomy, [Mapping('m', labels, ())])
        targets = torch.from_numpy(rng.integers(-1, 6, (1, 3, 4)))
        x = torch.from_numpy(rng.normal(0, 1.5, (len(taxonomy) - 1, 3, 4))).requires_grad_()
        output = HeadOutput(x[None, :1], node_logits=x[None])
        found = HssnLoss(table, taxonomy).double()(output, targets, ONE_DATASET, ONE.double())
        found.backward()
        assert x.grad is not None
        again = x.detach().clone().requires_grad_()
        order = node_order(taxonomy)
        terms, count = [], 0
        for (i, j), row in np.ndenumerate(targets[0].numpy()):
            if row < 0:
                continue
            count += 1
            leaves = set(labels[row].leaves)
            score = {node: again[c, i, j].sigmoid() for c, node in enumerate(order)}
            for node in order:
                below = set(taxonomy.leaves_below(node))
                if leaves <= below:
                    p = torch.stack([score[n] for n in taxonomy.path(node)[1:]]).min()
                    terms.append(-((1 - p) ** 2) * p.log())
                elif not leaves & below:
                    p = torch.stack([score[n] for n in taxonomy.nodes_below(node)]).max()
                    terms.append(-(p**2) * (1 - p).log())
        expected = torch.stack(terms).sum() / count
        torch.testing.assert_close(found, expected)
        expected.backward()
        torch.testing.assert_close(x.grad, again.grad)


def test_unknown_nodes_never_decide_a_known_one() -> None:
    """What is above a true node is true, what is below a false node is false."""
    rng = np.random.default_rng(6)
    taxonomy = random_tree(rng)
    allowed = torch.from_numpy(rng.random((20, len(taxonomy.leaves))) < 0.4).float()
    allowed[:, 0] = 1
    is_true, is_false = known_nodes(allowed, taxonomy)
    order = node_order(taxonomy)
    for c, node in enumerate(order):
        for d, other in enumerate(order):
            if other in taxonomy.path(node):
                assert not (is_true[:, c] & ~is_true[:, d]).any()
                assert not (is_false[:, d] & ~is_false[:, c]).any()


def test_without_labelled_pixels_the_loss_is_0_and_gradients_exist() -> None:
    x = torch.zeros(1, 4, 2, 2, requires_grad=True)
    output = HeadOutput(torch.zeros(1, 3, 2, 2), node_logits=x)
    nothing = torch.full((1, 2, 2), -1)
    loss = HssnLoss(table_of(TREE, (2,)), TREE)(output, nothing, ONE_DATASET, ONE)
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    assert not x.grad.any()


def test_the_head_shares_a_parents_probability_by_scores() -> None:
    """And what training reads is what inference computes, at points too."""
    torch.manual_seed(1)
    head = NodeHead(TREE, NetworkConfig(channels=8, head='nodes', branch_channels=4)).eval()
    features = torch.randn(1, 8, 2, 3)
    output = head.head_output(features)
    assert output.node_logits is not None
    a, b, a1, a2 = output.node_logits[0].sigmoid()
    expected = torch.stack([a * a1 / (a1 + a2), a * a2 / (a1 + a2), b]) / (a + b)
    torch.testing.assert_close(output.leaf_probabilities[0], expected)
    torch.testing.assert_close(head(features), output.leaf_probabilities)
    points = output_at(output, places_of(torch.tensor([[4]]), (2, 3)))
    assert points.node_logits is not None
    torch.testing.assert_close(points.node_logits[0, :, 0, 0], output.node_logits[0, :, 1, 1])


def test_the_exported_head_computes_the_same() -> None:
    torch.manual_seed(3)
    config = NetworkConfig(channels=8, head='nodes', branch_channels=4)
    head = NodeHead(TREE, config).eval()
    features = 9 * torch.randn(1, 8, 2, 3)
    nodes = ConditionalNodes(head, TREE).eval()(features)
    of_leaves = torch.from_numpy(TREE.leaf_matrix()).float()
    expected = torch.einsum('vl,nlhw->nvhw', of_leaves, head(features))
    torch.testing.assert_close(nodes, expected, atol=1e-6, rtol=1e-4)


def test_another_head_is_refused() -> None:
    output = HeadOutput(torch.zeros(1, 3, 2, 2))
    with pytest.raises(ConfigError, match="needs a network with the head 'nodes'"):
        HssnLoss(table_of(TREE, (2,)), TREE)(output, torch.zeros(1, 2, 2).long(), ONE_DATASET, ONE)


# Separate heads.

HEADS = named_tree(('root', [('one', ['x', 'y']), ('two', ['p', 'q', 'r'])]))


def test_each_dataset_teaches_its_own_softmax_alone() -> None:
    torch.manual_seed(2)
    logits = [torch.randn(2, k, 2, 2, requires_grad=True) for k in (2, 2, 3)]
    conditional = tuple(values.log_softmax(1) for values in logits)
    output = HeadOutput(torch.zeros(2, 5, 2, 2), conditional)
    one = Mapping('one', (Label(0, 'x', (2,)), Label(1, 'y', (3,))), ())
    two = Mapping('two', tuple(Label(i, n, (5 + i,)) for i, n in enumerate('pqr')), ())
    loss = HeadsLoss(LabelTable(HEADS, [one, two]), HEADS)
    targets = torch.tensor([[[0, 1], [1, 1]], [[2, 4], [3, -1]]])
    found = loss(output, targets, torch.tensor([0, 1]), torch.tensor([1.0, 0.5]))
    of_one = torch.nn.functional.cross_entropy(logits[1][:1], targets[:1])
    of_two = torch.nn.functional.cross_entropy(logits[2][1:], targets[1:] - 2, ignore_index=-3)
    torch.testing.assert_close(found, of_one + 0.5 * of_two)
    found.backward()
    assert logits[0].grad is None or not logits[0].grad.any()
    assert logits[1].grad is not None
    assert not logits[1].grad[1].any()


@pytest.mark.parametrize(
    ('tree', 'leaves'), [(TREE, (2,)), (HEADS, (2, 5))], ids=['depth', 'two heads']
)
def test_another_tree_is_refused(tree: Taxonomy, leaves: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match='a child of the root for each dataset'):
        HeadsLoss(table_of(tree, leaves), tree)
