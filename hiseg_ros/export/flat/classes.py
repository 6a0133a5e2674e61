# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classes of a flat network: the label of each output channel, and its node in the taxonomy."""

from __future__ import annotations

import codecs
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hiseg_ros.errors import ConfigError, MappingError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy import Label, Mapping, Taxonomy, load_mapping, without_alias
from hiseg_ros.yaml_file import read_yaml

UNLABELED_NAME = 'unlabeled'
"""Name of a channel without a label; its probability is given to the root, or to the node that
--node names for it."""

ROOT = 0

Order = tuple[Label | None, ...]
"""Label of each channel; None where it has none."""


@dataclass(frozen=True)
class FlatClass:
    """A class of a flat network."""

    name: str
    label_id: int | None
    """Label id of the dataset; None for unlabeled."""
    channels: tuple[int, ...]
    """Channels of the network's output; several where it divides a label further."""
    node_id: int
    """Node with which its pixels are labelled."""
    leaves: tuple[int, ...]
    """Node ids of the leaves that belong to its label, ascending."""


@dataclass(frozen=True)
class ClassOrder:
    """The labels of a network's channels, in their order."""

    mapping: Mapping
    path: Path
    """File of the mapping."""
    labels: Order
    words: str
    """Description, such as 'the 19 labels of cityscapes_labelids in order'."""


class ClassOrders:
    """The possible orders of a network's classes, by the number of its channels."""

    def __init__(
        self,
        mapping_name: str | Path,
        taxonomy: Taxonomy,
        classes: Path | None = None,
        by_label_id: bool = False,
    ) -> None:
        """Read the mapping, and those in its folder named after it with their number of labels.

        Args:
            mapping_name: As in `load_mapping`.
            taxonomy: The tree.
            classes: Text file with the name of a label in each line, as the only order.
            by_label_id: Whether channel i has label id i, as the only order.

        Raises:
            ConfigError: Both are given, or the text file is missing or has a name that is not a
                label of the mapping.
            MappingError: The mapping does not fit the tree.
        """
        path = without_alias(named_or_path(mapping_name, 'mappings'))
        mapping = load_mapping(mapping_name, taxonomy)
        self.name = mapping.name
        self.usual: ClassOrder
        """The order of a label map, whose number of classes is unknown."""
        if classes is not None and by_label_id:
            raise ConfigError('--classes and --label-ids are given; expected one of them.')
        if classes is not None:
            labels = _listed(classes, mapping)
            found = [ClassOrder(mapping, path, labels, f'the order of {classes}')]
        elif by_label_id:
            found = [_by_label_id(mapping, path)]
        else:
            found = _in_order(mapping, path, taxonomy)
        self.usual = found[0]
        self._by_count: dict[int, ClassOrder] = {}
        for order in found:
            self._by_count.setdefault(len(order.labels), order)

    @property
    def counts(self) -> tuple[int, ...]:
        """Possible numbers of channels, ascending."""
        return tuple(sorted(self._by_count))

    def of_count(self, count: int) -> ClassOrder | None:
        """Return the order for a number of channels, or None."""
        return self._by_count.get(count)


def _in_order(mapping: Mapping, path: Path, taxonomy: Taxonomy) -> list[ClassOrder]:
    """Return the possible orders without --classes and --label-ids, the most common one first."""
    beside = [
        other
        for other in sorted(path.parent.glob(f'{path.stem}_*{path.suffix}'))
        if other.stem.removeprefix(f'{path.stem}_').isdecimal()
    ]
    sources = []
    for other in beside:
        target = without_alias(other)
        part = load_mapping(target, taxonomy)
        # Another number is a version (vistas_2), a larger one another dataset (camvid_32).
        number = int(other.stem.removeprefix(f'{path.stem}_'))
        if number == len(part.evaluated_labels) < len(mapping.labels):
            sources.append((part, target))
    whole: list[ClassOrder] = []
    for one, source in [*sources, (mapping, path)]:
        for labels in dict.fromkeys([one.evaluated_labels, one.labels]):
            words = f'the {len(labels)} labels of {one.name} in order'
            whole.append(ClassOrder(one, source, labels, words))
    with_rest = [
        ClassOrder(
            order.mapping, order.path, (*order.labels, None), f'{order.words}, the last unlabeled'
        )
        for order in whole
    ]
    return [*whole, *with_rest, _by_label_id(mapping, path)]


def _by_label_id(mapping: Mapping, path: Path) -> ClassOrder:
    of_id = {label.label_id: label for label in mapping.labels}
    labels = tuple(of_id.get(number) for number in range(max(of_id) + 1))
    return ClassOrder(mapping, path, labels, f'label ids of {mapping.name}')


