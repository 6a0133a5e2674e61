# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Lightning data module of a run: all datasets, one loader per epoch, validation images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from hiseg_ros.datasets import dataset_entry, mapping_of, open_dataset
from hiseg_ros.datasets.removal import object_labels
from hiseg_ros.datasets.sample import SegmentationDataset
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping
from hiseg_ros.taxonomy.mirror import load_mirror_images
from hiseg_ros.training.config.adaptation import SELF_TRAINING, AdaptationConfig
from hiseg_ros.training.config.dataset import DatasetConfig, SecondLabelsConfig
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.augmentation import NO_AUGMENTATION
from hiseg_ros.training.data.fourier import FourierStyle
from hiseg_ros.training.data.label_table import LabelTable, Narrowing
from hiseg_ros.training.data.mixing import MixedSamples, TrainingItem
from hiseg_ros.training.data.paired_samples import PairedSamples
from hiseg_ros.training.data.second_labels import SecondLabels
from hiseg_ros.training.data.sign_library import sign_library
from hiseg_ros.training.data.target_images import check_differs, read_target, target_set
from hiseg_ros.training.data.training_set import TrainingSet
from hiseg_ros.training.data.transforms import SignCutout
from hiseg_ros.types import RgbImage

DRAWN_SIGNS_PER_TYPE = 24

TARGET_SEED = 1_000_000
"""Added to the seed of the run for the crops of the target."""


def _label_weights(
    config: TrainingConfig, mappings: dict[str, Mapping]
) -> dict[str, dict[str, float]]:
    """Return the label weights by mapping; datasets with one mapping must have the same."""
    weights: dict[str, dict[str, float]] = {}
    for name, item in config.datasets.items():
        if weights.setdefault(mappings[name].name, item.label_weights) != item.label_weights:
            raise ConfigError(
                f'Dataset {name} has the label weights {item.label_weights}, another one of kind '
                f'{item.kind} has others; expected the same.'
            )
    return weights


def _narrowings(
    config: TrainingConfig, mappings: dict[str, Mapping], taxonomy: Taxonomy
) -> dict[str, Narrowing]:
    """Return the second labels by mapping; datasets with one mapping must have the same.

    Raises:
        ConfigError: They have others.
        MappingError: A mapping cannot be read.
    """
    found: dict[str, SecondLabelsConfig | None] = {}
    for name, item in config.datasets.items():
        second = item.second_labels
        other = found.setdefault(mappings[name].name, second)
        # Their folders and sources may differ, as those of the datasets do.
        same = second and other and replace(second, root=other.root, source=other.source)
        if other != same:
            raise ConfigError(
                f'Dataset {name} has the second labels {second}, another one of kind {item.kind} '
                f'has {other}; expected the same mapping and weight.'
            )
    return {
        name: Narrowing(load_mapping(second.mapping, taxonomy), second.weight)
        for name, second in found.items()
        if second
    }


def _mapping(name: str, config: DatasetConfig, taxonomy: Taxonomy) -> Mapping:
    """Return what the labels of a dataset mean, under the name by which its loader knows them.

    Raises:
        ConfigError: The dataset has no mapping of its own in whose place another could stand.
        MappingError: The mapping cannot be read or does not fit the taxonomy.
    """
    if not config.mapping:
        return mapping_of(config.kind, taxonomy, config.options)
    own = dataset_entry(config.kind).mapping
    if not own:
        raise ConfigError(
            f'Dataset {name} has the mapping {config.mapping!r} beside its options; expected it '
            'in the options: a dataset of this kind has no mapping of its own.'
        )
    return replace(load_mapping(config.mapping, taxonomy), name=own)


def _removed(
    name: str, config: DatasetConfig, mapping: Mapping, taxonomy: Taxonomy
) -> tuple[Label, ...]:
    """Return the labels whose objects are removed from the images of a dataset.

    Raises:
        ConfigError: A label does not exist, or there is none of objects.
    """
    if config.removal is None:
        return ()
    try:
        return object_labels(mapping, taxonomy, config.removal.labels)
    except ConfigError as problem:
        raise ConfigError(
            f'removal.labels of dataset {name} cannot be used: {problem}'
        ) from problem


