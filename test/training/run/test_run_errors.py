# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""What stops a run says so in one sentence, and the last checkpoint stays what it was."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hiseg_ros.cli.__main__ import main
from hiseg_ros.errors import CheckpointError, ConfigError, DatasetError, DeviceError, HisegError
from hiseg_ros.training.config.experiment import TrainingConfig
from hiseg_ros.training.data.mixing import MixedSamples
from hiseg_ros.training.run import checkpoint_files
from hiseg_ros.training.run.checkpoint_files import check_finite, replace_file
from hiseg_ros.training.run.error_messages import one_sentence_errors
from hiseg_ros.training.run.module import SegmentationModule
from hiseg_ros.training.run.run_folder import settings_text
from hiseg_ros.training.run.train import train

pytestmark = pytest.mark.filterwarnings('ignore')


@pytest.fixture
def begun(config: TrainingConfig, complete: Path, tmp_path: Path) -> tuple[TrainingConfig, Path]:
    """Return a run with a checkpoint at step 8 that goes on to step 12, and its folder."""
    run_dir = tmp_path / 'run'
    shutil.copytree(complete, run_dir)
    longer = replace(config, steps=12)
    (run_dir / 'config.yaml').write_text(settings_text(longer))
    (run_dir / 'small.safetensors').unlink()
    return longer, run_dir


def checkpoint(run_dir: Path) -> bytes:
    """Return the last checkpoint, having checked that it can be loaded."""
    path = run_dir / 'checkpoints' / 'last.ckpt'
    state = torch.load(path, weights_only=True)
    assert all(bool(tensor.isfinite().all()) for tensor in state['state_dict'].values())
    return path.read_bytes()


