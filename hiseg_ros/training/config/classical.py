# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The training of a classical method as data: experiment files with the key `classical`."""

from __future__ import annotations

import re
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from hiseg_ros.classical.model_file import check_height
from hiseg_ros.classical.options import OPTIONS, Options, method_options
from hiseg_ros.datasets.registry import Measure, names_measured_by
from hiseg_ros.errors import ConfigError
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.resources import named_or_path
from hiseg_ros.training.config.settings import Count, require, sentences, settings
from hiseg_ros.yaml_file import read_yaml

KEY = 'classical'
"""The key of an experiment file that names a classical method in place of a network."""


@settings
class ClassicalDataset:
    """The dataset that a method learns from."""

    kind: str
    """Name of the dataset: one of hiseg_ros.datasets.DATASETS with label images."""

    root: str
    """Folder of the dataset."""

    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the loader."""

    mapping: str = ''
    """What the labels mean, where that is not what the dataset's own mapping says."""

    def __post_init__(self) -> None:
        """Check the kind.

        Raises:
            ConfigError: There is no such dataset, or it has no label images.
        """
        known = names_measured_by(Measure.PIXELS)
        is_known = self.kind in known
        require('kind', self.kind, is_known, f'a dataset with label images, one of {list(known)}')


@settings
class ClassicalConfig:
    """The training of a classical method."""

    name: str
    classical: str
    """The method: prior, otsu, watershed, hog or superpixel."""
    taxonomy: str
    datasets: Annotated[dict[str, ClassicalDataset], Field(min_length=1)]
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the method that are not to have their defaults."""
    height: int = 360
    """Shorter side in pixels to which images are reduced; smaller ones are kept."""
    crf: dict[str, Any] | None = None
    """Parameters of a dense CRF as the last step, {} for its defaults; none without it."""
    seed: Count = 1
    recipe: str = ''
    """One sentence for the model card."""
    licences: dict[str, str] = field(default_factory=dict)
    """By dataset: its licence, for the model card."""

    def __post_init__(self) -> None:
        """Check what pydantic does not.

        Raises:
            ConfigError: A value cannot be used.
        """
        is_file_name = re.fullmatch(r'\w[\w.-]*', self.name) is not None
        require('name', self.name, is_file_name, 'a file name of letters, digits and _ . -')
        require(KEY, self.classical, self.classical in OPTIONS, f'one of {list(OPTIONS)}')
        names = list(self.datasets)
        expected = 'a single one, since a classical method tells the labels of one dataset apart'
        require('datasets', names, len(names) == 1, expected, 'leave the others out')
        check_height(self.height)
        self.method_options()
        self.crf_parameters()

    def method_options(self) -> Options:
        """Return the options of the method, checked."""
        return method_options(self.classical, self.options)

    def crf_parameters(self) -> CrfParameters | None:
        """Return the parameters of the CRF, None for none.

        Raises:
            ConfigError: A parameter is unknown or out of range.
        """
        if self.crf is None:
            return None
        known = [item.name for item in fields(CrfParameters)]
        unknown = [key for key in self.crf if key not in known]
        require('crf', unknown, not unknown, f'some of the keys {", ".join(known)}')
        return CrfParameters.of(f'{key}={value}' for key, value in self.crf.items())

    @property
    def dataset(self) -> tuple[str, ClassicalDataset]:
        """The name of the dataset, and the dataset."""
        return next(iter(self.datasets.items()))

    def with_paths(self, data: Path) -> ClassicalConfig:
        """Return the settings with the relative folder of the dataset in another one."""
        name, one = self.dataset
        return replace(self, datasets={name: replace(one, root=str(data / one.root))})


def is_classical_experiment(name_or_path: str | Path) -> bool:
    """Return whether an experiment file is one of a classical method.

    Raises:
        ConfigError: The file is missing or cannot be read.
    """
    path = named_or_path(name_or_path, 'experiments')
    return KEY in read_yaml(path, 'Experiment', ConfigError)


def load_classical_config(name_or_path: str | Path) -> ClassicalConfig:
    """Read an experiment by name (config/experiments/<name>.yaml) or from a file.

    Raises:
        ConfigError: The file is missing, or a key or value cannot be used.
    """
    path = named_or_path(name_or_path, 'experiments')
    data = read_yaml(path, 'Experiment', ConfigError)
    try:
        return TypeAdapter(ClassicalConfig).validate_python(data)
    except ValidationError as problem:
        raise ConfigError(' '.join(sentences(problem, ClassicalConfig, str(path)))) from problem
    except ConfigError as problem:
        raise ConfigError(f'{path} cannot be used: {problem}') from problem
