# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg adapt` on drawn drives: files, refusal, going on after a kill, and bad input."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_adaptation import STEPS, make_small, write_short_drive

pytestmark = [pytest.mark.needs('torch', 'train'), pytest.mark.slow]
pytest.importorskip('lightning')

from hiseg_ros.adapt import adapt as steps  # noqa: E402
from hiseg_ros.adapt import verdict  # noqa: E402
from hiseg_ros.cli.__main__ import main  # noqa: E402
from hiseg_ros.cli.adapt import REFUSED  # noqa: E402
from hiseg_ros.model.checkpoint import load_checkpoint  # noqa: E402


@pytest.fixture(scope='module')
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bag of 24 views that move over a drawn street, 96 x 160."""
    return write_short_drive(tmp_path_factory.mktemp('drive') / 'bag')


@pytest.fixture(scope='module')
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for drawn scenes and features, the same for all tests."""
    return tmp_path_factory.mktemp('cache')


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch)


def command(recording: Path, output: Path, model: Path, cache: Path, *more: str) -> list[str]:
    return [
        'adapt', str(recording), '--output', str(output), '--model', str(model), '--cache',
        str(cache), '--device', 'cpu', '--minutes', '30', *more,
    ]  # fmt: skip


def test_weights_card_and_page_are_written_and_a_second_start_has_nothing_to_do(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / 'out' / 'mine.safetensors'
    given = command(drive, output, tiny_checkpoint, cache)
    assert main(given) == 0
    said = capsys.readouterr().out
    assert '19 of 24 images to learn from, 5 held back to check on' in said
    assert f'weights: {output}' in said
    old, new = load_checkpoint(tiny_checkpoint), load_checkpoint(output)
    new.build()
    assert new.taxonomy.digest == old.taxonomy.digest and new.network == old.network
    moved = {name for name in new.state if not np.array_equal(new.state[name], old.state[name])}
    assert any(name.startswith('backbone') for name in moved)
    statistics = [name for name in new.state if name.endswith(('running_mean', 'running_var'))]
    assert statistics and not moved & set(statistics), 'batch norms keep their statistics'
    facts = new.card['adaptation']
    assert facts['learnt'] == 19 and facts['steps'] == STEPS and facts['recordings'] == ['bag']
    assert new.card['name'] == 'mine' and new.card['scores'] == {}
    assert str(tmp_path) not in json.dumps(dict(new.card)), 'no folder of this machine'
    page = output.with_suffix('.html').read_text()
    assert page.count('data:image/jpeg') == 3 * 5 and 'Accepted' in page
    card = output.with_suffix('.md').read_text()
    assert 'labels that stay from frame to frame' in card and 'Refused' not in card
    assert not output.with_suffix('.refused.safetensors').exists()
    content = output.read_bytes()
    monkeypatch.setattr(steps, '_checked', None)
    monkeypatch.setattr(steps, 'plan_steps', None)
    assert main(given) == 0
    assert output.read_bytes() == content
    # Other settings in the same folder are another adaptation.
    assert main([*given, '--frames', '10']) == 2
    assert 'with other settings (frames: 200 -> 10)' in capsys.readouterr().err


def test_worse_weights_are_refused_and_the_old_ones_stay(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verdict, 'MOST_FORGOTTEN', -1.0)
    output = tmp_path / 'mine.safetensors'
    assert main(command(drive, output, tiny_checkpoint, cache)) == REFUSED == 4
    said = capsys.readouterr().out
    assert 'refused, since they are worse' in said and 'the source score fell' in said
    assert output.read_bytes() == tiny_checkpoint.read_bytes()
    refused = load_checkpoint(tmp_path / 'mine.refused.safetensors')
    assert refused.card['adaptation']['steps'] == STEPS
    assert 'Refused' in output.with_suffix('.html').read_text()
    assert '**Refused**' in output.with_suffix('.md').read_text()


def test_whoever_is_killed_goes_on_to_the_same_weights(
    drive: Path, tiny_checkpoint: Path, cache: Path, tmp_path: Path
) -> None:
    """Killed hard while training, in a process of its own, and started again."""
    whole, stopped = tmp_path / 'whole.safetensors', tmp_path / 'stopped.safetensors'
    assert main(command(drive, whole, tiny_checkpoint, cache)) == 0
    # What is on disk after a kill in the second epoch: a checkpoint, and no weights.
    original = steps.train

    def killed(*args: object, **options: object) -> Path:
        if os.fork() == 0:
            from hiseg_ros.training.run.module import SegmentationModule

            step = SegmentationModule.training_step
            done = [0]

            def dies(self: object, batch: object, number: int) -> object:
                done[0] += 1
                if done[0] > 12:
                    os.kill(os.getpid(), 9)
                return step(self, batch, number)  # type: ignore[arg-type]

            SegmentationModule.training_step = dies  # type: ignore[method-assign, assignment]
            original(*args, **options)  # type: ignore[arg-type]
            os._exit(0)
        _, status = os.wait()
        assert os.WTERMSIG(status) == 9
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, 'train', killed)
        assert main(command(drive, stopped, tiny_checkpoint, cache)) == 130
    run = tmp_path / 'stopped.adapt/run'
    assert (run / 'checkpoints/last.ckpt').is_file()
    assert not (run / 'adapted.safetensors').exists()
    assert main(command(drive, stopped, tiny_checkpoint, cache)) == 0
    expected, found = load_checkpoint(whole).state, load_checkpoint(stopped).state
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)


def test_a_full_disk_is_one_sentence_and_what_was_there_stays(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the weights themselves: an earlier file is untouched, and room lets it go on."""
    output = tmp_path / 'mine.safetensors'
    given = command(drive, output, tiny_checkpoint, cache)
    shutil.copy(tiny_checkpoint, output)

    def full(*args: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, 'save_checkpoint', full)
        assert main(given) == 2
    error = capsys.readouterr().err
    assert 'No space left on device' in error and 'is untouched' in error
    assert 'Traceback' not in error
    assert output.read_bytes() == tiny_checkpoint.read_bytes()
    assert main(given) == 0
    assert load_checkpoint(output).card['adaptation']['steps'] == STEPS


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
