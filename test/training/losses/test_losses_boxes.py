# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The set loss on boxes, with soft and hard gates, and on mixtures of labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_references import (
    ONE,
    ONE_DATASET,
    gate_of,
    iv2018_reference,
    output_of,
    pixels_and_boxes,
    random_logits,
    random_sign_tree,
    upsampled,
)

from hiseg_ros.decision import decide
from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.taxonomy import Label, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.data.label_table import LabelTable
from hiseg_ros.training.losses import LossConfig, build_loss


def reference(
    taxonomy: Taxonomy,
    probabilities: torch.Tensor,
    targets: np.ndarray,
    labels: list[Label],
    is_box: list[bool],
    gate_kind: str,
    mixtures: dict[int, dict[int, float]],
) -> torch.Tensor:
    """Return the loss of one image of (L, h, w), pixel by pixel."""
    full = upsampled(probabilities, targets.shape)
    of_leaf = dict(zip(taxonomy.leaves, full, strict=True))
    constant = dict(zip(taxonomy.leaves, full.detach(), strict=True))
    top, bottom = torch.zeros((), dtype=torch.float64), 0.0
    for pixel, row in enumerate(targets.flat):
        for part, share in mixtures.get(row, {row: 1.0}).items():
            if part < 0:
                continue
            gate = gate_of(taxonomy, labels[part]) if is_box[part] else 0
            weight = share
            if gate and gate_kind == 'soft':
                weight *= sum(float(constant[n][pixel]) for n in taxonomy.leaves_below(gate))
            if gate and gate_kind == 'hard':
                node = 0
                while children := taxonomy.children(node):
                    node = max(
                        children,
                        key=lambda child: sum(
                            float(constant[n][pixel]) for n in taxonomy.leaves_below(child)
                        ),
                    )
                weight *= gate in taxonomy.path(node)
            chosen = sum(of_leaf[leaf][pixel] for leaf in labels[part].leaves)
            top, bottom = top - weight * torch.log(chosen), bottom + weight
    return top / max(bottom, 1.0)


