# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The rows of the comparison of joint and separate training, and what each of them costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hiseg_ros.datasets import dataset_entry
from hiseg_ros.datasets.registry import Measure
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.config import NetworkConfig
from hiseg_ros.resources import config_path
from hiseg_ros.taxonomy import load_taxonomy
from hiseg_ros.training.comparison.own_labels import Kind, with_own_labels, write_own_labels
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.config.loss import LossKind

TOGETHER = 'together'
"""The row that the others are compared with."""

TAUGHT = 'together_taught'
"""The joint row with a teacher, which is compared with datasets alone that have it too."""

ALONE_TAUGHT = 'alone_{}_taught'
"""Name of such a row, of a dataset."""

CUT_DECODER = 'summed_detail'
"""The decoder with a path of its own for what is below a cut of the tree."""

PUBLISHED = 'iv2018'
"""The paper's tree, the end of the names of mappings in its way, and the row of its loss."""

PUBLISHED_FACTOR = 2.0
"""Steps of that row in those of the others: its weights and its gate learn slowly."""

SAMPLED: dict[LossKind, int] = {'hssn': 1024, 'iv2018': 4096}
"""Pixels of a crop at which a loss is computed that needs many outputs at each of them: at all
pixels it would take several times the time of the network."""


@dataclass(frozen=True)
class Row:
    """One network of the comparison, or one for each of several datasets."""

    name: str
    title: str
    head: str = 'conditional'
    loss: LossKind = 'set'
    cut_at: tuple[str, ...] = ()
    """Nodes whose children have classifiers and a path of their own."""
    is_taught: bool = False
    """Whether the experiment's teacher is used."""
    only: str = ''
    """The only dataset that the network sees."""
    without: str = ''
    """The dataset that it does not see."""
    own_labels: Kind | None = None
    """Outputs for the labels of each dataset instead of a common tree."""
    is_long: bool = False
    """The network of one dataset gets as many crops as the joint one has of all."""
    factor: float = 1.0
    """Steps of the row in those that it would have."""


def comparison_rows(base: TrainingConfig, factors: Mapping[str, float] | None = None) -> list[Row]:
    """Return the rows: joint networks, networks of one dataset, and networks without one.

    There is none without a dataset where the others have nothing but boxes, or are one; none with
    a path of their own for subclasses of signs where the tree names none; and none with a teacher
    where the experiment has none.

    Args:
        base: The experiment.
        factors: Factors on the steps by the name of a row, in place of its own.

    Raises:
        ConfigError: There is no such row, or a factor is not above 0.
        HisegError: The tree cannot be read.
    """
    datasets = base.datasets
    taxonomy = load_taxonomy(base.taxonomy)
    signs = taxonomy.subclass_root
    cut_at = () if signs is None else (taxonomy.nodes[signs].name,)
    best = Row(TAUGHT, '', head='leaf', cut_at=cut_at, is_taught=True)
    rows = [
        Row(TOGETHER, 'together: tree, set loss, conditional head'),
        Row('together_leaf', 'together: tree, set loss, leaf head', head='leaf'),
        *(
            [Row('together_cut', 'together: leaf head, signs apart', head='leaf', cut_at=cut_at)]
            if cut_at
            else []
        ),
        *([replace(best, title='together: the same and a teacher')] if base.teacher else []),
        Row('hssn', 'together: tree, HSSN', head='nodes', loss='hssn'),
        Row('heads', 'together: separate heads', loss='heads', own_labels='heads'),
        Row('concat', 'together: one softmax over all labels', head='leaf', own_labels='concat'),
        Row(PUBLISHED, 'together: as published in 2018', loss='iv2018', factor=PUBLISHED_FACTOR),
        *(Row(f'alone_{name}', f'{name} alone, equal exposure', only=name) for name in datasets),
        *(
            Row(f'alone_{name}_long', f'{name} alone, equal cost', only=name, is_long=True)
            for name in datasets
        ),
    ]
    rows += [
        replace(
            best, name=ALONE_TAUGHT.format(name), only=name,
            title=f'{name} alone with the same teacher, equal exposure',
        )
        for name in (datasets if base.teacher else ())
    ]  # fmt: skip
    for name in datasets:
        others = [dataset_entry(item.kind) for other, item in datasets.items() if other != name]
        if len(others) > 1 and any(entry.measure is Measure.PIXELS for entry in others):
            rows.append(Row(f'without_{name}', f'together without {name}', without=name))
    given = dict(factors or {})
    check_rows(list(given), rows)
    wrong = {name: value for name, value in given.items() if not 0 < value < math.inf}
    if wrong:
        raise ConfigError(f'The factors on the steps are {wrong}; expected numbers above 0.')
    return [replace(row, factor=given.get(row.name, row.factor)) for row in rows]


