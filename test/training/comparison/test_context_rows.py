# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Training with and without removed objects: its rows, its test sets, and its answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.comparison import scores as scores_module
from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.context import (
    ContextRow,
    context_config,
    context_rows,
    context_test_sets,
    min_images,
)
from hiseg_ros.training.comparison.context_page import answers, pairs_table, write_page
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config
from hiseg_ros.training.config.removal import RemovalConfig


@pytest.fixture
def base() -> TrainingConfig:
    """Return the experiment that ships."""
    return load_training_config('context')


def test_rows_differ_in_what_is_removed_alone(base: TrainingConfig) -> None:
    configs = {row.name: context_config(base, row, 2) for row in context_rows(base)}
    removed = {
        name: {key for key, item in config.datasets.items() if item.removal is not None}
        for name, config in configs.items()
    }
    assert removed == {
        'plain': set(),
        'removal': {'camvid', 'drawn'},
        'inpainted': {'camvid'},
        'redrawn': {'drawn'},
    }
    for name, config in configs.items():
        assert replace(config, name='context', seed=1, datasets=base.datasets) == base
        assert config.name == name and config.seed == 2
    assert configs['removal'].datasets == base.datasets
    drawn = load_training_config('context_drawn')
    assert [row.name for row in context_rows(drawn)] == ['plain', 'removal']
    inpainted = replace(
        drawn,
        datasets={'drawn': replace(drawn.datasets['drawn'], removal=RemovalConfig(redraw=False))},
    )
    assert len(context_rows(inpainted)) == 2


def test_an_experiment_without_removal_is_refused() -> None:
    with pytest.raises(ConfigError, match='has the setting removal; expected at least one'):
        context_rows(load_training_config('networks'))


def test_test_sets_are_kept_out_and_drawn_scenes_have_other_seeds(
    base: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(
        scores_module, 'open_dataset', lambda kind, root, options: asked.append((kind, options))
    )
    names = [test.name for test in context_test_sets(base.datasets)]
    assert names == ['camvid', 'camvid held-out drive', 'drawn']
    assert asked == [
        ('camvid', {'split': 'val'}),
        ('camvid', {'split': 'train', 'drives': ['0006R0']}),
        ('drawn', {'first_seed': 900_000, 'count': 60, 'size': [256, 512]}),
    ]


@pytest.mark.parametrize(('count', 'needed'), [(1, 1), (25, 5), (101, 20), (1000, 20)])
def test_pairs_need_a_fifth_of_the_images_and_at_most_twenty(count: int, needed: int) -> None:
    assert min_images(count) == needed


def results(plain: list[float], removal: list[float], miou: float) -> list[Result]:
    """Return seeds of both rows on one test set, with context dependence and mIoU."""
    found = []
    for name, values, shift in (('plain', plain, 0.0), ('removal', removal, miou)):
        for seed, value in enumerate(values):
            scores = {
                'camvid: mIoU': 0.5 + 0.01 * seed + shift,
                'camvid: context dependence': value,
                'camvid: Road without Car': 2 * value,
                'camvid: Sky without Car': 0.0,
            }
            found.append(Result(name, seed + 1, scores, 3.0))
    return found


def test_answers_follow_the_numbers() -> None:
    lower = answers(results([0.05, 0.052, 0.051], [0.02, 0.022, 0.021], -0.005))
    assert 'removal lowers context dependence by 3.00 points' in lower
    assert 'mIoU moves by -0.5 points, within one standard deviation' in lower
    chance = answers(results([0.05, 0.01, 0.08], [0.04, 0.02, 0.07], 0.03))
    assert 'by -0.33 points, which may be chance' in chance and 'beyond one standard' in chance
    assert 'raises' in answers(results([0.02, 0.021], [0.05, 0.051], 0))
    assert 'nothing is said' in answers(results([0.02], [0.05], 0))


def test_the_page_has_tables_answer_and_images(tmp_path: Path) -> None:
    rows = [ContextRow('plain', 'all stay'), ContextRow('removal', 'removed')]
    found = results([0.05, 0.06], [0.02, 0.03], 0)
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    page = write_page(found, rows, {'image': image, 'without Car': image}, tmp_path)
    text = page.read_text()
    assert '| row | mIoU | context dependence | training min |' in text
    assert '| all stay | 50.5 ± 0.7 | 5.5 ± 0.7 | 3.0 |' in text
    assert '| camvid | Car | Road | 11.0 ± 1.4 | 5.0 ± 1.4 |' in text
    first = pairs_table(found, rows).splitlines()[2]
    assert '| Road |' in first  # the largest loss first
    for name in ('comparison.png', 'strip.jpg'):
        drawn = cv2.imread(str(tmp_path / name))
        assert min(drawn.shape[:2]) > 50 and drawn.std() > 5
