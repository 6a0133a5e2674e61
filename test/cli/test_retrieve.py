# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg retrieve`: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.cli.__main__ import main

pytestmark = pytest.mark.needs('torch')


@pytest.fixture
def images(tmp_path: Path, street_image: np.ndarray) -> Path:
    """Return a folder of 12 images: a street, ever darker, and noise."""
    folder = tmp_path / 'images'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(12):
        image = (street_image * (1 - 0.02 * number)).astype(np.uint8)
        if number >= 6:
            image = rng.integers(0, 256, image.shape, np.uint8)
        cv2.imwrite(str(folder / f'{number:02d}.png'), image[..., ::-1])
    return folder


@pytest.mark.parametrize('features', ['backbone', 'classes'])
def test_a_street_is_found_among_noise(
    images: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    features: str,
) -> None:
    """Printed, written and shown; the second time nothing is computed."""
    out = tmp_path / 'out'
    command = [
        'retrieve', '--query', str(images / '00.png'), '--in', str(images), '--count', '3',
        '--model', str(tiny_checkpoint), '--features', features, '--cache', str(tmp_path / 'kept'),
        '--output', str(out),
    ]  # fmt: skip
    assert main(command) == 0
    printed = capsys.readouterr().out
    (result,) = json.loads((out / 'retrieval.json').read_text())
    nearest = result['queries'][0]['nearest']
    assert {one['image'] for one in nearest} <= {f'0{number}.png' for number in range(1, 6)}
    assert nearest[0]['image'] == '01.png', 'the query itself is no find'
    assert nearest[0]['similarity'] > nearest[1]['similarity'] > 0.5
    assert f'{images}  01.png' in printed
    assert result['domains'] is None
    assert (out / 'retrieval.html').read_text().count('data:image/jpeg') == 4
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / 'kept').rglob('*.npz')}
    assert len(written) == 2
    assert main(command) == 0
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / 'kept').rglob('*.npz')
    } == written


def test_two_networks_are_compared_on_two_domains(
    images: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / 'night'
    other.mkdir()
    for number in range(10):
        image = np.full((64, 96, 3), number, np.uint8)
        cv2.imwrite(str(other / f'{number}.png'), image)
    adapted = tmp_path / 'adapted.safetensors'
    adapted.write_bytes(tiny_checkpoint.read_bytes())
    assert main([
        'retrieve', '--query', str(other), '--in', str(images), '--cache', str(tmp_path / 'kept'),
        '--model', str(tiny_checkpoint), str(adapted), '--queries', '2', '--output',
        str(tmp_path / 'out'),
    ]) == 0  # fmt: skip
    lines = [line for line in capsys.readouterr().out.splitlines() if 'mixing@10' in line]
    assert len(lines) == 2
    assert lines[0] == lines[1], 'the same weights under another name'
    results = json.loads((tmp_path / 'out/retrieval.json').read_text())
    assert [one['model'] for one in results] == ['tiny.safetensors', 'adapted.safetensors']
    assert results[0]['domains']['images'] == [10, 12]
    assert (tmp_path / 'out/retrieval.html').read_text().count('<h2>') == 2


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'--query': 'nowhere'}, 'nowhere does not exist; expected an image'),
        ({'--in': 'nowhere'}, 'nowhere does not exist; expected an image'),
        ({'--model': 'model.onnx'}, 'is no weights file; expected the .safetensors'),
        ({'--device': 'cuda:77'}, "Device 'cuda:77' does not exist"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(
    images: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, str],
    words: str,
) -> None:
    given = {
        '--query': str(images), '--in': str(images), '--model': str(tiny_checkpoint),
        '--cache': str(tmp_path / 'kept'), **change,
    }  # fmt: skip
    assert main(['retrieve', *(word for pair in given.items() for word in pair)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert 'Traceback' not in error