def _open(name: str, config: DatasetConfig) -> SegmentationDataset:
    try:
        return open_dataset(config.kind, config.root, config.options)
    except ConfigError as problem:
        raise ConfigError(f'Dataset {name} cannot be opened: {problem}') from problem


ValidationItem = tuple[torch.Tensor, torch.Tensor, bool]
"""Image (H, W, 3) uint8, label ids (H, W) uint8, and whether it counts."""


class WholeImages(Dataset[ValidationItem]):
    """Validation images at their own size, the same number in every process."""

    def __init__(self, dataset: SegmentationDataset, first: int = 0, stride: int = 1) -> None:
        """Take the images of one process.

        Args:
            dataset: All images.
            first: Number of the process.
            stride: Number of processes; the last image is repeated to fill the last round.
        """
        self.dataset = dataset
        self.first = first
        self.stride = stride

    def __len__(self) -> int:
        """Return the number of images that each process sees."""
        return -(-len(self.dataset) // self.stride)

    def __getitem__(self, index: int) -> ValidationItem:
        """Return an image; a repeated one does not count."""
        position = self.first + index * self.stride
        sample = self.dataset[min(position, len(self.dataset) - 1)]
        counts = position < len(self.dataset)
        return torch.from_numpy(sample.image), torch.from_numpy(sample.label_ids), counts


class BatchParts(Sampler[list[int]]):
    """The remaining batches of an epoch, and the part of each that one process takes."""

    def __init__(
        self, batch_size: int, batches: int, done: int = 0, process: int = 0, processes: int = 1
    ) -> None:
        """Lay out the batches.

        Args:
            batch_size: Images of a whole batch, those of all processes.
            batches: Number of batches in the epoch.
            done: Number of batches that were trained before.
            process: Number of this process.
            processes: Number of processes, which take the images of a batch in turn.
        """
        self.slots = range(process, batch_size, processes)
        self.batch_size = batch_size
        self.batches = batches
        self.done = done

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the numbers of samples, batch by batch."""
        for batch in range(self.done, self.batches):
            yield [batch * self.batch_size + slot for slot in self.slots]

    def __len__(self) -> int:
        """Return the number of batches of the whole epoch: the trainer subtracts finished ones."""
        return self.batches


class ResumableLoader(DataLoader[Any]):
    """A loader that starts at the batch of the trainer, which requires these two methods."""

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the position follows from the trainer's count of batches."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Ignore the state."""


def batches_of_run(config: TrainingConfig) -> int:
    """Return the number of batches of a whole run."""
    return config.steps * config.accumulate_batches


def batch_sizes(config: TrainingConfig) -> list[int]:
    """Return all batch sizes of a run; batches grow when datasets join."""
    starts = sorted({item.from_epoch for item in config.datasets.values()})
    return [
        sum(item.share for item in config.datasets.values() if item.from_epoch <= start)
        for start in starts
    ]


class MixedData(lightning.LightningDataModule):
    """The datasets of a run, one loader per epoch."""

    def __init__(self, config: TrainingConfig, taxonomy: Taxonomy) -> None:
        """Open the datasets and read those that are kept in memory, with progress bars.

        Raises:
            ConfigError: A dataset has unknown options or label weights.
            MappingError: A mapping or the mirror images do not fit the taxonomy.
            DatasetError: A folder or a file is missing or wrong.
        """
        super().__init__()
        self.config = config
        mappings = {name: _mapping(name, item, taxonomy) for name, item in config.datasets.items()}
        self.first_mapping = next(iter(mappings.values()))
        """What the labels of the first dataset mean."""
        unique = {mapping.name: mapping for mapping in mappings.values()}
        narrowings = _narrowings(config, mappings, taxonomy)
        self.table = LabelTable(
            taxonomy, list(unique.values()), _label_weights(config, mappings), narrowings
        )
        self.training_sets: list[TrainingSet] = []
        self.library: Sequence[Sequence[SignCutout]] = ()
        self._datasets: dict[str, SegmentationDataset] = {}
        mirror = None
        if any(item.flips for item in config.datasets.values()):
            mirror = load_mirror_images(config.mirror_images, taxonomy)
        for name, item in config.datasets.items():
            dataset = self._datasets[name] = _open(name, item)
            second = None
            if item.second_labels:
                narrowing = narrowings[mappings[name].name]
                second = SecondLabels(Path(item.second_labels.root), narrowing.mapping.name)
            training_set = TrainingSet.load(
                item,
                dataset,
                self.table,
                mirror,
                second,
                _removed(name, item, mappings[name], taxonomy),
            )
            self.training_sets.append(training_set)
            if dataset_entry(item.kind).has_sign_boxes:
                label_sets = self.table.label_set_of_label_id(mappings[name].name)
                self.library = sign_library(
                    training_set, label_sets, DRAWN_SIGNS_PER_TYPE, config.seed
                )
        self.target: TrainingSet | None = None
        """Images of the target of an adaptation, unlabeled."""
        self.target_images: list[RgbImage] = []
        if config.adaptation is not None and config.adaptation.opens_target:
            self._open_target(config.adaptation)
        self.validation: SegmentationDataset | None = None
        self.validation_mapping: Mapping | None = None
        chosen = config.validation_set
        if chosen is not None:
            item = replace(config.datasets[chosen.dataset], options=chosen.options)
            self.validation = _open(f'{chosen.dataset} for validation', item)
            self.validation_mapping = mappings[chosen.dataset]

    def _open_target(self, adaptation: AdaptationConfig) -> None:
        """Read the images of the target.

        Raises:
            HisegError: They cannot be read, are too few, or are those of a source.
        """
        settings = adaptation.target
        self.target_images = images = read_target(settings)
        for name, dataset in self._datasets.items():
            check_differs(settings, images, name, dataset)
        if adaptation.method in SELF_TRAINING:  # the teacher sees clean crops
            settings = replace(settings, augmentation=NO_AUGMENTATION)
        self.target = target_set(settings, images, self.config.crop)

    def _samples(self, per_epoch: int, epoch: int) -> MixedSamples | PairedSamples:
        """Return the samples of an epoch."""
        config, chosen = self.config, self.config.adaptation
        restyle = None
        if chosen is not None and chosen.beta and self.target is not None:
            restyle = FourierStyle(self.target, chosen.beta)
        sources = MixedSamples(
            self.training_sets, config.crop, per_epoch, epoch, config.seed, self.library, restyle
        )
        if chosen is None or self.target is None or not chosen.sees_target:
            return sources
        seed = config.seed + TARGET_SEED
        target = MixedSamples([self.target], config.crop, per_epoch, epoch, seed)
        return PairedSamples(sources, target, len(config.datasets))

    def train_dataloader(self) -> DataLoader[TrainingItem]:
        """Return a loader of the remaining batches of the current epoch."""
        config, trainer = self.config, self.trainer
        per_epoch = config.steps_per_epoch * config.accumulate_batches
        total = trainer.fit_loop.epoch_loop.batch_progress.total.ready if trainer else 0
        epoch, done = divmod(total, per_epoch)
        samples = self._samples(per_epoch, epoch)
        parts = BatchParts(
            samples.batch_size,
            # The last epoch may be a short one.
            min(per_epoch, max(0, batches_of_run(config) - epoch * per_epoch)),
            done,
            trainer.global_rank if trainer else 0,
            trainer.world_size if trainer else 1,
        )
        return ResumableLoader(samples, batch_sampler=parts, num_workers=config.workers)

    def val_dataloader(self) -> Any:
        """Return whole validation images, unchanged."""
        if self.validation is None:
            return []
        process = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(WholeImages(self.validation, *process), batch_size=None)