def _listed(path: Path, mapping: Mapping) -> Order:
    """Return the labels in a text file, in UTF-8 or, where a byte-order mark says so, UTF-16."""
    try:
        data = path.read_bytes()
        is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        lines = data.decode('utf-16' if is_wide else 'utf-8-sig').splitlines()
    except (OSError, ValueError) as problem:
        raise ConfigError(
            f'--classes {path} cannot be read ({problem}); expected a text file with the name of '
            'a label in each line.'
        ) from problem
    names = [line.strip() for line in lines if line.strip() and line.strip()[0] != '#']
    of_name = {label.name.casefold(): label for label in mapping.labels}
    labels: list[Label | None] = []
    for name in names:
        label = of_name.get(name.casefold())
        if label is None and name.casefold() != UNLABELED_NAME:
            near = get_close_matches(name.casefold(), of_name, 1)
            advice = f', such as {of_name[near[0]].name!r}' if near else ''
            raise ConfigError(
                f'--classes {path} names {name!r}; expected a label of mapping '
                f'{mapping.name!r}{advice}, or {UNLABELED_NAME!r} for a channel without a label.'
            )
        labels.append(label)
    return tuple(labels)


def flat_classes(
    order: ClassOrder, taxonomy: Taxonomy, nodes: MappingABC[str, str] | None = None
) -> tuple[FlatClass, ...]:
    """Return the classes of a network, each with another node, in the order of the channels.

    A class gets the node whose leaves are those of its label. If there is none, it gets the
    largest node inside the label if that has more than half of the label's leaves, else the node
    with the label's name, else the first node of the label in the mapping.

    Args:
        order: Labels of the channels.
        taxonomy: The tree.
        nodes: Names of nodes by names of labels, or 'unlabeled', which replace this choice.

    Raises:
        ConfigError: There are fewer than two classes, a name is unknown, or two classes have the
            same node.
    """
    given = {key.casefold(): value for key, value in (nodes or {}).items()}
    channels: dict[Label | None, list[int]] = {}
    for channel, label in enumerate(order.labels):
        channels.setdefault(label, []).append(channel)
    known = {UNLABELED_NAME if label is None else label.name.casefold() for label in channels}
    for key, name in given.items():
        if key not in known:
            raise ConfigError(
                f'--node names the label {key!r}; expected one of the network: {sorted(known)}.'
            )
        if name not in taxonomy:
            near = get_close_matches(name, [node.name for node in taxonomy.nodes], 1)
            advice = f', such as {near[0]!r}' if near else ''
            raise ConfigError(
                f'--node gives {key!r} the node {name!r}; expected one of taxonomy '
                f'{taxonomy.name!r}{advice}: see `hiseg taxonomy show {taxonomy.name}`.'
            )
    first = _first_named(order.path, taxonomy)
    classes = []
    for label, places in channels.items():
        if label is None:
            wanted = given.get(UNLABELED_NAME)
            node = taxonomy.node_id(wanted) if wanted else ROOT
            name, label_id, leaves = UNLABELED_NAME, None, taxonomy.leaves
        else:
            name, label_id, leaves = label.name, label.label_id, label.leaves
            wanted = given.get(name.casefold())
            node = taxonomy.node_id(wanted) if wanted else _node_of(label, taxonomy, first)
        classes.append(FlatClass(name, label_id, tuple(places), node, leaves))
    _check(classes, taxonomy, order)
    return tuple(classes)


def _check(classes: Sequence[FlatClass], taxonomy: Taxonomy, order: ClassOrder) -> None:
    if len(classes) < 2:
        raise ConfigError(
            f'The network has one class by {order.words}; expected at least two to decide between.'
        )
    owner: dict[int, str] = {}
    for one in classes:
        if one.node_id in owner:
            raise ConfigError(
                f'The classes {owner[one.node_id]!r} and {one.name!r} both have the node '
                f'{taxonomy.nodes[one.node_id].name!r}; expected another node for each: choose '
                f"one with --node '{one.name}=NODE'."
            )
        owner[one.node_id] = one.name


def _node_of(label: Label, taxonomy: Taxonomy, first: MappingABC[str, int]) -> int:
    """Return the node for a label; see `flat_classes`."""
    leaves = set(label.leaves)
    inside = [
        node.node_id
        for node in taxonomy.nodes
        if leaves.issuperset(taxonomy.leaves_below(node.node_id))
    ]
    largest = max(inside, key=lambda node: len(taxonomy.leaves_below(node)))
    if 2 * len(taxonomy.leaves_below(largest)) > len(leaves):
        return largest
    of_name = {taxonomy.nodes[node].name.casefold(): node for node in inside}
    return of_name.get(label.name.casefold(), first.get(label.name, largest))


def _first_named(path: Path, taxonomy: Taxonomy) -> dict[str, int]:
    """Return the first node of each label in a mapping file."""
    rows = read_yaml(path, 'Mapping', MappingError)['labels']
    return {
        row['name']: taxonomy.node_id(names[0])
        for row in rows
        if (names := [name for name in row['nodes'] if name in taxonomy])
    }