def check_rows(names: Sequence[str], rows: Sequence[Row]) -> None:
    """Check that there are rows of these names.

    Raises:
        ConfigError: There are not.
    """
    known = [row.name for row in rows]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f'There are no variants {unknown}; expected some of {known}.')


def batch(config: TrainingConfig) -> int:
    """Return the number of crops in a step."""
    return sum(item.share for item in config.datasets.values())


def row_config(base: TrainingConfig, row: Row, seed: int, trees: Path) -> TrainingConfig:
    """Return the settings of a run: network, crops, augmentation and optimiser are the base's.

    A dataset has as many crops in a joint run as in its own at equal exposure. Both have batches
    of the same size, so the joint run has more steps. A run at equal cost has the joint run's.

    Args:
        base: The experiment.
        row: What differs.
        seed: Of the run.
        trees: Folder for the files of trees without common classes.

    Raises:
        ConfigError: Two datasets have the same labels where each has outputs of its own.
        HisegError: Tree or mappings cannot be read.
    """
    datasets, steps = dict(base.datasets), base.steps * row.factor
    if row.without:
        del datasets[row.without]
    if row.only:
        own = datasets[row.only]
        datasets = {row.only: replace(own, share=batch(base))}
        steps *= 1 if row.is_long else own.share / batch(base)
    loss = base.loss.with_kind(row.loss)
    if row.loss in SAMPLED and not loss.points:
        pixels = base.crop[0] * base.crop[1]
        loss = replace(loss, points=min(SAMPLED[row.loss], pixels))
    count = max(1, round(steps))
    if row.loss == 'iv2018':
        datasets = {
            name: replace(item, mapping=_published_mapping(item.kind))
            for name, item in datasets.items()
        }
    config = replace(
        base,
        name=row.name,
        seed=seed,
        steps=count,
        # The share of the warm-up is the same in short runs.
        warmup_steps=min(base.warmup_steps, count * base.warmup_steps // base.steps),
        taxonomy=PUBLISHED if row.loss == 'iv2018' else base.taxonomy,
        network=_network(base, row),
        teacher=base.teacher if row.is_taught else None,
        loss=loss,
        datasets=datasets,
    )
    if row.own_labels:
        return with_own_labels(config, write_own_labels(base, row.own_labels, trees))
    return config


def _network(base: TrainingConfig, row: Row) -> NetworkConfig:
    if not row.cut_at:
        return replace(base.network, head=row.head)
    # A third of its channels are of that path: streets have as many as in the other rows.
    channels = max(1, base.network.channels // 2) * 3
    return replace(
        base.network, head=row.head, decoder=CUT_DECODER, channels=channels, cut_at=row.cut_at
    )


def _published_mapping(kind: str) -> str:
    """Return the mapping of a dataset in the paper's way, empty where there is none of its own."""
    name = f'{dataset_entry(kind).mapping}_{PUBLISHED}'
    return name if config_path(f'mappings/{name}.yaml').is_file() else ''


def configs_of(
    base: TrainingConfig, rows: Sequence[Row], trees: Path
) -> dict[str, partial[TrainingConfig]]:
    """Return by name of the row what makes its settings for a seed."""
    return {row.name: partial(_of_seed, base, row, trees) for row in rows}


def _of_seed(base: TrainingConfig, row: Row, trees: Path, seed: int) -> TrainingConfig:
    return row_config(base, row, seed, trees)


@dataclass(frozen=True)
class Exposure:
    """What a run sees."""

    steps: int
    crops: int
    crops_of: Mapping[str, int]
    """By dataset."""


def exposure(config: TrainingConfig) -> Exposure:
    """Return what a run sees; no dataset joins late in a comparison."""
    crops_of = {name: config.steps * item.share for name, item in config.datasets.items()}
    return Exposure(config.steps, sum(crops_of.values()), crops_of)
