# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training run as data: config/experiments/*.yaml read into checked values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from hiseg_ros.datasets import DATASETS, dataset_entry
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.resources import named_or_path
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.config.recipe import AugmentationConfig, OptimizerConfig, ScheduleConfig
from hiseg_ros.training.config.recipe import require as _require
from hiseg_ros.yaml_file import read_yaml

SCALES_FROM = ('native', 'cover')
PRECISIONS = ('32-true', 'bf16-mixed')


@dataclass(frozen=True)
class SecondLabelsConfig:
    """Label images of another mapping for the images of a dataset, such as pseudo labels.

    A pixel then means what both labels allow; where they contradict each other the dataset's own
    holds, and where it is unlabeled it stays so.
    """

    root: str
    """Folder of <picture>_<mapping>.png as `hiseg predict --mapping` writes them."""

    mapping: str
    """Name in config/mappings or path of a YAML file."""

    weight: float = 1.0
    """Factor on the weight of the pixels whose own label is narrowed."""

    source: str = ''
    """Who or what made them, for the model card."""

    def __post_init__(self) -> None:
        """Check the weight.

        Raises:
            ConfigError: It cannot be used.
        """
        _require('weight', self.weight, 0 <= self.weight < math.inf, 'at least 0')


@dataclass(frozen=True)
class DatasetConfig:
    """One dataset of a run."""

    kind: str
    """Name of the dataset: one of hiseg_ros.datasets.DATASETS."""

    root: str
    """Folder of the dataset; drawn scenes are kept in it."""

    share: int
    """Images in every batch."""

    weight: float = 1.0
    """Factor on this dataset's loss."""

    scale: tuple[float, float] = (0.75, 1.5)
    """Range of the random resize factor."""

    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the loader."""

    label_weights: dict[str, float] = field(default_factory=dict)
    """Weight of a pixel by label name; 1 where not given."""

    second_labels: SecondLabelsConfig | None = None
    """Labels of another kind for the same images, which narrow the own ones."""

    scale_from: str = 'native'
    """What `scale` multiplies: the image's own size ('native'), or the size at which it just
    covers the crop ('cover'). IV 2018: cover with a scale of 1."""

    box_centred: float = 0.0
    """Share of the crops that are laid around a box, in [0, 1]."""

    box_scale: tuple[float, float] | None = None
    """Range of the resize factor of these crops, of the image's own size and with 1 in it: boxes
    are shown at native resolution. By default that of `scale`."""

    pasted_signs: float = 0.0
    """Mean number of signs pasted into a crop."""

    pasted_size: tuple[int, int] = (14, 72)
    """Least and largest longer side of a pasted sign in pixels."""

    flips: bool = False
    """Mirror half of the crops, but for those with a sign type that has no mirror image: see
    `mirror_images` of the run."""

    repeat_threshold: float = 0.0
    """Images with a label that is in a smaller share f of all images than this are shown
    sqrt(threshold / f) times per pass (repeat-factor sampling of LVIS); 0 shows each once."""

    in_memory: bool | None = None
    """Keep the decoded images in memory, or read each whenever it is shown; by default in memory
    below 4 GiB, estimated from the first one."""

    augmentation: AugmentationConfig = AugmentationConfig()

    from_epoch: int = 0
    """Epoch in which this dataset joins the batches."""

    def __post_init__(self) -> None:
        """Check kind and ranges.

        Raises:
            ConfigError: A value cannot be used.
        """
        low, high = self.scale
        _require('kind', self.kind, self.kind in DATASETS, f'one of {list(DATASETS)}')
        _require('share', self.share, self.share >= 1, 'at least 1 image')
        _require('weight', self.weight, 0 <= self.weight < math.inf, 'at least 0')
        _require('scale', self.scale, 0 < low <= high < math.inf, 'two factors, the smaller first')
        _require('scale_from', self.scale_from, self.scale_from in SCALES_FROM, f'{SCALES_FROM}')
        _require('box_centred', self.box_centred, 0 <= self.box_centred <= 1, '0 to 1')
        self._check_box_scale()
        _require('pasted_signs', self.pasted_signs, 0 <= self.pasted_signs < 1000, 'at least 0')
        least, largest = self.pasted_size
        _require(
            'pasted_size',
            self.pasted_size,
            4 <= least <= largest,
            'two lengths in pixels from 4 on, the smaller first',
        )
        threshold = self.repeat_threshold
        _require('repeat_threshold', threshold, 0 <= threshold <= 1, 'a share from 0 to 1')
        _require('from_epoch', self.from_epoch, self.from_epoch >= 0, 'at least 0')

    def in_folder(self, data: Path) -> DatasetConfig:
        """Return the dataset with its folders taken against one."""
        second = self.second_labels
        return replace(
            self,
            root=str(data / self.root),
            second_labels=second and replace(second, root=str(data / second.root)),
        )

    def _check_box_scale(self) -> None:
        if self.box_scale is None and (not self.box_centred or self.scale_from != 'native'):
            expected = "given, since scale_from 'cover' says nothing about native resolution"
            _require('box_scale', self.box_scale, not self.box_centred, expected)
            return
        key = 'scale' if self.box_scale is None else 'box_scale'
        low, high = self.scale if self.box_scale is None else self.box_scale
        expected = 'a range with 1 in it, so that boxes are also shown at native resolution'
        hint = '' if self.box_scale else ': set box_scale'
        _require(key, (low, high), 0 < low <= 1 <= high < math.inf, expected + hint)


@dataclass(frozen=True)
class ValidationConfig:
    """What a run is measured on."""

    dataset: str
    """Name of one of the run's datasets, which gives folder and kind; empty measures nothing."""

    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the loader, in place of those for training: another split, other seeds."""


@dataclass(frozen=True)
class TrainingConfig:
    """A training run."""

    name: str
    taxonomy: str
    network: NetworkConfig
    datasets: dict[str, DatasetConfig]
    preprocessing: Preprocessing = Preprocessing()
    crop: tuple[int, int] = (320, 448)
    """(height, width) in pixels; multiples of 32."""
    steps: int = 1000
    steps_per_epoch: int = 100
    """Steps between checkpoints; a resumed run starts at the last one."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    accumulate_batches: int = 1
    """Batches whose gradients make one step; `steps` and its relatives count optimiser steps."""
    gradient_clip: float = 5.0
    """Largest norm of the gradient of all weights; 0 does not limit it."""
    ema_decay: float = 0.998
    """Of the weights' average that is validated and written; 0 averages nothing."""
    backbone_learning_rate: float = 1.0
    """Factor on the learning rate of the backbone."""
    precision: str = '32-true'
    """Lightning's name: '32-true' or 'bf16-mixed'; bf16 where the processor has it."""
    initial_weights: str = ''
    """Weights file to start from; empty starts from random numbers."""
    backbone_weights: str = ''
    """'imagenet', a file of the backbone's timm weights, or empty for random numbers."""
    dataset_norm: bool = False
    """Batch-norm statistics for each dataset instead of common ones; convolutions stay shared."""
    exported_norm: str = ''
    """The dataset whose statistics the written weights have; empty for the mixture of all, by
    their shares."""
    mirror_images: str = 'traffic_signs'
    """What labels become in mirrored crops: a name in config/mirror_images, or a file."""
    seed: int = 1
    workers: int = 1
    threads: int = 0
    """CPU threads of the network; 0 leaves the choice to torch."""
    validation: ValidationConfig | None = None
    """By default the split 'val' of the first CamVid dataset, or nothing where there is none."""
    validation_every_epochs: int = 5
    final_weights: str = 'last'
    """Which weights are written at the end: the 'last', or those of the 'best' validation."""
    recipe: str = ''
    """One sentence for the model card."""
    licences: dict[str, str] = field(default_factory=dict)
    """By dataset: its licence, for the model card."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            ConfigError: A value cannot be used.
        """
        multiple = self.preprocessing.multiple
        sides_fit = all(side > 0 and side % multiple == 0 for side in self.crop)
        _require('name', self.name, bool(re.fullmatch(r'\w[\w.-]*', self.name)), 'a file name')
        _require('datasets', self.datasets, bool(self.datasets), 'at least one by name')
        self.loss.check_head(self.network.head)
        starts = [item.from_epoch for item in self.datasets.values()]
        _require('from_epoch', starts, 0 in starts, 'a dataset that is there from epoch 0')
        _require('crop', list(self.crop), sides_fit, f'multiples of {multiple}')
        _require('steps', self.steps, self.steps >= 1, 'at least 1')
        _require('steps_per_epoch', self.steps_per_epoch, self.steps_per_epoch >= 1, 'at least 1')
        _require(
            'learning_rate', self.learning_rate, 0 < self.learning_rate < math.inf, 'more than 0'
        )
        _require('weight_decay', self.weight_decay, 0 <= self.weight_decay < math.inf, '0 or more')
        # The average of the weights begins after the warm-up: without further steps it would be
        # the random numbers of the start.
        _require(
            'warmup_steps',
            self.warmup_steps,
            0 <= self.warmup_steps < self.steps,
            f'0 to less than the {self.steps} steps of the run',
        )
        _require('ema_decay', self.ema_decay, 0 <= self.ema_decay < 1, '0 to less than 1')
        _require(
            'accumulate_batches',
            self.accumulate_batches,
            self.accumulate_batches >= 1,
            'at least 1',
        )
        clip = self.gradient_clip
        _require('gradient_clip', clip, 0 <= clip < math.inf, 'at least 0')
        milestones = self.schedule.milestones
        _require(
            'schedule milestones',
            milestones,
            all(step < self.steps for step in milestones),
            f'numbers below the {self.steps} steps of the run',
        )
        _require(
            'exported_norm',
            self.exported_norm,
            not self.exported_norm or (self.dataset_norm and self.exported_norm in self.datasets),
            f'one of the datasets {list(self.datasets)} where dataset_norm is true',
        )
        factor = self.backbone_learning_rate
        _require('backbone_learning_rate', factor, 0 <= factor < math.inf, 'at least 0')
        _require(
            'precision', self.precision, self.precision in PRECISIONS, f'one of {list(PRECISIONS)}'
        )
        for key in ('seed', 'workers', 'threads'):
            _require(key, getattr(self, key), getattr(self, key) >= 0, 'at least 0')
        every = self.validation_every_epochs
        _require('validation_every_epochs', every, every >= 1, 'at least 1')
        measured = self.validation.dataset if self.validation else ''
        _require(
            'validation dataset',
            measured,
            not measured or measured in self.datasets,
            f'one of the datasets {list(self.datasets)}',
        )
        _require(
            'final_weights',
            self.final_weights,
            self.final_weights in ('last', *(['best'] if self.validation_set else [])),
            "'last', or 'best' where there is a validation",
        )

    @property
    def validation_set(self) -> ValidationConfig | None:
        """Return what the run is measured on, or None."""
        if self.validation is not None:
            return self.validation if self.validation.dataset else None
        for name, item in self.datasets.items():
            options = dataset_entry(item.kind).default_validation
            if options is not None:
                return ValidationConfig(name, dict(options))
        return None

    def with_paths(self, data: Path, backbone_weights: str | None = None) -> TrainingConfig:
        """Return the run with its datasets in a folder.

        Args:
            data: Relative roots are taken against it.
            backbone_weights: Instead of the run's own; None or empty leaves these.
        """
        return replace(
            self,
            backbone_weights=backbone_weights or self.backbone_weights,
            datasets={name: item.in_folder(data) for name, item in self.datasets.items()},
        )


