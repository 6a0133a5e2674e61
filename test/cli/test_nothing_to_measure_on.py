# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Datasets of which nothing is kept out: a comparison says so before it trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from hiseg_ros.cli import experiment
from hiseg_ros.cli.__main__ import main
from hiseg_ros.resources import named_or_path

pytestmark = pytest.mark.needs('torch', 'train')

YARD = {'kind': 'folder', 'root': 'yard', 'share': 2, 'options': {'mapping': 'cityscapes'}}
"""A dataset without splits."""


@pytest.fixture(autouse=True)
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where something is trained."""

    def train(config: Any, run_dir: Path) -> Path:
        raise AssertionError(f'{config.name} is trained')

    monkeypatch.setattr(experiment, '_trainer', lambda options: train)


def refused(
    name: str, datasets: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> str:
    """Return the sentence with which a comparison on these datasets is refused."""
    data = yaml.safe_load(named_or_path(f'{name}_drawn', 'experiments').read_text())
    data |= {'name': 'mine', 'datasets': datasets, 'licences': {}}
    base = tmp_path / 'mine.yaml'
    base.write_text(yaml.safe_dump(data))
    given = ['experiment', name, '--base', str(base), '--data', str(tmp_path), '--quick']
    assert main([*given, '--output', str(tmp_path / 'runs')]) == 2
    assert not (tmp_path / 'runs').exists()
    return capsys.readouterr().err


@pytest.mark.parametrize('name', ['networks', 'heterogeneous', 'context'])
def test_a_folder_alone_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    yard = {**YARD, 'removal': {}} if name == 'context' else YARD
    said = refused(name, {'yard': yard}, tmp_path, capsys)
    assert "'mine' has nothing to measure on, since no part of yard (folder) is kept out" in said
    assert said.count('\n') == 1


def write_target(tmp_path: Path, root: str) -> None:
    """Write the images that adaptation_drawn has for its target."""
    folder = tmp_path / root / 'leftImg8bit/train/street'
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / 'street_000000_000000_leftImg8bit.png'), np.zeros((8, 8, 3)))


def test_a_target_without_a_kept_out_part_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_target(tmp_path, 'cityscapes')
    drawn = {'kind': 'drawn', 'root': 'drawn', 'share': 2}
    datasets = {'drawn': drawn, 'yard': {**YARD, 'root': 'cityscapes'}}
    said = refused('adaptation', datasets, tmp_path, capsys)
    assert 'nothing to measure on, since no part of yard (folder) is kept out' in said


def test_a_source_without_held_out_scenes_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes = ['--output', str(tmp_path / 'cityscapes'), '--count', '14', '--size', '64x128']
    assert main(['synthesize', '--format', 'cityscapes', *scenes]) == 0
    capsys.readouterr()
    cityscapes = {'kind': 'cityscapes', 'root': 'cityscapes', 'share': 2}
    said = refused('adaptation', {'yard': YARD, 'cityscapes': cityscapes}, tmp_path, capsys)
    assert "The source yard of experiment 'mine' is of the kind 'folder', which has no" in said
