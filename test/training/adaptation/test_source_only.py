# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Methods without a loss of their own: source only, norm statistics, swapped amplitudes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import assert_same_weights, stop_after, tensors
from target_images import adapted, draw_target

from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.config.adaptation import AdaptationConfig, TargetConfig
from hiseg_ros.training.config.experiment import (
    TrainingConfig,
    ValidationConfig,
    load_training_config,
)
from hiseg_ros.training.data.data_module import MixedData
from hiseg_ros.training.run.run_folder import settings_text
from hiseg_ros.training.run.train import train

pytestmark = pytest.mark.filterwarnings('ignore')


def test_without_a_loss_of_the_target_the_run_is_source_only(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """The target need not even exist."""
    run = adapted(config, tmp_path / 'nowhere', 'none')
    weights = train(run, tmp_path / 'run', accelerator='cpu')
    assert_same_weights(complete / 'small.safetensors', weights)


def test_adabn_changes_norm_statistics_and_nothing_else(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    run = adapted(config, draw_target(tmp_path / 'target'), 'adabn')
    weights = train(run, tmp_path / 'run', accelerator='cpu')
    before, after = tensors(complete / 'small.safetensors'), tensors(weights)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert {name.rpartition('.')[2] for name in changed} <= {
        'running_mean',
        'running_var',
        'num_batches_tracked',
    }
    assert len(changed) > 20
    card = load_checkpoint(weights).card
    assert card['adaptation']['method'] == 'adabn'
    assert card['adaptation']['target_images'] == 10


def test_fda_changes_source_crops_and_not_their_labels(
    config: TrainingConfig, tmp_path: Path
) -> None:
    target = draw_target(tmp_path / 'target')
    taxonomy = load_taxonomy(config.taxonomy)
    plain, styled = (
        MixedData(one, taxonomy)._samples(2, 0)
        for one in (config, adapted(config, target, 'fda', fda_beta=0.05))
    )
    assert len(plain) == len(styled) == 6
    for index in range(6):
        (image, labels, dataset), other = plain[index], styled[index]
        assert torch.equal(labels, other[1])
        assert dataset == other[2] == 0
        assert not torch.equal(image, other[0])
        assert torch.equal(styled[index][0], other[0])


def test_a_run_with_fda_resumes_as_if_uninterrupted(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = adapted(config, draw_target(tmp_path / 'target'), 'fda')
    run = replace(run, steps=2, steps_per_epoch=1, validation=ValidationConfig(''))
    whole = train(run, tmp_path / 'whole', accelerator='cpu')
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, 1)
        train(run, tmp_path / 'cut', accelerator='cpu')
    resumed = train(run, tmp_path / 'cut', accelerator='cpu')
    assert_same_weights(whole, resumed)


def test_the_block_is_read_from_a_file_and_checked(config: TrainingConfig, tmp_path: Path) -> None:
    run = adapted(config, tmp_path / 'target', 'fda', place={'without': ('0006R0',)})
    file = tmp_path / 'experiment.yaml'
    file.write_text(settings_text(run))
    assert load_training_config(file) == run
    assert run.with_paths(Path('/data')).adaptation == run.adaptation  # an absolute path stays
    file.write_text(settings_text(run).replace('method: fda', 'method: fad'))
    with pytest.raises(ConfigError, match=r"adaptation.method is 'fad'; expected one of 'none'"):
        load_training_config(file)
    place = TargetConfig('bag')
    assert AdaptationConfig('fda', place).beta == 0.01
    assert AdaptationConfig('none', place).beta == 0
    for values, expected in (({'fda_beta': 0.0}, r'fda_beta is 0.0; expected a number above 0'),):
        with pytest.raises(ConfigError, match=expected):
            AdaptationConfig('fda', place, **values)
    with pytest.raises(ConfigError, match=r"dataset_norm is True; expected false for .*'adabn'"):
        replace(adapted(config, tmp_path, 'adabn'), dataset_norm=True)


def test_a_target_that_is_the_source_is_refused(
    config: TrainingConfig, camvid: Path, tmp_path: Path
) -> None:
    run = adapted(config, camvid / 'images' / 'train', 'adabn')
    with pytest.raises(DatasetError, match='are images of the dataset camvid'):
        train(run, tmp_path / 'run', accelerator='cpu')
    assert not (tmp_path / 'run').exists()
