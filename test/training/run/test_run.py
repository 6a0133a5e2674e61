# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Whole runs on generated images: they learn, go on where they stopped, say what is wrong."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_runs import assert_same_weights, losses, stop_after, tensors

from hiseg_ros.datasets.camvid import CamVid
from hiseg_ros.errors import CheckpointError, ConfigError, DatasetError, DeviceError
from hiseg_ros.evaluation.confusion import Confusion, label_ids_of_nodes
from hiseg_ros.inference.engine import Engine
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import TrainingConfig, ValidationConfig
from hiseg_ros.training.data.data_module import MixedData
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.run import train as run_module
from hiseg_ros.training.run.train import train

pytestmark = [
    # The trainer's remarks on short runs and on run folders that are not empty.
    pytest.mark.filterwarnings('ignore::UserWarning'),
    pytest.mark.filterwarnings('ignore:.*LeafSpec'),
]


@pytest.mark.parametrize('head', ['conditional', 'leaf'])
def test_a_small_network_learns_simple_images(
    config: TrainingConfig, camvid: Path, tmp_path: Path, head: str
) -> None:
    """From random weights to almost every pixel right in 80 steps, measured through the engine."""
    config = replace(
        config,
        network=replace(config.network, head=head),
        steps=80,
        steps_per_epoch=40,
        learning_rate=8e-3,
        warmup_steps=10,
        ema_decay=0.8,
    )
    weights = train(config, tmp_path / 'run', accelerator='cpu')
    found = losses(tmp_path / 'run')
    assert found[0] > 1.0
    assert found[-1] < 0.4 * found[0]
    engine = Engine(weights, device='cpu')
    mapping = load_mapping('camvid', engine.taxonomy)
    confusion, validation = Confusion(mapping), CamVid(camvid, 'val')
    for index in range(len(validation)):
        sample = validation[index]
        labels = engine.segment(sample.image).labels
        confusion.add(sample.label_ids, label_ids_of_nodes(labels, mapping, engine.taxonomy))
    summary = confusion.summary()
    assert summary['pixel_accuracy'] > 0.9
    assert summary['mean_class_accuracy'] > 0.8
    # The card says what the run measured on the same images with the same weights.
    assert engine.info['scores']['val_miou'] == pytest.approx(summary['miou'], abs=0.02)


def test_the_weights_say_where_they_come_from(config: TrainingConfig, complete: Path) -> None:
    """Card, configuration beside the weights, taxonomy and preprocessing."""
    read = load_checkpoint(complete / 'small.safetensors')
    assert read.network == config.network
    assert read.preprocessing == config.preprocessing
    assert read.taxonomy.name == 'street'
    (training_set,) = read.card['training_sets']
    assert training_set['licence'] == 'CC BY-NC 4.0'
    assert {'val_miou', 'val_iou/Road'} <= set(read.card['scores'])
    assert 'steps: 8' in (complete / 'config.yaml').read_text()


