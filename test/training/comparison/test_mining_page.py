# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What the comparison of mined with random images concludes from its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hiseg_ros.training.comparison.comparison import Result
from hiseg_ros.training.comparison.mined_images import Chosen
from hiseg_ros.training.comparison.mining_page import (
    differences,
    drives_table,
    finding,
    table,
    write_page,
)

SCORE = 'camvid: mIoU'


def results(random: list[float], mined: list[float]) -> list[Result]:
    """Return runs at 40 images, and a start that is worse."""
    return [
        Result(name, seed, {SCORE: value / 100}, 2.0)
        for name, values in (('start', [20.0] * 3), ('random_40', random), ('mined_40', mined))
        for seed, value in enumerate(values, start=1)
    ]


@pytest.mark.parametrize(
    ('mined', 'said'),
    [
        ([43.0, 44.5, 44.0], 'mined +2.8 points against random (± 0.8 over 3 seeds): mined images '
         'are better.'),
        ([38.0, 38.5, 39.0], 'mined images are worse.'),
        ([43.0, 39.0, 42.0], 'no difference beyond 2 standard errors; mining does not show a gai'),
        ([43.0], 'mined +2.0 points against random with one seed; whether that is more than chan'),
        ([], 'no seed has both.'),
    ],
)  # fmt: skip
def test_the_finding_is_what_the_numbers_say(mined: list[float], said: str) -> None:
    """Differences are those of the same seed, which begins with the same images."""
    runs = results([41.0, 41.0, 41.0], mined)
    assert said in finding(runs, 40, SCORE)


def test_differences_are_taken_seed_by_seed() -> None:
    runs = results([40.0, 50.0, 60.0], [41.0, 51.0, 61.0])
    assert differences(runs, 40, SCORE) == pytest.approx([1.0, 1.0, 1.0])
    assert 'mined images are better' in finding(runs, 40, SCORE)


def test_the_page_has_table_drives_and_figure(tmp_path: Path) -> None:
    names = {'start': ['a_1', 'b_1'], 'random_40': ['a_1', 'a_2'], 'mined_40': ['b_1', 'b_2']}
    rounds = [Chosen(1, names)]
    runs = results([41.0, 41.0, 41.0], [43.0, 44.5, 44.0])
    page = write_page(runs, rounds, [40], 'Settings.', tmp_path).read_text()
    assert table(runs, [40]) in page and drives_table(rounds) in page
    assert '| 20 | random, the start of all | 2.0 | 20.0 ± 0.0 |' in page
    assert '| 40 | mined | 2.0 | 43.8 ± 0.8 |' in page
    assert '| mined_40 | 0.0 | 2.0 |' in page
    assert (tmp_path / 'comparison.png').stat().st_size > 5000
