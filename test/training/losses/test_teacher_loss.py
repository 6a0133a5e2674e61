# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Soft labels of a teacher: exact on small cases, narrowed by labels, gradients where they go."""

from __future__ import annotations

import math

import pytest
import torch

from hiseg_ros.taxonomy import Label, Mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses.teacher_loss import TeacherLoss

TAXONOMY = load_taxonomy('street')
NAMES = ('Car', 'Truck', 'Bus', 'Sky', 'Road', 'Caravan')
CAR, TRUCK, BUS, SKY, ROAD, CARAVAN = (TAXONOMY.node_id(name) for name in NAMES)


def label(number: int, *leaves: int) -> Label:
    return Label(number, f'l{number}', tuple(sorted(leaves)))


CLASSES = Mapping('classes', (label(0, CAR), label(1, TRUCK, BUS), label(2, SKY)), ())
LABELS = Mapping('labels', (label(0, CAR, TRUCK, CARAVAN), label(1, SKY), label(2, ROAD)), (255,))
TABLE = LabelTable(TAXONOMY, [LABELS])
VEHICLE, ONLY_SKY, ONLY_ROAD, UNLABELED = 0, 1, 2, -1
P = {CAR: 0.1, TRUCK: 0.2, BUS: 0.15, SKY: 0.25, ROAD: 0.05, CARAVAN: 0.25}
Q = (0.5, 0.3, 0.2)


def leaf(node: int) -> int:
    return int(TAXONOMY.leaf_index_of_node_id[node])


def probabilities(size: tuple[int, int] = (1, 1), count: int = 1) -> torch.Tensor:
    """Return (count, L, h, w) with the probabilities of P everywhere."""
    values = torch.zeros(count, len(TAXONOMY.leaves), *size)
    for node, value in P.items():
        values[:, leaf(node)] = value
    return values


def teacher(size: tuple[int, int] = (1, 1), count: int = 1) -> torch.Tensor:
    """Return the (count, 3, h, w) logits of the probabilities Q, shifted."""
    return (torch.tensor(Q).log() + 3).view(1, 3, 1, 1).expand(count, 3, *size)


def loss_of(target: int, leaves: torch.Tensor | None = None) -> torch.Tensor:
    """Return the loss of one image of one cell and 8x8 pixels of a label."""
    loss = TeacherLoss(TABLE, CLASSES, TAXONOMY, [1.0])
    found: torch.Tensor = loss(
        probabilities() if leaves is None else leaves,
        teacher(),
        torch.full((1, 8, 8), target),
        torch.tensor([0]),
        torch.ones(1),
    )
    return found


def kl(wanted: list[float], found: list[float]) -> float:
    return sum(w * math.log(w / f) for w, f in zip(wanted, found, strict=True) if w)


def test_an_unlabeled_cell_is_the_divergence_of_the_class_sums() -> None:
    """Leaves without a class, here Road and Caravan, have what is missing to 1."""
    assert float(loss_of(UNLABELED)) == pytest.approx(kl(list(Q), [0.1, 0.35, 0.25]), rel=1e-5)