def test_the_same_run_gives_the_same_weights_whatever_the_workers(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """Seeded from end to end: in this process or with two workers."""
    torch.rand(3)
    again = train(replace(config, workers=2), tmp_path, accelerator='cpu')
    assert_same_weights(complete / 'small.safetensors', again)


def test_another_seed_gives_other_weights(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """The seed is used."""
    other = train(replace(config, seed=2, steps=2), tmp_path, accelerator='cpu')
    first = tensors(complete / 'small.safetensors')
    assert any(not torch.equal(tensor, first[name]) for name, tensor in tensors(other).items())


@pytest.mark.parametrize(('epochs', 'steps'), [(2, 0), (3, 1)])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(
    config: TrainingConfig, complete: Path, tmp_path: Path, epochs: int, steps: int
) -> None:
    """At an epoch's start or in its middle: the same weights, bit by bit."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, epochs, steps)
        train(config, tmp_path, accelerator='cpu')
    assert not (tmp_path / 'small.safetensors').exists()
    torch.rand(5)
    resumed = train(config, tmp_path, accelerator='cpu')
    assert_same_weights(complete / 'small.safetensors', resumed)
    parts = sorted(path.name for path in (tmp_path / 'metrics').iterdir())
    assert parts == ['version_0', 'version_1'], 'the metrics of the first part are kept'


def test_a_complete_run_is_left_as_it_is(config: TrainingConfig, complete: Path) -> None:
    """The same command again changes nothing and needs no data."""
    weights = complete / 'small.safetensors'
    before = weights.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, 'MixedData', None)
        assert train(config, complete, accelerator='cpu') == weights
    assert weights.read_bytes() == before


def test_weights_lost_after_the_last_epoch_are_written_again(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """The averaged weights and their scores, not the last step's."""
    run_dir, kept = tmp_path / 'run', complete / 'small.safetensors'
    shutil.copytree(complete, run_dir)
    (run_dir / 'small.safetensors').unlink()
    again = train(config, run_dir, accelerator='cpu')
    assert_same_weights(kept, again)
    assert load_checkpoint(again).card == load_checkpoint(kept).card


def test_a_complete_run_goes_on_when_it_gets_more_steps(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """A longer experiment in the same folder trains the rest."""
    run_dir = tmp_path / 'run'
    shutil.copytree(complete, run_dir)
    longer = replace(config, steps=10)
    with pytest.raises(ConfigError, match=r'other settings \(steps: 8 -> 10\).*--force-config'):
        train(longer, run_dir, accelerator='cpu')
    second = tensors(train(longer, run_dir, accelerator='cpu', force_config=True))
    first = tensors(complete / 'small.safetensors')
    assert any(not torch.equal(first[name], second[name]) for name in first)
    state = torch.load(run_dir / 'checkpoints' / 'last.ckpt', weights_only=True)
    assert state['global_step'] == 10


def test_a_second_stage_starts_from_the_weights_of_the_first(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """With hardly any learning rate they stay what they were; running statistics go on.

    The card says what the first stage learned from.
    """
    initial = complete / 'small.safetensors'
    second = replace(
        config, seed=5, steps=2, learning_rate=1e-9, weight_decay=0.0, initial_weights=str(initial)
    )
    written = train(second, tmp_path, accelerator='cpu')
    before = load_checkpoint(initial).card
    assert before['training_sets']
    card = load_checkpoint(written).card
    assert card['initial_weights'] == {'file': 'small.safetensors', **before}
    first, found = tensors(initial), tensors(written)
    for name in first:
        if name.endswith(('weight', 'bias')):
            torch.testing.assert_close(found[name], first[name], rtol=2e-3, atol=1e-4)
    assert any(not torch.equal(found[name], first[name]) for name in first)


def test_initial_weights_that_do_not_fit_are_refused_before_data_are_read(
    config: TrainingConfig, complete: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, of another network, or of another tree."""
    monkeypatch.setattr(run_module, 'MixedData', None)
    missing = replace(config, initial_weights=str(tmp_path / 'absent.safetensors'))
    with pytest.raises(CheckpointError, match='do not exist'):
        train(missing, tmp_path / 'run', accelerator='cpu')
    given = replace(config, initial_weights=str(complete / 'small.safetensors'))
    wider = replace(given, network=replace(config.network, channels=24))
    for other in (wider, replace(given, taxonomy='iv2018')):
        with pytest.raises(CheckpointError, match='of another network or taxonomy'):
            train(other, tmp_path / 'run', accelerator='cpu')
    assert not (tmp_path / 'run').exists()


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        """Remember what to write."""
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Return the call that unpickling makes."""
        return Path.touch, (self.path,)


@pytest.mark.parametrize('kind', ['noise', 'empty', 'truncated', 'pickle', 'other network'])
def test_a_checkpoint_that_cannot_be_gone_on_from_is_refused(
    config: TrainingConfig, complete: Path, tmp_path: Path, kind: str
) -> None:
    """Damaged, of another network, or a program: one sentence, and nothing is executed."""
    last, proof = tmp_path / 'checkpoints' / 'last.ckpt', tmp_path / 'executed'
    good = (complete / 'checkpoints' / 'last.ckpt').read_bytes()
    contents = {
        'noise': b'noise' * 99,
        'empty': b'',
        'pickle': pickle.dumps(Evil(proof)),
        'truncated': good[:-10_000],
        'other network': good,
    }
    last.parent.mkdir()
    last.write_bytes(contents[kind])
    if kind == 'other network':
        config = replace(config, network=replace(config.network, channels=24))
    with pytest.raises(CheckpointError, match=r'cannot resume from .*last\.ckpt.*run folder'):
        train(config, tmp_path, accelerator='cpu')
    assert not proof.exists()


def test_a_data_set_that_joins_later_is_trained_from_its_epoch_on(
    config: TrainingConfig, camvid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches grow when it joins, and two datasets of one kind share one mapping."""
    sizes: list[tuple[int, int]] = []
    original = MixedSamples.__init__

    def remember(self: MixedSamples, *args: object, **options: object) -> None:
        original(self, *args, **options)  # type: ignore[arg-type]
        sizes.append((self.epoch, self.batch_size))

    monkeypatch.setattr(MixedSamples, '__init__', remember)
    late = DatasetConfig('camvid', str(camvid), 2, from_epoch=2, options={'split': 'val'})
    datasets = {**config.datasets, 'late': late}
    train(replace(config, datasets=datasets), tmp_path, accelerator='cpu')
    assert sizes == [(0, 3), (1, 3), (2, 5), (3, 5)]


def test_a_folder_with_its_own_mapping_is_trained_and_measured(
    config: TrainingConfig, camvid: Path, tmp_path: Path
) -> None:
    """A new dataset is one YAML file: its labels become rows, its other images the score."""
    text = (config_path('mappings') / 'camvid.yaml').read_text()
    own = tmp_path / 'own.yaml'
    own.write_text(text.replace('camvid', 'own', 1))
    options = {'mapping': str(own), 'images': 'images/train/*.png', 'labels': 'labels/train/*.png'}
    other = {key: value.replace('train', 'val') for key, value in options.items()}
    config = replace(
        config,
        datasets={'mine': DatasetConfig('folder', str(camvid), 3, options=options)},
        validation=ValidationConfig('mine', other),
    )
    data = MixedData(config, load_taxonomy('street'))
    assert data.validation is not None
    assert len(data.validation) == 4
    _, targets, _ = data.train_dataloader().dataset[0]
    assert 3 <= len(torch.unique(targets)) <= 5
    assert int(targets.max()) < len(data.table.allowed)


def test_wrong_options_and_missing_data_are_said_before_training(
    config: TrainingConfig, camvid: Path, tmp_path: Path
) -> None:
    """One sentence each, and no run folder is begun."""

    def with_dataset(**changes: object) -> TrainingConfig:
        item = replace(config.datasets['camvid'], **changes)  # type: ignore[arg-type]
        return replace(config, datasets={'camvid': item})

    run_dir = tmp_path / 'run'
    with pytest.raises(ConfigError, match=r"camvid has options .*'splt'.*'split', 'drives'"):
        train(with_dataset(options={'splt': 'train'}), run_dir, accelerator='cpu')
    with pytest.raises(DatasetError, match='no image with drives'):
        train(with_dataset(options={'drives': ['0006R0']}), run_dir, accelerator='cpu')
    with pytest.raises(DatasetError, match='lists of names'):
        train(with_dataset(options={'drives': '0006R0'}), run_dir, accelerator='cpu')
    with pytest.raises(DatasetError, match=r'train\.txt does not exist'):
        train(with_dataset(root=str(tmp_path)), run_dir, accelerator='cpu')
    with pytest.raises(ConfigError, match='Sea'):
        train(with_dataset(label_weights={'Sea': 2.0}), run_dir, accelerator='cpu')
    other = replace(config.datasets['camvid'], label_weights={'Sky': 2.0})
    with pytest.raises(ConfigError, match='label weights'):
        train(
            replace(config, datasets={**config.datasets, 'other': other}),
            run_dir,
            accelerator='cpu',
        )
    assert not run_dir.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason='this machine has a GPU')
def test_an_accelerator_that_does_not_exist_is_refused(
    config: TrainingConfig, tmp_path: Path
) -> None:
    """No training on the CPU in its place."""
    with pytest.raises(DeviceError, match='gpu'):
        train(config, tmp_path, accelerator='gpu')
