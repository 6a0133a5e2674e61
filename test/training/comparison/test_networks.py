# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of networks: its rows, what they share, and its tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hiseg_ros.classical import packages
from hiseg_ros.errors import ConfigError
from hiseg_ros.model.decoders import checks
from hiseg_ros.model.decoders.registry import DECODERS, UPSAMPLINGS
from hiseg_ros.training.comparison.classical_rows import (
    absent_rows,
    classical_config,
    classical_rows,
    order,
)
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.costs import Cost
from hiseg_ros.training.comparison.crf_row import CRF_BLOCK, best_network, score_with_crf
from hiseg_ros.training.comparison.network_page import gaps, labels_table, sorted_by, tables
from hiseg_ros.training.comparison.networks import (
    AT_EVERY_PIXEL,
    BLOCKS,
    LABELS,
    POINTS,
    TableRow,
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
    own = {'projection', 'summed_detail', 'summed_fine'}
    assert {config.network.decoder for config in configs.values()} == set(DECODERS) - own
    kinds = [
        config.network.decoder_options.get('upsampling', UPSAMPLINGS[0])
        for name, config in configs.items()
        if name.startswith('fusion') and name != 'fusion_random'
    ]
    assert sorted(kinds) == sorted(UPSAMPLINGS)
    blocks = {row.block for row in [*rows, *classical_rows()]}
    assert blocks | {CRF_BLOCK} == set(BLOCKS)
    assert configs[AT_EVERY_PIXEL].network.decoder_options == {'stride': 1}
    points = {name: configs[name].loss.points for name in POINTS}
    assert (
        points
        == POINTS
        == {
            'pixelnet_500': 500,
            'pixelnet': 2000,
            'pixelnet_8000': 8000,
            'pixelnet_all': 0,
        }
    )


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
        assert config.backbone_weights == ('' if is_random else base.backbone_weights)
        assert config.frozen_norms == (() if is_random else ('backbone',))
        assert config.backbone_learning_rate == (1.0 if is_random else base.backbone_learning_rate)
        assert is_random or config.network.backbone == base.network.backbone
        strides = {'pspnet', 'deeplabv3', 'deeplabv3plus', 'gscnn'}
        assert config.network.output_stride == (16 if row.name in strides else 32)
        own_loss = ('gscnn', 'pixelnet', 'pixelnet_500', 'pixelnet_8000', AT_EVERY_PIXEL)
        assert (config.loss == base.loss) == (row.name not in own_loss)


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
    assert header.endswith(f'| {name} | camvid: Pole |')
    assert fusion.endswith('| 60.0 ± 0.0 | 10.0 ± 0.0 |')
    assert fcn32.endswith('| - | 10.0 ± 0.0 |')


def test_labels_have_a_table_of_their_own_and_accuracies_a_column() -> None:
    """A label that is neither thin nor small is a column of the second table alone."""
    more = {'camvid: Road': 0.9, 'camvid: pixel accuracy': 0.8, 'camvid: mean class accuracy': 0.4}
    results = [replace(one, scores={**one.scores, **more}) for one in some_results()]
    costs = {name: Cost(3_140_000, 1.5, 20.0) for name in ('fusion', 'fcn32')}
    rows = [row for row in network_rows() if row.name in costs]
    _, _, header, _, fusion, _ = tables(results, rows, costs).splitlines()
    assert header.endswith(
        '| camvid: pixel accuracy | camvid: mean class accuracy | camvid: Pole |'
    )
    assert fusion.endswith('| 80.0 ± 0.0 | 40.0 ± 0.0 | 10.0 ± 0.0 |')
    assert labels_table(results, rows).splitlines() == [
        '**IoU of each label**',
        '',
        '| camvid | Pole | Road |',
        '|---|---|---|',
        '| fusion | 10.0 | 90.0 |',
        '| fcn32 | 10.0 | 90.0 |',
    ]
    assert labels_table(results_of({'fusion': (0.6, 0.5)}), rows) == ''


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


# Points, the CRF, classical methods.


def results_of(scores: dict[str, tuple[float, float]]) -> list[Result]:
    """Return one seed of rows with a score on the validation set and on an unseen drive."""
    return [
        Result(name, 1, {'camvid: mIoU': val, 'camvid held-out drive: mIoU': drive}, 3.0)
        for name, (val, drive) in scores.items()
    ]


def test_points_are_a_table_in_their_order_with_the_row_of_the_first_block() -> None:
    scores = {'pixelnet': (0.5, 0.4), 'pixelnet_all': (0.6, 0.3), AT_EVERY_PIXEL: (0.7, 0.2)}
    results = results_of(scores)
    costs = {name: Cost(3_000_000, 1.5, 20.0) for name in scores}
    rows = [row for row in network_rows() if row.name in costs]
    text = tables(results, rows, costs)
    table = text.split('**PixelNet by the number of points of the loss**')[1]
    columns = 'camvid: mIoU | camvid held-out drive: mIoU'
    assert f'| points of an image | training min | {columns} |' in table
    assert '| 2000 | 3.0 | 50.0 | 40.0 |\n| all | 3.0 | 60.0 | 30.0 |' in table
    assert '| 2000, computed at every pixel | 3.0 | 70.0 | 20.0 |' in table
    assert text.count('| pixelnet | 3.00 |') == 1 and '| pixelnet_all |' not in text


def test_the_network_of_the_crf_is_chosen_on_the_validation_set(tmp_path: Path) -> None:
    """Not on the unseen drive; its results are measured once."""
    results = results_of({'fusion': (0.6, 0.2), 'unet': (0.5, 0.4), 'segnet': (0.9, 0.9)})
    rows = network_rows()
    assert best_network(results, rows) == 'fusion'
    with pytest.raises(ConfigError, match='none is compared; expected at least one'):
        best_network(results_of({'segnet': (0.9, 0.9)}), rows)
    seen: list[Path] = []

    def score(weights: Path) -> dict[str, float]:
        seen.append(weights)
        return {'camvid: mIoU': 0.61}

    (tmp_path / 'fusion_1').mkdir()
    for limit in ('all images', 'all images', '3 images'):
        (found,) = score_with_crf(results, 'fusion', tmp_path, score, limit)
        assert found == Result('fusion+crf', 1, {'camvid: mIoU': 0.61}, 3.0)
    assert seen == [tmp_path / 'fusion_1/fusion.safetensors'] * 2


def test_classical_rows_have_the_data_of_the_base(base: TrainingConfig) -> None:
    for row in classical_rows():
        config = classical_config(base, row, 2)
        name, dataset = config.dataset
        own = base.datasets['camvid']
        assert (name, dataset.kind, dataset.root) == ('camvid', own.kind, own.root)
        assert dataset.options == own.options
        assert (config.name, config.seed, config.taxonomy) == (row.name, 2, base.taxonomy)
    gtsdb = replace(base.datasets['camvid'], kind='gtsdb')
    with pytest.raises(ConfigError, match='expected one with label images'):
        classical_config(replace(base, datasets={'gtsdb': gtsdb}), row, 1)


def test_classical_rows_without_their_packages_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    absent = absent_rows(classical_rows())
    assert set(absent) == {row.name for row in classical_rows()}
    assert 'pip install "hiseg_ros[classical]"' in absent['classical_hog']
    assert packages.MODULES == ('skimage', 'sklearn')


def test_the_page_says_whether_classical_methods_lie_between() -> None:
    key = 'camvid held-out drive: mIoU'
    rows = [TableRow('fusion', 'networks'), TableRow('fcn32', 'networks'), *classical_rows()]
    scores = {'fusion': (0.6, 0.5), 'fcn32': (0.5, 0.3), 'classical_prior': (0.2, 0.15)}
    fine = results_of({**scores, 'classical_hog': (0.3, 0.2)})
    assert order(fine, rows, key) == (
        f'{key}, classical methods: all above the prior; all below every network, of which the '
        'lowest is fcn32.'
    )
    low = results_of({**scores, 'classical_hog': (0.3, 0.1), 'classical_otsu': (0.3, 0.4)})
    assert order(low, rows, key) == (
        f'{key}, classical methods: not above the prior: classical_hog; not below every network '
        '(fcn32): classical_otsu.'
    )
    assert order(results_of({'fusion': (0.6, 0.5)}), rows, key) == ''


def test_a_classical_row_has_no_arithmetic_and_small_numbers() -> None:
    results = results_of({'fusion': (0.6, 0.5), 'classical_hog': (0.3, 0.2)})
    costs = {
        'fusion': Cost(3_140_000, 1.5, 20.0),
        'classical_hog': Cost(3_700, None, 120.0),
    }
    rows = [TableRow('fusion', 'networks'), TableRow('classical_hog', 'classical')]
    text = tables(results, rows, costs)
    assert '**Before deep networks**' in text
    assert '| classical_hog | 0.0037 | - | 120 | 6.00 | 3.0 | 30.0 | 20.0 |' in text
