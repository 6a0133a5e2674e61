# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""One table for the labels of all data sets: each row is the set of leaves that a label allows."""

from __future__ import annotations

from collections.abc import Mapping as MappingABC
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hiseg_ros.errors import ConfigError
from hiseg_ros.taxonomy import Mapping, Taxonomy

IGNORED = -1
"""Target of a pixel that gives no gradient."""

UNKNOWN = -2
"""Row of a label id that the mapping does not have at all: the data set is another one."""


class LabelTable:
    """Rows of allowed leaves; a training target is a row number per pixel."""

    def __init__(
        self,
        taxonomy: Taxonomy,
        mappings: Sequence[Mapping],
        weights: MappingABC[str, MappingABC[str, float]] | None = None,
    ) -> None:
        """Stack the labels of all mappings.

        Args:
            taxonomy: The tree.
            mappings: One per data set, names unique.
            weights: By mapping name, then label name: weight of a pixel; 1 where not given.

        Raises:
            ConfigError: Two mappings have one name, or weights name an unknown mapping or label or
                are negative.
        """
        names = [mapping.name for mapping in mappings]
        if len(set(names)) < len(names):
            raise ConfigError(f'The mappings are {names}; expected each name once.')
        self._first_row: dict[str, int] = {}
        self._mappings = {mapping.name: mapping for mapping in mappings}
        matrices, row_weights = [], []
        row = 0
        for mapping in mappings:
            self._first_row[mapping.name] = row
            matrices.append(mapping.label_matrix(taxonomy))
            given = dict((weights or {}).get(mapping.name, {}))
            for label in mapping.labels:
                row_weights.append(float(given.pop(label.name, 1.0)))
            if given or min(row_weights) < 0:
                raise ConfigError(
                    f'Weights of mapping {mapping.name!r} name {sorted(given)} or are negative; '
                    'expected names of its labels and values of at least 0.'
                )
            row += len(mapping.labels)
        unknown = set(weights or {}) - set(self._mappings)
        if unknown:
            raise ConfigError(
                f'Weights are given for {sorted(unknown)}; expected some of '
                f'{sorted(self._mappings)}.'
            )
        self.allowed = torch.from_numpy(np.concatenate(matrices)).float()
        """(R, L) float, 1 where row r allows leaf l."""
        self.weights = torch.tensor(row_weights)
        """(R,) float, weight of a pixel of row r."""

    def row_of_label_id(self, mapping_name: str) -> NDArray[np.int16]:
        """Return the (256,) table from label id to row; -1 where unlabeled, -2 where unknown."""
        mapping = self._mappings[mapping_name]
        table = mapping.index_of_label_id(256)
        rows = np.where(table >= 0, table + self._first_row[mapping_name], UNKNOWN)
        rows[[label_id for label_id in mapping.unlabeled_ids if 0 <= label_id < 256]] = IGNORED
        return rows.astype(np.int16)
