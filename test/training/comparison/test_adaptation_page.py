# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of adaptation methods: rows, who may see labels, and what the page says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_image, write_labels

from hiseg_ros.errors import ConfigError
from hiseg_ros.model.checkpoint import load_checkpoint, save_checkpoint
from hiseg_ros.taxonomy import load_mapping, load_taxonomy
from hiseg_ros.training.comparison import adaptation_page as page
from hiseg_ros.training.comparison.adaptation import discriminator_loss, ended_early
from hiseg_ros.training.comparison.adaptation_answers import answers
from hiseg_ros.training.comparison.adaptation_rows import (
    ORACLE,
    QUICK_ROWS,
    SOURCE_ONLY,
    adaptation_rows,
    row_config,
    source_and_target,
)
from hiseg_ros.training.comparison.adaptation_scores import SourceShares, source_shares
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.config.dataset import DatasetConfig
from hiseg_ros.training.config.experiment import load_training_config

ROWS = adaptation_rows()
NAMES = [row.name for row in ROWS]
FACTS = page.Facts('drawn held-out', ['camvid'], ['Sky', 'Road'], ['Sky'], 'all images', 9, {})


def result(variant: str, miou: float, seed: int = 1, source: float = 0.5) -> Result:
    """Return the scores of a run."""
    scores = {
        'camvid: mIoU': miou,
        'camvid: Sky': miou,
        'camvid: Road': miou / 2,
        'camvid: common-class mean': miou,
        'camvid: true share of Sky': 0.25,
        'camvid: predicted share of Sky': 0.75,
        'drawn held-out: mIoU': source,
    }
    return Result(variant, seed, scores, 1.0)


def cells(table: str, row: str) -> list[str]:
    """Return the cells of a row of a table."""
    (line,) = (one for one in table.splitlines() if one.startswith(f'| {row} |'))
    return [cell.strip() for cell in line.strip('|').split('|')]


@pytest.mark.parametrize('base', ['adaptation', 'adaptation_drawn'])
def test_only_the_oracle_has_labels_of_the_target(base: str) -> None:
    config = load_training_config(base)
    source, target = source_and_target(config)
    assert source == 'drawn'
    for row in ROWS:
        made = row_config(config, row, 2)
        assert list(made.datasets) == [target if row.name == ORACLE else source]
        assert made.adaptation is not None and config.adaptation is not None
        assert made.adaptation.target == config.adaptation.target
        assert (made.steps, made.crop, made.optimizer, made.network, made.learning_rate) == (
            config.steps,
            config.crop,
            config.optimizer,
            config.network,
            config.learning_rate,
        )
        assert (made.name, made.seed) == (row.name, 2)
    # The held-out drive is in neither the target's images nor its labels.
    if base == 'adaptation':
        assert config.adaptation is not None
        assert config.adaptation.target.without == ('0006R0',)
        assert config.datasets[target].options['without_drives'] == ['0006R0']
    assert set(QUICK_ROWS) < set(NAMES)


def test_a_short_run_learns_from_the_target_too() -> None:
    base = load_training_config('adaptation')
    (single,) = (row for row in ROWS if row.name == 'single')
    waits = row_config(replace(base, steps=180, warmup_steps=15), single, 1).adaptation
    assert waits is not None and waits.from_step == 36
    kept = row_config(base, single, 1).adaptation
    assert kept is not None and kept.from_step == 100


def test_a_base_of_another_comparison_is_refused() -> None:
    with pytest.raises(ConfigError, match='expected two datasets, the source and the labelled'):
        row_config(load_training_config('networks'), ROWS[0], 1)


