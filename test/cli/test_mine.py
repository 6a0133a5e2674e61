# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg mine`: what it prints and writes, the way back, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.cli.__main__ import main

pytestmark = pytest.mark.needs('torch')


@pytest.fixture
def images(tmp_path: Path, street_image: np.ndarray) -> Path:
    """Return a folder with six images of each of two drives."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for number in range(12):
        image = np.roll(street_image, 13 * number, 1) if number < 6 else street_image[::-1]
        image = (image * (1 - 0.03 * (number % 6))).astype(np.uint8)
        cv2.imwrite(str(folder / f'{"ab"[number // 6]}_{number:02d}.png'), image[..., ::-1])
    return folder


@pytest.fixture
def common(tiny_checkpoint: Path, tmp_path: Path) -> list[str]:
    return [
        '--model', str(tiny_checkpoint), '--cache', str(tmp_path / 'kept'), '--device', 'cpu',
        '--mapping', 'camvid', '--output', str(tmp_path / 'worth'),
    ]  # fmt: skip


def test_frames_are_chosen_corrected_and_read_back(
    images: Path, common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / 'worth'
    assert main(['mine', str(images), '--count', '4', *common]) == 0
    said = capsys.readouterr().out
    assert '4 of 12 frames:' in said and 'images/a: 2 of 6' in said and 'images/b: 2 of 6' in said
    record = json.loads((out / 'mining.json').read_text())
    assert record['mapping'] == 'camvid' and len(record['picks']) == 4
    assert (out / 'mining.html').read_text().count('<figure>') == 4
    # Again with other weights: nothing is computed, and the folder is written anew.
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / 'kept').rglob('*.npz')}
    again = ['--count', '3', '--weight', 'rare=0', '--weight', 'diversity=0.5']
    assert main(['mine', str(images), *again, *common]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list((out / 'images').iterdir())) == 3
    # An annotator who accepts everything.
    (out / 'corrected').mkdir()
    shutil.copy(out / 'cvat' / 'annotations.xml', out / 'corrected')
    assert main(['mine', '--import', str(out)]) == 0
    said = capsys.readouterr().out
    assert f'3 images with labels: {out / "dataset"}' in said
    for path in (out / 'labels').iterdir():
        before = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        after = cv2.imread(str(out / 'dataset/labels' / path.name), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(before, after)
    # The command that is printed.
    command = said[said.index('hiseg evaluate') :].split()[1:]
    assert main([*command, '--model', common[1], '--device', 'cpu']) == 0


def test_a_dataset_is_a_pool_and_its_labels_are_the_default(
    images: Path, common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / 'camvid'
    for name in ('images', 'labels'):
        (root / name / 'train').mkdir(parents=True)
    lines = []
    for path in sorted(images.iterdir()):
        shutil.copy(path, root / 'images/train')
        labels = np.zeros(cv2.imread(str(path)).shape[:2], np.uint8)
        cv2.imwrite(str(root / 'labels/train' / path.name), labels)
        lines.append(f'images/train/{path.name} labels/train/{path.name}\n')
    (root / 'train.txt').write_text(''.join(lines))
    given = [word for word in common if word not in ('--mapping', 'camvid')]
    dataset = ['--dataset', 'camvid', '--root', str(root), '--without-drive', 'a_']
    assert main(['mine', *dataset, '--count', '2', *given]) == 0
    assert '2 of 6 frames:' in capsys.readouterr().out
    record = json.loads((tmp_path / 'worth' / 'mining.json').read_text())
    assert record['mapping'] == 'camvid'
    assert {pick['image'][0] for pick in record['picks']} == {'b'}


def test_a_bag_and_a_folder_are_one_pool(
    images: Path, common: list[str], tmp_path: Path, street_image: np.ndarray
) -> None:
    frames = [Frame(np.roll(street_image, 9 * number, 1)) for number in range(5)]
    write_camera_bag(tmp_path / 'drive', frames, 1.0)
    assert main(['mine', str(tmp_path / 'drive'), str(images), '--count', '6', *common]) == 0
    record = json.loads((tmp_path / 'worth' / 'mining.json').read_text())
    assert [row['picked'] for row in record['drives']] == [2, 2, 2]
    assert any(pick['image'].startswith('drive_1600000') for pick in record['picks'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['IMAGES', '--count', '13'], 'The pool has 12 frames, and 13 are to be picked; expected'),
        (
            ['IMAGES', '--weight', 'luck=1'],
            "--weight is 'luck=1'; expected one of uncertainty, fl",
        ),
        (['IMAGES', '--weight', 'rare'], "--weight is 'rare'; expected"),
        (['IMAGES', '--weight', 'rare=-1'], "--weight is 'rare=-1'; expected"),
        (['nowhere'], 'nowhere does not exist; expected an image, a folder of images or a bag.'),
        ([], 'There is nothing to search; expected replays, bags or folders of images, or'),
        (['--dataset', 'camvid'], 'One of --dataset and --root is given without the other'),
        (['IMAGES', '--corrected', 'x'], '--corrected is given without --import; expected both.'),
        (['IMAGES', '--import', 'x'], '--import is given with something to search; expected only'),
        (['--import', 'nowhere'], 'nowhere is no output folder of `hiseg mine`'),
        (
            ['--dataset', 'gtsdb', '--root', 'x', '--without-drive', 'y'],
            'which has no drives; exp',
        ),
    ],
)
def test_a_bad_argument_ends_with_one_sentence(
    arguments: list[str],
    message: str,
    images: Path,
    common: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(images) if word == 'IMAGES' else word for word in arguments]
    assert main(['mine', *given, *common]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('hiseg mine: ') and message in said


def test_the_output_is_checked_before_the_first_frame(
    images: Path, common: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['mine', str(images), '--count', '3', *common[:-2]]) == 2
    assert '--output is missing; expected a folder' in capsys.readouterr().err
    (tmp_path / 'worth').mkdir()
    (tmp_path / 'worth' / 'thesis.txt').write_text('mine')
    assert main(['mine', str(images), '--count', '3', *common]) == 2
    assert 'holds thesis.txt; expected a new or empty one' in capsys.readouterr().err
    assert not (tmp_path / 'kept').exists()
