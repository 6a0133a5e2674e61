# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg benchmark` on the command line."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import NoReturn

import pytest

from hiseg_ros.benchmark import engines, everything
from hiseg_ros.cli.__main__ import main
from hiseg_ros.cli.shared import measurements
from hiseg_ros.errors import ConfigError


@pytest.mark.needs('torch')
def test_engines_are_measured_beside_the_reference(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures of every stage, equal labels, and a sentence for a backend that is not here."""
    target, page = tmp_path / 'figures.json', tmp_path / 'page.md'
    code = main(
        [
            'benchmark',
            '--model',
            str(tiny_checkpoint),
            '--size',
            '96x160',
            '--backend',
            'eager,openvino',
            '--frames',
            '2',
            '--warm-up',
            '1',
            '--device',
            'cpu',
            '--json',
            str(target),
            '--markdown',
            str(page),
        ]
    )
    assert code == 0
    result = json.loads(target.read_text())
    eager, openvino = result['engines']
    assert eager['labels_equal_to_reference'] == 1.0
    assert eager['reference'] == 'eager float32'
    assert eager['batched'] is False
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
    assert (
        main(
            [
                'benchmark',
                '--model',
                str(tiny_checkpoint),
                '--size',
                '64x96',
                '--backend',
                'eager',
                '--frames',
                '2',
                '--warm-up',
                '0',
                '--cameras',
                '3,1',
                '--device',
                'cpu',
                '--json',
                str(target),
            ]
        )
        == 0
    )
    one, row = json.loads(target.read_text())['engines']
    assert (one['cameras'], row['cameras']) == (1, 3)
    assert row['batched'] is False  # on a CPU it does not pay
    assert row['images_per_s'] * row['stages_ms']['frame']['median'] == pytest.approx(3000, 0.5)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('openvino') is None, reason='no module openvino')
def test_layers_are_profiled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their times add up to about the network's."""
    target = tmp_path / 'figures.json'
    assert (
        main(
            [
                'benchmark',
                '--profile',
                '--size',
                '64x96',
                '--backend',
                'openvino',
                '--frames',
                '2',
                '--warm-up',
                '1',
                '--json',
                str(target),
            ]
        )
        == 0
    )
    (profile,) = json.loads(target.read_text())['profile']
    assert profile['model'] == 'street_vit.onnx'
    assert any(layer['kind'] == 'Convolution' for layer in profile['layers'])
    assert 0 < sum(layer['ms'] for layer in profile['layers']) < 3 * profile['network_ms']['p95']
    assert '| layer | kernel | ms |' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec('openvino') is None, reason='no module openvino')