def test_the_gap_closed_is_between_source_only_and_oracle() -> None:
    results = [result(SOURCE_ONLY, 0.2), result(ORACLE, 0.6), result('fda', 0.3)]
    assert page.gap_closed(results, 'fda', 'camvid: mIoU') == pytest.approx(0.25)
    assert page.gap_closed(results[:1], SOURCE_ONLY, 'camvid: mIoU') is None
    further = [*results, result(SOURCE_ONLY, 0.0, 2), result(ORACLE, 0.2, 2)]
    assert page.gap_closed(further, 'fda', 'camvid: mIoU') == pytest.approx(0.25)
    table = page.main_table(results, ROWS, FACTS)
    assert cells(table, 'fda')[6] == '25 %'
    assert cells(table, ORACLE)[3] == '60.0'


def test_the_answer_follows_the_numbers() -> None:
    order = {SOURCE_ONLY: 0.2, 'single': 0.3, 'multi': 0.4, 'classmix': 0.5, ORACLE: 0.9}
    results = [result(name, value) for name, value in order.items()]
    said = answers(results, ROWS, ['camvid'], 'single')
    assert 'source only < single < multi holds (source_only 20.0, single 30.0, multi 40.0)' in said
    assert (
        'camvid: mIoU, seed 1: of 1 mixing rows classmix is best with 50.0, of 3 others multi '
        'with 40.0: mixing +10.0 points; whether that is more than chance is not said.'
    ) in said
    assert 'one seed' in said
    swapped = [result(name, 1 - value, seed) for name, value in order.items() for seed in (1, 2)]
    said = answers(swapped, ROWS, ['camvid'], 'single')
    assert 'source only < single < multi does not hold' in said
    assert 'of 3 others source_only with 80.0: mixing -30.0 points (± 0.0)' in said
    assert 'mixing does not beat all others.' in said
    assert 'one seed' not in said
    none = answers([result('fda', 0.1)], ROWS, ['camvid'], 'single')
    assert none == 'The rows that answer the question were not trained.'


def test_the_best_mixing_row_meets_the_best_other_row_over_common_seeds() -> None:
    """A mixing row is no rival of mixing, nor is a row of the sweep that was not chosen."""
    scores = {
        'fda': (0.40, 0.42, 0.41),
        'single': (0.30, 0.31, 0.32),
        'classmix': (0.44, 0.45, 0.46),
        'classmix_fda': (0.47, 0.48, 0.99),
        'node_labels': (0.50, 0.53),
    }
    results = [result(n, v, 1 + i) for n, values in scores.items() for i, v in enumerate(values)]
    results += [result('single_004', 0.95), result(ORACLE, 0.99)]
    assert answers(results, ROWS, ['camvid'], 'single') == (
        'camvid: mIoU, seeds 1, 2: of 3 mixing rows node_labels is best with 51.5, of 2 others '
        'fda with 41.0: mixing +10.5 points (± 0.7): mixing beats all others. Rows with one seed '
        'order nothing closer than a few points.'
    )
    chosen = answers(results, ROWS, ['camvid'], 'single_004')
    assert (
        'seed 1: of 3 mixing rows node_labels is best with 50.0, of 2 others single_004' in chosen
    )


def test_a_difference_within_chance_is_called_so() -> None:
    results = [result('fda', 0.4, seed) for seed in (1, 2)]
    results += [result('classmix', 0.38, 1), result('classmix', 0.46, 2)]
    said = answers(results, ROWS, ['camvid'], 'single')
    assert 'mixing +2.0 points (± 5.7): no difference beyond 2 standard errors.' in said
    apart = answers([results[0], results[3]], ROWS, ['camvid'], 'single')
    assert apart.startswith('camvid: mIoU: the rows have no seed in common')


def test_the_weight_is_chosen_without_labels_of_the_target() -> None:
    results = [
        result('single_0005', 0.9, source=0.4),
        result('single', 0.1, source=0.6),
        result('single_004', 0.8, source=0.5),
    ]
    assert page.chosen_weight(results, 'drawn held-out') == 'single'
    facts = replace(FACTS, discriminator_losses={'single': 0.254})
    table = page.sweep_table(results, facts)
    assert cells(table, '0.001') == ['0.001', '60.0', '10.0', '0.25']
    assert cells(table, '0.004')[-1] == '-'


