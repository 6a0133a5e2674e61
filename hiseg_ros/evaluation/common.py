# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mean IoU over the classes that several label sets have in common, and which classes those are.

A mean over all labels of CamVid and one over all labels of Cityscapes are not comparable. The tree
says which of their labels mean the same, whatever they are called.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.evaluation.confusion import Confusion
from hiseg_ros.taxonomy import Label, Mapping


@dataclass(frozen=True)
class CommonClass:
    """Labels of several sets that stand for the same part of the tree."""

    name: str
    members: tuple[tuple[int, ...], ...]
    """For each set: positions among its evaluated labels, at least one."""
    leaves: tuple[int, ...]
    """Node ids of the leaves that any of the labels allows, ascending."""


def common_classes(sets: Sequence[Mapping]) -> list[CommonClass]:
    """Return the classes that all sets have, in the order of the first set's labels.

    Labels that share a leaf belong together, also those of one set that a label of another one
    spans: CamVid's Bicyclist goes with Cityscapes' rider, bicycle and motorcycle. A group of which
    some set has no label is no common class. Names and members do not depend on the order of the
    sets: of each set's names, joined with ' + ', the shortest one, the first in the alphabet.

    Raises:
        ConfigError: Two sets have one name, or there is no common class.
    """
    repeated = [name for name, count in Counter(one.name for one in sets).items() if count > 1]
    if repeated:
        raise ConfigError(
            f'The label set {repeated[0]!r} is compared with itself; expected --common with other '
            'label sets than that of the dataset, each once.'
        )
    groups: list[tuple[set[int], list[tuple[int, int]]]] = []
    for number, mapping in enumerate(sets):
        for position, label in enumerate(mapping.evaluated_labels):
            leaves, members = set(label.leaves), [(number, position)]
            apart = []
            for group in groups:
                if group[0] & leaves:
                    leaves, members = leaves | group[0], [*group[1], *members]
                else:
                    apart.append(group)
            groups = [*apart, (leaves, members)]
    found = []
    for leaves, members in groups:
        by_set = tuple(
            tuple(sorted(position for owner, position in members if owner == number))
            for number in range(len(sets))
        )
        if all(by_set):
            found.append(CommonClass('', by_set, tuple(sorted(leaves))))
    if not found:
        raise ConfigError(
            f'The label sets {", ".join(one.name for one in sets)} have no class in common; '
            'expected at least one: name other sets with --common.'
        )
    return _named(sorted(found, key=lambda one: one.members[0]), sets)


def _named(classes: Sequence[CommonClass], sets: Sequence[Mapping]) -> list[CommonClass]:
    names = []
    for one in classes:
        by_set = [' + '.join(labels) for labels in _label_names(one, sets)]
        names.append(min(by_set, key=lambda name: (len(name), name)))
    count = Counter(names)
    for index, one in enumerate(classes):
        if count[names[index]] > 1:  # two sets use one name for different things
            spelled = zip(sets, _label_names(one, sets), strict=True)
            names[index] = '; '.join(
                sorted(f'{mapping.name}: {" + ".join(labels)}' for mapping, labels in spelled)
            )
    return [
        CommonClass(name, one.members, one.leaves)
        for name, one in zip(names, classes, strict=True)
    ]


def _label_names(one: CommonClass, sets: Sequence[Mapping]) -> list[list[str]]:
    return [
        [mapping.evaluated_labels[position].name for position in positions]
        for mapping, positions in zip(sets, one.members, strict=True)
    ]


def common_summary(
    sets: Sequence[Mapping], classes: Sequence[CommonClass], counts: NDArray[np.int64]
) -> dict[str, Any]:
    """Return the scores in [0, 1] over common classes, and which labels each has in every set.

    Pixels whose truth is of no common class are left out, as if unlabeled, which they are in a set
    without the class. A prediction of none of the common classes is an error of its true class.

    Args:
        sets: Label sets; the first is the one that was counted.
        classes: Of these sets.
        counts: (N, N + 1) pixels by true and predicted label of the first set; the last column is
            out of set.
    """
    group = np.full(counts.shape[1], -1)
    for index, one in enumerate(classes):
        group[list(one.members[0])] = index
    size = len(classes)
    merged = np.zeros((size, size + 1), np.int64)
    kept = group[:-1] >= 0
    columns = np.where(group < 0, size, group)
    np.add.at(merged, (group[:-1][kept][:, None], columns[None]), counts[kept])
    labels = tuple(Label(index, one.name, one.leaves) for index, one in enumerate(classes))
    scores = Confusion(Mapping('common', labels, ()), merged).summary()
    iou = scores['iou']
    assert isinstance(iou, dict)
    return {
        'sets': [mapping.name for mapping in sets],
        **{key: scores[key] for key in ('miou', 'pixel_accuracy', 'mean_class_accuracy')},
        'pixels': int(merged.sum()),
        'iou': iou,
        'absent': [name for name, value in iou.items() if value is None],
        'classes': {
            one.name: {
                mapping.name: names
                for mapping, names in zip(sets, _label_names(one, sets), strict=True)
            }
            for one in classes
        },
        'left_out': {
            mapping.name: [
                label.name
                for position, label in enumerate(mapping.evaluated_labels)
                if not any(position in one.members[number] for one in classes)
            ]
            for number, mapping in enumerate(sets)
        },
    }