def test_more_classes_are_measured_in_a_subtree_and_in_one_softmax(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Behind the same features, relative to the network as it is."""
    target = tmp_path / 'figures.json'
    command = ['benchmark', '--subtree', '300', '--size', '64x96', '--backend', 'openvino']
    assert main([*command, '--frames', '2', '--warm-up', '1', '--json', str(target)]) == 0
    result = json.loads(target.read_text())
    assert result['command'].startswith('hiseg benchmark --subtree 300 --size 64x96')
    (cost,) = result['subtree']
    assert cost['model'] == 'street_lite.onnx'
    tree, more, flat, less = cost['heads']
    assert more['classes'] == flat['classes'] == tree['classes'] - 1 + 300
    assert less['classes'] < tree['classes']
    assert tree['frame'] == tree['cpu_frame'] == 1.0
    assert all(head['ms'] > 0 and head['frame'] > 0 for head in cost['heads'])
    assert '| head | classes | head ms |' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.needs('torch', 'ros')
def test_everything_of_a_machine_is_measured_in_one_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Engines of both networks, their limit, and the node with two cameras."""
    target = tmp_path / 'figures.json'
    assert (
        main(
            [
                'benchmark',
                '--everything',
                '--device',
                'cpu',
                '--size',
                '64x96',
                '--backend',
                'eager',
                '--cameras',
                '2',
                '--experiment',
                'street_lite',
                '--frames',
                '1',
                '--warm-up',
                '0',
                '--seconds',
                '0.3',
                '--rates',
                '5',
                '--json',
                str(target),
            ]
        )
        == 0
    )
    result = json.loads(target.read_text())
    networks = ['street_lite, untrained', 'street_vit']
    assert [row['network'] for row in result['engines']] == networks
    assert list(dict.fromkeys(row['network'] for row in result['graph'])) == networks
    for row in result['engines']:
        assert row['limit_ms'] > 0
        assert row['frame_over_limit'] > 1
    for row in result['graph']:
        assert row['cameras'] == 2
        assert row['images'] % 2 == 0
        assert row['reference'] == 'eager float32'
        assert row['labels_equal_to_reference'] > 0.99
    printed = capsys.readouterr()
    assert re.search('products of (bfloat16|float32) matrices', printed.out)
    assert 'node: street_vit, 64x96, 2 cameras, eager float32' in printed.err


def test_what_of_everything_cannot_be_measured_leaves_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the reason; the rest is measured, and kept after each step."""

    def fail(*_: object) -> NoReturn:
        raise ConfigError('No ROS here.')

    def run_module(module: str, *_: object) -> list[dict[str, object]]:
        return [{'error': f'No {module.rpartition(".")[2]} here.'}]

    monkeypatch.setattr(measurements, '_node', fail)
    monkeypatch.setattr(engines, 'run_module', run_module)
    monkeypatch.setattr(everything, 'run_module', run_module)
    target = tmp_path / 'figures.json'
    assert (
        main(
            [
                'benchmark',
                '--everything',
                '--size',
                '64x96',
                '--backend',
                'eager,compile:bfloat16',
                '--json',
                str(target),
                '--markdown',
                str(tmp_path / 'page.md'),
                '--minutes',
                '7',
            ]
        )
        == 0
    )
    result = json.loads(target.read_text())
    assert result['command'].endswith(' --minutes 7')
    assert [row['error'] for row in result['engines']] == 2 * ['No engine_run here.']
    assert [row['error'] for row in result['graph']] == 4 * ['No ROS here.']
    assert {row['error'] for row in result['arithmetic']} == {
        'No untrained here.',
        'No arithmetic here.',
    }
    assert 'not available: No ROS here.' in (tmp_path / 'page.md').read_text()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--size', '512'], "--size must be HxW, such as 512x1024, not '512'"),
        (['--frames', '0'], '--frames is 0'),
        (['--dataset', 'camvid'], 'without --root'),
        (['--rates', '10,fast'], '--rates is 10,fast'),
        (['--cameras', '0'], '--cameras 0; expected'),
        (['--cameras', '1,four'], '--cameras 1,four; expected'),
        (['--ros', '--dataset', 'camvid', '--root', '.'], '--dataset is given with --ros'),
        (['--profile', '--dataset', 'camvid'], '--dataset is given with --profile'),
        (['--profile', '--cameras', '2'], '--cameras is given with --profile'),
        (['--profile', '--backend', 'eager'], "--profile is given with backend 'eager'"),
        (['--profile', '--subtree', '9'], '--subtree is given with --profile'),
        (['--subtree', '9', '--cameras', '2'], '--cameras is given with --subtree'),
        (['--subtree', '9', '--backend', 'eager'], "--subtree is given with backend 'eager'"),
        (['--subtree', '1'], '--subtree is 1; expected a number of leaves'),
        (['--subtree', '0'], '--subtree is 0; expected a number of leaves'),
        (['--peers', '.', '--cameras', '2'], '--cameras is given with --peers'),
        (['--peers', '.', '--profile'], '--peers is given with --profile; expected one'),
        (['--messages', '--ros'], '--messages is given with --ros; expected one'),
        (['--everything', '--ros'], '--everything is given with --ros; expected one'),
        (['--minutes', '5'], '--minutes is 5 without --everything; expected'),
        (['--everything', '--minutes', '-1'], '--minutes is -1; expected a number from 0'),
        (['--everything', '--minutes', 'nan'], '--minutes is nan; expected a number from 0'),
        (['--everything', '--input-height', '64'], '--input-height is given with --everything'),
        (['--input-height', 'auto'], '--input-height is auto without --ros; expected'),
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


def test_a_limit_below_0_is_refused_before_engines_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their figures were lost otherwise."""
    monkeypatch.setattr(measurements, 'engines', lambda options: pytest.fail('measured'))
    with pytest.raises(SystemExit) as caught:
        main(['benchmark', '--dataset', 'camvid', '--root', str(tmp_path), '--limit', '-1'])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "argument --limit: must be an integer of at least 0, not '-1'" in error
