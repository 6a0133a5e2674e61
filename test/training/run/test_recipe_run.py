# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whole runs with the recipe's other settings: statistics per dataset, SGD, reading on demand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import assert_same_weights, stop_after, tensors

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.config.recipe import OptimizerConfig, ScheduleConfig
from hiseg_ros.training.data.data_module import MixedData
from hiseg_ros.training.run.module import SegmentationModule
from hiseg_ros.training.run.train import train

pytestmark = [
    pytest.mark.filterwarnings('ignore::UserWarning'),
    pytest.mark.filterwarnings('ignore:.*LeafSpec'),
]


@pytest.fixture
def recipe(config: TrainingConfig) -> TrainingConfig:
    """Return a run of 8 steps of two batches each, from two datasets."""
    camvid = replace(
        config.datasets['camvid'], flips=True, in_memory=False, repeat_threshold=0.5, share=2
    )
    return replace(
        config,
        datasets={'first': camvid, 'second/one': replace(camvid, in_memory=True)},
        licences={},
        dataset_norm=True,
        accumulate_batches=2,
        optimizer=OptimizerConfig('sgd', nesterov=True),
        schedule=ScheduleConfig('poly'),
        gradient_clip=1.0,
    )


def test_a_killed_run_with_every_setting_ends_as_if_it_had_not_been(
    recipe: TrainingConfig, tmp_path: Path
) -> None:
    """Bit by bit, and so do the networks with the statistics of each dataset."""
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    train(recipe, whole, accelerator='cpu')
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, 2, 1)
        train(recipe, parts, accelerator='cpu')
    train(recipe, parts, accelerator='cpu')
    names = sorted(path.name for path in whole.glob('*.safetensors'))
    assert names == [f'small{part}.safetensors' for part in ('.first', '', '.second_one')]
    for name in names:
        assert_same_weights(whole / name, parts / name)
        assert load_checkpoint(whole / name).card['name'] == name.removesuffix('.safetensors')
        load_checkpoint(whole / name).build()
    mixed, *single = (tensors(whole / name) for name in (names[1], names[0], names[2]))
    for name, value in mixed.items():
        for other in single:
            if 'running' not in name:
                assert torch.equal(value, other[name])
    mean = next(name for name in mixed if name.endswith('running_mean'))
    assert not torch.equal(single[0][mean], single[1][mean])


def test_a_chosen_data_sets_statistics_are_written(recipe: TrainingConfig, tmp_path: Path) -> None:
    """The run's own file is then the one of that dataset."""
    config = replace(recipe, steps=2, warmup_steps=1, exported_norm='first')
    weights = train(config, tmp_path, accelerator='cpu')
    assert_same_weights(weights, tmp_path / 'small.first.safetensors')


def test_the_step_normalises_each_data_set_by_itself(
    recipe: TrainingConfig, tmp_path: Path
) -> None:
    """Statistics after one step are those of each dataset's images alone."""
    taxonomy = load_taxonomy(recipe.taxonomy)
    data = MixedData(recipe, taxonomy)
    module = SegmentationModule(recipe, taxonomy, data.table)
    module.log = lambda *_, **__: None  # type: ignore[method-assign]
    images = torch.stack(
        [torch.full((3, 64, 64), level, dtype=torch.uint8) for level in (10, 30, 200, 220)]
    )
    images += torch.randint(0, 20, images.shape, dtype=torch.uint8)
    targets = torch.zeros(4, 64, 64, dtype=torch.int64)
    stem = next(part for part in module.network.modules() if hasattr(part, 'seen_batches'))
    module.training_step((images, targets, torch.tensor([0, 0, 1, 1])), 0)
    assert stem.seen_batches.tolist() == [1, 1]
    first, second = stem.running_mean.clone()
    module.training_step((images[:2], targets[:2], torch.tensor([0, 0])), 1)
    assert stem.seen_batches.tolist() == [2, 1]
    # The momentum is 0.1: a second look at the same images goes from 0.1 to 0.19 of their mean.
    torch.testing.assert_close(stem.running_mean[0], 1.9 * first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stem.running_mean[1], second)


def test_more_processes_than_images_of_a_data_set_are_refused(recipe: TrainingConfig) -> None:
    """Each process would lack a dataset's statistics; said before the first step."""
    taxonomy = load_taxonomy(recipe.taxonomy)
    module = SegmentationModule(recipe, taxonomy, MixedData(recipe, taxonomy).table)

    class FourProcesses:
        world_size = 4

    module._trainer = FourProcesses()  # type: ignore[assignment]
    with pytest.raises(ConfigError, match='smallest share of a dataset is 2 for 4 processes'):
        module.on_fit_start()
