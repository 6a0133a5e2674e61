# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whole runs that learn from sampled points, and from outlines."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import assert_same_weights, losses, stop_after

from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.run.train import train

pytestmark = pytest.mark.filterwarnings('ignore')

BACKBONE = 'mobilenetv4_conv_small_035'


def with_points(config: TrainingConfig) -> TrainingConfig:
    """Return a run of PixelNet on points drawn by class."""
    network = NetworkConfig(
        BACKBONE, 32, 'pixelnet', 8, branch_channels=4, decoder_options={'width': 16}
    )
    return replace(config, network=network, loss=LossConfig(points=100, points_drawn='per_class'))


def with_outlines(config: TrainingConfig) -> TrainingConfig:
    """Return a run of Gated-SCNN with all of its terms, also on points."""
    network = NetworkConfig(
        BACKBONE,
        16,
        'gscnn',
        8,
        branch_channels=4,
        decoder_options={'width': 16, 'rates': (1, 2, 3)},
    )
    loss = LossConfig(
        points=100, edge_weight=20.0, edge_attention_weight=1.0, dual_task_weight=1.0
    )
    return replace(config, network=network, loss=loss)


@pytest.mark.parametrize('kind', [with_points, with_outlines])
def test_a_killed_run_draws_the_same_points_and_noise_again(
    config: TrainingConfig, tmp_path: Path, kind: object
) -> None:
    """Bit by bit the run that was not killed, and every term is logged."""
    run = kind(replace(config, steps=4, validation_every_epochs=2))  # type: ignore[operator]
    whole = train(run, tmp_path / 'whole', accelerator='cpu')
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, 1, 1)
        train(run, tmp_path / 'parts', accelerator='cpu')
    assert_same_weights(whole, train(run, tmp_path / 'parts', accelerator='cpu'))
    assert all(0 < loss < 1000 for loss in losses(tmp_path / 'whole'))
    with (tmp_path / 'whole' / 'metrics.csv').open() as file:
        names = set(next(csv.reader(file)))
    terms = {'edge_loss', 'edge_attention_loss', 'dual_task_loss'}
    assert names & terms == (terms if kind is with_outlines else set())


def test_any_decoder_learns_from_points(config: TrainingConfig, tmp_path: Path) -> None:
    """All pixels as points are nearly the run without; a few are another run."""
    run = replace(config, steps=2, validation_every_epochs=9)
    pixels = config.crop[0] * config.crop[1]
    found = {}
    for count in (0, pixels, 50):
        folder = tmp_path / str(count)
        train(replace(run, loss=LossConfig(points=count)), folder, accelerator='cpu')
        found[count] = losses(folder)
    assert found[pixels] == pytest.approx(found[0], rel=1e-4)
    assert found[50] != pytest.approx(found[0], rel=1e-4)
