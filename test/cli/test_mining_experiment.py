# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment mining` on drawn scenes, through the real command, and what its page says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import yaml

from hiseg_ros.cli.__main__ import main
from hiseg_ros.resources import named_or_path

pytestmark = [
    pytest.mark.needs('torch', 'train'),
    pytest.mark.filterwarnings('ignore::UserWarning'),
    pytest.mark.filterwarnings('ignore:.*LeafSpec'),
]


@pytest.fixture(scope='module')
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with drawn scenes in the layout of KITTI."""
    folder = tmp_path_factory.mktemp('drawn')
    given = ['--format', 'kitti', '--output', str(folder / 'kitti'), '--count', '12']
    assert main(['synthesize', *given, '--size', '64x128']) == 0
    return folder


def small_base(folder: Path) -> Path:
    """Write the drawn comparison with a budget of two steps; return the file."""
    data = yaml.safe_load(named_or_path('mining_drawn', 'experiments').read_text())
    data |= {'name': 'small', 'crop': [64, 64], 'steps': 2, 'steps_per_epoch': 2}
    data |= {'warmup_steps': 1, 'workers': 0, 'threads': 1, 'precision': '32-true'}
    data['network'] |= {'backbone': 'mobilenetv4_conv_small_035', 'channels': 16}
    data['datasets']['kitti']['share'] = 2
    path = folder / 'small.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def command(drawn: Path, tmp_path: Path, *more: str) -> list[str]:
    base = str(small_base(tmp_path))
    return [
        'experiment', 'mining', '--base', base, '--data', str(drawn), '--output',
        str(tmp_path / 'runs'), '--accelerator', 'cpu', *more,
    ]  # fmt: skip


def test_mined_and_random_images_are_trained_on_and_compared(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The start is in every run, no image comes twice, and a second call trains nothing."""
    output = tmp_path / 'runs'
    given = ['--quick', '--steps', '2', '--limit', '1', '--budgets', '4', '6']
    assert main(command(drawn, tmp_path, *given)) == 0
    said = capsys.readouterr().out
    results = json.loads((output / 'results.json').read_text())
    assert [row['variant'] for row in results] == [
        'start', 'random_4', 'mined_4', 'random_6', 'mined_6',
    ]  # fmt: skip
    assert all(0 <= row['scores']['kitti: mIoU'] <= 1 for row in results)
    stored = json.loads((output / 'mined_1.json').read_text())
    start, mined = set(stored['settings'][3]), stored['mined']
    assert len(start) == 2
    assert [len(set(mined[budget]) - start) for budget in ('4', '6')] == [2, 4]
    page = (output / 'comparison.md').read_text()
    assert '| 2 | random, the start of all |' in page and '| 6 | mined |' in page
    assert 'whether that is more than chance is not said.' in page
    assert 'kitti: mIoU, 6 images: mined ' in said
    assert cv2.imread(str(output / 'comparison.png')).std() > 5
    weights = output / 'mined_6_1' / 'mined_6.safetensors'
    written = weights.stat().st_mtime_ns
    assert main(command(drawn, tmp_path, *given)) == 0
    assert weights.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (
            ['--budgets', '80', '40'],
            '--budgets are [80, 40]; expected ascending numbers of images',
        ),
        (['--budgets', '2', '4'], '--budgets are [2, 4]; expected ascending'),
        (
            ['--budgets', '4', '900'],
            'images to train on; expected at least the 900 of the largest',
        ),
        (['--only', 'mined_4'], '--only was given with mining; expected it with another'),
    ],
)
def test_a_bad_argument_ends_with_one_sentence(
    more: list[str],
    message: str,
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(command(drawn, tmp_path, *more)) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_dataset_whose_images_have_no_names_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ['experiment', 'mining', '--base', 'networks_drawn', '--data', str(tmp_path)]
    assert main([*given, '--output', str(tmp_path / 'runs')]) == 2
    said = capsys.readouterr().err
    assert (
        "'networks_drawn' trains on cityscapes; expected one dataset whose images can be" in said
    )
    assert main([*given[:2], '--base', 'mining', '--factor', 'a=1']) == 2
    assert main(['experiment', 'networks', '--budgets', '4', '--output', str(tmp_path)]) == 2
    assert '--budgets was given with networks; expected it with mining' in capsys.readouterr().err