def load_training_config(name_or_path: str | Path) -> TrainingConfig:
    """Read an experiment by name (config/experiments/<name>.yaml) or from a file.

    Raises:
        ConfigError: The file is missing, or a key or value cannot be used.
    """
    path = named_or_path(name_or_path, 'experiments')
    data = read_yaml(path, 'Experiment', ConfigError)
    data['network'] = _build(NetworkConfig, data.get('network', {}), f'network of {path}')
    if 'preprocessing' in data:
        data['preprocessing'] = _build(
            Preprocessing, data['preprocessing'], f'preprocessing of {path}'
        )
    datasets = data.get('datasets')
    if not isinstance(datasets, dict) or not datasets:
        raise ConfigError(f'{path} has no datasets; expected at least one by name.')
    data['datasets'] = {
        str(name): _build(DatasetConfig, value, f'dataset {name} of {path}')
        for name, value in datasets.items()
    }
    config: TrainingConfig = _build(TrainingConfig, data, f'experiment {path}')
    return config


def _build(cls: type[Any], data: Any, where: str) -> Any:
    """Make a dataclass from plain data, lists as tuples; keys and types that do not fit are named.

    Raises:
        ConfigError: They do not fit, or the class itself refuses a value.
    """
    names = {item.name for item in fields(cls)}
    if not isinstance(data, dict):
        raise ConfigError(f'The {where} is {data!r}; expected some of the keys {sorted(names)}.')
    unknown = sorted(map(str, set(data) - names))
    if unknown:
        raise ConfigError(f'The {where} has the unknown keys {unknown}; expected {sorted(names)}.')
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in data.items()}
    for key, hint in get_type_hints(cls).items():
        kinds = get_args(hint) if get_origin(hint) is UnionType else (hint,)
        nested = next((kind for kind in kinds if is_dataclass(kind)), None)
        if key in values and isinstance(nested, type) and not _fits(values[key], hint):
            values[key] = _build(nested, values[key], f'{key} of the {where}')
        if key in values and not _fits(values[key], hint):
            wanted = hint.__name__ if get_origin(hint) is None else str(hint)
            advice = ': YAML reads 1e-3 as text, write 1.0e-3' if hint is float else ''
            raise ConfigError(f'The {where} has {key} {data[key]!r}; expected {wanted}{advice}.')
    try:
        return cls(**values)
    except (TypeError, ConfigError) as problem:
        raise ConfigError(f'The {where} cannot be used: {problem}') from problem


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value read from YAML has a field's type; whole numbers are numbers."""
    kinds = get_args(hint)
    if hint is Any:
        return True
    if get_origin(hint) is UnionType:
        return any(_fits(value, kind) for kind in kinds)
    if get_origin(hint) is tuple:
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value) if isinstance(value, tuple) else ()
        return (
            isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
        )
    if get_origin(hint) is dict:
        return isinstance(value, dict) and all(
            _fits(key, kinds[0]) and _fits(item, kinds[1]) for key, item in value.items()
        )
    if hint in (int, float):
        return isinstance(value, int if hint is int else int | float) and type(value) is not bool
    return isinstance(value, hint)
