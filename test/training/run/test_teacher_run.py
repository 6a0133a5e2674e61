# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whole runs that start from weights of other authors and have them as a teacher."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from class_weights import write_class_weights
from PIL import Image
from small_runs import assert_same_weights, stop_after, tensors

from hiseg_ros.errors import CheckpointError, ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import StartConfig, TeacherConfig, TrainingConfig
from hiseg_ros.training.config.recipe import ScheduleConfig
from hiseg_ros.training.run.module import SegmentationModule
from hiseg_ros.training.run.teacher import Teacher
from hiseg_ros.training.run.train import train

pytestmark = [
    pytest.mark.filterwarnings('ignore::UserWarning'),
    pytest.mark.filterwarnings('ignore:.*LeafSpec'),
]


@pytest.fixture(scope='module')
def taught(config: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    """Return a run of four steps on labelled and unlabelled images, with start and teacher."""
    folder = tmp_path_factory.mktemp('taught')
    weights = write_class_weights(folder / 'classes.safetensors')
    images = folder / 'images'
    images.mkdir()
    rng = np.random.default_rng(0)
    for index in range(2):
        pixels = rng.integers(0, 255, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f'{index}.png')
    camvid = replace(config.datasets['camvid'], share=2)
    return replace(
        config,
        network=NetworkConfig('efficientvit_b0', 32, 'summed_detail', 192, 'leaf'),
        datasets={'camvid': camvid, 'bare': DatasetConfig('unlabelled', str(images), 1)},
        start=StartConfig(str(weights), 'cityscapes_labelids'),
        teacher=TeacherConfig(str(weights), 'cityscapes_teacher', 0.5),
        learning_rate=1e-3,
        backbone_learning_rate=0.1,
        learning_rates={'decoder.street': 0.2},
        frozen_norms=('backbone', 'decoder.street'),
        schedule=ScheduleConfig('constant'),
        steps=4,
        licences={},
    )


def test_a_run_starts_from_the_weights_and_keeps_their_statistics(
    taught: TrainingConfig, tmp_path: Path
) -> None:
    """Frozen norms have the file's mean and deviation, and the teacher is not written."""
    found = tensors(train(taught, tmp_path, accelerator='cpu'))
    network = SegmentationModule(taught, load_taxonomy('street'), _table(taught)).network
    assert set(found) == set(network.state_dict())
    source = Teacher.load(taught, load_taxonomy('street'))
    assert source is not None
    given = source.network.state_dict()
    means = [name for name in given if name.endswith('running_mean')]
    assert len(means) > 30
    for name in means:
        ours = name.replace('decoder.', 'decoder.street.')
        torch.testing.assert_close(found[ours], given[name].half())
    assert found['decoder.detail.0.1.running_mean'].abs().max() > 0
    moved = 'decoder.street.output.0.weight'
    assert not torch.equal(found[moved].float(), given['decoder.output.0.weight'])


def _table(config: TrainingConfig) -> object:
    from hiseg_ros.training.data.data_module import MixedData

    return MixedData(config, load_taxonomy(config.taxonomy)).table


def test_a_weight_of_zero_is_no_teacher(taught: TrainingConfig, tmp_path: Path) -> None:
    """Bit by bit, and with another weight it is not the same."""
    assert taught.teacher is not None
    runs = {
        'none': replace(taught, teacher=None),
        'zero': replace(taught, teacher=replace(taught.teacher, weight=0.0)),
        'half': taught,
    }
    files = {name: train(run, tmp_path / name, accelerator='cpu') for name, run in runs.items()}
    assert_same_weights(files['none'], files['zero'])
    name = 'head.logits.weight'
    assert not torch.equal(tensors(files['half'])[name], tensors(files['zero'])[name])


def test_a_killed_run_with_a_teacher_ends_as_if_it_had_not_been(
    taught: TrainingConfig, tmp_path: Path
) -> None:
    """The weights that it started from may be gone by then, the teacher's may lie elsewhere."""
    assert taught.teacher is not None and taught.start is not None
    whole = train(taught, tmp_path / 'whole', accelerator='cpu')
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, 1, 1)
        train(taught, tmp_path / 'parts', accelerator='cpu')
    moved = tmp_path / 'moved.safetensors'
    moved.write_bytes(Path(taught.teacher.weights).read_bytes())
    later = replace(
        taught,
        start=replace(taught.start, weights='gone'),
        teacher=replace(taught.teacher, weights=str(moved)),
    )
    assert_same_weights(whole, train(later, tmp_path / 'parts', accelerator='cpu'))


def test_other_settings_of_the_teacher_are_another_run(
    taught: TrainingConfig, tmp_path: Path
) -> None:
    train(replace(taught, steps=2), tmp_path, accelerator='cpu')
    assert taught.teacher is not None
    other = replace(taught, steps=2, teacher=replace(taught.teacher, weight=2.0))
    with pytest.raises(ConfigError, match=r'teacher\.weight: 0\.5 -> 2\.0'):
        train(other, tmp_path, accelerator='cpu')


@pytest.mark.parametrize('key', ['start', 'teacher'])
def test_weights_that_cannot_be_used_stop_the_run_in_one_sentence(
    taught: TrainingConfig, tmp_path: Path, key: str
) -> None:
    gone = replace(getattr(taught, key), weights='nowhere.safetensors')
    with pytest.raises(CheckpointError, match=r'nowhere\.safetensors do not exist'):
        train(replace(taught, **{key: gone}), tmp_path, accelerator='cpu')
    other = replace(getattr(taught, key), mapping='camvid')
    with pytest.raises(CheckpointError, match='228 fit the 230'):
        train(replace(taught, **{key: other}), tmp_path, accelerator='cpu')


def test_a_part_that_the_network_lacks_is_named(taught: TrainingConfig, tmp_path: Path) -> None:
    for change in ({'frozen_norms': ('neck',)}, {'learning_rates': {'neck': 0.5}}):
        with pytest.raises(ConfigError, match=r"names the part 'neck'"):
            train(replace(taught, **change), tmp_path, accelerator='cpu')  # type: ignore[arg-type]