def test_class_tables_state_their_denominator_and_shares_both_sides() -> None:
    results = [result('fda', 0.3), result('fda', 0.5, seed=2)]
    assert cells(page.class_table(results, ROWS, FACTS, 'camvid'), 'fda') == [
        'fda', '40.0', '20.0', '30.0', '2',
    ]  # fmt: skip
    shares = page.share_table(results, ROWS, FACTS)
    assert cells(shares, 'true') == ['true', '25.0', '-']
    assert cells(shares, 'fda') == ['fda', '75.0', '-']
    assert 'source' not in shares
    counted = SourceShares(7, {'Sky': 0.5, 'Road': 0.0}, 0.125)
    shares = page.share_table(results, ROWS, replace(FACTS, source_shares=counted))
    assert cells(shares, 'true, source') == ['true, source', '50.0', '0.0']
    assert 'is of 7 labelled images' in shares and '12.5 % of their labelled pixels' in shares


def test_labels_of_the_source_are_counted_as_those_of_the_target(tmp_path: Path) -> None:
    """Half road, a quarter sidewalk, an eighth sky, a sixteenth ego vehicle and nothing each."""
    ids = np.full((32, 16), 7, np.uint8)
    ids[16:24], ids[24:28], ids[28:30], ids[30:] = 8, 23, 1, 0
    for number in range(3):
        write_image(tmp_path / f'images/{number}.jpg', size=ids.shape)
        write_labels(tmp_path / f'labels/{number}.png', ids, ids.shape)
    taxonomy = load_taxonomy('street')
    options = {'mapping': 'cityscapes'}
    source = DatasetConfig('folder', str(tmp_path), 1, options=options)
    target = load_mapping('camvid', taxonomy)
    found = source_shares(source, target, taxonomy)
    assert found.images == 3
    expected = {'Road': 4 / 7, 'Pavement': 2 / 7, 'Sky': 1 / 7}
    assert {name: s for name, s in found.shares.items() if s} == pytest.approx(expected)
    assert found.left_out == pytest.approx(1 / 15)
    assert set(found.shares) == {label.name for label in target.evaluated_labels}


def test_runs_that_ended_early_are_marked(tmp_path: Path, tiny_checkpoint: Path) -> None:
    """What the card of the weights says, since the scores are like any other."""
    old = load_checkpoint(tiny_checkpoint)
    weights = tmp_path / 'single.safetensors'
    why = 'The discriminator tells the domains apart. The weights of step 400 are kept.'
    card = {**old.card, 'adaptation': {'method': 'output', 'ended_early': why}}
    save_checkpoint(weights, old.build(), old.taxonomy, old.preprocessing, card)
    assert ended_early(weights) == why
    assert ended_early(tiny_checkpoint) == ended_early(tmp_path / 'none.safetensors') == ''
    results = [result('single', 0.3), result('single', 0.2, 2), result('fda', 0.3)]
    facts = replace(FACTS, ended_early={('single', 2): why})
    table = page.main_table(results, ROWS, facts)
    assert cells(table, 'single')[1] == 'single level, weight 0.001; **ended early**: seed 2'
    assert 'early' not in cells(table, 'fda')[1]
    text = page.write_page(results, ROWS, facts, 'single', tmp_path).read_text()
    assert f'- single, seed 2: {why}' in text


def test_the_page_is_written(tmp_path: Path) -> None:
    results = [result(SOURCE_ONLY, 0.2), result('single', 0.3)]
    path = page.write_page(results, ROWS, FACTS, 'single', tmp_path)
    text = path.read_text()
    assert 'Sky (1 classes)' in text
    assert '**IoU by class, camvid**' in text
    (tmp_path / 'metrics.csv').write_text('step,discriminator_main\n1,0.7\n2,\n3,0.31\n')
    assert discriminator_loss(tmp_path) == 0.31
    assert discriminator_loss(tmp_path / 'none') is None
