# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Loss terms about outlines: what an outline is, and values by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.losses.edges import EdgeLoss, gradient, label_edges

TAXONOMY = load_taxonomy('street')
TABLE = LabelTable(TAXONOMY, [load_mapping('camvid', TAXONOMY)])
LEAVES = TABLE.allowed.shape[1]
ONE = (torch.zeros(1, dtype=torch.int64), torch.ones(1))


def loss_of(**weights: float) -> EdgeLoss:
    """Return the terms with these weights."""
    return EdgeLoss(LossConfig(**weights), TABLE)  # type: ignore[arg-type]


def said(edge_logits: torch.Tensor | None, grid: tuple[int, int] = (8, 8)) -> HeadOutput:
    """Return an output of one image with equal probabilities."""
    return HeadOutput(torch.full((1, LEAVES, *grid), 1 / LEAVES), None, edge_logits)


def halves(size: int = 32) -> torch.Tensor:
    """Return targets (1, size, size): label 0 on the left, label 3 on the right."""
    targets = torch.zeros((1, size, size), dtype=torch.int64)
    targets[..., size // 2 :] = 3
    return targets


def test_an_outline_reaches_two_pixels_to_both_sides() -> None:
    """Along a straight boundary, and nowhere else."""
    edges, known = label_edges(halves())
    assert edges.shape == (1, 1, 32, 32)
    assert edges[0, 0].any(0).nonzero().flatten().tolist() == [14, 15, 16, 17]
    assert (edges[..., 14:18] == 1).all() and (known == 1).all()


def test_where_a_label_ends_at_unlabeled_pixels_is_no_outline() -> None:
    """Nobody knows what is there; such pixels do not count."""
    targets = halves()
    targets[..., 16:] = IGNORED
    edges, known = label_edges(targets)
    assert not edges.any()
    assert torch.equal(known[0, 0].bool(), targets[0] != IGNORED)


def test_the_edge_loss_is_the_balanced_cross_entropy_by_hand() -> None:
    """Two of eight columns of cells are an outline: each class weighs what the other is."""
    logits = torch.linspace(-2, 2, 64).reshape(1, 1, 8, 8).requires_grad_()
    found = loss_of(edge_weight=2.0)(said(logits), halves(), *ONE)['edge_loss']
    wanted = torch.zeros(8, 8)
    wanted[:, 3:5] = 1
    losses = F.softplus(logits[0, 0]) - wanted * logits[0, 0]
    expected = 2 * (torch.where(wanted > 0, 0.75, 0.25) * losses).mean()
    torch.testing.assert_close(found, expected)
    found.backward()
    assert logits.grad is not None
    assert (logits.grad[0, 0, :, 3:5] < 0).all() and (logits.grad[0, 0, :, :3] > 0).all()


def test_datasets_count_by_their_weights() -> None:
    """As in every loss: means of each dataset, added."""
    logits = torch.randn(2, 1, 8, 8)
    output = HeadOutput(said(None).leaf_probabilities.expand(2, -1, -1, -1), None, logits)
    targets = halves().expand(2, -1, -1)
    terms = loss_of(edge_weight=1.0)
    alone = [
        terms(said(logits[n : n + 1]), targets[n : n + 1], *ONE)['edge_loss'] for n in range(2)
    ]
    both = terms(output, targets, torch.tensor([1, 0]), torch.tensor([3.0, 0.5]))['edge_loss']
    torch.testing.assert_close(both, 0.5 * alone[0] + 3 * alone[1])


def test_attention_reads_labels_where_an_outline_is_sure() -> None:
    """The mean loss of these pixels, and 0 where there are none."""
    logits = torch.full((1, 1, 8, 8), -4.0)
    terms = loss_of(edge_attention_weight=1.0)
    assert terms(said(logits), halves(), *ONE)['edge_attention_loss'] == 0
    logits[..., 0, 0] = 4  # its pixels have label 0
    share = float(TABLE.allowed[0].sum()) / LEAVES
    found = terms(said(logits), halves(), *ONE)['edge_attention_loss']
    assert found.item() == pytest.approx(-math.log(share), rel=1e-5)


def test_a_gradient_is_the_slope() -> None:
    """A ramp has the same everywhere inside, a constant none."""
    ramp = (3 * torch.arange(6.0) + 0 * torch.arange(4.0)[:, None])[None]
    torch.testing.assert_close(gradient(ramp)[0, :, 1:-1], torch.full((4, 4), 3.0))
    assert gradient(torch.full((1, 4, 4), 5.0)).abs().max() < 1e-8


def test_the_dual_task_term_is_small_where_the_outlines_agree() -> None:
    """Smaller for the true labels than for shifted ones; it trains the probabilities."""
    targets = halves()
    terms = loss_of(dual_task_weight=1.0)
    found = {}
    for shift in (0, 8, 16):
        right = (torch.arange(32) >= 16 + shift)[::4].expand(8, 8)
        logits = torch.where(right, -12.0, 12.0).requires_grad_()
        left = torch.sigmoid(logits)
        columns = [TABLE.allowed[label] / TABLE.allowed[label].sum() for label in (0, 3)]
        leaves = columns[0][:, None, None] * left + columns[1][:, None, None] * (1 - left)
        torch.manual_seed(0)
        loss = terms(HeadOutput(leaves[None]), targets, *ONE)['dual_task_loss']
        loss.backward()
        assert logits.grad is not None and logits.grad.isfinite().all()
        found[shift] = loss.item()
    assert found[0] < 0.05
    assert found[8] > 5 * found[0]


def test_an_image_of_one_label_or_none_has_no_outlines() -> None:
    """The terms are 0 and can be differentiated."""
    logits = torch.zeros(1, 1, 8, 8, requires_grad=True)
    terms = loss_of(edge_weight=20.0, edge_attention_weight=1.0, dual_task_weight=1.0)
    for target in (0, IGNORED):
        targets = torch.full((1, 32, 32), target)
        found = terms(said(logits), targets, *ONE)
        assert set(found) == {'edge_loss', 'edge_attention_loss', 'dual_task_loss'}
        assert all(value == 0 for value in found.values())
        sum(found.values()).backward()  # type: ignore[union-attr]
    assert logits.grad is not None and (logits.grad == 0).all()
