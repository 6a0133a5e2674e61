# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A run that is killed, by a signal or while it writes, ends as if it had not been."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from small_runs import assert_same_weights, stop_after

from hiseg_ros.cli.__main__ import main
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.run import train as run_module
from hiseg_ros.training.run.run_folder import settings_text
from hiseg_ros.training.run.train import train

pytestmark = pytest.mark.filterwarnings('ignore')


def curve(run_dir: Path) -> list[tuple[tuple[str, str], ...]]:
    """Return what metrics.csv says of each step, without what depends on the clock."""
    with (run_dir / 'metrics.csv').open() as file:
        rows = list(csv.DictReader(file))
    named = [
        tuple(sorted((k, v) for k, v in row.items() if v and k != 'images_per_s')) for row in rows
    ]
    return [row for row in named if len(row) > 2]  # more than epoch and step


def test_the_same_command_after_kill_9_gives_the_same_curve_and_weights(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """The real command, killed at an arbitrary moment after its first checkpoint."""
    config = replace(config, workers=1)
    experiment = tmp_path / 'experiment.yaml'
    experiment.write_text(settings_text(config))
    arguments = ['train', str(experiment), '--accelerator', 'cpu', '--output']
    killed = tmp_path / 'killed'
    with (tmp_path / 'log').open('w') as log:
        process = subprocess.Popen(
            [sys.executable, '-m', 'hiseg_ros.cli', *arguments, str(killed)],
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        last, patience = killed / 'checkpoints' / 'last.ckpt', time.monotonic() + 200
        while not last.is_file() and process.poll() is None and time.monotonic() < patience:
            time.sleep(0.02)
        assert process.poll() is None, (tmp_path / 'log').read_text()[-3000:]
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    assert last.is_file()
    assert not (killed / 'small.safetensors').exists()
    assert main([*arguments, str(killed)]) == 0
    assert_same_weights(complete / 'small.safetensors', killed / 'small.safetensors')
    assert curve(killed) == curve(complete)
    assert len(curve(killed)) >= 8
    starts = json.loads((killed / 'environment.json').read_text())
    assert starts[0]['first_step'] == 0
    assert 0 < starts[1]['first_step'] < 8


@pytest.mark.parametrize('accumulated', [1, 2])
def test_a_run_goes_on_in_the_middle_of_an_epoch(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulated: int
) -> None:
    """Long epochs have checkpoints within them, at the ends of steps: no batch is left out."""
    config = replace(config, steps=4, steps_per_epoch=4, accumulate_batches=accumulated)
    whole = train(config, tmp_path / 'whole', accelerator='cpu')
    monkeypatch.setattr(run_module, 'CHECKPOINT_INTERVAL', timedelta(microseconds=1))
    stopped = tmp_path / 'stopped'
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match='power'):
        stop_after(patch, 0, 3 * accumulated - 1)
        train(config, stopped, accelerator='cpu')
    state = torch.load(stopped / 'checkpoints' / 'last.ckpt', weights_only=True)
    assert state['global_step'] == 2, 'with two batches a step: not after the fifth batch'
    torch.rand(5)
    resumed = train(config, stopped, accelerator='cpu')
    assert_same_weights(whole, resumed)


def test_a_kill_while_a_checkpoint_is_written_leaves_the_last_one(
    config: TrainingConfig, complete: Path, tmp_path: Path
) -> None:
    """At the last moment before it is there: what lies beside it is not looked at."""

    class Killed(BaseException):
        """What no code handles, as a signal."""

    def die(*arguments: object) -> None:
        raise Killed

    train(replace(config, steps=2), tmp_path, accelerator='cpu')
    (tmp_path / 'small.safetensors').unlink()
    last = tmp_path / 'checkpoints' / 'last.ckpt'
    before = last.read_bytes()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(os, 'fsync', die)
        train(config, tmp_path, accelerator='cpu', force_config=True)
    assert last.read_bytes() == before
    assert torch.load(last, weights_only=True)['global_step'] == 2
    last.with_name('last.ckpt.partial').write_bytes(b'half of a checkpoint')
    train(config, tmp_path, accelerator='cpu')
    assert torch.load(last, weights_only=True)['global_step'] == 8
    assert not last.with_name('last.ckpt.partial').exists()
