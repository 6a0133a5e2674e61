# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg synthesize`: files, output, refused options."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main
from hiseg_ros.datasets import drawn_export, open_dataset
from hiseg_ros.datasets.registry import names_of_drawn_formats


@pytest.fixture
def drawn_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw without other processes."""
    monkeypatch.setattr(
        drawn_export,
        '_draw_all',
        lambda jobs: [line for job in jobs for line in drawn_export.draw_and_write(job)],
    )


@pytest.mark.usefixtures('drawn_here')
@pytest.mark.parametrize('layout', names_of_drawn_formats())
def test_what_it_writes_is_what_the_loader_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    folder = tmp_path / 'new' / layout
    command = ['synthesize', '--format', layout, '--output', str(folder), '--count', '2']
    assert main([*command, '--size', '96x192']) == 0
    assert capsys.readouterr().out == f'{folder}: 1 train and 1 val scenes\n'
    options = {'negatives': True} if layout == 'gtsdb' else {'split': 'train'}
    dataset = open_dataset(layout, folder, options)
    assert len(dataset) == (2 if layout == 'gtsdb' else 1)
    assert dataset[0].image.shape == (96, 192, 3)
    assert main(command) == 2
    assert 'is not an empty folder' in capsys.readouterr().err


@pytest.mark.usefixtures('drawn_here')
def test_all_scenes_can_go_to_one_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([
        'synthesize', '--format', 'vistas', '--output', str(tmp_path), '--count', '1',
        '--size', '64x96', '--split', 'val', '--seed', '7',
    ]) == 0  # fmt: skip
    assert '0 train and 1 val' in capsys.readouterr().out
    assert len(open_dataset('vistas', tmp_path, {'split': 'val'})) == 1


@pytest.mark.usefixtures('drawn_here')
def test_scenes_without_cars_are_the_same_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pixels and labels change only around what was a car and its shadow."""
    command = ['synthesize', '--format', 'cityscapes', '--count', '1', '--split', 'val']
    command += ['--size', '128x256', '--seed', '3']
    assert main([*command, '--output', str(tmp_path / 'whole')]) == 0
    assert main([*command, '--output', str(tmp_path / 'less'), '--without', 'Car']) == 0
    whole, less = (
        open_dataset('cityscapes', tmp_path / name, {'split': 'val'})[0]
        for name in ('whole', 'less')
    )
    car = 26
    assert (whole.label_ids == car).any()
    assert not (less.label_ids == car).any()
    is_changed = (whole.image != less.image).any(2)
    assert is_changed[whole.label_ids == car].mean() > 0.9
    assert is_changed.mean() < 0.5
    np.testing.assert_array_equal(
        whole.label_ids[~is_changed & (whole.label_ids != car)],
        less.label_ids[~is_changed & (whole.label_ids != car)],
    )
    capsys.readouterr()
    assert main([*command, '--output', str(tmp_path / 'bad'), '--without', 'Cars']) == 2
    assert "no label 'Cars'; expected 'Car'" in capsys.readouterr().err
    assert not (tmp_path / 'bad').exists()


@pytest.mark.parametrize('size', ['64', '64x', 'axb', '64x96x3', '-1x5', ''])
def test_a_size_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str
) -> None:
    with pytest.raises(SystemExit):
        main(
            [
                'synthesize',
                '--format',
                'vistas',
                '--output',
                str(tmp_path),
                '--count',
                '2',
                '--size',
                size,
            ]
        )
    assert 'expected HxW' in capsys.readouterr().err or size.startswith('-')
