# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg evaluate --context`: matrix and images of removed objects, and refused options."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main

pytestmark = pytest.mark.needs('torch')


@pytest.fixture
def camvid(tmp_path: Path, street_image: np.ndarray) -> Path:
    """Return a CamVid folder: two images with a car and one with a car that is too large."""
    root = tmp_path / 'camvid'
    (root / 'images').mkdir(parents=True)
    (root / 'labels').mkdir()
    lines = []
    height, width = street_image.shape[:2]
    for index in range(3):
        truth = np.full((height, width), 3, np.uint8)
        truth[: height // 3] = 1
        top, side = height // 2, width // (2 if index == 2 else 8)
        truth[top : top + height // (2 if index == 2 else 8), :side] = 8
        cv2.imwrite(str(root / f'images/{index}.png'), street_image[..., ::-1])
        cv2.imwrite(str(root / f'labels/{index}.png'), truth)
        lines.append(f'images/{index}.png labels/{index}.png\n')
    (root / 'val.txt').write_text(''.join(lines))
    return root


def evaluate(model: Path, root: Path, *more: str, dataset: str = 'camvid') -> int:
    """Run the verb; return the exit code."""
    return main(
        ['evaluate', '--dataset', dataset, '--root', str(root), '--model', str(model), *more]
    )


def test_removed_cars_are_in_scores_table_and_report(
    camvid: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'out'
    code = evaluate(
        tiny_checkpoint, camvid, '--context', '--json', str(out / 's.json'), '--report', str(out)
    )
    assert code == 0
    said = capsys.readouterr()
    scores = json.loads((out / 's.json').read_text())
    assert json.loads(said.out) == scores
    assert 0 < scores['summed']['pixel_accuracy'] < 1  # beside the other scores
    context = scores['context']
    assert context['removal'] == 'inpaint' and context['has_control']
    assert context['removals'] == {
        'Pole': 0, 'SignSymbol': 0, 'Car': 2, 'Pedestrian': 0, 'Bicyclist': 0
    }  # fmt: skip
    assert context['left_out'] == {'Car: too large': 1}
    assert 0 <= context['hallucination']['Car'] <= 1
    matrix = context['matrix']
    assert matrix['columns'] == ['Building', 'Road']
    row = matrix['rows'].index('Car')
    assert matrix['images'][row] == [2, 2]
    for name in ('drop', 'control_drop', 'context'):
        assert all(-1 <= value <= 1 for value in matrix[name][row])
    for drop, control, left in zip(
        *(matrix[name][row] for name in ('drop', 'control_drop', 'context')), strict=True
    ):
        assert left == pytest.approx(drop - control)
    assert 'context dependence: – points, mean over 0 pairs' in said.err
    assert 'left out: Car: too large, 1 images' in said.err
    page = (out / 'report.html').read_text('utf-8')
    assert '<h2>Context</h2>' in page and 'Car removed, Road: 2 images' in page


def test_the_only_label_to_remove_can_be_named(
    camvid: Path, tiny_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tiny_checkpoint, camvid, '--context', '--remove', 'Building') == 0
    context = json.loads(capsys.readouterr().out)['context']
    assert context['removals'] == {'Building': 0}
    assert context['left_out'] == {'Building: too large': 3}


def test_drawn_scenes_are_drawn_again(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One small scene; no control, since there are no traces."""
    given = ['--split', 'train', '--limit', '1', '--context', '--remove', 'Car']
    root = tmp_path / 'drawn'
    assert evaluate(tiny_checkpoint, root, *given, dataset='drawn') == 0
    context = json.loads(capsys.readouterr().out)['context']
    assert context['removal'] == 'redraw' and not context['has_control']
    assert context['removals']['Car'] + sum(context['left_out'].values()) <= 1
    assert context['matrix']['control_drop'] is None


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (['--context', '--remove', 'Cars'], "label 'Cars' are to be removed"),
        (['--context', '--removal', 'redraw'], 'cannot be drawn again without objects'),
        (['--remove', 'Car'], '--remove is given without --context'),
        (['--removal', 'inpaint'], '--removal is given without --context'),
        (['--context', '--crf', '--crf-search', '2'], 'with --report or --context'),
    ],
)
def test_what_cannot_be_removed_is_one_sentence(
    given: list[str],
    message: str,
    camvid: Path,
    tiny_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert evaluate(tiny_checkpoint, camvid, *given) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said and '; expected ' in said


def test_signs_have_no_context(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate(tiny_checkpoint, tmp_path, '--context', dataset='gtsdb') == 2
    assert '--context is given for gtsdb; expected it for' in capsys.readouterr().err
