# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training run from its configuration: data, trainer, checkpoints, final weights."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from hiseg_ros.errors import CheckpointError, ConfigError, DeviceError
from hiseg_ros.model.checkpoint import load_checkpoint, save_checkpoint
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_mapping, load_taxonomy
from hiseg_ros.training.config import DatasetConfig, TrainingConfig
from hiseg_ros.training.datasets.camvid import CamVid
from hiseg_ros.training.datasets.drawn import DrawnScenes, drawn_mapping
from hiseg_ros.training.datasets.gtsdb import Gtsdb
from hiseg_ros.training.datasets.sample import Sample, SegmentationDataset
from hiseg_ros.training.label_table import LabelTable
from hiseg_ros.training.mixing import MixedSamples, Source, TrainingItem
from hiseg_ros.training.module import SegmentationModule
from hiseg_ros.training.processor import keep_freed_memory, speed_up_depthwise
from hiseg_ros.training.sign_library import sign_library
from hiseg_ros.training.transforms import SignCutout

LOADERS: dict[str, Callable[..., SegmentationDataset]] = {
    'camvid': CamVid,
    'gtsdb': Gtsdb,
    'drawn': DrawnScenes,
}
DRAWN_SIGNS_PER_TYPE = 24


def _mapping(config: DatasetConfig, taxonomy: Taxonomy) -> Mapping:
    if config.kind == 'drawn':
        return drawn_mapping(taxonomy)
    return load_mapping(config.kind, taxonomy)


def _label_weights(
    config: TrainingConfig, mappings: dict[str, Mapping]
) -> dict[str, dict[str, float]]:
    """Return the pixel weights by mapping; data sets of one kind share one mapping."""
    weights: dict[str, dict[str, float]] = {}
    for name, item in config.datasets.items():
        if weights.setdefault(mappings[name].name, item.label_weights) != item.label_weights:
            raise ConfigError(
                f'Data set {name} has the label weights {item.label_weights}, another one of kind '
                f'{item.kind} has others; expected the same.'
            )
    return weights


def _open(name: str, config: DatasetConfig) -> SegmentationDataset:
    loader = LOADERS[config.kind]
    try:
        inspect.signature(loader).bind(config.root, **config.options)
    except TypeError as problem:
        raise ConfigError(
            f'Data set {name} has options {config.options} ({problem}); expected arguments of '
            f'{config.kind}: {list(inspect.signature(loader).parameters)[1:]}.'
        ) from problem
    return loader(config.root, **config.options)


