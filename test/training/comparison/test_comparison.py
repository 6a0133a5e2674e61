# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The comparison of ways to learn: what differs between variants, resuming, table and image."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from hiseg_ros.errors import ConfigError
from hiseg_ros.training.comparison.comparison import Result, compare, variant_config, variants
from hiseg_ros.training.comparison.page import table, write_page
from hiseg_ros.training.config.experiment import TrainingConfig, load_training_config


@pytest.fixture
def base() -> TrainingConfig:
    """Return the experiment that ships."""
    return load_training_config('heterogeneous')


def test_every_variant_sees_as_many_images_per_step(base: TrainingConfig) -> None:
    for variant in variants(list(base.datasets)):
        config = variant_config(base, variant, 3)
        assert sum(item.share for item in config.datasets.values()) == 8
        assert (config.steps, config.crop, config.seed) == (base.steps, base.crop, 3)
        assert config.network.backbone == base.network.backbone


def test_variants_differ_in_head_loss_and_data_sets_alone(base: TrainingConfig) -> None:
    configs = {v.name: variant_config(base, v, 1) for v in variants(list(base.datasets))}
    seen = {
        name: (config.network.head, config.loss.kind, tuple(config.datasets))
        for name, config in configs.items()
    }
    both = ('camvid', 'gtsdb')
    assert seen == {
        'flat': ('leaf', 'flat', both),
        'iv2018': ('conditional', 'iv2018', both),
        'set_leaf': ('leaf', 'set', both),
        'set_conditional': ('conditional', 'set', both),
        'alone_camvid': ('conditional', 'set', ('camvid',)),
        'alone_gtsdb': ('conditional', 'set', ('gtsdb',)),
    }


class Recorder:
    """Stands for training and measuring; the score counts the letters of the variant's name."""

    def __init__(self, fail_at: str = '') -> None:
        """Fail at the run of this folder name."""
        self.fail_at = fail_at
        self.trained: list[str] = []

    def train(self, config: TrainingConfig, run_dir: Path) -> Path:
        """Write what stands for weights and a checkpoint."""
        if run_dir.name == self.fail_at:
            raise KeyboardInterrupt
        self.trained.append(run_dir.name)
        (run_dir / 'checkpoints').mkdir(parents=True)
        (run_dir / 'weights').write_text(config.name)
        return run_dir / 'weights'

    def score(self, weights: Path) -> dict[str, float]:
        """Return a score that tells the variants apart."""
        return {'camvid: mIoU': len(weights.read_text()) / 100}


def test_an_interrupted_comparison_goes_on_and_trains_nothing_twice(
    base: TrainingConfig, tmp_path: Path
) -> None:
    first = Recorder(fail_at='set_leaf_1')
    with pytest.raises(KeyboardInterrupt):
        compare(base, [1], tmp_path, first.train, first.score)
    assert first.trained == ['flat_1', 'iv2018_1']
    second = Recorder()
    results = compare(base, [1], tmp_path, second.train, second.score)
    assert second.trained == ['set_leaf_1', 'set_conditional_1', 'alone_camvid_1', 'alone_gtsdb_1']
    assert [result.scores['camvid: mIoU'] for result in results[:2]] == [0.04, 0.06]
    stored = json.loads((tmp_path / 'results.json').read_text())
    assert [row['variant'] for row in stored] == [result.variant for result in results]


def test_scores_of_other_settings_are_not_taken(base: TrainingConfig, tmp_path: Path) -> None:
    from dataclasses import replace

    recorder = Recorder()
    compare(base, [1], tmp_path, recorder.train, recorder.score, ['flat'])
    with pytest.raises(ConfigError, match='other settings; expected'):
        other = replace(base, steps=base.steps + 1)
        compare(other, [1], tmp_path, recorder.train, recorder.score, ['flat'])
    with pytest.raises(ConfigError, match='other settings; expected'):
        compare(base, [1], tmp_path, recorder.train, recorder.score, ['flat'], '5 images')


def test_an_unknown_variant_is_named(base: TrainingConfig, tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(ConfigError, match=r"no variants \['tree'\]; expected some of \['flat'"):
        compare(base, [1], tmp_path, recorder.train, recorder.score, ['tree'])


def some_results() -> list[Result]:
    """Return two seeds of one variant and one of another."""
    return [
        Result('flat', 1, {'camvid: mIoU': 0.30, 'gtsdb: sign recall': 0.5}, 2.0),
        Result('flat', 2, {'camvid: mIoU': 0.34, 'gtsdb: sign recall': 0.5}, 4.0),
        Result('alone_camvid', 1, {'camvid: mIoU': 0.4}, 1.0),
    ]


def test_the_table_has_mean_and_spread(base: TrainingConfig) -> None:
    text = table(some_results(), variants(list(base.datasets)))
    header, _, flat, alone = text.splitlines()
    assert header == '| variant | camvid: mIoU | gtsdb: sign recall | training min |'
    # The sample standard deviation of 30 and 34 is 2 * sqrt(2).
    assert '| 32.0 ± 2.8 | 50.0 ± 0.0 | 3.0 |' in flat
    assert '| 40.0 | - | 1.0 |' in alone


def test_the_page_shows_an_image_with_bars(base: TrainingConfig, tmp_path: Path) -> None:
    page = write_page(some_results(), variants(list(base.datasets)), tmp_path)
    assert 'comparison.png' in page.read_text()
    image = cv2.imread(str(tmp_path / 'comparison.png'))
    blue = (image == (0xBB, 0x6F, 0x2A)).all(2).sum()
    grey = (image == (0x8A, 0x8A, 0x8A)).all(2).sum()
    assert blue > 1000
    assert grey > 1000
