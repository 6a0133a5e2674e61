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

from hiseg_ros.datasets import mapping_of
from hiseg_ros.errors import ConfigError
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import (
    TrainingConfig,
    ValidationConfig,
    load_training_config,
)
from hiseg_ros.training.data.data_module import MixedData

EXPERIMENTS = sorted(
    path
    for path in config_path('experiments').glob('*.yaml')
    if not path.stem.startswith('classical_')  # these have no network
)

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
    # The card names every licence, those of the first weights too where there are any.
    first = {'start'} if config.start or config.teacher else set()
    first |= {'imagenet'} if config.backbone_weights else set()
    # Weights of an earlier stage hand theirs on.
    earlier = {'imagenet'} if config.initial_weights else set()
    named = {*config.datasets, *first}
    assert named <= set(config.licences) <= named | earlier
    taxonomy = load_taxonomy(config.taxonomy)
    for dataset in config.datasets.values():
        if dataset.kind != 'drawn':
            mapping = mapping_of(dataset.kind, taxonomy, dataset.options)
            names = {label.name for label in mapping.labels}
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
        (lambda d: d.pop('name'), 'name is missing; expected a value: add the key'),
        (lambda d: d.pop('taxonomy'), 'taxonomy is missing'),
        (lambda d: d.pop('datasets'), 'datasets is missing'),
        (lambda d: d.update(datasets={}), r'datasets is {}; expected at least 1 entry'),
        (lambda d: d.update(datasets=['camvid']), r"datasets is \['camvid'\]; expected keys"),
        (
            lambda d: d.update(stepz=1),
            'stepz is an unknown key; expected one of name, tax.*: write steps',
        ),
        (lambda d: d.update({3: 1}), ' 3 is an unknown key; .*: remove it'),
        (
            lambda d: d['network'].update(depth=1),
            'network.depth is 1; expected one of backbone, .*: remove it',
        ),
        (
            lambda d: d['network'].update(head='flat'),
            "network cannot be used .*head is 'flat'.; expected one of",
        ),
        (
            lambda d: d['network'].update(channels='64'),
            "channels is '64'.; expected a positive whole number",
        ),
        (
            lambda d: d.update(network=None),
            'network is None; expected some of the keys backbone, ',
        ),
        (lambda d: d.update(network='small'), "network is 'small'; expected some of the keys"),
        (
            lambda d: d.update(preprocessing=None),
            'preprocessing is None; expected some of the keys mean',
        ),
        (lambda d: d['preprocessing'].update(mean=[0.5]), r'mean \(0.5,\)\); expected three'),
        (lambda d: d['preprocessing'].update(std=[0.2, 0, 0.2]), 'std'),
        (
            lambda d: d['datasets'].update(other=None),
            'datasets.other is None; expected some of the keys kind, ',
        ),
        (lambda d: d['datasets']['camvid'].pop('share'), 'datasets.camvid.share is missing'),
        (
            lambda d: d['datasets']['camvid'].update(shard=1),
            'camvid.shard is an unknown key; .*: write share',
        ),
        (lambda d: d['datasets']['camvid'].update(kind='coco'), "kind is 'coco'; expected one of"),
        (lambda d: d['datasets']['camvid'].update(share=0), 'share is 0'),
        (
            lambda d: d['datasets']['camvid'].update(share=1.5),
            'share is 1.5; expected a whole number',
        ),
        (
            lambda d: d['datasets']['camvid'].update(share=True),
            'share is True; expected a whole number',
        ),
        (lambda d: d['datasets']['camvid'].update(weight=-1), 'weight is -1'),
        (lambda d: d['datasets']['camvid'].update(weight=float('nan')), 'weight is nan'),
        (
            lambda d: d['datasets']['camvid'].update(scale=[1]),
            r'scale is \[1\]; expected more values',
        ),
        (lambda d: d['datasets']['camvid'].update(scale=[2, 1]), r'scale is \(2, 1\)'),
        (
            lambda d: d['datasets']['camvid'].update(scale=[0, 1]),
            r'scale\[0\] is 0; expected a number above 0',
        ),
        (lambda d: d['datasets']['camvid'].update(box_centred=1.5), 'box_centred is 1.5'),
        (lambda d: d['datasets']['camvid'].update(pasted_signs=-1), 'pasted_signs is -1'),
        (lambda d: d['datasets']['camvid'].update(flips=1), 'flips is 1; expected true or false'),
        (lambda d: d['datasets']['camvid'].update(from_epoch=2), r'from_epoch is \[2\]'),
        (
            lambda d: d['datasets']['camvid'].update(label_weights={'Sky': 'x'}),
            "label_weights.Sky is 'x'; expected a number",
        ),
        (
            lambda d: d['datasets']['camvid'].update(options=None),
            'options is None; expected keys with values',
        ),
        (lambda d: d.update(crop=[64, 90]), r'crop is \[64, 90\]; expected multiples of 32'),
        (lambda d: d.update(crop=[0, 64]), r'crop\[0\] is 0; expected a number of at least 1'),
        (lambda d: d.update(crop=[64]), r'crop is \[64\]; expected more values'),
        (lambda d: d.update(crop=64), 'crop is 64; expected a list'),
        (lambda d: d.update(steps=0), 'steps is 0'),
        (lambda d: d.update(steps_per_epoch=0), 'steps_per_epoch is 0'),
        (lambda d: d.update(learning_rate='1e-3'), "'1e-3'; expected a number: .*write 1.0e-3"),
        (lambda d: d.update(learning_rate=0), 'learning_rate is 0'),
        (lambda d: d.update(weight_decay=float('inf')), 'weight_decay is inf'),
        (lambda d: d.update(warmup_steps=200), 'warmup_steps is 200; .* less than the 200 steps'),
        (lambda d: d.update(warmup_steps=-1), 'warmup_steps is -1'),
        (lambda d: d.update(ema_decay=1.0), 'ema_decay is 1.0'),
        (lambda d: d.update(seed=-1), 'seed is -1'),
        (lambda d: d.update(workers=-1), 'workers is -1'),
        (lambda d: d.update(validation_every_epochs=0), 'validation_every_epochs is 0'),
        (lambda d: d.update(validation={'dataset': 'x'}), "validation.dataset is 'x'; .*camvid"),
        (lambda d: d.update(validation={}), 'validation.dataset is missing'),
        (
            lambda d: d.update(validation=3),
            'validation is 3; expected some of the keys dataset, options',
        ),
        (
            lambda d: d.update(final_weights='first'),
            "final_weights is 'first'; expected one of 'last' or 'best'",
        ),
        (
            lambda d: d.update(final_weights='best', validation={'dataset': ''}),
            "final_weights is 'best'; expected 'last'",
        ),
        (lambda d: d.update(name='../x'), r"name is '../x'; expected a file name"),
        (lambda d: d.update(name=7), 'name is 7; expected a text'),
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
    assert '\n' not in str(caught.value)


def test_each_of_several_slips_has_its_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, lambda d: d.update(steps=0, stepz=1, crop=[]))
    with pytest.raises(ConfigError) as caught:
        load_training_config(path)
    found = str(caught.value).split(f'In {path}, ')
    assert [sentence.split(' is ')[0] for sentence in found] == ['', 'crop', 'steps', 'stepz']


def test_names_of_datasets_may_be_numbers_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data['datasets'] = {2018: data['datasets']['camvid']}

    config = load_training_config(written(tmp_path, change))
    assert list(config.datasets) == ['2018']
    assert repr(config.datasets['2018'].scale) == '(0.5, 2)'
    assert repr(config.datasets['2018'].weight) == '1'


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
