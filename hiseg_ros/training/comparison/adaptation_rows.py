# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The rows of the comparison of adaptation methods, and what each of them changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.config.adaptation import SELF_TRAINING, Method
from hiseg_ros.training.config.experiment import TrainingConfig

SOURCE_ONLY, ORACLE = 'source_only', 'oracle'
"""The rows between which the gap lies."""

SWEEP = {'single_0005': 0.0005, 'single': 0.001, 'single_004': 0.004}
"""Weights of the adversarial loss of single-level adaptation, by row."""

MULTI, MIX = 'multi', 'classmix'

QUICK_ROWS = (SOURCE_ONLY, 'fda', 'single', MIX, ORACLE)

WARM_UP_SHARE = 5
"""With fewer steps than those of the base, the network learns from the target after one in this
many of them."""


@dataclass(frozen=True)
class AdaptationRow:
    """One network of the comparison."""

    name: str
    title: str
    method: Method = 'none'
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the adaptation that differ from the base."""

    @property
    def mixes(self) -> bool:
        """Whether it learns from mixtures that a slow teacher labels."""
        return self.method in SELF_TRAINING


def adaptation_rows() -> list[AdaptationRow]:
    """Return the rows of the table, source only first, oracle last."""
    return [
        AdaptationRow(SOURCE_ONLY, 'source only'),
        AdaptationRow('adabn', 'norm statistics of the target, no training', 'adabn'),
        AdaptationRow(
            'norms', 'single level, weight 0: norms see both', 'output', {'weight': 0.0}
        ),
        AdaptationRow('fda', 'amplitudes swapped, 0.01', 'fda', {'fda_beta': 0.01}),
        AdaptationRow('fda_05', 'amplitudes swapped, 0.05', 'fda', {'fda_beta': 0.05}),
        AdaptationRow('feature', "discriminator on the decoder's map", 'feature'),
        *(
            AdaptationRow(name, f'single level, weight {weight:g}', 'output', {'weight': weight})
            for name, weight in SWEEP.items()
        ),
        AdaptationRow(MULTI, 'multi level, weight 0.001 and 0.0002', 'multi_level'),
        AdaptationRow('entropy', 'discriminator on self-information (ADVENT)', 'entropy'),
        AdaptationRow(MIX, 'ClassMix with slow teacher', 'classmix'),
        AdaptationRow(
            'classmix_fda', 'ClassMix and swapped amplitudes', 'classmix', {'fda_beta': 0.01}
        ),
        AdaptationRow(
            'classmix_sure', 'ClassMix, unsure pixels ignored', 'classmix', {'unsure': 'ignored'}
        ),
        AdaptationRow('node_labels', 'ClassMix, deepest sure node', 'node_labels'),
        AdaptationRow(ORACLE, "the same steps with the target's labels"),
    ]


def source_and_target(base: TrainingConfig) -> tuple[str, str]:
    """Return the names of the datasets with the source's and with the target's labels.

    The target's is the one in whose folder the target's images are.

    Raises:
        ConfigError: The base has other than two such datasets, or no adaptation.
    """
    names = list(base.datasets)
    place = Path(base.adaptation.target.root) if base.adaptation is not None else None
    found = [
        name
        for name, item in base.datasets.items()
        if place is not None and Path(item.root) in (place, *place.parents)
    ]
    if len(names) != 2 or len(found) != 1:
        raise ConfigError(
            f'The base {base.name} has the datasets {names}, of which {found} have the images of '
            f'the target {place} in their folder; expected two datasets, the source and the '
            'labelled target, and the images of the latter under adaptation.'
        )
    (source,) = set(names) - set(found)
    return source, found[0]


def row_config(base: TrainingConfig, row: AdaptationRow, seed: int) -> TrainingConfig:
    """Return the settings of a row: network, steps, crops and optimiser are those of the base.

    Only the oracle has the dataset with the target's labels.
    """
    source, target = source_and_target(base)
    assert base.adaptation is not None
    kept = target if row.name == ORACLE else source
    wait = base.adaptation.from_step
    if wait >= base.steps // 2:
        wait = base.steps // WARM_UP_SHARE
    return replace(
        base,
        name=row.name,
        seed=seed,
        datasets={kept: base.datasets[kept]},
        adaptation=replace(
            base.adaptation, method=row.method, from_step=wait, **dict(row.settings)
        ),
    )
