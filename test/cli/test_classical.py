# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Classical methods on the command line: trained, measured, used, refused elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import yaml
from classical_runs import SMALL
from drawn_camvid import draw_camvid

from hiseg_ros.cli.__main__ import main
from hiseg_ros.resources import config_path

pytestmark = [pytest.mark.needs('classical', 'train'), pytest.mark.slow]


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with camvid/ and small experiments, with and without a CRF."""
    folder = tmp_path_factory.mktemp('data')
    draw_camvid(folder / 'camvid')
    text = yaml.safe_load(config_path('experiments/classical_superpixel.yaml').read_text())
    text |= {'height': 64, 'options': SMALL['superpixel'], 'name': 'small'}
    del text['datasets']['camvid']['options']['without_drives']
    (folder / 'small.yaml').write_text(yaml.safe_dump(text))
    text |= {'crf': {'color_weight': 4, 'position_std': 60, 'color_std': 10}, 'name': 'with_crf'}
    (folder / 'with_crf.yaml').write_text(yaml.safe_dump(text))
    return folder


@pytest.fixture(scope='module')
def model(data: Path) -> Path:
    """Return a file that the command trained."""
    command = ['train', str(data / 'small.yaml'), '--data', str(data), '--output']
    assert main([*command, str(data / 'run')]) == 0
    return data / 'run/small.safetensors'


def measured(data: Path, model: Path, *extra: str) -> dict[str, object]:
    """Return the scores of `hiseg evaluate`."""
    scores = data / 'scores.json'
    command = ['evaluate', '--dataset', 'camvid', '--root', str(data / 'camvid'), '--model']
    assert main([*command, str(model), '--json', str(scores), *extra]) == 0
    found: dict[str, object] = json.loads(scores.read_text())
    return found


def test_it_is_measured_as_a_network_is(data: Path, model: Path) -> None:
    """With the same scores, boundaries and splits; the CRF as an option or as part of the file."""
    scores = measured(data, model, '--boundary', '1', '--against', 'train')
    assert scores['run']['backend'] == 'classical'
    assert scores['summed']['miou'] > 0.5
    assert 'boundary' in scores and 'four_figures' in scores
    command = ['train', str(data / 'with_crf.yaml'), '--data', str(data), '--output']
    assert main([*command, str(data / 'crf')]) == 0
    own = measured(data, data / 'crf/with_crf.safetensors')
    options = [f'{key}={value}' for key, value in (
        ('color_weight', 4), ('position_std', 60), ('color_std', 10),
    )]  # fmt: skip
    asked = measured(
        data, model, '--crf', *(word for one in options for word in ('--crf-option', one))
    )
    assert asked['run']['crf']['compatibility'] == 'potts'
    assert own['summed'] == asked['summed'] != scores['summed']


def test_parameters_of_the_crf_are_searched_on_its_labels(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['evaluate', '--dataset', 'camvid', '--root', str(data / 'camvid'), '--limit', '1']
    assert main([*command, '--model', str(model), '--crf', '--crf-search', '2']) == 0
    rows = json.loads(capsys.readouterr().out)
    kinds = [row['crf'] and row['crf']['compatibility'] for row in rows]
    assert sorted(kinds, key=str) == [None, 'potts', 'potts']


def test_it_labels_images(data: Path, model: Path) -> None:
    image = data / 'camvid/images/val/0.png'
    command = ['predict', str(image), '--model', str(model), '--mapping', 'camvid', '--output']
    assert main([*command, str(data / 'out')]) == 0
    labels = cv2.imread(str(data / 'out/0_camvid.png'), cv2.IMREAD_UNCHANGED)
    truth = cv2.imread(str(data / 'camvid/labels/val/0.png'), cv2.IMREAD_UNCHANGED)
    assert (labels == truth)[:, 2:].mean() > 0.8
    assert (data / 'out/0_overlay.png').is_file()


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['export', '--model', 'MODEL', '--output', 'DATA/x.onnx'], 'holds the classical method'),
        (
            ['predict', 'DATA/x.png', '--model', 'MODEL', '--output', 'o', '--device', 'cuda'],
            'cuda',
        ),
        (['train', 'DATA/small.yaml', '--exportable'], '--exportable is given for'),
        (['train', 'DATA/small.yaml', '--accelerator', 'gpu'], '--accelerator gpu is given'),
        (['train', 'DATA/small.yaml', '--backbone-weights', 'x'], '--backbone-weights is given'),
    ],
)
def test_elsewhere_it_is_refused_in_one_sentence(
    words: list[str], message: str, data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [word.replace('MODEL', str(model)).replace('DATA', str(data)) for word in words]
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and message in said[0] and 'expected' in said[0]


def test_a_file_with_a_crf_takes_no_second_one(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ['train', str(data / 'with_crf.yaml'), '--data', str(data), '--output']
    assert main([*command, str(data / 'crf')]) == 0
    path = str(data / 'crf/with_crf.safetensors')
    image = str(data / 'camvid/images/val/0.png')
    assert main(['predict', image, '--model', path, '--output', str(data / 'o'), '--crf']) == 2
    assert 'has a CRF of its own as its last step; expected' in capsys.readouterr().err
