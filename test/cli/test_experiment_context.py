# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg experiment context` on drawn scenes, through the real command."""

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


def small_base(folder: Path) -> Path:
    """Write the drawn comparison with a budget of two steps; return the file."""
    data = yaml.safe_load(named_or_path('context_drawn', 'experiments').read_text())
    data |= {'name': 'small', 'crop': [64, 64], 'steps': 2, 'steps_per_epoch': 2}
    data |= {'warmup_steps': 1, 'workers': 0, 'threads': 1, 'precision': '32-true'}
    data['network'] |= {'backbone': 'mobilenetv4_conv_small_035', 'channels': 16}
    drawn = data['datasets']['drawn']
    drawn |= {'share': 2, 'removal': {'share': 1.0, 'labels': ['Car', 'Person']}}
    drawn['options'] |= {'count': 2, 'size': [64, 96], 'first_seed': 43}
    path = folder / 'context.yaml'
    path.write_text(yaml.safe_dump(data))
    return path


def test_both_ways_are_trained_measured_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call trains nothing."""
    output = tmp_path / 'runs'
    command = ['experiment', 'context', '--base', str(small_base(tmp_path)), '--quick']
    command += ['--steps', '2', '--data', str(tmp_path), '--output', str(output)]
    command += ['--accelerator', 'cpu', '--limit', '1']
    assert main(command) == 0
    said = capsys.readouterr().out
    results = json.loads((output / 'results.json').read_text())
    assert [row['variant'] for row in results] == ['plain', 'removal']
    for row in results:
        assert 0 <= row['scores']['drawn: mIoU'] <= 1
        assert -1 <= row['scores']['drawn: context dependence'] <= 1
        assert row['scores']['drawn: IoU lost'] == row['scores']['drawn: context dependence']
        assert 'drawn: IoU lost to the control' not in row['scores']
        assert any(' without ' in name for name in row['scores'])
    # Training drew its scenes again without what it removed.
    drawn = tmp_path / 'drawn' / '64x96'
    assert list(drawn.glob('00004?_without_*.jpg')) and list(drawn.glob('900000_without_*.jpg'))
    page = (output / 'comparison.md').read_text()
    assert '| objects removed |' in page and '**drawn**' in page
    assert 'fewer than two seeds of both rows' in said
    for name in ('comparison.png', 'strip.jpg'):
        assert cv2.imread(str(output / name)).std() > 5
    weights = output / 'removal_1' / 'removal.safetensors'
    written = weights.stat().st_mtime_ns
    assert main(command) == 0
    assert weights.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (['--base', 'networks_drawn'], 'has the setting removal; expected at least one'),
        (['--only', 'tree'], "no variants ['tree']; expected some of ['plain', 'removal'"),
        (['--seeds', '0'], '--seeds is 0; expected'),
    ],
)
def test_a_bad_argument_ends_with_one_sentence(
    given: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['experiment', 'context', '--data', str(tmp_path), '--output', str(tmp_path / 'r')]
    assert main([*command, *given]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
