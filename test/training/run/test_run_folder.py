# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What a run leaves in its folder, and which folders it refuses."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config
from hiseg_ros.training.run import run_folder
from hiseg_ros.training.run.run_folder import check_run_folder, merge_metrics, settings_text
from hiseg_ros.training.run.train import train

pytestmark = pytest.mark.filterwarnings('ignore')


def test_a_run_folder_says_what_was_run_on_what(config: TrainingConfig, complete: Path) -> None:
    """Configuration that can be run again, versions, metrics, checkpoints, no leftovers."""
    assert load_training_config(complete / 'config.yaml') == config
    (start,) = json.loads((complete / 'environment.json').read_text())
    assert start['precision'] == '32-true'
    assert start['torch'] == torch.__version__.split('+')[0]
    assert start['processes'] == 1
    assert {'hiseg_ros', 'lightning', 'python', 'device', 'command', 'commit'} <= set(start)
    with (complete / 'metrics.csv').open() as file:
        rows = list(csv.DictReader(file))
    seen = {name for row in rows for name, value in row.items() if value}
    assert {'loss', 'images_per_s', 'val_miou', 'val_iou/Road', 'epoch', 'step'} <= seen
    assert any(name.startswith('lr-AdamW') for name in seen)
    names = {path.name for path in (complete / 'checkpoints').iterdir()}
    assert names == {'last.ckpt', 'best.ckpt'}
    assert not list(complete.rglob('*.partial'))


def test_the_card_says_what_the_training_took(complete: Path) -> None:
    """As measured in this run."""
    measured = load_checkpoint(complete / 'small.safetensors').card['training']
    assert measured['images_per_s'] > 0
    assert 10 < measured['peak_memory_mib'] < 100_000
    assert 0 <= measured['hours'] < 1
    assert measured['device']


def test_tensorboard_shows_scalars_and_images(complete: Path) -> None:
    """Loss, learning rate, scores, and the overlay of each validation image."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(complete / 'tensorboard')).Reload()
    tags = events.Tags()
    assert {'loss', 'val_miou', 'images_per_s'} <= set(tags['scalars'])
    assert any(tag.startswith('lr-') for tag in tags['scalars'])
    assert set(tags['images']) == {f'validation/{index}' for index in range(4)}
    image = events.Images('validation/0')[0]
    assert (image.height, image.width) == (64, 64)


def test_the_best_weights_can_be_the_final_ones(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """Those of the checkpoint with the highest validation mIoU, with their own scores."""
    weights = train(replace(config, final_weights='best'), tmp_path, accelerator='cpu')
    found = load_checkpoint(weights)
    best = torch.load(tmp_path / 'checkpoints' / 'best.ckpt', weights_only=True)['state_dict']
    for name, tensor in found.state.items():
        torch.testing.assert_close(tensor, best[f'network.{name}'].to(tensor.dtype))
    kept = load_checkpoint(complete / 'small.safetensors').card['scores']
    assert found.card['scores']['val_miou'] >= kept['val_miou']


def test_a_table_of_metrics_has_each_step_once(tmp_path: Path) -> None:
    """Rows that a killed part logged after its last checkpoint give way to those of the next."""
    parts = {
        'version_0': ['epoch,step,loss', '0,1,9.0', '0,2,8.0', '1,3,7.5'],
        'version_2': ['step,loss,val_miou', '3,7.0,', '4,,0.5'],
        'version_10': ['epoch,loss,step', '2,6.0,5'],
        'version_11': ['epoch,loss,step'],
    }
    for name, lines in parts.items():
        (tmp_path / 'metrics' / name).mkdir(parents=True)
        (tmp_path / 'metrics' / name / 'metrics.csv').write_text('\n'.join(lines) + '\n')
    with merge_metrics(tmp_path).open() as file:
        rows = list(csv.DictReader(file))
    assert [row['step'] for row in rows] == ['1', '2', '3', '4', '5']
    assert [row['loss'] for row in rows] == ['9.0', '8.0', '7.0', '', '6.0']
    assert list(rows[0])[:2] == ['epoch', 'step']


def begin_run(config: TrainingConfig, run_dir: Path) -> Path:
    """Write what a run that was stopped leaves."""
    (run_dir / 'checkpoints').mkdir(parents=True)
    (run_dir / 'checkpoints' / 'last.ckpt').touch()
    (run_dir / 'config.yaml').write_text(settings_text(config))
    return run_dir


def test_a_folder_of_another_configuration_is_refused(
    config: TrainingConfig, tmp_path: Path
) -> None:
    """Every setting that differs is named; what leaves the weights as they are may differ."""
    run_dir = begin_run(config, tmp_path / 'run')
    check_run_folder(run_dir, config)
    moved = replace(config.datasets['camvid'], root='/elsewhere')
    check_run_folder(run_dir, replace(config, workers=7, recipe='x', datasets={'camvid': moved}))
    other = replace(
        config,
        seed=5,
        datasets={'camvid': replace(moved, share=4)},
        network=replace(config.network, channels=24),
    )
    words = (
        r'other settings \(datasets\.camvid\.share: 3 -> 4; network\.channels: 16 -> 24; '
        r'seed: 1 -> 5\).*--output.*--force-config'
    )
    with pytest.raises(ConfigError, match=words):
        check_run_folder(run_dir, other)
    check_run_folder(run_dir, other, force_config=True)
    (run_dir / 'config.yaml').write_text('steps: [')
    with pytest.raises(ConfigError, match=r'config\.yaml that cannot be read'):
        check_run_folder(run_dir, config)
    (run_dir / 'checkpoints' / 'last.ckpt').unlink()
    check_run_folder(run_dir, other)  # nothing to go on from: a new run


def test_a_folder_that_cannot_be_written_is_said_before_data_are_read(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the way, or no right to write."""
    monkeypatch.setattr('hiseg_ros.training.run.train.MixedData', None)
    (tmp_path / 'file').touch()
    with pytest.raises(ConfigError, match=r'cannot be written \(.*file is no folder.*--output'):
        train(config, tmp_path / 'file' / 'run', accelerator='cpu')
    monkeypatch.setattr(run_folder.os, 'access', lambda path, mode: False)
    with pytest.raises(ConfigError, match='without the right to write'):
        train(config, tmp_path / 'new' / 'run', accelerator='cpu')
    assert not (tmp_path / 'new').exists()


def test_an_installed_package_has_no_commit(tmp_path: Path) -> None:
    """Only a checkout has one."""
    assert run_folder._git(tmp_path, 'rev-parse', 'HEAD') is None
    (tmp_path / '.git').mkdir()
    assert run_folder._git(tmp_path, 'rev-parse', 'HEAD') is None
