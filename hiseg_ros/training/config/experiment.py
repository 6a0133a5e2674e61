# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training run as data: config/experiments/*.yaml read into checked settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError

from hiseg_ros.datasets import dataset_entry
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.checks import check_crop
from hiseg_ros.model.decoders.registry import DECODERS
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.resources import named_or_path
from hiseg_ros.training.config.adaptation import TARGET, AdaptationConfig
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.config.recipe import OptimizerConfig, ScheduleConfig
from hiseg_ros.training.config.settings import (
    AboveZero,
    AtLeastZero,
    BelowOne,
    Count,
    CountFromOne,
    Switch,
    require,
    sentences,
    settings,
)
from hiseg_ros.yaml_file import read_yaml

IMAGENET = 'imagenet'
"""Value of `backbone_weights` that is no file: see hiseg_ros.model.backbone."""

_Parts = TypeVar('_Parts', NetworkConfig, Preprocessing)


def _parts(cls: type[_Parts]) -> Callable[[Any], _Parts]:
    """Return what makes a dataclass that checks itself from the keys and values of a file."""

    def build(value: Any) -> _Parts:
        if isinstance(value, cls):
            return value
        known = ', '.join(item.name for item in fields(cls))
        require('', value, isinstance(value, dict), f'some of the keys {known}')
        for key in value:
            require(str(key), value[key], key in known.split(', '), f'one of {known}', 'remove it')
        try:
            values: dict[str, Any] = {
                key: tuple(item) if isinstance(item, list) else item for key, item in value.items()
            }
            return cls(**values)
        except ConfigError as problem:
            raise ValueError(str(problem)) from problem

    return build


def _named(value: Any) -> Any:
    """Return keys as texts: a dataset may be called 2018."""
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else value


@settings
class StartConfig:
    """Weights of other authors that the network starts from: backbone, decoder and classes."""

    weights: str
    """A safetensors file: `backbone.*` in timm's names, `head.*` in EfficientViT's."""

    mapping: str
    """Its labels are the classes of the weights, in order: a name in config/mappings or a path."""


@settings
class TeacherConfig:
    """A frozen network whose class probabilities are soft labels; see docs/losses.md."""

    weights: str
    """A file as of StartConfig."""

    mapping: str
    """Its labels are the teacher's classes, in order: a name in config/mappings or a path."""

    weight: AtLeastZero = 1.0
    """Factor on its loss; 0 is no teacher."""

    backbone: str = 'efficientvit_b0'
    """The timm model that the weights are of."""