def _whole_image(samples: list[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return image (H, W, 3) and label ids (H, W) of the one sample."""
    (sample,) = samples
    return torch.from_numpy(sample.image), torch.from_numpy(sample.label_ids)


class MixedData(lightning.LightningDataModule):
    """The data sets of a run in memory, one loader per epoch."""

    def __init__(self, config: TrainingConfig, taxonomy: Taxonomy) -> None:
        """Read everything, with progress bars.

        Raises:
            ConfigError: A data set has options or label weights that it does not know.
            DatasetError: A folder or a file is missing or wrong.
        """
        super().__init__()
        self.config = config
        mappings = {name: _mapping(item, taxonomy) for name, item in config.datasets.items()}
        unique = {mapping.name: mapping for mapping in mappings.values()}
        self.table = LabelTable(
            taxonomy, list(unique.values()), _label_weights(config, mappings)
        )
        self.sources: list[Source] = []
        self.library: Sequence[Sequence[SignCutout]] = ()
        for name, item in config.datasets.items():
            dataset = _open(name, item)
            rows = self.table.row_of_label_id(mappings[name].name)
            source = Source.load(item, dataset, rows)
            self.sources.append(source)
            if item.kind == 'gtsdb':
                self.library = sign_library(source, rows, DRAWN_SIGNS_PER_TYPE, config.seed)
        camvid = next((d for d in config.datasets.values() if d.kind == 'camvid'), None)
        self.validation = None if camvid is None else CamVid(camvid.root, 'val')
        self.validation_mapping = None if camvid is None else load_mapping('camvid', taxonomy)

    def train_dataloader(self) -> DataLoader[TrainingItem]:
        """Return the samples of the current epoch, which follow from its number alone."""
        epoch = self.trainer.current_epoch if self.trainer else 0
        config = self.config
        samples = MixedSamples(
            self.sources, config.crop, config.steps_per_epoch, epoch, config.seed, self.library
        )
        return DataLoader(samples, samples.batch_size, num_workers=config.workers)

    def val_dataloader(self) -> Any:
        """Return whole validation images, unchanged."""
        if self.validation is None:
            return []
        return DataLoader(self.validation, 1, collate_fn=_whole_image)  # type: ignore[arg-type]


def train(config: TrainingConfig, run_dir: Path, *, accelerator: str = 'auto') -> Path:
    """Train, or go on where the run folder's last checkpoint ends, and write the weights.

    A run that is complete and has the same configuration is left as it is.

    Args:
        config: What to train.
        run_dir: Gets config.yaml, metrics, checkpoints and <name>.safetensors.
        accelerator: Lightning's name of the device kind.

    Returns:
        The weights file.

    Raises:
        CheckpointError: The run folder's checkpoint is damaged or of another network.
        DeviceError: There is no such accelerator.
        HisegError: The configuration or a data set cannot be used.
    """
    if accelerator == 'gpu' and not torch.cuda.is_available():
        raise DeviceError("Accelerator 'gpu' was asked for; expected a CUDA device: use 'cpu'.")
    weights = run_dir / f'{config.name}.safetensors'
    settings = yaml.safe_dump(_plain(asdict(config)), sort_keys=False)
    settings_path = run_dir / 'config.yaml'
    if weights.is_file() and settings_path.is_file() and settings_path.read_text() == settings:
        return weights
    keep_freed_memory()
    if config.threads:
        torch.set_num_threads(config.threads)
    lightning.seed_everything(config.seed, verbose=False)
    taxonomy = load_taxonomy(config.taxonomy)
    last = run_dir / 'checkpoints' / 'last.ckpt'
    resumes = last.is_file()
    initial = _initial_state(config, taxonomy) if config.initial_weights and not resumes else None
    data = MixedData(config, taxonomy)
    module = SegmentationModule(config, taxonomy, data.table, data.validation_mapping)
    if initial is not None:
        module.network.load_state_dict(initial)
    elif config.backbone_weights and not resumes:
        module.network.backbone.load_pretrained(config.backbone_weights)
    if resumes:
        _load_averaged(module, last)
    if accelerator == 'cpu' or not torch.cuda.is_available():
        speed_up_depthwise(module.network)
    run_dir.mkdir(parents=True, exist_ok=True)
    settings_path.write_text(settings)
    averaging = EMAWeightAveraging(
        decay=config.ema_decay, update_starting_at_step=config.warmup_steps
    )
    saving = ModelCheckpoint(
        run_dir / 'checkpoints', filename='epoch', save_last=True, save_top_k=1,
        save_on_train_epoch_end=True, enable_version_counter=False,
    )
    has_validation = data.validation is not None
    trainer = lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=-(-config.steps // config.steps_per_epoch),
        reload_dataloaders_every_n_epochs=1,
        check_val_every_n_epoch=config.validation_every_epochs if has_validation else None,
        limit_val_batches=None if has_validation else 0,
        num_sanity_val_steps=0,
        gradient_clip_val=5.0,
        precision=config.precision,  # type: ignore[arg-type]
        log_every_n_steps=20,
        callbacks=[averaging, saving],
        # A folder of its own for each part of a run: the logger empties the one that it is given.
        logger=CSVLogger(run_dir, name='metrics'),
        default_root_dir=run_dir,
    )
    # Lightning's checkpoints are pickles: only tensors and plain values are taken from one.
    trainer.fit(module, datamodule=data, ckpt_path=last if resumes else None, weights_only=True)
    # After the last epoch this is what the module holds; where no epoch was left, only the file
    # has the averaged weights.
    _load_averaged(module, last)
    if has_validation:
        trainer.validate(module, datamodule=data, verbose=False)  # the card: of these very weights
    save_checkpoint(
        weights, module.network, taxonomy, config.preprocessing, _card(config, trainer)
    )
    return weights


def _load_averaged(module: SegmentationModule, path: Path) -> None:
    """Load the averaged weights of a training checkpoint; nothing in it is executed."""
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
        module.load_state_dict(state['state_dict'])
    except (
        RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError
    ) as problem:
        reason = ' '.join(str(problem).split())[:200]
        raise CheckpointError(
            f'The run cannot go on from {path} ({reason} ...); expected the checkpoint of a run '
            'with the same network: choose another run folder or delete this one.'
        ) from problem


def _initial_state(config: TrainingConfig, taxonomy: Taxonomy) -> dict[str, torch.Tensor]:
    """Return the weights of an earlier run to start from.

    Raises:
        CheckpointError: The file cannot be used, or is of another network or taxonomy.
    """
    checkpoint = load_checkpoint(config.initial_weights)
    if checkpoint.taxonomy.digest != taxonomy.digest or checkpoint.network != config.network:
        raise CheckpointError(
            f'The initial weights {checkpoint.path} are of another network or taxonomy; expected '
            f'those of experiment {config.name}: {config.network} on {taxonomy.name!r}.'
        )
    return checkpoint.build().state_dict()


def _plain(value: Any) -> Any:
    """Return tuples as lists, which YAML has."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _card(config: TrainingConfig, trainer: lightning.Trainer) -> dict[str, Any]:
    scores = {
        name: round(float(value), 4)
        for name, value in trainer.callback_metrics.items()
        if name.startswith('val_')
    }
    return {
        'name': config.name,
        'recipe': config.recipe,
        'training_sets': [
            {
                'name': name,
                'kind': item.kind,
                'options': _plain(item.options),
                'licence': config.licences.get(name, 'not stated'),
            }
            for name, item in config.datasets.items()
        ],
        'scores': scores,
    }
