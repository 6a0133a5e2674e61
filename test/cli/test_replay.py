# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg replay` on drawn drives: results, exit codes, refused options."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from hiseg_ros.bags.bag import read_images, read_taxonomy
from hiseg_ros.bags.footage import Frame, write_camera_bag
from hiseg_ros.cli import replay as verb
from hiseg_ros.cli.__main__ import main
from hiseg_ros.evaluation.pixels import PixelScores
from hiseg_ros.replay.frame_messages import PARTS
from hiseg_ros.taxonomy import load_mapping

pytestmark = pytest.mark.needs('torch')

FRAMES = 6


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a drive of coloured noise with CamVid's label ids."""
    rng = np.random.default_rng(8)
    frames = [
        Frame(
            cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (80, 64)),
            cv2.resize(rng.integers(0, 12, (4, 4), np.uint8), (80, 64), interpolation=0),
        )
        for _ in range(FRAMES)
    ]
    path = tmp_path_factory.mktemp('drive') / 'bag'
    write_camera_bag(path, frames, 10.0)
    return path


def run(bag: Path, output: Path, checkpoint: Path, *more: str) -> int:
    """Run the verb on the CPU."""
    arguments = [str(bag), '--output', str(output), '--model', str(checkpoint), '--device', 'cpu']
    return main(['replay', *arguments, *more])


TRUTH = ('--ground-truth', '/ground_truth/node_ids/compressed', '--mapping', 'camvid')