@settings
class ValidationConfig:
    """Dataset on which the network of a run is measured."""

    dataset: str
    """Name of one of the run's datasets, which gives folder and kind; empty measures nothing."""

    options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the loader, in place of those for training: another split, other seeds."""


@settings
class TrainingConfig:
    """A training run."""

    name: str
    taxonomy: str
    network: Annotated[NetworkConfig, PlainValidator(_parts(NetworkConfig))]
    datasets: Annotated[dict[str, DatasetConfig], Field(min_length=1), BeforeValidator(_named)]
    preprocessing: Annotated[Preprocessing, PlainValidator(_parts(Preprocessing))] = (
        Preprocessing()
    )
    crop: tuple[CountFromOne, CountFromOne] = (320, 448)
    """(height, width) in pixels; multiples of 32."""
    steps: CountFromOne = 1000
    steps_per_epoch: CountFromOne = 100
    """Steps between checkpoints; a resumed run starts at the last one."""
    learning_rate: AboveZero = 1e-3
    weight_decay: AtLeastZero = 0.02
    warmup_steps: Count = 100
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    accumulate_batches: CountFromOne = 1
    """Batches whose gradients make one step; `steps` and its relatives count optimiser steps."""
    gradient_clip: AtLeastZero = 5.0
    """Largest norm of the gradient of all weights; 0 does not limit it."""
    ema_decay: BelowOne = 0.998
    """Of the weights' average that is validated and written; 0 averages nothing."""
    backbone_learning_rate: AtLeastZero = 1.0
    """Factor on the learning rate of the backbone."""
    precision: Literal['auto', '32-true', 'bf16-mixed'] = '32-true'
    """Lightning's name; 'auto' is bf16-mixed where the CPU or GPU computes in bfloat16, and
    32-true elsewhere."""
    initial_weights: str = ''
    """Weights file to start from; empty starts from random numbers."""
    backbone_weights: str = ''
    """'imagenet', a file of the backbone's timm weights, or empty for random numbers."""
    start: StartConfig | None = None
    """Weights of other authors to start from."""
    teacher: TeacherConfig | None = None
    """A frozen network that holds this one in place where labels leave a choice."""
    learning_rates: dict[str, AtLeastZero] = field(default_factory=dict)
    """Factor on the learning rate of parts of the network by the beginning of their parameters'
    names, such as 'decoder.street'; the longest one that fits counts, and for the backbone this
    comes before `backbone_learning_rate`. Parts with a factor of 0 are not trained."""
    frozen_norms: tuple[str, ...] = ()
    """Parts of the network by name whose batch norms keep the statistics they start with."""
    dataset_norm: Switch = False
    """Batch-norm statistics for each dataset instead of common ones; convolutions stay shared."""
    exported_norm: str = ''
    """The dataset whose statistics the written weights have; empty for the mixture of all, by
    their shares."""
    adaptation: AdaptationConfig | None = None
    """Learning from images of a target domain without labels; see docs/adaptation.md."""
    mirror_images: str = 'traffic_signs'
    """Mirror images of labels: a name in config/mirror_images, or a file."""
    seed: Count = 1
    workers: Count = 1
    threads: Count = 0
    """CPU threads of the network; 0 leaves the choice to torch."""
    validation: ValidationConfig | None = None
    """By default that of the first dataset whose entry in the registry has a default validation
    (CamVid's split 'val'), or none."""
    validation_every_epochs: CountFromOne = 5
    final_weights: Literal['last', 'best'] = 'last'
    """Which weights are written at the end: the 'last', or those of the 'best' validation."""
    recipe: str = ''
    """One sentence for the model card."""
    licences: dict[str, str] = field(default_factory=dict)
    """By dataset: its licence, for the model card."""

    def __post_init__(self) -> None:
        """Check what concerns several settings.

        Raises:
            ConfigError: A value cannot be used.
        """
        multiple = self.preprocessing.multiple
        is_file_name = re.fullmatch(r'\w[\w.-]*', self.name) is not None
        require('name', self.name, is_file_name, 'a file name of letters, digits and _ . -')
        starts = [item.from_epoch for item in self.datasets.values()]
        require('from_epoch', starts, 0 in starts, 'a dataset that is there from epoch 0')
        fits = all(side % multiple == 0 for side in self.crop)
        require('crop', list(self.crop), fits, f'multiples of {multiple}')
        network = self.network
        check_crop(network.decoder, network.decoder_options, network.output_stride, self.crop)
        self.loss.check_network(network, self.crop)
        single = self.loss.points > 0 and DECODERS[network.decoder].reads_points
        if single and self.teacher is not None:
            raise ConfigError(
                f'The run has a teacher, and decoder {network.decoder!r} with loss.points has '
                'single points, not the cells that a teacher speaks of; expected one of the two: '
                'remove teacher, or set points: 0.'
            )
        self._check_norms()
        # The average of the weights begins after the warm-up: without further steps it would be
        # the random numbers of the start.
        expected = f'less than the {self.steps} steps of the run'
        require('warmup_steps', self.warmup_steps, self.warmup_steps < self.steps, expected)
        milestones = self.schedule.milestones
        fits = all(step < self.steps for step in milestones)
        expected = f'numbers below the {self.steps} steps of the run'
        require('schedule.milestones', milestones, fits, expected)
        names = list(self.datasets)
        norm, owners = self.exported_norm, self.norm_owners
        fits = not norm or (self.dataset_norm and norm in owners)
        text = f'one of the datasets {owners} where dataset_norm is true'
        require('exported_norm', norm, fits, text)
        if self.adaptation is not None:
            self.adaptation.check_run(
                names, self.steps, self.loss.points, self.optimizer.kind, self.dataset_norm
            )
        measured = self.validation.dataset if self.validation else ''
        fits = not measured or measured in names
        require('validation.dataset', measured, fits, f'one of the datasets {names}')
        fits = self.final_weights == 'last' or self.validation_set is not None
        require('final_weights', self.final_weights, fits, "'last' where there is no validation")

    @property
    def norm_owners(self) -> list[str]:
        """Names of what has norm statistics of its own: datasets, and the target."""
        has_target = self.adaptation is not None and self.adaptation.sees_target
        return [*self.datasets, *([TARGET] if has_target else [])]

    def _check_norms(self) -> None:
        """Check that batch norms of the last features have more than one value to norm.

        Raises:
            ConfigError: They have one.
        """
        shares = [item.share for item in self.datasets.values() if item.from_epoch == 0]
        images = min(shares) if self.dataset_norm else sum(shares)
        stride = self.network.output_stride
        cells = (self.crop[0] // stride) * (self.crop[1] // stride)
        if images * cells == 1:
            norm = 'of a dataset with its own norms ' if self.dataset_norm else ''
            raise ConfigError(
                f'A batch {norm}has one image, and its crop of {self.crop[0]}x{self.crop[1]} one '
                f'cell at stride {stride}; expected at least two values for a batch norm: raise '
                'share or enlarge crop.'
            )

    @property
    def validation_set(self) -> ValidationConfig | None:
        """The dataset that the run is validated on, or None."""
        if self.validation is not None:
            return self.validation if self.validation.dataset else None
        for name, item in self.datasets.items():
            options = dataset_entry(item.kind).default_validation
            if options is not None:
                return ValidationConfig(name, dict(options))
        return None

    def with_paths(self, data: Path, backbone_weights: str | None = None) -> TrainingConfig:
        """Return the run with its files where they lie on this machine.

        Args:
            data: Folder against which relative folders of datasets, the weights of start and
                teacher and the run's own file of backbone weights are resolved.
            backbone_weights: Replaces the run's own; None or empty keeps these.
        """
        own = self.backbone_weights
        if own and own != IMAGENET:
            own = str(data / own)
        return replace(
            self,
            backbone_weights=backbone_weights or own,
            start=self.start and replace(self.start, weights=str(data / self.start.weights)),
            teacher=self.teacher
            and replace(self.teacher, weights=str(data / self.teacher.weights)),
            datasets={name: item.in_folder(data) for name, item in self.datasets.items()},
            adaptation=self.adaptation and self.adaptation.in_folder(data),
        )

    def from_random_numbers(self) -> TrainingConfig:
        """Return the run with a backbone that knows nothing yet.

        It learns at the full rate, statistics of its norms included: what protects a pretrained
        backbone would leave this one as it starts.
        """
        return replace(
            self,
            backbone_weights='',
            backbone_learning_rate=1.0,
            frozen_norms=tuple(name for name in self.frozen_norms if name != 'backbone'),
        )


def load_training_config(name_or_path: str | Path) -> TrainingConfig:
    """Read an experiment by name (config/experiments/<name>.yaml) or from a file.

    Raises:
        ConfigError: The file is missing, or a key or value cannot be used.
    """
    path = named_or_path(name_or_path, 'experiments')
    data = {'network': {}, **read_yaml(path, 'Experiment', ConfigError)}
    try:
        return TypeAdapter(TrainingConfig).validate_python(data)
    except ValidationError as problem:
        raise ConfigError(' '.join(sentences(problem, TrainingConfig, str(path)))) from problem
    except ConfigError as problem:
        raise ConfigError(f'{path} cannot be used: {problem}') from problem
