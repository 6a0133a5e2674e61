# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A training run of a classical method, from settings to its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from hiseg_ros.classical.model_file import ClassicalModel, save_classical
from hiseg_ros.classical.packages import check_packages
from hiseg_ros.errors import ConfigError
from hiseg_ros.output_files import output_file
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.classical.counted import fit_otsu, fit_prior
from hiseg_ros.training.classical.samples import TrainingImages
from hiseg_ros.training.classical.segments import fit_superpixel
from hiseg_ros.training.classical.windows import fit_hog, fit_watershed
from hiseg_ros.training.config.classical import ClassicalConfig

SETTINGS = 'config.yaml'

FIT: Mapping[str, Callable[..., Any]] = {
    'prior': fit_prior,
    'otsu': fit_otsu,
    'watershed': fit_watershed,
    'hog': fit_hog,
    'superpixel': fit_superpixel,
}
"""By the name of the method: what makes it from training images, options and seed."""


def train_classical(config: ClassicalConfig, run_dir: Path, *, force_config: bool = False) -> Path:
    """Train a classical method.

    A complete run with the same settings is left unchanged; an interrupted one begins anew. The
    same settings and images make the same file, byte by byte.

    Args:
        config: Settings of the run.
        run_dir: Gets config.yaml and <name>.safetensors.
        force_config: Train although the folder has a run with other settings.

    Returns:
        The file of the method.

    Raises:
        ConfigError: A package is missing, or the folder holds a run with other settings.
        HisegError: The dataset or the folder cannot be used.
    """
    check_packages()
    path, settings = run_dir / f'{config.name}.safetensors', run_dir / SETTINGS
    text = yaml.safe_dump(asdict(config), sort_keys=False)
    if settings.is_file() and not force_config:
        if settings.read_text() != text:
            raise ConfigError(
                f'The run folder {run_dir} holds a run with other settings; expected the same '
                'ones, or an empty folder: choose another --output, or replace it with '
                '--force-config.'
            )
        if path.is_file():
            return path
    run_dir.mkdir(parents=True, exist_ok=True)
    images = TrainingImages.open(config, load_taxonomy(config.taxonomy))
    options = config.method_options()
    method = FIT[config.classical](images, options, config.seed)
    model = ClassicalModel(
        config.classical,
        options,
        config.height,
        images.labels,
        method,
        _card(config),
        config.crf_parameters(),
    )
    path.unlink(missing_ok=True)
    output_file(settings).write_text(text)
    save_classical(path, model)  # last: where it is, the run is complete
    return path


def _card(config: ClassicalConfig) -> dict[str, Any]:
    name, one = config.dataset
    return {
        'name': config.name,
        'recipe': config.recipe,
        'training_sets': [
            {
                'name': name,
                'kind': one.kind,
                'options': one.options,
                'licence': config.licences.get(name, 'not stated'),
            }
        ],
        'scores': {},
        'training': {'seed': config.seed},
    }
