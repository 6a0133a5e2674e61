# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Experiment files: the shipped ones load, and each slip is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.experiment import (
    DatasetConfig,
    TrainingConfig,
    ValidationConfig,
    load_training_config,
)
from hiseg_ros.training.data.data_module import MixedData

EXPERIMENTS = sorted(config_path('experiments').glob('*.yaml'))

GOOD: dict[str, Any] = {
    'name': 'x',
    'taxonomy': 'street',
    'network': {'backbone': 'mobilenetv4_conv_small', 'channels': 32},
    'preprocessing': {'mean': [0.5, 0.5, 0.5], 'largest_height': 640},
    'crop': [64, 96],
    'steps': 200,
    'datasets': {
        'camvid': {
            'kind': 'camvid',
            'root': 'a',
            'share': 2,
            'scale': [0.5, 2],
            'weight': 1,
            'label_weights': {'Sky': 0.5},
            'options': {'split': 'train'},
        },
    },
}


def written(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write the good experiment with a change."""
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    change(data)
    path = tmp_path / 'experiment.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: path.stem)
def test_the_shipped_experiments_load(path: Path) -> None:
    """By name and by path, with mappings and label weights that exist."""
    config = load_training_config(path)
    assert config == load_training_config(path.stem)
    assert config.name == path.stem
    assert config.recipe
    # The card names every licence, that of the backbone's weights too where there is one.
    assert set(config.datasets) <= set(config.licences) <= {*config.datasets, 'imagenet'}
    taxonomy = load_taxonomy(config.taxonomy)
    for dataset in config.datasets.values():
        if dataset.kind != 'drawn':
            names = {label.name for label in load_mapping(dataset.kind, taxonomy).labels}
            assert set(dataset.label_weights) <= names
    header = path.read_text().split('\nname:')[0]
    assert 'Command: hiseg ' in header


def test_values_are_read_as_they_are_meant(tmp_path: Path) -> None:
    """Lists become tuples, whole numbers may be numbers, the rest is the default."""
    config = load_training_config(written(tmp_path, lambda data: None))
    assert config.crop == (64, 96)
    assert config.datasets['camvid'].scale == (0.5, 2)
    assert config.network.channels == 32
    assert config.preprocessing.mean == (0.5, 0.5, 0.5)
    assert config.preprocessing.largest_height == 640
    assert config.learning_rate == TrainingConfig.learning_rate


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    """Missing, a folder, not YAML, a list."""
    for name in ('no_such_experiment', str(tmp_path / 'absent.yaml'), str(tmp_path)):
        with pytest.raises(ConfigError, match='does not exist'):
            load_training_config(name)
    path = tmp_path / 'x.yaml'
    for text, words in (('a: [', 'YAML'), ('- 1', 'holds a list'), ('', 'holds a NoneType')):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_training_config(path)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda d: d.pop('name'), "missing 1 required .*'name'"),
        (lambda d: d.pop('taxonomy'), "'taxonomy'"),
        (lambda d: d.pop('datasets'), 'has no datasets'),
        (lambda d: d.update(datasets={}), 'has no datasets'),
        (lambda d: d.update(datasets=['camvid']), 'has no datasets'),
        (lambda d: d.update(stepz=1), r"unknown keys \['stepz'\]"),
        (lambda d: d.update({3: 1}), r"unknown keys \['3'\]"),
        (lambda d: d['network'].update(depth=1), r"network of .* unknown keys \['depth'\]"),
        (lambda d: d['network'].update(head='flat'), "head is 'flat'"),
        (lambda d: d['network'].update(channels='64'), "channels '64'; expected int"),
        (lambda d: d.update(network=None), 'network of .* is None'),
        (lambda d: d.update(network='small'), "network of .* is 'small'"),
        (lambda d: d.update(preprocessing=None), 'preprocessing of .* is None'),
        (lambda d: d['preprocessing'].update(mean=[0.5]), r'mean \[0.5\]; expected tuple'),
        (lambda d: d['preprocessing'].update(std=[0.2, 0, 0.2]), 'std'),
        (lambda d: d['datasets'].update(other=None), 'dataset other of .* is None'),
        (lambda d: d['datasets']['camvid'].pop('share'), "dataset camvid .*'share'"),
        (lambda d: d['datasets']['camvid'].update(shard=1), r"unknown keys \['shard'\]"),
        (lambda d: d['datasets']['camvid'].update(kind='coco'), "kind is 'coco'; expected one of"),
        (lambda d: d['datasets']['camvid'].update(share=0), 'share is 0'),
        (lambda d: d['datasets']['camvid'].update(share=1.5), 'share 1.5; expected int'),
        (lambda d: d['datasets']['camvid'].update(share=True), 'share True; expected int'),
        (lambda d: d['datasets']['camvid'].update(weight=-1), 'weight is -1'),
        (lambda d: d['datasets']['camvid'].update(weight=float('nan')), 'weight is nan'),
        (lambda d: d['datasets']['camvid'].update(scale=[1]), r'scale \[1\]; expected tuple'),
        (lambda d: d['datasets']['camvid'].update(scale=[2, 1]), r'scale is \(2, 1\)'),
        (lambda d: d['datasets']['camvid'].update(scale=[0, 1]), r'scale is \(0, 1\)'),
        (lambda d: d['datasets']['camvid'].update(box_centred=1.5), 'box_centred is 1.5'),
        (lambda d: d['datasets']['camvid'].update(pasted_signs=-1), 'pasted_signs is -1'),
        (lambda d: d['datasets']['camvid'].update(flips=1), 'flips 1; expected bool'),
        (lambda d: d['datasets']['camvid'].update(from_epoch=2), r'from_epoch is \[2\]'),
        (lambda d: d['datasets']['camvid'].update(label_weights={'Sky': 'x'}), 'label_weights'),
        (lambda d: d['datasets']['camvid'].update(options=None), 'options None; expected dict'),
        (lambda d: d.update(crop=[64, 90]), r'crop is \[64, 90\]; expected multiples of 32'),
        (lambda d: d.update(crop=[0, 64]), r'crop is \[0, 64\]'),
        (lambda d: d.update(crop=[64]), r'crop \[64\]; expected tuple'),
        (lambda d: d.update(crop=64), 'crop 64; expected tuple'),
        (lambda d: d.update(steps=0), 'steps is 0'),
        (lambda d: d.update(steps_per_epoch=0), 'steps_per_epoch is 0'),
        (lambda d: d.update(learning_rate='1e-3'), "'1e-3'; expected float: .*write 1.0e-3"),
        (lambda d: d.update(learning_rate=0), 'learning_rate is 0'),
        (lambda d: d.update(weight_decay=float('inf')), 'weight_decay is inf'),
        (lambda d: d.update(warmup_steps=200), 'warmup_steps is 200; .* less than the 200 steps'),
        (lambda d: d.update(warmup_steps=-1), 'warmup_steps is -1'),
        (lambda d: d.update(ema_decay=1.0), 'ema_decay is 1.0'),
        (lambda d: d.update(seed=-1), 'seed is -1'),
        (lambda d: d.update(workers=-1), 'workers is -1'),
        (lambda d: d.update(validation_every_epochs=0), 'validation_every_epochs is 0'),
        (lambda d: d.update(validation={'dataset': 'x'}), "validation dataset is 'x'; .*camvid"),
        (lambda d: d.update(validation={}), "validation of .*'dataset'"),
        (lambda d: d.update(validation=3), 'validation of .* is 3'),
        (lambda d: d.update(final_weights='first'), "final_weights is 'first'; expected 'last'"),
        (
            lambda d: d.update(final_weights='best', validation={'dataset': ''}),
            "final_weights is 'best'; expected 'last'",
        ),
        (lambda d: d.update(name='../x'), r"name is '../x'; expected a file name"),
        (lambda d: d.update(name=7), 'name 7; expected str'),
    ],
)
def test_each_slip_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    """What was found and what was expected, in a message that names the file."""
    path = written(tmp_path, change)
    with pytest.raises(ConfigError, match=words) as caught:
        load_training_config(path)
    assert str(path) in str(caught.value)


def test_a_configuration_made_in_python_is_checked_too() -> None:
    """Changing a value of a checked configuration checks it again."""
    config = load_training_config(EXPERIMENTS[0])
    with pytest.raises(ConfigError, match='steps is 0'):
        replace(config, steps=0)
    with pytest.raises(ConfigError, match='share is 0'):
        DatasetConfig('camvid', '', 0)


def test_a_run_is_measured_on_camvid_unless_it_says_otherwise(tmp_path: Path) -> None:
    """By default the validation split of the first CamVid dataset, if there is one."""
    config = load_training_config(written(tmp_path, lambda data: None))
    assert config.validation_set == ValidationConfig('camvid', {'split': 'val'})
    assert replace(config, validation=ValidationConfig('')).validation_set is None
    chosen = {'dataset': 'camvid', 'options': {'split': 'test', 'drives': ['a']}}
    config = load_training_config(written(tmp_path, lambda data: data.update(validation=chosen)))
    assert config.validation_set == ValidationConfig('camvid', chosen['options'])
    drawn = DatasetConfig('drawn', '', 1)
    other = replace(config, validation=None, datasets={'drawn': drawn})
    assert other.validation_set is None


def test_data_that_is_missing_is_said_with_its_folder(tmp_path: Path) -> None:
    """The first thing a new user meets."""
    config = load_training_config(written(tmp_path, lambda data: None))
    with pytest.raises(Exception, match=r'train\.txt does not exist'):
        MixedData(config, load_taxonomy('street'))
