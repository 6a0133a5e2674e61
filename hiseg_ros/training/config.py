# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training run as data: config/experiments/*.yaml read into checked values."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.preprocessing import Preprocessing
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy.schema import read_yaml

DATASET_KINDS = ('camvid', 'gtsdb', 'drawn')


@dataclass(frozen=True)
class DatasetConfig:
    """One data set of a run."""

    kind: str
    """One of DATASET_KINDS."""

    root: str
    """Folder of the data set; drawn scenes are kept in it."""

    share: int
    """Images in every batch."""

    weight: float = 1.0
    """Factor on this data set's loss."""

    scale: tuple[float, float] = (0.75, 1.5)
    """Range of the random resize factor."""

    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the loader."""

    label_weights: dict[str, float] = field(default_factory=dict)
    """Weight of a pixel by label name; 1 where not given."""

    box_centred: float = 0.0
    """Share of the crops that are laid around a box, in [0, 1]."""

    pasted_signs: float = 0.0
    """Mean number of signs pasted into a crop."""

    flips: bool = False
    """Mirror half of the crops; only for labels that keep their meaning, which sign types do not."""

    from_epoch: int = 0
    """Epoch in which this data set joins the batches."""


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
    ema_decay: float = 0.998
    seed: int = 1
    workers: int = 1
    threads: int = 0
    """CPU threads of the network; 0 leaves the choice to torch."""
    validation_every_epochs: int = 5
    recipe: str = ''
    """One sentence for the model card."""
    licences: dict[str, str] = field(default_factory=dict)
    """By data set: its licence, for the model card."""


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
        str(name): _build(DatasetConfig, value, f'data set {name} of {path}')
        for name, value in datasets.items()
    }
    config: TrainingConfig = _build(TrainingConfig, data, str(path))
    for name, dataset in config.datasets.items():
        if dataset.kind not in DATASET_KINDS:
            raise ConfigError(
                f'Data set {name} of {path} has kind {dataset.kind!r}; expected one of '
                f'{list(DATASET_KINDS)}.'
            )
    if any(side % config.preprocessing.multiple for side in config.crop):
        raise ConfigError(
            f'{path} has crop {list(config.crop)}; expected multiples of '
            f'{config.preprocessing.multiple}.'
        )
    return config


def _build(cls: type[Any], data: Any, where: str) -> Any:
    """Make a dataclass from plain data, lists as tuples, unknown and missing keys named."""
    names = {item.name for item in fields(cls)}
    if not isinstance(data, dict) or set(data) - names:
        unknown = sorted(map(str, set(data) - names)) if isinstance(data, dict) else data
        raise ConfigError(f'The {where} has the unknown keys {unknown}; expected {sorted(names)}.')
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    try:
        return cls(**values)
    except TypeError as problem:
        raise ConfigError(f'The {where} cannot be used: {problem}.') from problem
