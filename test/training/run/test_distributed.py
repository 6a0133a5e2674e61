# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Several processes train what one would: the same batches, gradients and weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import train_in_processes

from hiseg_ros.datasets.sample import Sample
from hiseg_ros.errors import ConfigError
from hiseg_ros.training import distributed
from hiseg_ros.training.data.data_module import BatchParts, WholeImages
from hiseg_ros.training.distributed import check_divisible, global_mean, launched_processes


def run_in_two_processes(out: Path) -> dict[str, torch.Tensor]:
    """Train as `torchrun` starts it and return what the first process saw."""
    script = str(train_in_processes.__file__)
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            '--nproc-per-node=2',
            script,
            str(out),
        ],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, torch.Tensor] = torch.load(out / 'seen.pt', weights_only=True)
    return found


@pytest.mark.filterwarnings('ignore')
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Gradients of the first step, loss curve, scores and weights after three steps, through gloo.

    The images differ in how much is unlabeled, and one dataset has its only image of a batch in
    one of the processes: means within a process would not add up to those of the batch.
    """
    one = train_in_processes.main(tmp_path / 'one')
    two = run_in_two_processes(tmp_path / 'two')
    assert one.keys() == two.keys()
    largest = max(float(value.abs().max()) for name, value in one.items() if 'gradient' in name)
    assert largest > 1e-3
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f'{name}: {text}'
        )
    folder = tmp_path / 'two' / 'run'
    assert (folder / 'small.safetensors').is_file()
    assert len(list((folder / 'metrics').iterdir())) == 1, 'the first process alone writes'


def test_the_parts_of_a_batch_make_the_whole_batch() -> None:
    """Each image in exactly one process, batch by batch, from the batch that is next."""
    whole = list(BatchParts(6, 5, done=2))
    assert whole == [list(range(12, 18)), list(range(18, 24)), list(range(24, 30))]
    parts = [list(BatchParts(6, 5, 2, process, 3)) for process in range(3)]
    assert [sorted(sum(batch, [])) for batch in zip(*parts, strict=True)] == whole
    assert parts[1][0] == [13, 16], 'dealt in turn, so that every process gets of every dataset'
    assert len(BatchParts(6, 5, done=2)) == 5


class Numbered:
    """Five images that hold their number."""

    mapping_name = 'camvid'

    def __len__(self) -> int:
        """Return five."""
        return 5

    def __getitem__(self, index: int) -> Sample:
        """Return an image of one grey level."""
        return Sample(str(index), np.full((2, 2, 3), index, np.uint8), np.zeros((2, 2), np.uint8))


def test_validation_images_are_counted_once_whatever_the_processes() -> None:
    """Every process sees as many, and what is seen twice does not count twice."""
    parts = [WholeImages(Numbered(), process, 3) for process in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
    seen = [part[index] for part in parts for index in range(len(part))]
    counted = sorted(int(image[0, 0, 0]) for image, _, counts in seen if counts)
    assert counted == [0, 1, 2, 3, 4]


def test_a_mean_over_processes_divides_by_all_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """What each process contributes averages to the mean of the whole."""
    sums = [torch.tensor([6.0, 0.0]), torch.tensor([3.0, 5.0])]
    weights = [torch.tensor([1.0, 0.0]), torch.tensor([8.0, 2.0])]
    alone = global_mean(sums[1], weights[1])
    torch.testing.assert_close(alone, torch.tensor([0.375, 2.5]))
    monkeypatch.setattr(distributed, '_process_count', lambda: 2)
    monkeypatch.setattr(
        torch.distributed, 'all_reduce', lambda total: total.copy_(weights[0] + weights[1])
    )
    parts = [global_mean(s, w) for s, w in zip(sums, weights, strict=True)]
    torch.testing.assert_close((parts[0] + parts[1]) / 2, torch.tensor([1.0, 2.5]))


def test_a_batch_that_does_not_come_out_even_is_refused() -> None:
    """Before anything is read, also where a dataset joins later."""
    check_divisible([4, 6], 2)
    with pytest.raises(ConfigError, match=r'batch of 6 images .* among 4 processes.*shares'):
        check_divisible([4, 6], 4)


@pytest.mark.parametrize(
    ('settings', 'expected'),
    [
        ({}, (1, 1)),
        ({'SLURM_NTASKS': '1'}, (1, 1)),
        ({'SLURM_NTASKS': '8', 'SLURM_NTASKS_PER_NODE': '4'}, (4, 2)),
        ({'SLURM_NTASKS': '8'}, None),
        ({'SLURM_NTASKS': '8', 'SLURM_NTASKS_PER_NODE': '3'}, None),
        ({'TORCHELASTIC_RUN_ID': 'x', 'WORLD_SIZE': '6', 'LOCAL_WORLD_SIZE': '2'}, (2, 3)),
        ({'TORCHELASTIC_RUN_ID': 'x', 'WORLD_SIZE': '6', 'LOCAL_WORLD_SIZE': '4'}, None),
    ],
)
def test_the_launcher_says_how_many_processes_there_are(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], expected: tuple[int, int] | None
) -> None:
    """torchrun, SLURM or neither."""
    for name in list(os.environ):
        if name.startswith(('SLURM_', 'TORCHELASTIC_')):
            monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    if expected is None:
        with pytest.raises(ConfigError, match='the same number on every machine'):
            launched_processes()
    else:
        assert launched_processes() == expected


def test_synchronised_norms_keep_the_activation_that_they_carry() -> None:
    """As on several GPUs; the names of the weights stay, so checkpoints fit."""
    import torch
    from timm.layers import convert_sync_batchnorm

    from hiseg_ros.model.backbone import TimmBackbone

    backbone = TimmBackbone('efficientnet_lite0').eval()
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        plain = backbone(images)[-1]
        converted = convert_sync_batchnorm(backbone).eval()
        found = converted(images)[-1]
    assert any(isinstance(m, torch.nn.SyncBatchNorm) for m in converted.modules())
    torch.testing.assert_close(found, plain)
    assert set(converted.state_dict()) == set(TimmBackbone('efficientnet_lite0').state_dict())