def spoil_step(
    monkeypatch: pytest.MonkeyPatch, global_step: int, act: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Let something happen to the network's output in one step."""
    original = SegmentationModule.training_step

    def step(self: SegmentationModule, batch: object, batch_idx: int) -> torch.Tensor:
        loss = self.loss

        class Spoiled(torch.nn.Module):
            def forward(self, *arguments: object) -> torch.Tensor:
                return act(loss(*arguments))

        if self.global_step == global_step:
            self.loss = Spoiled()
        result = original(self, batch, batch_idx)  # type: ignore[arg-type]
        self.loss = loss
        return result

    monkeypatch.setattr(SegmentationModule, 'training_step', step)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_loss_that_is_no_number_stops_the_run(
    begun: tuple[TrainingConfig, Path], monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """With the step, the images of the batch and a remedy."""
    config, run_dir = begun
    before = checkpoint(run_dir)
    spoil_step(monkeypatch, 9, lambda loss: loss * value)
    words = rf'loss of step 9 is {value} \(images: 3 camvid; learning rate .*lower learning_rate'
    with pytest.raises(ConfigError, match=words):
        train(config, run_dir, accelerator='cpu')
    assert checkpoint(run_dir) == before


def test_weights_that_are_no_numbers_are_not_kept(
    begun: tuple[TrainingConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step of an epoch can spoil the weights after its loss was looked at."""
    config, run_dir = begun
    before = checkpoint(run_dir)
    original = SegmentationModule.on_before_optimizer_step

    def spoil(self: SegmentationModule, optimizer: torch.optim.Optimizer) -> None:
        original(self, optimizer)
        if self.global_step == 9:
            next(self.parameters()).grad.fill_(float('nan'))  # type: ignore[union-attr]

    monkeypatch.setattr(SegmentationModule, 'on_before_optimizer_step', spoil)
    with pytest.raises(ConfigError, match=r'not finite after step 10.*start again'):
        train(config, run_dir, accelerator='cpu')
    assert checkpoint(run_dir) == before
    check_finite({'count': torch.tensor(3), 'weight': torch.ones(2)}, 1, run_dir)


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no device that is always full')
def test_a_full_disk_leaves_the_last_checkpoint(
    begun: tuple[TrainingConfig, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own error, from a device that is always full."""
    config, run_dir = begun
    before = checkpoint(run_dir)
    with monkeypatch.context() as patched:
        full = Path('/dev/full')
        name = 'last.ckpt.partial'
        patched.setattr(
            checkpoint_files, 'output_file', lambda path: full if path.name == name else path
        )
        with pytest.raises(CheckpointError, match=r'last\.ckpt cannot be written \(No space left'):
            train(config, run_dir, accelerator='cpu')
    assert checkpoint(run_dir) == before
    train(config, run_dir, accelerator='cpu')
    assert (run_dir / 'small.safetensors').is_file()


def test_weights_that_cannot_be_written_leave_the_last_ones(tmp_path: Path) -> None:
    """The error of safetensors, which is none of the system's, is told the same way."""
    from safetensors.torch import save_file

    weights = tmp_path / 'x.safetensors'
    replace_file(weights, lambda path: save_file({'a': torch.zeros(3)}, path))
    before = weights.read_bytes()
    weights.with_name('x.safetensors.partial').mkdir()
    with pytest.raises(CheckpointError, match='cannot be written .*the one before is untouched'):
        replace_file(weights, lambda path: save_file({'a': torch.ones(3)}, path))
    assert weights.read_bytes() == before


def test_an_error_in_a_loading_process_is_its_sentence(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the traceback that torch wraps around it."""
    sentence = "/data/3.png is missing or not a readable image; expected 'PNG': fetch it."

    def read(self: MixedSamples, index: int) -> None:
        raise DatasetError(sentence)

    monkeypatch.setattr(MixedSamples, '__getitem__', read)
    with pytest.raises(DatasetError) as caught:
        train(replace(config, workers=1), tmp_path, accelerator='cpu')
    assert str(caught.value) == sentence


def test_a_loading_process_that_dies_is_said(
    config: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel does it when memory runs out."""
    monkeypatch.setattr(
        MixedSamples, '__getitem__', lambda self, index: os.kill(os.getpid(), signal.SIGKILL)
    )
    with pytest.raises(ConfigError, match=r'loads images ended .*fewer workers.* starts again'):
        train(replace(config, workers=1), tmp_path, accelerator='cpu')


def test_control_c_says_how_to_go_on(
    begun: tuple[TrainingConfig, Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Exit code 130, one sentence, and the handler of the signal is there again."""
    config, run_dir = begun
    before = checkpoint(run_dir)
    experiment = run_dir.with_suffix('.yaml')
    experiment.write_text(settings_text(config))

    def interrupt(loss: torch.Tensor) -> torch.Tensor:
        # To this thread: in another one's hands the signal waits, and some callback swallows it.
        signal.raise_signal(signal.SIGINT)
        return loss

    spoil_step(monkeypatch, 9, interrupt)
    handler = signal.getsignal(signal.SIGINT)
    arguments = ['train', str(experiment), '--accelerator', 'cpu', '--output', str(run_dir)]
    assert main(arguments) == 130
    assert signal.getsignal(signal.SIGINT) == handler
    last_line = capfd.readouterr().err.strip().splitlines()[-1]
    assert last_line.startswith('hiseg train: interrupted after step 9. The same command resumes')
    assert last_line.endswith('last.ckpt.')
    assert checkpoint(run_dir) == before


@pytest.mark.parametrize(
    ('problem', 'kind', 'words'),
    [
        (torch.OutOfMemoryError('CUDA out of memory. Tried 9 GiB\n...'), DeviceError, 'shares'),
        (OSError(28, 'No space left on device'), CheckpointError, 'free space'),
        (DatasetError('a.png is missing.'), DatasetError, r'^a\.png is missing\.$'),
        (OSError(2, 'No such file'), OSError, 'No such file'),
        (RuntimeError('a bug'), RuntimeError, 'a bug'),
        (SystemExit(3), SystemExit, '3'),
    ],
)
def test_each_fault_has_its_sentence_and_bugs_stay_bugs(
    tmp_path: Path, problem: BaseException, kind: type[BaseException], words: str
) -> None:
    """Faults of the machine become errors of the family; anything else is raised as it is."""

    class Trainer:
        interrupted = False

    with pytest.raises(kind, match=words), one_sentence_errors(Trainer(), tmp_path):  # type: ignore[arg-type]
        raise problem
    if issubclass(kind, HisegError):
        assert kind is not HisegError
