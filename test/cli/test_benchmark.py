# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg benchmark`, called as a shell would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hiseg_ros.cli.__main__ import main


@pytest.mark.needs('torch')
def test_engines_are_measured_beside_the_reference(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures of every stage, equal labels, and a sentence for a back-end that is not here."""
    target, page = tmp_path / 'figures.json', tmp_path / 'page.md'
    code = main([
        'benchmark', '--model', str(tiny_checkpoint), '--size', '96x160', '--backend',
        'eager,openvino', '--frames', '2', '--warm-up', '1', '--device', 'cpu',
        '--json', str(target), '--markdown', str(page),
    ])
    assert code == 0
    result = json.loads(target.read_text())
    eager, openvino = result['engines']
    assert eager['labels_equal_to_reference'] == 1.0
    assert eager['size'] == [96, 160]
    stages = eager['stages_ms']
    parts = sum(stages[name]['median'] for name in ('preprocess', 'network', 'decision'))
    assert 0 < parts <= 1.5 * stages['frame']['p95']
    assert eager['host_peak_mib'] > 100
    assert eager['images_per_s'] > 0
    assert "'openvino' cannot run" in openvino['error']
    assert page.read_text() in capsys.readouterr().out
    assert '--model tiny.safetensors' in result['command']
    assert str(tmp_path) not in json.dumps({**result, 'engines': [eager]})


@pytest.mark.needs('torch')
def test_images_of_several_cameras_are_measured_together(
    tiny_checkpoint: Path, tmp_path: Path
) -> None:
    """A frame is one image of each camera."""
    target = tmp_path / 'figures.json'
    assert main([
        'benchmark', '--model', str(tiny_checkpoint), '--size', '64x96', '--backend', 'eager',
        '--frames', '2', '--warm-up', '0', '--cameras', '3', '--device', 'cpu',
        '--json', str(target),
    ]) == 0
    (row,) = json.loads(target.read_text())['engines']
    assert row['cameras'] == 3
    assert row['images_per_s'] * row['stages_ms']['frame']['median'] == pytest.approx(3000, 0.5)


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--size', '512'], "--size has '512'; expected HxW"),
        (['--frames', '0'], '--frames is 0'),
        (['--dataset', 'camvid'], 'without --root'),
        (['--rates', '10,fast'], '--rates is 10,fast'),
        (['--cameras', '0'], '--cameras 0; expected'),
        (['--ros', '--cameras', '2'], '--cameras is given with --ros'),
        (['--rates', '0'], '--rates is 0'),
        (['--seconds', '-1'], '--seconds -1'),
        (['--ros', '--parameter', 'overlap'], 'expected NAME:=VALUE'),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one sentence, before anything is loaded."""
    assert main(['benchmark', *arguments]) == 2
    assert words in capsys.readouterr().err
