# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Trees without common classes: every dataset has outputs for its own labels and no other's.

Separate heads on one backbone are a tree with a child of the root for each dataset; one softmax
over the labels of all datasets is a root with all labels below it. Written as files they are
experiments like any other.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from hiseg_ros.datasets import mapping_of
from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy, load_taxonomy
from hiseg_ros.taxonomy.mirror import load_mirror_images
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.mirroring import NO_MIRROR, mirrored_label_sets

Kind = Literal['heads', 'concat']
"""'heads': one softmax for each dataset; 'concat': one softmax over the labels of all."""

PREFIX = 'own_labels_'
"""Beginning of the names of these trees."""


def output_name(dataset: str, label: str) -> str:
    """Return the name of the output for a label of a dataset."""
    return f'{dataset}: {label}'


@dataclass(frozen=True)
class OwnLabels:
    """Files that describe the outputs of a network without common classes."""

    taxonomy: Path
    mappings: MappingABC[str, Path]
    """By dataset."""
    mirror_images: Path


def own_mappings(base: TrainingConfig, taxonomy: Taxonomy) -> dict[str, Mapping]:
    """Return the mappings of the datasets onto the common tree.

    Raises:
        ConfigError: Two datasets have the same labels: they would have to share outputs.
        MappingError: A mapping cannot be read.
    """
    found = {
        name: mapping_of(item.kind, taxonomy, item.options) for name, item in base.datasets.items()
    }
    names = [mapping.name for mapping in found.values()]
    if len(set(names)) < len(names):
        raise ConfigError(
            f'The datasets {list(found)} have the mappings {names}; expected another one for each '
            'where every dataset has outputs of its own: leave one of them out.'
        )
    return found


def write_own_labels(base: TrainingConfig, kind: Kind, folder: Path) -> OwnLabels:
    """Write tree, mappings and mirror images; files that are there already are replaced.

    Args:
        base: An experiment on a common tree.
        kind: How the outputs are grouped into softmaxes.
        folder: Gets the files.

    Raises:
        ConfigError: As `own_mappings`.
        HisegError: Tree, mappings or mirror images of the experiment cannot be read.
    """
    taxonomy = load_taxonomy(base.taxonomy)
    mappings = own_mappings(base, taxonomy)
    folder.mkdir(parents=True, exist_ok=True)
    colors = (f'#{(0x123456 + 0x10305 * number) % 2**24:06x}' for number in range(2**10))

    def node(name: str, children: list[Any] | None = None) -> dict[str, Any]:
        return {
            'name': name,
            'color': next(colors),
            **({'children': children} if children else {}),
        }

    groups = {
        name: [node(output_name(name, label.name)) for label in mapping.labels]
        for name, mapping in mappings.items()
    }
    children = (
        [node(name, leaves) for name, leaves in groups.items()]
        if kind == 'heads'
        else [leaf for leaves in groups.values() for leaf in leaves]
    )
    tree = {'name': f'{PREFIX}{kind}', 'version': '1', 'tree': node('anything', children)}
    files = OwnLabels(
        folder / f'{kind}.yaml',
        {name: folder / f'{kind}_{number}.yaml' for number, name in enumerate(mappings)},
        folder / f'{kind}_mirror.yaml',
    )
    _write(files.taxonomy, tree)
    mirror: dict[str, str] = {}
    mirror_of_leaf = load_mirror_images(base.mirror_images, taxonomy)
    for name, mapping in mappings.items():
        outputs = [output_name(name, label.name) for label in mapping.labels]
        labels = [
            {'id': label.label_id, 'name': label.name, 'nodes': [output],
             'evaluated': label.evaluated}
            for label, output in zip(mapping.labels, outputs, strict=True)
        ]  # fmt: skip
        unlabeled = list(mapping.unlabeled_ids)
        _write(
            files.mappings[name], {'name': mapping.name, 'labels': labels, 'unlabeled': unlabeled}
        )
        matrix = mapping.label_matrix(taxonomy)
        images = mirrored_label_sets(matrix, range(len(labels)), mirror_of_leaf).tolist()
        for number, image in enumerate(images):
            if image != number:
                mirror[outputs[number]] = 'none' if image == NO_MIRROR else outputs[image]
    _write(files.mirror_images, {'name': f'{PREFIX}{kind}', 'mirror': mirror})
    return files


def with_own_labels(config: TrainingConfig, files: OwnLabels) -> TrainingConfig:
    """Return the settings of a run whose outputs are those of the files."""
    return replace(
        config,
        taxonomy=str(files.taxonomy),
        mirror_images=str(files.mirror_images),
        datasets={
            name: replace(item, mapping=str(files.mappings[name]))
            for name, item in config.datasets.items()
        },
    )


def _write(path: Path, data: MappingABC[str, Any]) -> None:
    text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True)
    # Another process of the same comparison may be reading it.
    if not path.is_file() or path.read_text('utf-8') != text:
        partial = path.with_suffix('.partial')
        partial.write_text(text, 'utf-8')
        partial.replace(path)
