# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The recipe of an experiment file: nested settings, and each slip named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config
from hiseg_ros.training.config.recipe import AugmentationConfig, OptimizerConfig, ScheduleConfig

IV2018: dict[str, Any] = {
    'name': 'x',
    'taxonomy': 'iv2018',
    'crop': [512, 704],
    'steps': 153_000,
    'steps_per_epoch': 9000,
    'learning_rate': 0.01,
    'weight_decay': 0.00017,
    'warmup_steps': 0,
    'gradient_clip': 0,
    'ema_decay': 0.9,
    'optimizer': {'kind': 'sgd', 'momentum': 0.9},
    'schedule': {'kind': 'steps', 'milestones': [72_000, 135_000], 'factor': 0.5},
    'datasets': {
        'cityscapes': {
            'kind': 'camvid',
            'root': 'a',
            'share': 1,
            'scale_from': 'cover',
            'scale': [1, 1],
            'augmentation': {
                'colour': 0.5,
                'brightness': 0,
                'brightness_shift': 16,
                'contrast': 0.2,
                'saturation': 0.2,
                'hue': 0.1,
                'blur': 0,
                'noise': 0,
                'median': 0.125,
                'bilateral': 0.25,
            },
        },
        'vistas': {
            'kind': 'camvid',
            'root': 'b',
            'share': 2,
            'scale_from': 'cover',
            'scale': [1, 1],
            'augmentation': {'colour': 0, 'blur': 0, 'noise': 0},
        },
    },
}


def written(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write the experiment with a change."""
    data = yaml.safe_load(yaml.safe_dump(IV2018))
    change(data)
    path = tmp_path / 'experiment.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def test_the_recipe_of_iv2018_can_be_written_down(tmp_path: Path) -> None:
    config = load_training_config(written(tmp_path, lambda data: None))
    assert config.optimizer == OptimizerConfig('sgd', 0.9, False)
    assert config.schedule == ScheduleConfig('steps', milestones=(72_000, 135_000), factor=0.5)
    colours = config.datasets['cityscapes'].augmentation
    assert (colours.brightness_shift, colours.median, colours.bilateral) == (16, 0.125, 0.25)
    assert config.datasets['vistas'].augmentation.colour == 0


def test_without_a_word_the_recipe_is_the_one_of_the_shipped_weights(tmp_path: Path) -> None:
    def drop(data: dict[str, Any]) -> None:
        for key in ('optimizer', 'schedule', 'gradient_clip'):
            del data[key]
        del data['datasets']['vistas']['augmentation']

    config = load_training_config(written(tmp_path, drop))
    assert config.optimizer == OptimizerConfig('adamw')
    assert config.schedule == ScheduleConfig('cosine')
    assert config.gradient_clip == 5.0
    assert config.datasets['vistas'].augmentation == AugmentationConfig(0.8, 0.35, 0, 0.35, 0.35)
    assert config.datasets['vistas'].pasted_size == (14, 72)
    assert config.datasets['vistas'].in_memory is None
    assert not config.dataset_norm
    assert TrainingConfig.accumulate_batches == 1


def camvid(data: dict[str, Any], **settings: object) -> None:
    """Change settings of the first dataset."""
    data['datasets']['cityscapes'].update(settings)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (
            lambda d: d.update(optimizer='sgd'),
            "optimizer is 'sgd'; expected some of the keys kind, ",
        ),
        (
            lambda d: d['optimizer'].update(kind='x'),
            "optimizer.kind is 'x'; expected one of 'adamw'",
        ),
        (
            lambda d: d['optimizer'].update(speed=1),
            'optimizer.speed is an unknown key; expected one of kind',
        ),
        (lambda d: d['optimizer'].update(nesterov=1), 'nesterov is 1; expected true or false'),
        (
            lambda d: d['schedule'].update(milestones=[1.5]),
            r'milestones\[0\] is 1.5; expected a whole',
        ),
        (lambda d: d['schedule'].update(milestones=7), 'milestones is 7; expected a list'),
        (lambda d: d.update(steps=100_000), r'expected numbers below the 100000 steps'),
        (
            lambda d: camvid(d, augmentation={'blur': 2}),
            'cityscapes.augmentation.blur is 2; .* at most 1',
        ),
        (
            lambda d: camvid(d, augmentation={'blurr': 1}),
            'blurr is an unknown key; .*: write blur',
        ),
        (lambda d: camvid(d, scale_from='x'), "scale_from is 'x'; expected"),
        (lambda d: camvid(d, box_centred=0.5), "box_scale is None; .*scale_from 'cover'"),
        (
            lambda d: camvid(d, box_centred=0.5, scale_from='native', scale=[0.4, 0.8]),
            r'scale is \(0.4, 0.8\); expected a range with 1 in it.*set box_scale',
        ),
        (lambda d: camvid(d, box_scale=[1.1, 2]), r'box_scale is \(1.1, 2\); expected a range'),
        (lambda d: camvid(d, box_scale=[1]), r'box_scale is \[1\]; expected more values'),
        (lambda d: camvid(d, pasted_size=[2, 30]), r'pasted_size is \(2, 30\); .*from 4 on'),
        (lambda d: camvid(d, pasted_size=[40, 30]), r'pasted_size is \(40, 30\)'),
        (
            lambda d: camvid(d, repeat_threshold=2),
            'repeat_threshold is 2; expected a number of at most 1',
        ),
        (lambda d: camvid(d, in_memory='no'), "in_memory is 'no'; expected true or false"),
        (lambda d: d.update(mirror_images=3), 'mirror_images is 3; expected a text'),
    ],
)
def test_each_slip_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    path = written(tmp_path, change)
    with pytest.raises(ConfigError, match=words) as caught:
        load_training_config(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_boxes_are_shown_at_native_resolution_whatever_the_scale_elsewhere() -> None:
    config = DatasetConfig(
        'gtsdb', '', 1, scale=(1, 1), scale_from='cover', box_centred=1.0, box_scale=(0.8, 1.25)
    )
    assert config.box_scale == (0.8, 1.25)
    assert DatasetConfig('gtsdb', '', 1, scale=(0.7, 1.4), box_centred=1.0).box_scale is None
