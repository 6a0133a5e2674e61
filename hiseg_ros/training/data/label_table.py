# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One table for the labels of all datasets: each row is the set of leaves that a label allows."""

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
"""Target of a pixel that gives no gradient."""

UNKNOWN = -2
"""Row of a label id that the mapping does not have at all: the dataset is another one."""

MAX_ROWS = 2**15
"""Targets are kept as 16-bit integers."""

SHARE_TOLERANCE = 1e-3
"""How far the shares of a mixture may be from adding up to 1."""


@dataclass(frozen=True)
class Narrowing:
    """Second labels of a dataset: a pixel means what both of its labels allow."""

    mapping: Mapping
    """What the second labels mean."""
    weight: float = 1.0
    """Factor on the weight of a pixel whose first label the second one narrows."""


class LabelTable:
    """Rows of allowed leaves; a training target is a row number per pixel.

    The labels of all mappings come first, then those that second labels narrow. Mixtures, which
    are several labels with shares, follow.
    """

    def __init__(
        self,
        taxonomy: Taxonomy,
        mappings: Sequence[Mapping],
        weights: MappingABC[str, MappingABC[str, float]] | None = None,
        narrowings: MappingABC[str, Narrowing] | None = None,
    ) -> None:
        """Stack the labels of all mappings.

        Args:
            taxonomy: The tree.
            mappings: One per dataset, names unique.
            weights: By mapping name, then label name: weight of a pixel; 1 where not given.
            narrowings: By mapping name: the second labels of its datasets.

        Raises:
            ConfigError: Two mappings have one name, or weights name an unknown mapping or label or
                are negative or no numbers.
        """
        names = [mapping.name for mapping in mappings]
        if len(set(names)) < len(names):
            raise ConfigError(f'The mappings are {names}; expected each name once.')
        self.depth = taxonomy.depth
        """Largest level of the taxonomy."""
        self._taxonomy = taxonomy
        self._first_row: dict[str, int] = {}
        self._mappings = {mapping.name: mapping for mapping in mappings}
        self._row_of_mixture: dict[tuple[tuple[int, float], ...], int] = {}
        matrices = []
        row_weights: list[float] = []
        from_boxes: list[bool] = []
        for mapping in mappings:
            self._first_row[mapping.name] = len(row_weights)
            matrices.append(mapping.label_matrix(taxonomy))
            given = dict((weights or {}).get(mapping.name, {}))
            own = [float(given.pop(label.name, 1.0)) for label in mapping.labels]
            if given or not all(0 <= weight < math.inf for weight in own):
                raise ConfigError(
                    f'Weights of mapping {mapping.name!r} name {sorted(given)} or are negative or '
                    'no numbers; expected names of its labels and values of at least 0.'
                )
            row_weights += own
            from_boxes += [mapping.from_boxes] * len(own)
        unknown = set(weights or {}) - set(self._mappings)
        if unknown:
            raise ConfigError(
                f'Weights are given for {sorted(unknown)}; expected some of '
                f'{sorted(self._mappings)}.'
            )
        self._narrowed_rows: dict[str, NDArray[np.int16]] = {}
        allowed = np.concatenate(matrices)
        for name, narrowing in (narrowings or {}).items():
            first, labels = self._first_row[name], self._mappings[name].labels
            table, narrowed = _narrowed(
                allowed[first : first + len(labels)], narrowing.mapping.label_matrix(taxonomy)
            )
            # Numbers below len(labels) are first labels, the others are new rows.
            shift = np.where(table < len(labels), first, len(row_weights) - len(labels))
            self._narrowed_rows[name] = self._by_label_ids(name, narrowing.mapping, table + shift)
            allowed = np.concatenate([allowed, narrowed.allowed])
            row_weights += [row_weights[first + i] * narrowing.weight for i in narrowed.labels]
            from_boxes += [narrowing.mapping.from_boxes] * len(narrowed.labels)
        self.label_count = len(row_weights)
        """Rows that are labels, narrowed ones included; the rows from here on are mixtures."""
        self._allowed = torch.from_numpy(allowed).float()
        self._weights = torch.tensor(row_weights)
        self._from_boxes = torch.tensor(from_boxes)

    def _by_label_ids(
        self, name: str, second: Mapping, rows: NDArray[np.int64]
    ) -> NDArray[np.int16]:
        """Return the (256, 256) rows by first and second label id from those by their places."""
        first_rows = self.row_of_label_id(name)
        result = np.repeat(first_rows[:, None], 256, 1)
        places = second.index_of_label_id(256)
        labelled = first_rows >= 0
        of_first = first_rows[labelled] - self._first_row[name]
        for label_id in np.flatnonzero(places >= 0):
            result[labelled, label_id] = rows[of_first, places[label_id]]
        known = places >= 0
        known[[label_id for label_id in second.unlabeled_ids if 0 <= label_id < 256]] = True
        result[:, ~known] = UNKNOWN
        return result

    @property
    def allowed(self) -> torch.Tensor:
        """(R, L) float, 1 where row r allows leaf l; a mixture allows what its labels allow."""
        components, shares = self.mixture_components()
        of_mixtures = (self._allowed[components] * (shares > 0)[..., None]).amax(1)
        return torch.cat([self._allowed, of_mixtures])

    @property
    def weights(self) -> torch.Tensor:
        """(R,) float, weight of a pixel of row r; a mixture has the mean of its labels."""
        components, shares = self.mixture_components()
        return torch.cat([self._weights, (self._weights[components] * shares).sum(1)])

    @property
    def nodes(self) -> torch.Tensor:
        """(R,) int64, the node that row r stands for: the deepest one above all its leaves."""
        above = torch.from_numpy(self._taxonomy.leaf_matrix())
        # Node ids are in preorder: of the nodes on one path the deepest has the largest id.
        is_above = ((self.allowed[:, None] > 0) <= above[None]).all(2)
        return (is_above * torch.arange(len(self._taxonomy))).amax(1)

    @property
    def levels(self) -> torch.Tensor:
        """(R,) int64, the level of row r's node."""
        return torch.tensor([node.level for node in self._taxonomy.nodes])[self.nodes]

    @property
    def from_boxes(self) -> torch.Tensor:
        """(R,) bool, does row r come from boxes or tags; a mixture as its labels."""
        components, _ = self.mixture_components()
        return torch.cat([self._from_boxes, self._from_boxes[components[:, 0]]])

    def row_of_label_id(self, mapping_name: str) -> NDArray[np.int16]:
        """Return the (256,) table from label id to row; -1 where unlabeled, -2 where unknown."""
        mapping = self._mappings[mapping_name]
        table = mapping.index_of_label_id(256)
        rows = np.where(table >= 0, table + self._first_row[mapping_name], UNKNOWN)
        rows[[label_id for label_id in mapping.unlabeled_ids if 0 <= label_id < 256]] = IGNORED
        return rows.astype(np.int16)

    def narrowed_rows(self, mapping_name: str) -> NDArray[np.int16] | None:
        """Return the (256, 256) table from first and second label id to row, or None.

        Where the two labels have no leaf in common the first one holds, as it does where the
        second is unlabeled; where the first is unlabeled, so is the pixel. -2 where the second is
        unknown. None where the mapping's datasets have no second labels.
        """
        return self._narrowed_rows.get(mapping_name)

    def add_mixture(self, mapping_name: str, shares: MappingABC[int, float]) -> int:
        """Return the row of a mixture of labels, a new one where there is none yet.

        Losses see the mixtures that exist when they are built.

        Args:
            mapping_name: Whose label ids these are.
            shares: By label id; a pixel is trained with each label in its share.

        Raises:
            DatasetError: A label id is not in the mapping, the shares are not positive or do not
                add up to 1, or there are too many rows.
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
        first = self._first_row[mapping_name]
        parts = sorted((first + int(ids[i]), share / total) for i, share in shares.items())
        if len(parts) == 1:
            return parts[0][0]
        row = self._row_of_mixture.setdefault(
            tuple(parts), self.label_count + len(self._row_of_mixture)
        )
        if row >= MAX_ROWS:
            raise DatasetError(
                f'The datasets have more than {MAX_ROWS} different labels and mixtures; expected '
                'fewer: round the shares.'
            )
        return row

    def mixture_components(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (M, K) int64 rows of labels and (M, K) float shares; unused places have share 0.

        K is the largest number of labels in a mixture, at least 1.
        """
        mixtures = list(self._row_of_mixture)
        width = max((len(parts) for parts in mixtures), default=1)
        rows = torch.zeros(len(mixtures), width, dtype=torch.int64)
        shares = torch.zeros(len(mixtures), width)
        for index, parts in enumerate(mixtures):
            for place, (row, share) in enumerate(parts):
                rows[index, place] = row
                shares[index, place] = share
        return rows, shares


@dataclass(frozen=True)
class _NarrowedRows:
    """Rows that are smaller than the label they come from."""

    labels: tuple[int, ...]
    """Number of the first label of each row."""
    allowed: NDArray[np.bool_]
    """(N, L)."""


def _narrowed(
    first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], _NarrowedRows]:
    """Intersect every first label with every second one.

    Returns:
        The (A, B) table of row numbers, from A on a narrowed row, and the narrowed rows.
    """
    table = np.repeat(np.arange(len(first))[:, None], len(second), 1)
    rows: dict[tuple[int, bytes], int] = {}
    labels, allowed = [], []
    for a, b in np.ndindex(*table.shape):
        both = first[a] & second[b]
        if not both.any() or (both == first[a]).all():
            continue
        key = (a, both.tobytes())
        if key not in rows:
            rows[key] = len(first) + len(rows)
            labels.append(a)
            allowed.append(both)
        table[a, b] = rows[key]
    stacked = np.stack(allowed) if allowed else np.zeros((0, first.shape[1]), np.bool_)
    return table, _NarrowedRows(tuple(labels), stacked)
