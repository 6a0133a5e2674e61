# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The rows of classical methods in the comparison of networks: the same data, the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import mean

from hiseg_ros.classical.packages import check_packages
from hiseg_ros.datasets import dataset_entry
from hiseg_ros.datasets.registry import Measure
from hiseg_ros.errors import ConfigError
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.networks import TableRow
from hiseg_ros.training.comparison.page import values_of
from hiseg_ros.training.config.classical import (
    ClassicalConfig,
    ClassicalDataset,
    load_classical_config,
)
from hiseg_ros.training.config.experiment import TrainingConfig

CLASSICAL_BLOCK = 'classical'

FLOOR = 'classical_prior'
"""The row that every other one has to be above."""

EXPERIMENTS = (
    FLOOR,
    'classical_otsu',
    'classical_watershed',
    'classical_hog',
    'classical_superpixel',
    'classical_superpixel_crf',
)
"""Names in config/experiments."""


def classical_rows() -> list[TableRow]:
    """Return the rows of the block."""
    return [TableRow(name, CLASSICAL_BLOCK) for name in EXPERIMENTS]


def classical_config(base: TrainingConfig, row: TableRow, seed: int) -> ClassicalConfig:
    """Return the settings of a row: tree and dataset are those of the base.

    Raises:
        ConfigError: The base has no dataset with label images.
    """
    for name, one in base.datasets.items():
        if dataset_entry(one.kind).measure is Measure.PIXELS:
            own = ClassicalDataset(one.kind, one.root, one.options, one.mapping)
            return replace(
                load_classical_config(row.name),
                name=row.name,
                seed=seed,
                taxonomy=base.taxonomy,
                datasets={name: own},
            )
    raise ConfigError(
        f'Experiment {base.name} has the datasets {list(base.datasets)}; expected one with label '
        'images, which classical methods learn from: name other rows with --only.'
    )


def absent_rows(rows: Sequence[TableRow]) -> dict[str, str]:
    """Return by name why rows are left out: all of them where a package is missing."""
    try:
        check_packages()
    except ConfigError as problem:
        return {row.name: str(problem) for row in rows}
    return {}


def order(results: Sequence[Result], rows: Sequence[TableRow], key: str) -> str:
    """Return whether classical methods lie above the prior and below the networks, in words.

    Args:
        results: Of all runs.
        rows: Of the table.
        key: The score that orders the rows.
    """
    found = {
        row.name: (row.block, mean(values))
        for row in rows
        if (values := values_of(results, row.name, key))
    }
    own = {name: score for name, (block, score) in found.items() if block == CLASSICAL_BLOCK}
    networks = {name: score for name, (block, score) in found.items() if block == 'networks'}
    if not own:
        return ''
    said = []
    if FLOOR in own and len(own) > 1:
        low = [name for name, score in own.items() if name != FLOOR and score <= own[FLOOR]]
        said.append(f'not above the prior: {", ".join(low)}' if low else 'all above the prior')
    if networks:
        name = min(networks, key=lambda one: networks[one])
        high = [one for one, score in own.items() if score >= networks[name]]
        said.append(
            f'not below every network ({name}): {", ".join(high)}'
            if high
            else f'all below every network, of which the lowest is {name}'
        )
    return f'{key}, classical methods: {"; ".join(said)}.' if said else ''