@pytest.mark.parametrize('gate', ['none', 'soft', 'hard'])
@settings(deadline=None, max_examples=15, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_value_and_gradient_equal_the_reference(gate: str, seed: int) -> None:
    """Labels of pixels and boxes beside mixtures, whose parts pass their own gates."""
    rng = np.random.default_rng(seed)
    taxonomy = random_sign_tree(rng)
    table, labels, is_box = pixels_and_boxes(rng, taxonomy)
    mixtures = {}
    for shares in ({0: 0.25, 1: 0.75}, {2: 0.5, 4: 0.25, 5: 0.25}):
        mixtures[table.add_mixture('weak', shares)] = {6 + k: v for k, v in shares.items()}
    # A sum of all leaves may round to more than 1, where the loss has no slope: left out.
    everything = [len(label.leaves) == len(taxonomy.leaves) for label in labels]
    everything += [any(everything[k] for k in parts) for parts in mixtures.values()] + [False]
    targets = rng.integers(-1, len(labels) + len(mixtures), (5, 7))
    targets[np.array(everything)[targets]] = -1
    p = output_of(taxonomy, random_logits(rng, taxonomy, 1, (2, 3))).leaf_probabilities
    p = p.detach()
    loss = build_loss(LossConfig(box_gate=gate), table, taxonomy, 'leaf').double()
    found_p, expected_p = p.clone().requires_grad_(), p.clone().requires_grad_()
    found = loss(HeadOutput(found_p), torch.from_numpy(targets)[None], ONE_DATASET, ONE.double())
    found.backward()
    expected = reference(taxonomy, expected_p[0], targets, labels, is_box, gate, mixtures)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
    if expected.requires_grad:
        expected.backward()
        torch.testing.assert_close(found_p.grad, expected_p.grad, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('gate', ['soft', 'hard'])
def test_a_gate_never_touches_what_is_no_box(gate: str) -> None:
    """Pixel labels and 'outside all boxes' weigh what they weigh without it."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping(name, taxonomy) for name in ('camvid', 'gtsdb')])
    outside = int(table.label_set_of_label_id('gtsdb')[43])
    rng = np.random.default_rng(1)
    targets = torch.from_numpy(rng.choice([*range(-1, 11), outside], (1, 8, 8)))
    output = output_of(taxonomy, random_logits(rng, taxonomy, 1, (4, 4)))
    values = [
        build_loss(LossConfig(box_gate=kind), table, taxonomy, 'leaf').double()(
            output, targets, ONE_DATASET, ONE.double()
        )
        for kind in ('none', gate)
    ]
    assert values[0] == values[1]


def test_the_hard_gate_is_the_decision_that_inference_takes() -> None:
    """Sign pixels train where the labels at inference would be below 'front', nowhere else."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('gtsdb', taxonomy)])
    front = taxonomy.node_id('Traffic Sign (Front)')
    logits = random_logits(np.random.default_rng(2), taxonomy, 1, (6, 6))
    with torch.no_grad():
        for node in taxonomy.path(front)[1:]:
            parent = taxonomy.parent(node)
            index = taxonomy.children(parent).index(node)
            logits[taxonomy.classifiers.index(parent)][:, index] += 3
    output = output_of(taxonomy, logits)
    output.leaf_probabilities.retain_grad()
    build_loss(LossConfig(box_gate='hard'), table, taxonomy, 'conditional').double()(
        output, torch.full((1, 6, 6), 14), ONE_DATASET, ONE.double()
    ).backward()
    leaf_matrix = torch.from_numpy(taxonomy.leaf_matrix()).double()
    nodes = torch.einsum('vl,lhw->vhw', leaf_matrix, output.leaf_probabilities[0].detach())
    labels, _ = decide(nodes, taxonomy, (6, 6))
    is_front = torch.tensor([front in taxonomy.path(int(n)) for n in labels.flatten()])
    assert 0 < is_front.sum() < 36
    assert output.leaf_probabilities.grad is not None
    trained = output.leaf_probabilities.grad[0].abs().amax(0).flatten() > 0
    assert torch.equal(trained, is_front)


def test_no_gradient_flows_through_the_soft_gate() -> None:
    """A gate must not learn to close: only the label's own leaf goes up."""
    taxonomy = load_taxonomy('street')
    table = LabelTable(taxonomy, [load_mapping('gtsdb', taxonomy)])
    p = torch.randn(1, 108, 4, 4).softmax(1).requires_grad_()
    build_loss(LossConfig(box_gate='soft'), table, taxonomy, 'leaf')(
        HeadOutput(p), torch.full((1, 16, 16), 14), ONE_DATASET, ONE
    ).backward()
    assert p.grad is not None
    trained = p.grad.abs().amax((0, 2, 3)).nonzero().flatten().tolist()
    assert [taxonomy.nodes[taxonomy.leaves[i]].name for i in trained] == ['o_stop']


@settings(deadline=None, max_examples=10, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_mixture_under_iv2018_is_cross_entropy_with_a_distribution(seed: int) -> None:
    """A pixel of two labels counts as both pixels in their shares, as in IV 2019."""
    rng = np.random.default_rng(seed)
    taxonomy = random_sign_tree(rng)
    table, labels, is_box = pixels_and_boxes(rng, taxonomy)
    row = table.add_mixture('weak', {0: 0.75, 3: 0.25})
    logits = random_logits(rng, taxonomy, 4, (2, 2))
    same = [values.detach()[:1].expand_as(values) for values in logits]
    # Three images of the first label and one of the second are one image of the mixture.
    targets = np.stack([np.full((3, 3), label) for label in (6, 6, 6, 9)])
    expected = iv2018_reference(taxonomy, same, targets, labels, is_box)
    loss = build_loss(LossConfig('iv2018'), table, taxonomy, 'conditional').double()
    found = loss(
        output_of(taxonomy, [values[:1] for values in same]),
        torch.full((1, 3, 3), row),
        ONE_DATASET,
        ONE.double(),
    )
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