def test_a_label_narrows_both_and_the_teacher_counts_as_far_as_it_agrees() -> None:
    """Of truck and bus only the truck is allowed; the sky is not, and the caravan has no class."""
    mass, total = 0.8, 0.1 + 0.2 + 0.25
    expected = mass * kl([0.5 / mass, 0.3 / mass], [0.1 / total, 0.2 / total])
    assert float(loss_of(VEHICLE)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize('target', [ONLY_SKY, ONLY_ROAD])
def test_where_the_label_leaves_nothing_open_there_is_nothing_to_learn(target: int) -> None:
    """Neither with a class of its own nor with a leaf that no class has."""
    leaves = probabilities().requires_grad_()
    loss = loss_of(target, leaves)
    loss.backward()
    assert float(loss) == pytest.approx(0.0, abs=1e-6)
    assert leaves.grad is not None
    assert float(leaves.grad.abs().max()) < 1e-6


def test_a_network_that_says_the_same_loses_nothing() -> None:
    leaves = torch.zeros(1, len(TAXONOMY.leaves), 1, 1)
    for node, value in ((CAR, 0.5), (TRUCK, 0.1), (BUS, 0.2), (SKY, 0.2)):
        leaves[:, leaf(node)] = value
    assert float(loss_of(UNLABELED, leaves)) == pytest.approx(0.0, abs=1e-6)


def test_gradients_reach_allowed_leaves_only() -> None:
    """Up for the class that the teacher believes more, down for what has no class."""
    leaves = probabilities().requires_grad_()
    loss_of(VEHICLE, leaves).backward()
    assert leaves.grad is not None
    gradient = leaves.grad[0, :, 0, 0]
    reached = {index for index, value in enumerate(gradient.tolist()) if value}
    assert reached == {leaf(node) for node in (CAR, TRUCK, CARAVAN)}
    assert gradient[leaf(CAR)] < 0 < gradient[leaf(CARAVAN)]
    total = 0.55
    expected = -0.5 / 0.1 + 0.8 / total
    assert float(gradient[leaf(CAR)]) == pytest.approx(expected, rel=1e-4)


def test_datasets_are_means_of_their_own_cells_with_their_own_factors() -> None:
    """Two images of one dataset, one of another, one that is not asked."""
    loss = TeacherLoss(TABLE, CLASSES, TAXONOMY, [1.0, 0.5, 0.0])
    index = torch.tensor([0, 2, 0, 1])
    assert loss.teaches(index).tolist() == [True, False, True, True]
    targets = torch.full((4, 8, 16), UNLABELED)
    targets[2] = VEHICLE
    found = loss(
        probabilities((1, 2), 4), teacher((1, 2), 3), targets, index, torch.tensor([2.0, 3.0, 9.0])
    )
    one, other = float(loss_of(UNLABELED)), float(loss_of(VEHICLE))
    assert float(found) == pytest.approx(2 * (one + other) / 2 + 3 * 0.5 * one, rel=1e-5)


def test_a_cell_has_the_label_of_its_middle_and_a_finer_grid_is_averaged() -> None:
    """The teacher's grid decides: two cells, each of four of the network's."""
    targets = torch.full((1, 8, 16), ONLY_SKY)
    targets[0, 4, 12] = UNLABELED
    leaves = probabilities((2, 4))
    leaves[0, leaf(CAR), 0, 2:], leaves[0, leaf(CAR), 1, 2:] = 0.2, 0.0
    loss = TeacherLoss(TABLE, CLASSES, TAXONOMY, [1.0])
    found = loss(leaves, teacher((1, 2)), targets, torch.tensor([0]), torch.ones(1))
    assert float(found) == pytest.approx(float(loss_of(UNLABELED)) / 2, rel=1e-4)


def test_a_mixture_allows_what_its_labels_allow() -> None:
    table = LabelTable(TAXONOMY, [LABELS])
    row = table.add_mixture('labels', {0: 0.5, 1: 0.5})
    loss = TeacherLoss(table, CLASSES, TAXONOMY, [1.0])
    targets = torch.full((1, 8, 8), row)
    found = loss(probabilities(), teacher(), targets, torch.tensor([0]), torch.ones(1))
    total = 0.1 + 0.2 + 0.25 + 0.25
    expected = kl(list(Q), [0.1 / total, 0.2 / total, 0.25 / total])
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_a_certain_teacher_and_a_lost_network_give_numbers() -> None:
    """No logarithm of zero, no gradient that is none."""
    leaves = torch.zeros(1, len(TAXONOMY.leaves), 1, 1)
    leaves[:, leaf(ROAD)] = 1.0
    leaves.requires_grad_()
    loss = TeacherLoss(TABLE, CLASSES, TAXONOMY, [1.0])
    logits = torch.tensor([1e4, -1e4, 0.0]).view(1, 3, 1, 1)
    for target in (UNLABELED, VEHICLE, ONLY_ROAD):
        found = loss(
            leaves, logits, torch.full((1, 8, 8), target), torch.tensor([0]), torch.ones(1)
        )
        found.backward()
        assert math.isfinite(float(found))
    assert leaves.grad is not None
    assert bool(leaves.grad.isfinite().all())
