# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Paths of the package's data files (config/, models/) and of the user's cache folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hiseg_ros.errors import ConfigError

DEFAULT_MODEL = 'street_vit'
"""The shipped network."""

TREE_MODEL = 'street_lite'
"""Shipped beside it: a network with a classifier for each inner node, also in int8."""


def cache_folder() -> Path:
    """Return the folder for cached results: $XDG_CACHE_HOME/hiseg_ros or ~/.cache/hiseg_ros.

    Raises:
        RuntimeError: The user has no home folder.
    """
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'hiseg_ros'


def share_dir() -> Path:
    """Return the folder that holds config/ and models/.

    Searched in this order: the checkout around the imported module, every ament prefix, the
    Python environment's share folder.

    Raises:
        ConfigError: None of them has config/taxonomies.
    """
    candidates = [Path(__file__).resolve().parent.parent]
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        if prefix:
            candidates.append(Path(prefix) / 'share' / 'hiseg_ros')
    # A colcon install places the module at <prefix>/lib/python3.x/site-packages/hiseg_ros.
    candidates += [
        parent / 'share' / 'hiseg_ros' for parent in Path(__file__).resolve().parents[1:6]
    ]
    candidates.append(Path(sys.prefix) / 'share' / 'hiseg_ros')
    for candidate in candidates:
        if (candidate / 'config' / 'taxonomies').is_dir():
            return candidate
    raise ConfigError(
        'The data files of hiseg_ros were not found in '
        + ', '.join(str(candidate) for candidate in candidates)
        + '; expected config/taxonomies in one of them: install the package again.'
    )


def config_path(relative: str) -> Path:
    """Return the path of a file below config/; it need not exist."""
    return share_dir() / 'config' / relative


def default_model(suffix: str = '.safetensors') -> Path:
    """Return the path of a file of the shipped network.

    Args:
        suffix: '.safetensors' for the weights, '.onnx' for the network exported from them.
    """
    return share_dir() / 'models' / f'{DEFAULT_MODEL}{suffix}'


def tree_model(suffix: str = '.safetensors') -> Path:
    """Return the path of a file of `TREE_MODEL`.

    Args:
        suffix: As of `default_model`; '_int8.onnx' for the exported network in int8.
    """
    return share_dir() / 'models' / f'{TREE_MODEL}{suffix}'


def named_or_path(value: str | Path, folder: str) -> Path:
    """Return config/<folder>/<value>.yaml for a name without suffix and folder, else the path."""
    text = str(value)
    if text.endswith(('.yaml', '.yml')) or os.sep in text:
        return Path(text)
    return config_path(f'{folder}/{text}.yaml')
