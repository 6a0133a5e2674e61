# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Table of the label sets of all datasets: which leaves each label of each dataset allows."""

from __future__ import annotations

import math
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError, DatasetError
from hiseg_ros.taxonomy import Mapping, Taxonomy

IGNORED = -1
"""Target of a pixel without a label; it gives no gradient."""

UNKNOWN = -2
"""Entry of a label id that the mapping lacks: the files are those of another dataset."""

MAX_LABEL_SETS = 2**15
"""Targets are stored as 16-bit integers."""

SHARE_TOLERANCE = 1e-3
"""Largest difference between 1 and the sum of a mixture's shares."""


@dataclass(frozen=True)
class Narrowing:
    """Second labels of a dataset: a pixel means what both of its labels allow."""

    mapping: Mapping
    """Mapping of the second labels."""
    weight: float = 1.0
    """Factor on the weight of a pixel whose first label is narrowed by the second one."""


class LabelTable:
    """Label sets of all datasets; a training target is the id of a label set per pixel.

    A label set is the set of leaves that a label allows, and its id is its position in the table.
    The labels of all mappings come first, then those narrowed by second labels. Mixtures, which
    are several labels with a share each, follow.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        mappings: Sequence[Mapping],
        weights: MappingABC[str, MappingABC[str, float]] | None = None,
        narrowings: MappingABC[str, Narrowing] | None = None,
    ) -> None:
        """Collect the labels of all mappings.

        Args:
            taxonomy: The tree.
            mappings: Mappings of the datasets, with unique names.
            weights: Weight of a pixel by mapping name and label name; 1 where not given.
            narrowings: Second labels of the datasets, by name of their own mapping.

        Raises:
            ConfigError: Two mappings have the same name, or weights name an unknown mapping or
                label, or a weight is negative or not a number.
        """
        names = [mapping.name for mapping in mappings]
        if len(set(names)) < len(names):
            raise ConfigError(f'The mappings are {names}; expected each name once.')
        self.depth = taxonomy.depth
        """Largest level of the taxonomy."""
        self._taxonomy = taxonomy
        self._first_id: dict[str, int] = {}
        self._mappings = {mapping.name: mapping for mapping in mappings}
        self._id_of_mixture: dict[tuple[tuple[int, float], ...], int] = {}
        matrices = []
        label_weights: list[float] = []
        from_boxes: list[bool] = []
        for mapping in mappings:
            self._first_id[mapping.name] = len(label_weights)
            matrices.append(mapping.label_matrix(taxonomy))
            given = dict((weights or {}).get(mapping.name, {}))
            own = [float(given.pop(label.name, 1.0)) for label in mapping.labels]
            if given or not all(0 <= weight < math.inf for weight in own):
                raise ConfigError(
                    f'Weights of mapping {mapping.name!r} name {sorted(given)} or are negative or '
                    'no numbers; expected names of its labels and values of at least 0.'
                )
            label_weights += own
            from_boxes += [mapping.from_boxes] * len(own)
        unknown = set(weights or {}) - set(self._mappings)
        if unknown:
            raise ConfigError(
                f'Weights are given for {sorted(unknown)}; expected some of '
                f'{sorted(self._mappings)}.'
            )
        self._narrowed_label_sets: dict[str, NDArray[np.int16]] = {}
        allowed = np.concatenate(matrices)
        for name, narrowing in (narrowings or {}).items():
            first, labels = self._first_id[name], self._mappings[name].labels
            table, narrowed = _narrowed(
                allowed[first : first + len(labels)], narrowing.mapping.label_matrix(taxonomy)
            )
            # Numbers below len(labels) are first labels, the others are new label sets.
            shift = np.where(table < len(labels), first, len(label_weights) - len(labels))
            self._narrowed_label_sets[name] = self._by_label_ids(
                name, narrowing.mapping, table + shift
            )
            allowed = np.concatenate([allowed, narrowed.allowed])
            label_weights += [label_weights[first + i] * narrowing.weight for i in narrowed.labels]
            from_boxes += [narrowing.mapping.from_boxes] * len(narrowed.labels)
        self.label_count = len(label_weights)
        """Number of labels, narrowed ones included; from this id on, label sets are mixtures."""
        self._allowed = torch.from_numpy(allowed).float()
        self._weights = torch.tensor(label_weights)
        self._from_boxes = torch.tensor(from_boxes)

    def _by_label_ids(
        self, name: str, second: Mapping, by_position: NDArray[np.int64]
    ) -> NDArray[np.int16]:
        """Return the (256, 256) label sets by first and second label id.

        Args:
            name: Mapping of the first labels.
            second: Mapping of the second labels.
            by_position: (A, B) label sets by position of the labels in their mappings.
        """
        first_sets = self.label_set_of_label_id(name)
        result = np.repeat(first_sets[:, None], 256, 1)
        positions = second.index_of_label_id(256)
        labelled = first_sets >= 0
        of_first = first_sets[labelled] - self._first_id[name]
        for label_id in np.flatnonzero(positions >= 0):
            result[labelled, label_id] = by_position[of_first, positions[label_id]]
        known = positions >= 0
        known[[label_id for label_id in second.unlabeled_ids if 0 <= label_id < 256]] = True
        result[:, ~known] = UNKNOWN
        return result

    @property
    def allowed(self) -> torch.Tensor:
        """(S, L) float, 1 where label set s has leaf l; a mixture allows what its labels allow."""
        components, shares = self.mixture_components()
        of_mixtures = (self._allowed[components] * (shares > 0)[..., None]).amax(1)
        return torch.cat([self._allowed, of_mixtures])

    @property
    def weights(self) -> torch.Tensor:
        """(S,) float, weight of a pixel of label set s; of a mixture the mean of its labels."""
        components, shares = self.mixture_components()
        return torch.cat([self._weights, (self._weights[components] * shares).sum(1)])

    @property
    def nodes(self) -> torch.Tensor:
        """(S,) int64, node of label set s: the deepest one above all its leaves."""
        above = torch.from_numpy(self._taxonomy.leaf_matrix())
        # Node ids are in preorder: of the nodes on one path the deepest has the largest id.
        is_above = ((self.allowed[:, None] > 0) <= above[None]).all(2)
        return (is_above * torch.arange(len(self._taxonomy))).amax(1)

    @property
    def levels(self) -> torch.Tensor:
        """(S,) int64, level of the node of label set s."""
        return torch.tensor([node.level for node in self._taxonomy.nodes])[self.nodes]

    @property
    def from_boxes(self) -> torch.Tensor:
        """(S,) bool, whether label set s comes from boxes or tags; a mixture as its labels."""
        components, _ = self.mixture_components()
        return torch.cat([self._from_boxes, self._from_boxes[components[:, 0]]])

    def label_set_of_label_id(self, mapping_name: str) -> NDArray[np.int16]:
        """Return the (256,) label sets by label id; -1 where unlabeled, -2 where unknown."""
        mapping = self._mappings[mapping_name]
        table = mapping.index_of_label_id(256)
        label_sets = np.where(table >= 0, table + self._first_id[mapping_name], UNKNOWN)
        label_sets[[label_id for label_id in mapping.unlabeled_ids if 0 <= label_id < 256]] = (
            IGNORED
        )
        return label_sets.astype(np.int16)

    def narrowed_label_sets(self, mapping_name: str) -> NDArray[np.int16] | None:
        """Return the (256, 256) label sets by first and second label id.

        Where the two labels have no leaf in common the first one holds, as it does where the
        second is unlabeled; where the first is unlabeled, so is the pixel. -2 where the second is
        unknown. Returns None where the datasets of the mapping have no second labels.
        """
        return self._narrowed_label_sets.get(mapping_name)

    def add_mixture(self, mapping_name: str, shares: MappingABC[int, float]) -> int:
        """Return the label set of a mixture of labels, a new one where there is none yet.

        Losses know the mixtures that exist when they are built.

        Args:
            mapping_name: Mapping of the label ids.
            shares: By label id; a pixel is trained with each label in its share.

        Raises:
            DatasetError: A label id is not in the mapping, the shares are not positive or do not
                add up to 1, or there are too many label sets.
        """
        ids = self._mappings[mapping_name].index_of_label_id(256)
        unknown = [i for i in shares if not 0 <= i < 256 or ids[i] < 0]
        if unknown:
            raise DatasetError(
                f'A mixture has the label ids {unknown}; expected labels of mapping '
                f'{mapping_name!r}.'
            )
        total = sum(shares.values())
        if not all(0 < share <= 1 for share in shares.values()) or not (
            abs(total - 1) <= SHARE_TOLERANCE
        ):
            raise DatasetError(
                f'A mixture of mapping {mapping_name!r} has the shares {dict(shares)}; expected '
                'values above 0 that add up to 1.'
            )
        first = self._first_id[mapping_name]
        parts = sorted((first + int(ids[i]), share / total) for i, share in shares.items())
        if len(parts) == 1:
            return parts[0][0]
        set_id = self._id_of_mixture.setdefault(
            tuple(parts), self.label_count + len(self._id_of_mixture)
        )
        if set_id >= MAX_LABEL_SETS:
            raise DatasetError(
                f'The datasets have more than {MAX_LABEL_SETS} different labels and mixtures; '
                'expected fewer: round the shares.'
            )
        return set_id

    def mixture_components(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (M, K) int64 ids of labels and (M, K) float shares; unused entries have share 0.

        M is the number of mixtures, K the largest number of labels in one of them, at least 1.
        """
        mixtures = list(self._id_of_mixture)
        width = max((len(parts) for parts in mixtures), default=1)
        labels = torch.zeros(len(mixtures), width, dtype=torch.int64)
        shares = torch.zeros(len(mixtures), width)
        for index, parts in enumerate(mixtures):
            for position, (label, share) in enumerate(parts):
                labels[index, position] = label
                shares[index, position] = share
        return labels, shares


@dataclass(frozen=True)
class _NarrowedLabels:
    """Label sets that are smaller than the label they come from."""

    labels: tuple[int, ...]
    """Number of the first label of each label set."""
    allowed: NDArray[np.bool_]
    """(N, L)."""


def _narrowed(
    first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], _NarrowedLabels]:
    """Intersect every first label with every second one.

    Args:
        first: (A, L), whether first label a allows leaf l.
        second: (B, L), the same for the second labels.

    Returns:
        The (A, B) numbers of label sets, from A on narrowed ones, and the narrowed ones.
    """
    table = np.repeat(np.arange(len(first))[:, None], len(second), 1)
    numbers: dict[tuple[int, bytes], int] = {}
    labels, allowed = [], []
    for a, b in np.ndindex(*table.shape):
        both = first[a] & second[b]
        if not both.any() or (both == first[a]).all():
            continue
        key = (a, both.tobytes())
        if key not in numbers:
            numbers[key] = len(first) + len(numbers)
            labels.append(a)
            allowed.append(both)
        table[a, b] = numbers[key]
    stacked = np.stack(allowed) if allowed else np.zeros((0, first.shape[1]), np.bool_)
    return table, _NarrowedLabels(tuple(labels), stacked)
