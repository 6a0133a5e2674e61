# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg wrap` on the command line: files, output, refused options, and use of the result."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

if any(importlib.util.find_spec(name) is None for name in ('onnx', 'onnxruntime', 'numba')):
    pytest.skip('no module onnx, onnxruntime or numba', allow_module_level=True)
from flat_networks import MEAN, STD, write_network  # noqa: E402

from hiseg_ros.cli import wrap as verb  # noqa: E402
from hiseg_ros.cli.__main__ import main  # noqa: E402
from hiseg_ros.taxonomy import load_mapping, load_taxonomy  # noqa: E402

NUMBERS = [*['--mean', *map(str, MEAN)], *['--std', *map(str, STD)]]


@pytest.fixture(autouse=True)
def small_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prove on small scenes."""
    monkeypatch.setattr(verb, 'VERIFICATION_SIZES', ((64, 96), (32, 64)))


def test_a_flat_network_becomes_a_model_that_the_other_verbs_take(
    tmp_path: Path, street_image: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints what each channel means and how the file agrees; then `predict` labels with it."""
    path = write_network(tmp_path / 'flat.onnx', 19, 'resize+argmax')
    model, image = tmp_path / 'new' / 'model.onnx', tmp_path / 'street.png'
    cv2.imwrite(str(image), street_image)
    arguments = ['wrap', '--onnx', str(path), '--mapping', 'cityscapes', '--output', str(model)]
    assert main([*arguments, *NUMBERS, '--images', str(image)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r'^channel +label +node$', printed, re.MULTILINE)
    assert re.search(r'^0 +road +Driveable$', printed, re.MULTILINE)
    assert re.search(r'^18 +bicycle +Bicycle$', printed, re.MULTILINE)
    assert 'the 19 labels of cityscapes_labelids in order; scores from tensor' in printed
    assert re.search(r'onnx_runtime, on 1 images:\n +100\.000% of the cells', printed)
    assert f'written: {model}' in printed
    assert 'very unsure' not in printed
    assert [one.name for one in model.parent.iterdir()] == ['model.onnx']
    output = tmp_path / 'out'
    assert (
        main(
            [
                'predict',
                str(image),
                '--model',
                str(model),
                '--output',
                str(output),
                '--mapping',
                'cityscapes_labelids',
            ]
        )
        == 0
    )
    street = load_taxonomy('street')
    labels = cv2.imread(str(output / 'street_labels.png'), cv2.IMREAD_UNCHANGED)
    label_ids = cv2.imread(str(output / 'street_cityscapes_labelids.png'), cv2.IMREAD_UNCHANGED)
    to_ids = load_mapping('cityscapes_labelids', street).label_id_of_node_id(street)
    assert labels.shape == street_image.shape[:2]
    assert len(np.unique(labels)) > 3
    # Two ways to decide: down the tree, and by the sum of each label's leaves.
    assert (to_ids[labels] == label_ids).mean() > 0.8
    assert len(json.loads((output / 'taxonomy.json').read_text())) == len(street)


def test_drawn_scenes_prove_it_and_a_low_agreement_is_remarked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network that hardly tells its classes apart is labelled by groups."""
    path = write_network(tmp_path / 'flat.onnx', 11, peak=0.01, stride=16)
    arguments = ['--onnx', str(path), '--mapping', 'camvid', '--output']
    assert main(['wrap', *arguments, str(tmp_path / 'model.onnx'), *NUMBERS]) == 0
    printed = capsys.readouterr().out
    assert 'onnx_runtime, on 2 drawn scenes:' in printed
    assert 'very unsure' in printed


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--mapping', 'camvid'], 'expected 11 or 12 classes by mapping'),
        (['--mapping', 'absent'], 'absent.yaml does not exist'),
        (['--std', '58', '57', '57'], 'has std (58.0, 57.0, 57.0); expected three numbers'),
        (['--height', '0'], 'has largest_height 0; expected a positive integer'),
        (['--images', 'absent.png'], 'absent.png is missing or not a readable image'),
        (['--output', 'x.pt2'], "has the suffix '.pt2'; expected .onnx"),
        (['--onnx', 'absent.onnx'], 'absent.onnx does not exist; expected an ONNX file'),
        (['--node', 'road=Sky'], "'road' and 'sky' both have the node 'Sky'"),
        (['--label-ids'], 'shape (1, 19, '),
    ],
)
def test_what_cannot_be_wrapped_is_refused_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    """Nothing is written."""
    path = write_network(tmp_path / 'flat.onnx', 19)
    monkeypatch.chdir(tmp_path)
    given = ['wrap', '--onnx', str(path), '--mapping', 'cityscapes', '--output', 'x.onnx']
    assert main([*given, *arguments]) == 2
    problem = capsys.readouterr().err
    assert words in problem
    assert problem.count('\n') == 1
    assert [one.name for one in tmp_path.iterdir()] == ['flat.onnx']


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--size', '0x64'], "must be HxW, such as 512x1024, not '0x64'"),
        (['--node', 'road'], "must be LABEL=NODE, such as 'terrain=Nature', not 'road'"),
    ],
)
def test_words_that_cannot_be_read_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """Exit code 2 and what was expected."""
    given = ['wrap', '--onnx', 'x', '--mapping', 'camvid', '--output', str(tmp_path / 'x.onnx')]
    with pytest.raises(SystemExit) as caught:
        main([*given, *arguments])
    assert caught.value.code == 2
    assert words in capsys.readouterr().err


def test_without_the_package_it_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A robot that only runs networks does not have it."""
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, 'find_spec', lambda name: None if name == 'onnx' else real(name)
    )
    given = ['wrap', '--onnx', 'x', '--mapping', 'camvid', '--output', str(tmp_path / 'x.onnx')]
    assert main(given) == 2
    assert 'pip install onnx' in capsys.readouterr().err
