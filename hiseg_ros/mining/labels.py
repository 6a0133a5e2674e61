# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The labels that annotators choose from: those of a dataset's mapping, with a colour each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from hiseg_ros.datasets.dataset_labels import read_dataset_labels
from hiseg_ros.decision.mapped import LabelDecision
from hiseg_ros.errors import MappingError
from hiseg_ros.output_files import output_file
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy import Mapping, Taxonomy, without_alias
from hiseg_ros.types import UNLABELED, NodeProbabilities
from hiseg_ros.yaml_file import read_yaml

BACKGROUND = 'background'
"""Name that the tools use for pixels without a label."""

MAPPING_FILE = 'mapping.yaml'

_STEPS = (0, 255, 128, 64, 192, 32, 160, 96, 224)


@dataclass(frozen=True)
class AnnotationLabel:
    """One label of the tools."""

    label_id: int
    """Value in the label files, 0 to 254."""
    name: str
    color: tuple[int, int, int]
    """(red, green, blue), which no other label has; never black."""

    @property
    def hex_color(self) -> str:
        """The colour as in '#4477aa'."""
        return '#{:02x}{:02x}{:02x}'.format(*self.color)


class LabelSet:
    """The labels of a mapping, as annotators see them."""

    def __init__(self, labels: Sequence[AnnotationLabel], name: str) -> None:
        """Take the labels.

        Args:
            labels: At least one; ids, names and colours are different.
            name: Name of the mapping.
        """
        self.labels, self.name = tuple(labels), name
        self.id_of_name = {label.name: label.label_id for label in labels}
        self.label_of_id = {label.label_id: label for label in labels}
        self.palette = np.zeros((256, 3), np.uint8)
        """(256, 3) red, green, blue by label id; black where there is no label."""
        for label in labels:
            self.palette[label.label_id] = label.color

    @property
    def names(self) -> str:
        """All names in one text, for messages."""
        return ', '.join(label.name for label in self.labels)


def label_set(mapping: Mapping, taxonomy: Taxonomy) -> LabelSet:
    """Return the labels of a mapping that annotators choose from: those that are evaluated.

    A label has the colour of the deepest node that all of its leaves lie below, or of one of its
    nodes; where another label has it already, the next free one of a fixed list.

    Raises:
        MappingError: A label has no id of one byte, 255 is a label, or two labels have the same
            name for an annotation tool.
    """
    wrong = [label for label in mapping.labels if not 0 <= label.label_id < UNLABELED]
    if wrong:
        raise MappingError(
            f'Label {wrong[0].name!r} of mapping {mapping.name!r} has the id {wrong[0].label_id}; '
            'expected ids from 0 to 254 for labels that annotators draw, 255 is unlabeled: take '
            'another mapping.'
        )
    used = {(0, 0, 0)}
    labels = []
    for label in mapping.evaluated_labels:
        color = _color_of(label.leaves, taxonomy, used)
        used.add(color)
        labels.append(AnnotationLabel(label.label_id, label.name, color))
    names = [label.name.casefold() for label in labels] + [BACKGROUND]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MappingError(
            f'Mapping {mapping.name!r} has more than one label {twice[0]!r}, which annotation '
            'tools cannot tell apart (background is theirs); expected different names.'
        )
    return LabelSet(labels, mapping.name)


def _color_of(
    leaves: Sequence[int], taxonomy: Taxonomy, used: set[tuple[int, int, int]]
) -> tuple[int, int, int]:
    paths = [taxonomy.path(leaf) for leaf in leaves]
    common = [nodes[0] for nodes in zip(*paths, strict=False) if len(set(nodes)) == 1]
    for node in (*reversed(common[1:]), *(node for path in paths for node in path[:0:-1])):
        color = taxonomy.nodes[node].color
        if color not in used:
            return color
    return next(
        color
        for red in _STEPS
        for green in _STEPS
        for blue in _STEPS
        if (color := (red, green, blue)) not in used
    )


class PreLabels:
    """Decides the labels that annotators start from."""

    def __init__(self, mapping: Mapping, taxonomy: Taxonomy) -> None:
        """Prepare the decision."""
        self._decide = LabelDecision(mapping, taxonomy)

    def __call__(self, probabilities: NodeProbabilities) -> NDArray[np.uint8]:
        """Return (H, W) uint8 label ids; 255 where something outside the labels is likelier."""
        choice = self._decide(probabilities)
        choice.label_ids[choice.is_outside] = UNLABELED
        return choice.label_ids


def write_mapping(name_or_path: str | Path, folder: Path) -> Path:
    """Copy a mapping's file into a folder as mapping.yaml, with 255 as an unlabeled id.

    Raises:
        ConfigError: There is something else than a plain file.
        MappingError: The mapping cannot be read.
    """
    source = without_alias(named_or_path(name_or_path, 'mappings'))
    data = read_yaml(source, 'Mapping', MappingError)
    target = output_file(folder / MAPPING_FILE)
    unlabeled = data.get('unlabeled', [])
    if UNLABELED in unlabeled:
        shutil.copyfile(source, target)
    else:
        data['unlabeled'] = [*unlabeled, UNLABELED]
        target.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), 'utf-8')
    return target


def read_label_set(folder: Path) -> LabelSet:
    """Return the labels of the mapping that `write_mapping` left in a folder.

    All of them: annotators may have added one that no network is measured on. They have no
    colours, which an export brings along.

    Raises:
        MappingError: It is missing or cannot be read.
    """
    read = read_dataset_labels(str(folder / MAPPING_FILE))
    labels = [AnnotationLabel(one.label_id, one.name, (0, 0, 0)) for one in read.labels]
    return LabelSet(labels, read.mapping_name)
