# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Losses at sampled points: which pixels are drawn, and equality with all pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from loss_references import output_of, pixels_and_boxes, random_logits, random_sign_tree
from torch.nn import functional as F  # noqa: N812 (the field's usual name)

from hiseg_ros.model.classifier_tree import HeadOutput
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.network import HierarchicalNetwork
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.loss import LossConfig, LossKind
from hiseg_ros.training.data.label_table import IGNORED, LabelTable
from hiseg_ros.training.losses import build_loss
from hiseg_ros.training.losses.points import draw_points, output_at, places_of

SIZE = (10, 14)
ALL = SIZE[0] * SIZE[1]


def case(seed: int) -> tuple[LossConfig, LabelTable, object, HeadOutput, torch.Tensor]:
    """Return a table of pixels and boxes, what a head says, and targets of two images."""
    rng = np.random.default_rng(seed)
    taxonomy = random_sign_tree(rng)
    table, labels, _ = pixels_and_boxes(rng, taxonomy)
    output = output_of(taxonomy, random_logits(rng, taxonomy, 2, (4, 5)))
    targets = torch.from_numpy(rng.integers(-1, len(labels), (2, *SIZE)))
    return LossConfig(), table, taxonomy, output, targets


@pytest.mark.parametrize(
    ('kind', 'box_gate'),
    [('set', 'none'), ('set', 'soft'), ('set', 'hard'), ('flat', 'none'), ('iv2018', 'none')],
)
def test_all_pixels_as_points_give_the_loss_of_all_pixels(kind: LossKind, box_gate: str) -> None:
    """Value and gradient, for every loss, whatever the order in which the points are drawn."""
    _, table, taxonomy, output, targets = case(5)
    config = LossConfig(kind, box_gate=box_gate)  # type: ignore[arg-type]
    head = 'leaf' if kind == 'flat' else 'conditional'
    loss_of = build_loss(config, table, taxonomy, head).double()  # type: ignore[arg-type]
    given = (torch.tensor([0, 1]), torch.tensor([1.0, 0.5]).double())
    dense = loss_of(output, targets, *given)
    points = draw_points(targets, ALL)
    sampled = loss_of(output_at(output, points.places.double()), points.targets, *given)
    assert dense > 0
    torch.testing.assert_close(sampled, dense, rtol=1e-6, atol=1e-6)
    inputs = [values for values in output.conditional_log_probabilities or ()]
    gradients = [
        torch.autograd.grad(
            loss, inputs, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        for loss in (dense, sampled)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_point_is_the_centre_of_its_pixel() -> None:
    """A map whose values are its own coordinates is read back."""
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(9.0), indexing='ij')
    pixels = torch.randperm(54)
    places = places_of(pixels, (6, 9))
    found = F.grid_sample(
        torch.stack([rows, columns])[None], places[None, None], align_corners=False
    )[0, :, 0]
    expected = torch.stack([pixels // 9, pixels % 9]).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_points_are_labelled_pixels_drawn_once() -> None:
    """Their places and targets belong together; what lacks is filled up and teaches nothing."""
    targets = torch.full((3, *SIZE), IGNORED, dtype=torch.int16)
    targets[0] = torch.arange(ALL).reshape(SIZE)
    targets[1, 2, :5] = torch.arange(5, dtype=torch.int16)
    torch.manual_seed(0)
    points = draw_points(targets, 30)
    assert points.places.shape == (3, 30, 2) and points.targets.shape == (3, 1, 30)
    assert points.targets.dtype == torch.int16
    drawn = points.targets[0, 0].long()
    assert len(set(drawn.tolist())) == 30
    torch.testing.assert_close(points.places[0], places_of(drawn, SIZE))
    assert sorted(points.targets[1, 0].tolist()) == [IGNORED] * 25 + [0, 1, 2, 3, 4]
    assert (points.targets[2] == IGNORED).all()
    torch.manual_seed(0)
    again = draw_points(targets, 30)
    assert torch.equal(again.places, points.places)


def test_points_by_class_find_the_small_ones() -> None:
    """Each label of an image is drawn as often as another, as long as there are pixels of it."""
    targets = torch.zeros((1, 40, 50), dtype=torch.int64)
    targets[0, 0, :20] = 7
    torch.manual_seed(0)
    uniform, by_class = (
        int((draw_points(targets, 20, draw).targets == 7).sum())  # type: ignore[arg-type]
        for draw in ('uniform', 'per_class')
    )
    assert uniform <= 3
    assert 7 <= by_class <= 14
    assert int((draw_points(targets, 2000, 'per_class').targets == 7).sum()) == 20


def test_pixelnet_computes_single_points_and_their_gradient() -> None:
    """At the centres of the grid's cells the head says what it says on the grid."""
    taxonomy = load_taxonomy('street')
    torch.manual_seed(0)
    network = HierarchicalNetwork(
        NetworkConfig(
            'mobilenetv4_conv_small_035',
            decoder='pixelnet',
            channels=8,
            branch_channels=4,
            decoder_options={'width': 16},
        ),
        taxonomy,
    ).eval()
    assert network.reads_points
    images = torch.randn(2, 3, 32, 64)
    places = places_of(torch.arange(8 * 16), (8, 16)).expand(2, -1, -1)
    with torch.no_grad():
        dense = network.head_output(images).leaf_probabilities
        sampled = network.output_at(images, places).leaf_probabilities
    torch.testing.assert_close(sampled.reshape(dense.shape), dense, rtol=1e-5, atol=1e-6)
    table = LabelTable(taxonomy, [load_mapping('camvid', taxonomy)])
    targets = torch.randint(-1, 11, (2, 32, 64))
    points = draw_points(targets, 50)
    loss_of = build_loss(LossConfig(), table, taxonomy, 'conditional')
    output = network.train().output_at(images, points.places)
    loss_of(output, points.targets, torch.zeros(2).long(), torch.ones(1)).backward()
    assert [k for k, p in network.named_parameters() if p.grad is None] == []


def test_a_decoder_of_whole_grids_says_that_it_reads_no_points() -> None:
    network = HierarchicalNetwork(
        NetworkConfig('mobilenetv4_conv_small_035', channels=8, decoder='fusion'),
        load_taxonomy('street'),
    )
    assert not network.reads_points
    with pytest.raises(TypeError, match="'fusion' reads no single points"):
        network.output_at(torch.zeros(1, 3, 32, 32), torch.zeros(1, 4, 2))
