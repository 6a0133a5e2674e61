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

from hiseg_ros.datasets import DATASETS, dataset_entry
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.model.decoders.checks import check_crop
from hiseg_ros.model.decoders.registry import DECODERS
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.resources import named_or_path
from hiseg_ros.training.config.adaptation import TARGET, AdaptationConfig
from hiseg_ros.training.config.loss import LossConfig
from hiseg_ros.training.config.recipe import AugmentationConfig, OptimizerConfig, ScheduleConfig
from hiseg_ros.training.config.removal import RemovalConfig
from hiseg_ros.training.config.settings import (
    AboveZero,
    AtLeastZero,
    BelowOne,
    Count,
    CountFromOne,
    Number,
    Share,
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
class SecondLabelsConfig:
    """Label images of another mapping for the images of a dataset, such as pseudo labels.

    A pixel then means what both labels allow; where they contradict each other the dataset's own
    holds, and where it is unlabeled it stays so.
    """

    root: str
    """Folder of <image>_<mapping>.png as `hiseg predict --mapping` writes them."""

    mapping: str
    """Name in config/mappings or path of a YAML file."""

    weight: AtLeastZero = 1.0
    """Factor on the weight of the pixels whose own label is narrowed."""

    source: str = ''
    """Where the labels come from, for the model card."""


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
class DatasetConfig:
    """One dataset of a run."""

    kind: str
    """Name of the dataset: one of hiseg_ros.datasets.DATASETS."""

    root: str
    """Folder of the dataset; drawn scenes are kept in it."""

    share: CountFromOne
    """Images in every batch."""

    weight: AtLeastZero = 1.0
    """Factor on this dataset's loss."""

    scale: tuple[AboveZero, AboveZero] = (0.75, 1.5)
    """Range of the random resize factor."""

    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the loader."""

    mapping: str = ''
    """What the labels mean, where that is not what the dataset's own mapping says: a name in
    config/mappings or the path of a YAML file with the same label ids."""

    label_weights: dict[str, Number] = field(default_factory=dict)
    """Weight of a pixel by label name; 1 where not given."""

    second_labels: SecondLabelsConfig | None = None
    """Labels of another kind for the same images, which narrow the dataset's own."""

    teacher_weight: AtLeastZero = 1.0
    """Factor on the loss of the run's teacher for this dataset; 0 does not ask it."""

    scale_from: Literal['native', 'cover'] = 'native'
    """Reference of `scale`: the image's own size ('native'), or the size at which it just
    covers the crop ('cover'). IV 2018: cover with a scale of 1."""

    box_centred: Share = 0.0
    """Share of the crops that are placed around a box."""

    box_scale: tuple[AboveZero, AboveZero] | None = None
    """Range of the resize factor of these crops, of the image's own size and with 1 in it: boxes
    are shown at native resolution. By default that of `scale`."""

    pasted_signs: Annotated[AtLeastZero, Field(lt=1000)] = 0.0
    """Mean number of signs pasted into a crop."""

    pasted_size: tuple[CountFromOne, CountFromOne] = (14, 72)
    """Smallest and largest longer side of a pasted sign in pixels."""

    flips: Switch = False
    """Mirror half of the crops, but for those with a sign type that has no mirror image: see
    `mirror_images` of the run."""

    repeat_threshold: Share = 0.0
    """Images with a label that is in a smaller share f of all images than this are shown
    sqrt(threshold / f) times per pass (repeat-factor sampling of LVIS); 0 shows each once."""

    in_memory: Switch | None = None
    """Keep the decoded images in memory, or read each whenever it is shown; by default in memory
    below 4 GiB, estimated from the first one."""

    augmentation: AugmentationConfig = AugmentationConfig()

    removal: RemovalConfig | None = None
    """Objects that are removed from a share of the crops; none by default."""

    from_epoch: Count = 0
    """Epoch in which this dataset joins the batches."""

    def __post_init__(self) -> None:
        """Check the kind and what concerns several settings.

        Raises:
            ConfigError: A value cannot be used.
        """
        require('kind', self.kind, self.kind in DATASETS, f'one of {list(DATASETS)}')
        low, high = self.scale
        require('scale', self.scale, low <= high, 'two factors, the smaller first')
        self._check_box_scale()
        least, largest = self.pasted_size
        expected = 'two lengths in pixels from 4 on, the smaller first'
        require('pasted_size', self.pasted_size, 4 <= least <= largest, expected)

    def __repr__(self) -> str:
        """Return the settings; results of comparisons of before `removal` keep their key."""
        given = [f for f in fields(self) if f.name != 'removal' or self.removal is not None]
        return f'DatasetConfig({", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in given)})'

    def in_folder(self, data: Path) -> DatasetConfig:
        """Return the dataset with its relative folders resolved against a folder."""
        second = self.second_labels
        return replace(
            self,
            root=str(data / self.root),
            second_labels=second and replace(second, root=str(data / second.root)),
        )

    def _check_box_scale(self) -> None:
        if self.box_scale is None and (not self.box_centred or self.scale_from != 'native'):
            expected = "a range, since scale_from 'cover' says nothing about native resolution"
            require('box_scale', self.box_scale, not self.box_centred, expected)
            return
        key = 'scale' if self.box_scale is None else 'box_scale'
        low, high = self.scale if self.box_scale is None else self.box_scale
        expected = 'a range with 1 in it, so that boxes are also shown at native resolution'
        advice = 'correct it' if self.box_scale else 'set box_scale'
        require(key, (low, high), low <= 1 <= high, expected, advice)


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
    precision: Literal['32-true', 'bf16-mixed'] = '32-true'
    """Lightning's name; bf16 is faster where the CPU or GPU has it."""
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