def test_a_drive_becomes_a_bag_and_figures(
    bag: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With real weights, and the same from a folder of label files."""
    output = tmp_path / 'out'
    assert run(bag, output, tiny_checkpoint, *TRUTH) == 0
    text = capsys.readouterr().out
    assert '/camera/image_raw/compressed -> /segmentation (6 images)' in text
    assert 'mIoU' in text
    names = {path.name for path in output.iterdir()}
    assert names == {
        'replay.mcap',
        'metrics.json',
        'frames.jsonl',
        'timing.json',
        'run.json',
        'report.html',
    }
    metrics = json.loads((output / 'metrics.json').read_text())
    assert metrics['run']['weights']['file'] == tiny_checkpoint.name
    timing = json.loads((output / 'timing.json').read_text())
    assert timing['frames'] == FRAMES and 0 < timing['share']['decode'] < 1
    assert timing['peak_memory_mib'] > 10

    taxonomy = read_taxonomy(output / 'replay.mcap')
    scores = PixelScores(load_mapping('camvid', taxonomy), taxonomy).nodes
    truth = dict(read_images(bag, TRUTH[1]))
    for stamp, labels in read_images(output / 'replay.mcap', '/segmentation/labels'):
        scores.add(truth[stamp].astype(np.uint8), labels.astype(np.uint8))
    assert metrics['scores']['nodes']['miou'] == scores.summary()['miou']

    files = tmp_path / 'labels'
    files.mkdir()
    for stamp, label_ids in truth.items():
        cv2.imwrite(str(files / f'{stamp}.png'), label_ids)
    assert run(
        bag, tmp_path / 'other', tiny_checkpoint, '--labels', str(files), '--mapping', 'camvid'
    ) == 0  # fmt: skip
    again = json.loads((tmp_path / 'other/metrics.json').read_text())
    assert again['scores'] == metrics['scores']

    assert run(bag, output, tiny_checkpoint, *TRUTH) == 0
    assert 'already complete' in capsys.readouterr().out
    assert run(bag, output, tiny_checkpoint) == 2
    error = capsys.readouterr().err
    assert 'another ground_truth and mapping' in error and '--restart' in error
    before = (output / 'metrics.json').read_bytes()
    assert run(bag, output, tiny_checkpoint, '--restart', *TRUTH) == 0
    assert (output / 'metrics.json').read_bytes() == before


def test_a_damaged_recording_ends_with_3_and_its_place(
    bag: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All before it is there."""
    cut = tmp_path / 'cut'
    shutil.copytree(bag, cut)
    data = (cut / 'bag.mcap').read_bytes()
    (cut / 'bag.mcap').write_bytes(data[: len(data) // 2])
    assert run(cut, tmp_path / 'out', tiny_checkpoint) == 3
    assert 'Damage in cut, file bag.mcap, message ' in capsys.readouterr().out
    metrics = json.loads((tmp_path / 'out/metrics.json').read_text())
    assert 0 < metrics['cameras'][0]['frames'] < FRAMES
    assert metrics['damage'][0]['file'] == 'bag.mcap'
    assert run(cut, tmp_path / 'out', tiny_checkpoint) == 3  # and again when asked again
    (cut / 'bag.mcap').write_bytes(data[:600])
    assert run(cut, tmp_path / 'none', tiny_checkpoint) == 2
    assert 'No image of' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--ground-truth', '/truth'], 'without --mapping'),
        (['--mapping', 'camvid'], '--mapping is given without ground truth'),
        (['--ground-truth', '/truth', '--mapping', 'camvid'], 'no label images on /truth'),
        (['--topic', '/rear'], 'The recording has no topic /rear; expected a topic with'),
        (['--labels', 'nowhere', '--mapping', 'camvid'], '0 PNG files'),
        (
            ['--topic', '/camera/image_raw/compressed', '--topic', TRUTH[1], '--labels', '.',
             '--mapping', 'camvid'],
            'several cameras',
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_line(
    bag: Path,
    tiny_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    """Exit code 2."""
    assert run(bag, tmp_path / 'out', tiny_checkpoint, *arguments) == 2
    error = capsys.readouterr().err
    assert words in error and error.startswith('hiseg replay: ')
    assert 'Traceback' not in error


def test_the_parts_that_can_be_omitted_are_those_of_the_bag() -> None:
    """Named twice, so that help costs no imports."""
    assert verb.PARTS == PARTS


def test_many_bags_are_replayed_each_for_itself(
    bag: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pattern, and one that is not there: the others have their replay, and figures over all."""
    for robot in ('r1', 'r2'):
        shutil.copytree(bag, tmp_path / 'bags' / robot / 'drive')
        (tmp_path / 'bags' / robot / 'drive/notes.txt').write_text(robot)
    with (tmp_path / 'bags/r2/drive/bag.mcap').open('r+b') as file:
        file.truncate(file.seek(0, 2) * 3 // 4)
    words = [str(tmp_path / 'bags/*/*'), str(tmp_path / 'gone')]
    output = tmp_path / 'out'
    arguments = [
        'replay', '--output', str(output), '--model', str(tiny_checkpoint), '--device', 'cpu',
        *TRUTH, '--robot', '/(r[0-9])/', '--each',
    ]  # fmt: skip
    assert main([*arguments, *words]) == 4
    text = capsys.readouterr().out
    assert 'of 2 recordings, mIoU' in text and '1 recordings have no result' in text
    metrics = json.loads((output / 'metrics.json').read_text())
    assert [row['name'] for row in metrics['by_robot']] == ['r1', 'r2']
    assert metrics['by_robot'][0]['frames'] == FRAMES > metrics['by_robot'][1]['frames']
    [failed] = metrics['failed']
    assert 'There is no recording' in failed['reason']
    found = {path: json.loads((path / 'metrics.json').read_text()) for path in
             (output / 'drives').iterdir()}  # fmt: skip
    [first] = [path for path, content in found.items() if not content['damages']]
    alone = tmp_path / 'alone'
    assert run(tmp_path / 'bags/r1/drive', alone, tiny_checkpoint, *TRUTH) == 0
    for name in ('run.json', 'metrics.json', 'frames.jsonl', 'report.html'):
        assert (first / name).read_bytes() == (alone / name).read_bytes(), name
    capsys.readouterr()
    assert main([*arguments, words[0]]) == 3  # one of them is damaged
    assert main([*arguments, words[1], '--restart']) == 2
    assert main([*arguments, 's3:/none*']) == 2
    assert 'No recording fits the pattern' in capsys.readouterr().err
