# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of networks: its rows, what they share, and its tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hiseg_ros.model.decoders import checks
from hiseg_ros.model.decoders.registry import DECODERS, UPSAMPLINGS
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.costs import Cost
from hiseg_ros.training.comparison.network_page import gaps, sorted_by, tables
from hiseg_ros.training.comparison.networks import (
    BLOCKS,
    LABELS,
    network_config,
    network_rows,
    usable_rows,
)
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config


@pytest.fixture
def base() -> TrainingConfig:
    """Return the experiment that ships."""
    return load_training_config('networks')


def test_every_network_of_the_field_has_a_row_and_every_kind_of_upsampling(
    base: TrainingConfig,
) -> None:
    rows = network_rows()
    configs = {row.name: network_config(base, row, 2) for row in rows}
    own = {'projection', 'summed', 'summed_detail', 'summed_fine'}
    assert {config.network.decoder for config in configs.values()} == set(DECODERS) - own
    kinds = [
        config.network.decoder_options.get('upsampling', UPSAMPLINGS[0])
        for name, config in configs.items()
        if name.startswith('fusion') and name != 'fusion_random'
    ]
    assert sorted(kinds) == sorted(UPSAMPLINGS)
    assert {row.block for row in rows} == set(BLOCKS)


def test_rows_share_data_budget_and_head_and_differ_in_decoder_and_its_losses(
    base: TrainingConfig,
) -> None:
    for row in network_rows():
        config = network_config(base, row, 2)
        assert (config.datasets, config.steps, config.crop) == (
            base.datasets,
            base.steps,
            base.crop,
        )
        assert (config.seed, config.learning_rate) == (2, base.learning_rate)
        assert (config.network.head, config.network.channels) == ('conditional', 64)
        is_random = row.block == 'random'
        assert config.backbone_weights == ('' if is_random else 'imagenet')
        assert is_random or config.network.backbone == base.network.backbone
        strides = {'pspnet', 'deeplabv3', 'deeplabv3plus', 'gscnn'}
        assert config.network.output_stride == (16 if row.name in strides else 32)
        assert (config.loss == base.loss) == (row.name not in ('gscnn', 'pixelnet'))


def test_rows_without_their_package_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, 'find_spec', lambda name: None)
    usable, absent = usable_rows(network_rows())
    assert [row.name for row in usable if DECODERS[row.network['decoder']].package] == []
    assert {'unet', 'fpn', 'pspnet', 'upernet', 'segformer'} < set(absent)
    assert 'pip install "hiseg_ros[networks]"' in absent['unet']


def some_results() -> list[Result]:
    """Return two seeds of three networks on a val set and an unseen drive."""
    found = []
    for name, drives in (
        ('fusion', (0.40, 0.42)),
        ('fcn32', (0.30, 0.31)),
        ('unet', (0.39, 0.44)),
    ):
        for seed, drive in enumerate(drives, 1):
            scores = {'camvid: mIoU': 0.5, 'camvid: Pole': 0.1}
            scores |= {'camvid held-out drive: mIoU': drive, 'camvid held-out drive: Pole': 0.05}
            found.append(Result(name, seed, scores, 10.0 * seed))
    return found


def test_the_table_is_sorted_by_the_unseen_drive() -> None:
    """With cost, time relative to fusion, and single labels on the first test set alone."""
    results = some_results()
    costs = {
        'fusion': Cost(3_140_000, 1.5, 20.0),
        'fcn32': Cost(3_700_000, 1.4, 15.0),
        'unet': Cost(3_940_000, 3.0, None),
    }
    rows = [row for row in network_rows() if row.name in costs]
    assert sorted_by(results) == 'camvid held-out drive: mIoU'
    title, _, header, _, *lines = tables(results, rows, costs).splitlines()
    assert title == '**Networks**'
    columns = 'camvid: mIoU | camvid held-out drive: mIoU | camvid: Pole'
    assert (
        header == f'| network | M parameters | GMAC | ms | x fusion | training min | {columns} |'
    )
    assert [line.split(' | ')[0] for line in lines] == ['| unet', '| fusion', '| fcn32']
    fcn32 = '| fcn32 | 3.70 | 1.40 | 15 | 0.75 | 15.0 | 50.0 ± 0.0 | 30.5 ± 0.7 | 10.0 ± 0.0 |'
    assert lines[2] == fcn32
    assert any(line.startswith('| unet | 3.94 | 3.00 | - | - | 15.0 |') for line in lines)


def test_a_score_that_a_seed_lacks_is_a_dash() -> None:
    """Runs from before boundary F was measured; the others have it beside the mIoU."""
    name = 'camvid: boundary F 3 px'
    results = [
        replace(one, scores={**one.scores, name: 0.6})
        if one.variant == 'fusion' or one.seed == 1
        else one
        for one in some_results()
    ]
    costs = {name: Cost(3_140_000, 1.5, 20.0) for name in ('fusion', 'fcn32')}
    rows = [row for row in network_rows() if row.name in costs]
    _, _, header, _, fusion, fcn32 = tables(results, rows, costs).splitlines()
    assert header.endswith(f'| camvid: Pole | {name} |')
    assert fusion.endswith('| 60.0 ± 0.0 |')
    assert fcn32.endswith('| 10.0 ± 0.0 | - |')


def test_a_gap_is_named_where_it_is_more_than_chance() -> None:
    """Ten points below with a spread of one is worse; one above with one of four is not better."""
    rows = [row for row in network_rows() if row.name in ('fusion', 'fcn32', 'unet')]
    said = gaps(some_results(), rows)
    assert 'better none; worse fcn32 (-10.5).' in said
    one_seed = [result for result in some_results() if result.seed == 1]
    assert 'not said' in gaps(one_seed, rows)


def test_labels_are_those_of_the_data_sets() -> None:
    """CamVid's and Cityscapes' names of poles, signs and pedestrians, in lower case."""
    from hiseg_ros.taxonomy import load_mapping, load_taxonomy

    for name in ('camvid', 'cityscapes'):
        labels = load_mapping(name, load_taxonomy('street')).labels
        assert len({label.name.lower() for label in labels} & set(LABELS)) == 3, name
