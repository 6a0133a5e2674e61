# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Files of classical methods: safetensors with arrays, an info block and a digest.

Nothing in a file is executed: a forest or an SVM is written as its numbers, which are checked when
they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hiseg_ros.classical.labels import LabelSet, MethodLabel
from hiseg_ros.classical.methods import Method, read_method
from hiseg_ros.classical.options import Options, method_options
from hiseg_ros.errors import CheckpointError, ConfigError, TaxonomyError
from hiseg_ros.inference.model_file import SAFETENSORS, read_info
from hiseg_ros.model.digest import check_safetensors, with_digest
from hiseg_ros.model.info import INFO_KEY, ModelInfo, dump_info
from hiseg_ros.output_files import output_file
from hiseg_ros.postprocessing.parameters import CrfParameters
from hiseg_ros.preprocessing import Preprocessing

HEIGHTS = (32, 2160)
"""Smallest and largest shorter side of a working image."""


@dataclass(frozen=True)
class ClassicalModel:
    """A trained method, as in its file."""

    name: str
    """Of the method, one of `options.OPTIONS`."""
    options: Options
    height: int
    """Shorter side in pixels to which images are reduced."""
    labels: LabelSet
    method: Method
    card: Mapping[str, Any]
    """Name, recipe, training sets with licences: what a model card says."""
    crf: CrfParameters | None = None
    """Dense CRF on the labels as the last step; None for none."""


def is_classical(path: Path) -> bool:
    """Return whether a file holds a classical method; False for what cannot be read."""
    if path.suffix.lower() != SAFETENSORS:
        return False
    try:
        return bool(read_info(path).classical)
    except CheckpointError:
        return False  # whoever opens it says what is wrong


def save_classical(path: Path, model: ClassicalModel) -> None:
    """Write a method with its info block and digest; a file that is there is replaced at once."""
    from safetensors.numpy import save

    tree = model.labels.taxonomy
    settings: dict[str, Any] = {
        'method': model.name,
        'options': asdict(model.options),
        'height': model.height,
        'labels': [
            {'name': label.name, 'leaves': [tree.nodes[leaf].name for leaf in label.leaves]}
            for label in model.labels.labels
        ],
    }
    if model.crf is not None:
        settings['crf'] = asdict(model.crf)
    info = ModelInfo(None, Preprocessing(), tree, model.card, classical=settings)
    arrays = dict(model.method.arrays())
    partial = path.with_name(path.name + '.partial')
    path.parent.mkdir(parents=True, exist_ok=True)
    output_file(path)
    output_file(partial).write_bytes(with_digest(save(arrays, {INFO_KEY: dump_info(info)})))
    partial.replace(path)


def load_classical(path: Path) -> ClassicalModel:
    """Read a method; nothing in the file is executed.

    Raises:
        CheckpointError: The file is missing, damaged, has another digest than it states, holds no
            classical method, or arrays that do not fit it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    info = read_info(path)
    if not info.classical:
        raise CheckpointError(
            f'{path} holds no classical method; expected a file that `hiseg train` wrote for one.'
        )
    check_safetensors(path)
    try:
        return _model(info, load(path.read_bytes()))
    except (
        AttributeError,
        ConfigError,
        KeyError,
        OSError,
        SafetensorError,
        TaxonomyError,
        TypeError,
        ValueError,
    ) as problem:
        raise CheckpointError(
            f'The classical method in {path} cannot be used ({type(problem).__name__}: '
            f'{problem}); expected a file that `hiseg train` wrote: train it again.'
        ) from problem


def _model(info: ModelInfo, arrays: Mapping[str, Any]) -> ClassicalModel:
    settings, tree = info.classical, info.taxonomy
    options = method_options(settings['method'], settings['options'])
    height = settings['height']
    check_height(height)
    labels = LabelSet(
        [
            MethodLabel(str(one['name']), tuple(sorted(map(tree.node_id, one['leaves']))))
            for one in settings['labels']
        ],
        tree,
    )
    inner = [leaf for one in labels.labels for leaf in one.leaves if leaf not in tree.leaves]
    if inner:
        raise ValueError(f'a label with the inner node {tree.nodes[inner[0]].name!r}')
    crf = CrfParameters(**settings['crf']) if 'crf' in settings else None
    method = read_method(settings['method'], arrays, options, len(labels))
    return ClassicalModel(settings['method'], options, height, labels, method, info.card, crf)


def check_height(height: Any) -> None:
    """Check the shorter side of working images.

    Raises:
        ConfigError: It is no whole number, or out of range.
    """
    if type(height) is not int or not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise ConfigError(
            f'The height of working images is {height!r}; expected a whole number from '
            f'{HEIGHTS[0]} to {HEIGHTS[1]}.'
        )
