# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg adapt` that is killed, or has no room on the disk, goes on."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_adaptation import STEPS, command

pytestmark = [
    pytest.mark.needs('torch', 'train'),
    pytest.mark.slow,
    pytest.mark.usefixtures('small'),
]
pytest.importorskip('lightning')

from hiseg_ros.adapt import adapt as steps  # noqa: E402
from hiseg_ros.cli.__main__ import main  # noqa: E402
from hiseg_ros.model.checkpoint import load_checkpoint  # noqa: E402


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


def test_a_second_start_of_the_same_adaptation_is_refused_until_the_first_ends(
    drive: Path,
    tiny_checkpoint: Path,
    cache: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = command(drive, tmp_path / 'mine.safetensors', tiny_checkpoint, cache)
    starts: list[int] = []
    codes: list[int] = []

    def train(*args: object, **options: object) -> Path:
        starts.append(len(starts))
        if len(starts) == 1:
            codes.append(main(given))
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, 'train', train)
    assert main(given) == 130
    assert (len(starts), codes) == (1, [2])
    error = capsys.readouterr().err
    assert f'Another process is at work in {tmp_path / "mine.adapt"}; expected' in error
    assert main(given) == 130 and len(starts) == 2
