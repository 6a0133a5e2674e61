# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What `hiseg adapt` cannot use ends in one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_adaptation import command

pytestmark = [
    pytest.mark.needs('torch', 'train'),
    pytest.mark.slow,
    pytest.mark.usefixtures('small'),
]
pytest.importorskip('lightning')

from hiseg_ros.cli.__main__ import main  # noqa: E402


def black_folder(tmp_path: Path) -> Path:
    folder = tmp_path / 'black'
    folder.mkdir()
    for number in range(30):
        cv2.imwrite(str(folder / f'{number}.png'), np.zeros((64, 96, 3), np.uint8))
    return folder


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'recording': 'black'}, 'has 0 usable images (30 are black or of one colour); expected'),
        ({'recording': 'nowhere'}, 'nowhere does not exist; expected an image'),
        ({'--output': 'model.onnx'}, 'expected a name that ends in .safetensors'),
        ({'--output': 'MODEL'}, 'so that the old weights stay'),
        ({'--model': 'model.safetensors'}, 'Weights model.safetensors do not exist'),
        ({'--model': 'broken.safetensors'}, 'broken.safetensors'),
        ({'--source': 'there'}, '--source and --dataset belong together'),
        ({'--source': 'there', '--dataset': 'gtsdb'}, "kind 'gtsdb' is given; expected one of"),
        ({'--source': 'there', '--dataset': 'camvid'}, 'there'),
        (
            {'recording': 'black', '--source': 'black', '--dataset': 'camvid'},
            'is the source and also the target; expected two domains',
        ),
        ({'--minutes': '0.01'}, 'expected at least 20 steps: give --minutes'),
    ],
)
def test_what_cannot_be_adapted_is_one_sentence(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    black_folder(tmp_path)
    Path('broken.safetensors').write_bytes(tiny_checkpoint.read_bytes()[:1000])
    given = {
        '--output': 'mine.safetensors', '--model': str(tiny_checkpoint), '--cache': str(cache),
        '--device': 'cpu', **{key: one for key, one in change.items() if key != 'recording'},
    }  # fmt: skip
    if given['--output'] == 'MODEL':
        given['--output'] = str(tiny_checkpoint)
    recording = change.get('recording', str(drive))
    assert main(['adapt', recording, *(word for pair in given.items() for word in pair)]) == 2
    error = capsys.readouterr().err
    assert words in error and 'Traceback' not in error
    assert not Path('mine.safetensors').exists()


def test_weights_with_the_name_of_refused_ones_are_not_written_over(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To go on from weights that were refused once, under the name without `refused`."""
    model = tmp_path / 'robot.refused.safetensors'
    shutil.copy(tiny_checkpoint, model)
    assert main(command(drive, tmp_path / 'robot.safetensors', model, cache)) == 2
    error = capsys.readouterr().err
    assert f'the file {model} is written or removed, and it is also the --model' in error
    assert error.count('\n') == 1
    assert model.read_bytes() == tiny_checkpoint.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == [model.name]
